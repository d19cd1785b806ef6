//! The client: accepts TCP connections and opens a KCP stream for each.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future;
use smol::Task;

use super::backoff::Backoff;
use super::connect::{connect, reject_incoming, say_if_unheard};
use super::context::TunnelContext;
use super::link::{link, LinkHandle};
use super::listen::listen;
use super::relay::{relay, Kcp, RelayError, Tcp};
use super::udp::{self, UdpListener};
use super::HostPort;
use smol_kcp::{KcpEndpoint, KcpError};

/// Waiting times before accepting again after it failed, mostly for want of descriptors: these come
/// back at any moment.
const ACCEPTING: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// Listens for connections and datagrams, and has the link to the server.
pub(super) struct ClientListener {
    /// `None`: it takes datagrams only.
    listener: Option<Async<TcpListener>>,
    udp: Option<UdpListener>,
    endpoint: KcpEndpoint,
    link: LinkHandle,
    _reconnecting: Task<()>,
}

/// Binds what is not bound yet: `udp` is.
pub(super) fn open(
    context: &TunnelContext,
    server: &HostPort,
    udp: Option<UdpListener>,
) -> io::Result<ClientListener> {
    let settings = context.settings();
    let (mut listener, mut addr) = (None, None);
    if settings.listen.is_some() {
        let bound = listen(context.listen_addr()?)?;
        addr = Some(bound.get_ref().local_addr()?);
        listener = Some(bound);
    }
    let kcp = &settings.kcp;
    let (transport, reconnector, handle) =
        link(server.clone(), kcp.clone(), Rc::clone(&context.health));
    let budget = context.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(kcp.clone(), transport, budget)?;
    context.bound(addr, endpoint.clone(), driver);
    let reconnecting =
        context.runtime.spawn(reconnector.run(context.runtime.clone(), endpoint.clone()));
    if let Some(udp) = &udp {
        context.udp_addr.set(Some(udp.local_addr()?));
    }
    Ok(ClientListener { listener, udp, endpoint, link: handle, _reconnecting: reconnecting })
}

/// Accepts until the driver ends.
pub(super) async fn accept(context: &Rc<TunnelContext>, open: ClientListener) -> KcpError {
    let accepting = async {
        let Some(listener) = &open.listener else { return future::pending().await };
        let mut retries = ACCEPTING;
        loop {
            match listener.accept().await {
                Ok((tcp, from)) if !context.has_room() => {
                    context.incoming_rejected(&from);
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
    let carrying = async {
        let Some(udp) = &open.udp else { return future::pending().await };
        let mut retries = ACCEPTING;
        loop {
            let error = udp::carry(context, udp, &open.endpoint, &open.link).await;
            log::warn!("{}: taking datagrams: {error}", context.name);
            Timer::after(retries.next(fastrand::u8(..))).await;
        }
    };
    let ended = async {
        context.driver_ended().await;
        KcpError::Closed
    };
    future::or(future::or(accepting, carrying), ended).await
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
    match Box::pin(connect(&context, &endpoint, &link, || None)).await {
        Ok(stream) => {
            log::debug!("{}: {from} is stream {:08x}", context.name, stream.conv());
            drop((endpoint, link));
            let relayed = relay(&context.runtime, tcp, Kcp::new(stream, None)).await;
            relayed.inspect_err(|error| say_if_unheard(&context, from, error, "target"))
        }
        Err(error) => {
            reject_incoming(&context, from, &error);
            Err(RelayError::Kcp(error.into()))
        }
    }
}
