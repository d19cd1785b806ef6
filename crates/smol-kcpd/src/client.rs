//! The client: accepts TCP connections and opens a KCP stream for each.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future;
use smol::Task;

use super::backoff::Backoff;
use super::context::TunnelContext;
use super::keys::NO_ANSWER;
use super::link::{link, LinkHandle, SERVER};
use super::listen::listen;
use super::relay::{relay, Kcp, RelayError, Tcp};
use super::runtime::{now, within};
use super::{is_perf_conv, HostPort};
use smol_kcp::{KcpEndpoint, KcpError, KcpStream};

/// Time that a connection waits for a server that cannot be reached, without `connect_timeout`: a
/// browser's user waits no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Waiting times before a refused connection is tried again: a server's restart takes less.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Waiting times before accepting again after it failed, mostly for want of descriptors: these come
/// back at any moment.
const ACCEPTING: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// Time that a connection waits for room among the sessions of either end: those that are closing
/// still count.
const ROOM: Duration = Duration::from_secs(1);

/// Listens for connections, and has the link to the server.
pub(super) struct ClientListener {
    listener: Async<TcpListener>,
    endpoint: KcpEndpoint,
    link: LinkHandle,
    _reconnecting: Task<()>,
}

pub(super) fn open(context: &TunnelContext, server: &HostPort) -> io::Result<ClientListener> {
    let listener = listen(context.listen_addr()?)?;
    let addr = listener.get_ref().local_addr()?;
    let kcp = &context.settings().kcp;
    let (transport, reconnector, handle) = link(server.clone(), kcp.clone());
    let budget = context.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(kcp.clone(), transport, budget)?;
    context.bound(addr, endpoint.clone(), driver);
    let reconnecting =
        context.runtime.spawn(reconnector.run(context.runtime.clone(), endpoint.clone()));
    Ok(ClientListener { listener, endpoint, link: handle, _reconnecting: reconnecting })
}

/// Accepts until the driver ends.
pub(super) async fn accept(context: &Rc<TunnelContext>, open: ClientListener) -> KcpError {
    let accepting = async {
        let mut retries = ACCEPTING;
        loop {
            match open.listener.accept().await {
                Ok((tcp, from)) if !context.has_room() => {
                    context.turned_away(&from);
                    drop(Tcp::new(tcp)); // which resets it
                    future::yield_now().await;
                }
                Ok((tcp, from)) => {
                    retries.reset();
                    let (context_, endpoint, link) =
                        (Rc::clone(context), open.endpoint.clone(), open.link.clone());
                    let connection = serve(context_, tcp, from, endpoint, link);
                    context.serve(connection);
                }
                Err(error) => {
                    log::warn!("{}: accepting: {error}", context.name);
                    Timer::after(retries.next(fastrand::u8(..))).await;
                }
            }
        }
    };
    let ended = async {
        context.driver_ended().await;
        KcpError::Closed
    };
    future::or(accepting, ended).await
}

async fn serve(
    context: Rc<TunnelContext>,
    tcp: Async<TcpStream>,
    from: SocketAddr,
    endpoint: KcpEndpoint,
    link: LinkHandle,
) -> Result<(), RelayError> {
    let tcp = Tcp::new(tcp);
    // In a box of its own, since a future is as large for all its life as its largest part.
    match Box::pin(connect(&context, &endpoint, &link)).await {
        Ok(stream) => {
            log::debug!("{}: {from} is stream {:08x}", context.name, stream.conv());
            drop((endpoint, link));
            relay(&context.runtime, tcp, Kcp::new(stream, None)).await
        }
        Err(error) => {
            let name = &context.name;
            match &error {
                // A server answers nobody whose keys do not fit its own.
                KcpError::TimedOut if context.settings().kcp.secure.is_some() => {
                    log::warn!("{name}: {from} is turned away: {NO_ANSWER}");
                }
                error if has_no_room(error) => {
                    let what = format_args!("{name}: {from} is turned away: {error}");
                    context.no_room.reached(what);
                }
                error => log::warn!("{name}: {from} is turned away: {error}"),
            }
            Err(RelayError::Kcp(error.into()))
        }
    }
}

/// Returns whether one of the two ends has as many streams as it may.
fn has_no_room(error: &KcpError) -> bool {
    matches!(error, KcpError::TooManySessions { .. } | KcpError::NoRoom)
}

/// Opens a stream to the server, within `connect_timeout`, in as many attempts as it takes.
async fn connect(
    context: &TunnelContext,
    endpoint: &KcpEndpoint,
    link: &LinkHandle,
) -> Result<KcpStream, KcpError> {
    let limit = context.settings().kcp.connect_timeout.unwrap_or(CONNECT_WAIT);
    let attempts = async {
        link.up().await;
        let (mut attempts, began) = (ATTEMPTS, now());
        loop {
            match endpoint.connect(SERVER).await {
                // The server would take the stream for a measurement.
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
