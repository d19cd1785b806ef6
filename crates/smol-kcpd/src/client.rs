//! The end that accepts TCP connections.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future;
use smol::Task;

use super::backoff::Backoff;
use super::link::{link, LinkHandle, SERVER};
use super::listen::listen;
use super::relay::{relay, Kcp, RelayError, Tcp};
use super::runtime::{now, within};
use super::tunnel::Shared;
use super::{is_perf_conv, HostPort};
use smol_kcp::{KcpEndpoint, KcpError, KcpStream};

/// How long a connection waits for a server that cannot be reached, where `connect_timeout` does
/// not say: a browser's user waits no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Waiting times before a refused connection is tried again: a server that restarts needs less.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Waiting times before accepting again after it failed, mostly since there were no descriptors left:
/// these come back at any moment.
const ACCEPTING: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// How long a connection waits for one of the sessions that either end may have: those that are
/// closing still count among them.
const ROOM: Duration = Duration::from_secs(1);

/// Where the client listens, and its way to the server.
pub(super) struct ClientListener {
    listener: Async<TcpListener>,
    endpoint: KcpEndpoint,
    link: LinkHandle,
    _reconnecting: Task<()>,
}

pub(super) fn open(shared: &Shared, server: &HostPort) -> io::Result<ClientListener> {
    let listener = listen(shared.listen_addr()?)?;
    let addr = listener.get_ref().local_addr()?;
    let kcp = &shared.settings.kcp;
    let (transport, reconnector, handle) = link(server.clone(), kcp.clone());
    let budget = shared.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(kcp.clone(), transport, budget)?;
    shared.bound(addr, endpoint.clone(), driver);
    let reconnecting =
        shared.runtime.spawn(reconnector.run(shared.runtime.clone(), endpoint.clone()));
    Ok(ClientListener { listener, endpoint, link: handle, _reconnecting: reconnecting })
}

/// Accepts until the driver ends.
pub(super) async fn accept(shared: &Rc<Shared>, open: ClientListener) -> KcpError {
    let accepting = async {
        let mut retries = ACCEPTING;
        loop {
            match open.listener.accept().await {
                Ok((tcp, from)) if !shared.has_room() => {
                    shared.turned_away(from);
                    drop(Tcp::new(tcp)); // which resets it
                    future::yield_now().await;
                }
                Ok((tcp, from)) => {
                    retries.reset();
                    let (shared_, endpoint, link) =
                        (Rc::clone(shared), open.endpoint.clone(), open.link.clone());
                    let connection = serve(shared_, tcp, from, endpoint, link);
                    shared.serve(connection);
                }
                Err(error) => {
                    log::warn!("{}: accepting: {error}", shared.settings.name);
                    Timer::after(retries.next(fastrand::u8(..))).await;
                }
            }
        }
    };
    let ended = async {
        shared.driver_ended().await;
        KcpError::Closed
    };
    future::or(accepting, ended).await
}

async fn serve(
    shared: Rc<Shared>,
    tcp: Async<TcpStream>,
    from: SocketAddr,
    endpoint: KcpEndpoint,
    link: LinkHandle,
) -> Result<(), RelayError> {
    let tcp = Tcp::new(tcp);
    match connect(&shared, &endpoint, &link).await {
        Ok(stream) => {
            log::debug!("{}: {from} is stream {:08x}", shared.settings.name, stream.conv());
            drop((endpoint, link));
            relay(&shared.runtime, tcp, Kcp::new(stream)).await
        }
        Err(error) => {
            let name = &shared.settings.name;
            let what = format_args!("{name}: {from} is turned away: {error}");
            match has_no_room(&error) {
                true => shared.no_room.reached(what),
                false => log::warn!("{what}"),
            }
            Err(RelayError::Kcp(error.into()))
        }
    }
}

/// Has one of the two ends as many streams as it may?
fn has_no_room(error: &KcpError) -> bool {
    matches!(error, KcpError::TooManySessions { .. } | KcpError::NoRoom)
}

/// Opens a stream to the server, within `connect_timeout`, in as many attempts as it takes.
async fn connect(
    shared: &Shared,
    endpoint: &KcpEndpoint,
    link: &LinkHandle,
) -> Result<KcpStream, KcpError> {
    let limit = shared.settings.kcp.connect_timeout.unwrap_or(CONNECT_WAIT);
    let attempts = async {
        link.up().await;
        let (mut attempts, began) = (ATTEMPTS, now());
        loop {
            match endpoint.connect(SERVER).await {
                // The server would take it for a measurement.
                Ok(stream) if is_perf_conv(stream.conv()) => {
                    stream.abort();
                    continue;
                }
                Ok(stream) => return Ok(stream),
                Err(error @ (KcpError::Closed | KcpError::Io(_))) => return Err(error),
                Err(error) if has_no_room(&error) => {
                    if began.elapsed() >= ROOM {
                        return Err(error);
                    }
                }
                Err(error) => {
                    log::debug!("{}: connecting: {error}", shared.settings.name);
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
