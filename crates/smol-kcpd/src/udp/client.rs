//! The client: takes datagrams, and opens a conversation for each source.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;

use async_io::Async;
use futures_lite::future;
use smol_kcp::{bind_all, KcpEndpoint};
use socket2::{Domain, Protocol, Socket, Type};

use super::relay::{relay, Near, OpenSource};
use super::sources::{Given, Sources};
use super::target::BATCH;
use crate::connect::{connect, reject_incoming, say_if_unheard};
use crate::context::TunnelContext;
use crate::link::LinkHandle;
use crate::relay::RelayError;
use crate::runtime::{now, DATAGRAM};
use crate::udp_stats::Dropped;
use crate::UdpSettings;

/// The socket at which datagrams are taken.
pub(crate) struct UdpListener {
    socket: Rc<Async<UdpSocket>>,
    settings: UdpSettings,
}

/// Binds the socket, where the tunnel has one.
pub(crate) fn open(settings: Option<&UdpSettings>) -> io::Result<Option<UdpListener>> {
    let Some(settings) = settings else { return Ok(None) };
    let (socket, _) = bind_all(settings.at.bind_addr()?, |addr| {
        Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))
    })?;
    let socket = Rc::new(Async::new(socket.into())?);
    Ok(Some(UdpListener { socket, settings: settings.clone() }))
}

impl UdpListener {
    /// Returns where it takes datagrams.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }
}

/// Takes datagrams for ever.
pub(crate) async fn carry(
    context: &Rc<TunnelContext>,
    listener: &UdpListener,
    endpoint: &KcpEndpoint,
    link: &LinkHandle,
) -> io::Error {
    let UdpListener { socket, settings } = listener;
    let mut sources = Sources::new(settings.sources);
    let mut buf = vec![0; DATAGRAM];
    let mut turn = 0;
    loop {
        turn = (turn + 1) % BATCH;
        if turn == 0 {
            future::yield_now().await; // conversations take what waits for them
        }
        let (n, from) = match socket.recv_from(&mut buf).await {
            Ok(received) => received,
            // Of a source that has closed its port.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return error,
        };
        match sources.give(from, buf.get(..n).unwrap_or_default(), now()) {
            Given::Taken => {}
            Given::Dropped => context.udp.dropped(Dropped::Room, 1),
            Given::New(_) if !context.has_room() => {
                context.udp.dropped(Dropped::Room, 1);
                context.incoming_rejected(&from);
            }
            Given::New(datagrams) => {
                let socket = Rc::clone(socket);
                let timeout = settings.timeout;
                let (context_, endpoint, link) =
                    (Rc::clone(context), endpoint.clone(), link.clone());
                let mut open = OpenSource::new(context);
                context.serve(async move {
                    let draw = || Some(fastrand::u32(UdpSettings::CONVS));
                    let connecting = Box::pin(connect(&context_, &endpoint, &link, draw));
                    let stream = connecting.await.map_err(|error| {
                        reject_incoming(&context_, from, &error);
                        open.fail(datagrams.len());
                        RelayError::Kcp(error.into())
                    })?;
                    log::debug!(
                        "{}: datagrams of {from} are stream {:08x}",
                        context_.name,
                        stream.conv()
                    );
                    drop((endpoint, link));
                    let near = Near::source(socket, from, datagrams);
                    let carried = relay(open, near, stream, timeout, None).await;
                    let carried = carried.inspect_err(|error| {
                        say_if_unheard(&context_, from, error, "udp_target");
                    })?;
                    log::debug!("{}: datagrams of {from} have ended: {carried:?}", context_.name);
                    Ok(())
                });
            }
        }
    }
}
