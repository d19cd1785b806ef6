//! A stream to the server, for a connection or a source of datagrams.

use std::time::Duration;

use async_io::Timer;

use super::backoff::Backoff;
use super::context::TunnelContext;
use super::health::Concern;
use super::link::{LinkHandle, SERVER};
use super::runtime::{now, within};
use smol_kcp::{KcpEndpoint, KcpError, KcpStream};

/// Time that a connection waits for a server that cannot be reached, without `connect_timeout`: a
/// browser's user waits no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Waiting times before a refused connection is tried again: a server's restart takes less.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Time that a connection waits for room among the sessions of either end: those that are closing
/// still count.
const ROOM: Duration = Duration::from_secs(1);

/// Returns whether one of the two ends has as many streams as it may.
pub(super) fn has_no_room(error: &KcpError) -> bool {
    matches!(error, KcpError::TooManySessions { .. } | KcpError::NoRoom)
}

/// Opens a stream to the server under a number that `draw` gives, within `connect_timeout`, in as many
/// attempts as it takes.
pub(super) async fn connect(
    context: &TunnelContext,
    endpoint: &KcpEndpoint,
    link: &LinkHandle,
    draw: fn() -> u32,
) -> Result<KcpStream, KcpError> {
    let limit = context.settings().kcp.connect_timeout.unwrap_or(CONNECT_WAIT);
    let attempts = async {
        link.up().await;
        let (mut attempts, began) = (ATTEMPTS, now());
        loop {
            match endpoint.connect_to(SERVER, Some(draw())).await {
                Ok(stream) => {
                    context.health.works(Concern::Server);
                    return Ok(stream);
                }
                Err(KcpError::ConvInUse { .. }) => {}
                Err(error @ (KcpError::Closed | KcpError::Io(_))) => return Err(error),
                Err(error) if has_no_room(&error) => {
                    if began.elapsed() >= ROOM {
                        return Err(error);
                    }
                }
                Err(error) => {
                    log::debug!("{}: connecting: {error}", context.name);
                    link.notify_failure();
                }
            }
            Timer::after(attempts.next(fastrand::u8(..))).await;
        }
    };
    match within(limit, attempts).await {
        Some(result) => result,
        None => {
            link.notify_failure();
            Err(KcpError::TimedOut)
        }
    }
}
