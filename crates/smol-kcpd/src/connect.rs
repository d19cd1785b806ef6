//! A stream to the server, for a connection or a source of datagrams.

use std::net::SocketAddr;
use std::time::Duration;

use async_io::Timer;

use super::backoff::Backoff;
use super::context::TunnelContext;
use super::health::Concern;
use super::keys::NO_ANSWER;
use super::link::{LinkHandle, SERVER};
use super::relay::RelayError;
use super::runtime::{now, within};
use super::{is_perf_conv, UdpSettings};
use smol_kcp::{KcpEndpoint, KcpError, KcpStream};

/// Time that a connection waits for a server that cannot be reached, without `connect_timeout`: a
/// browser's user waits no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Waiting times before a refused connection is tried again: a server's restart takes less.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Time that a connection waits for room among the sessions of either end: those that are closing
/// still count.
const ROOM: Duration = Duration::from_secs(1);

/// Returns whether a conversation of this number is no connection.
fn is_reserved(conv: u32) -> bool {
    is_perf_conv(conv) || UdpSettings::CONVS.contains(&conv)
}

/// Notes that no stream could be opened for whoever came from there.
pub(super) fn reject_incoming(context: &TunnelContext, from: SocketAddr, error: &KcpError) {
    let name = &context.name;
    match error {
        // A server answers nobody whose keys do not fit its own.
        KcpError::TimedOut if context.settings().kcp.secure.is_some() => {
            log::warn!("{name}: {from} is turned away: {NO_ANSWER}");
            context.health.failed(Concern::Server, NO_ANSWER);
        }
        error if has_no_room(error) => {
            let what = format_args!("{name}: {from} is turned away: {error}");
            context.no_room.reached(what);
            context.health.failed(Concern::Room, error);
        }
        error => {
            log::warn!("{name}: {from} is turned away: {error}");
            context.health.failed(Concern::Server, format_args!("server: {error}"));
        }
    }
}

/// Says of a stream that the server ended before it sent anything what the reason may be: the stream has no words for it.
pub(super) fn say_if_unheard(
    context: &TunnelContext,
    from: SocketAddr,
    error: &RelayError,
    target: &str,
) {
    if matches!(error, RelayError::Unheard) {
        let name = &context.name;
        log::warn!(
            "{name}: {from} was reset before the server sent anything: has it a {target}, and does \
             it reach it?"
        );
    }
}

/// Returns whether one of the two ends has as many streams as it may.
fn has_no_room(error: &KcpError) -> bool {
    matches!(error, KcpError::TooManySessions { .. } | KcpError::NoRoom)
}

/// Opens a stream to the server under a number that `draw` gives, or else under one that means nothing, within `connect_timeout`, in as many
/// attempts as it takes.
pub(super) async fn connect(
    context: &TunnelContext,
    endpoint: &KcpEndpoint,
    link: &LinkHandle,
    draw: fn() -> Option<u32>,
) -> Result<KcpStream, KcpError> {
    let limit = context.settings().kcp.connect_timeout.unwrap_or(CONNECT_WAIT);
    let attempts = async {
        link.up().await;
        let (mut attempts, began) = (ATTEMPTS, now());
        loop {
            let conv = draw();
            match endpoint.connect_to(SERVER, conv).await {
                // The server would take the stream for something else.
                Ok(stream) if conv.is_none() && is_reserved(stream.conv()) => {
                    stream.abort();
                    continue;
                }
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
