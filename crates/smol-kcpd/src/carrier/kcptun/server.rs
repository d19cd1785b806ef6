//! The server: accepts sessions, and opens a TCP connection to its target for each of their streams.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_lite::future;
use smol_kcp::{KcpEndpoint, KcpError, KcpListener, KcpStream, UdpTransport};

use super::carriage::Carriage;
use super::layers::Layers;
use crate::context::TunnelContext;
use crate::relay::{relay, Kcp, RelayError};
use crate::server::open_target;
use crate::{HostPort, Role};

/// Listens at one port, or at each of a range.
pub(crate) struct KcptunServer {
    transports: Vec<UdpTransport>,
}

impl std::fmt::Debug for KcptunServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KcptunServer").field("ports", &self.transports.len()).finish()
    }
}

impl KcptunServer {
    pub(super) fn open(context: &TunnelContext) -> io::Result<KcptunServer> {
        let settings = context.settings();
        let addr = context.listen_addr()?;
        let ports = settings.kcptun.as_ref().and_then(|kcptun| kcptun.ports);
        let addrs: Vec<SocketAddr> = match ports {
            Some(ports) => ports.ports().map(|port| SocketAddr::new(addr.ip(), port)).collect(),
            None => vec![addr],
        };
        let bind = |addr| {
            let bound = UdpTransport::bind(&settings.kcp, addr);
            bound.map_err(|error| io::Error::new(error.kind(), format!("{addr}: {error}")))
        };
        let transports = addrs.into_iter().map(bind).collect::<io::Result<Vec<_>>>()?;
        let first = transports.first().map(smol_kcp::Transport::local_addr).transpose()?;
        context.local_addr.set(first);
        Ok(KcptunServer { transports })
    }

    /// Accepts until a socket fails.
    pub(super) async fn accept(self, context: &Rc<TunnelContext>) -> KcpError {
        let Some(layers) = Layers::new(context).await else { return KcpError::Closed };
        let layers = Rc::new(layers);
        let (failing, failed) = async_channel::bounded(1);
        let mut tasks = Vec::new();
        for transport in self.transports {
            let (context_, layers) = (Rc::clone(context), Rc::clone(&layers));
            let failing = failing.clone();
            tasks.push(context.runtime.spawn(async move {
                let error = accept_at(&context_, &layers, transport).await;
                let _ = failing.try_send(error); // full: one is enough
            }));
        }
        failed.recv().await.unwrap_or(KcpError::Closed)
    }
}

/// Accepts the sessions of one port.
async fn accept_at(
    context: &Rc<TunnelContext>,
    layers: &Rc<Layers>,
    transport: UdpTransport,
) -> KcpError {
    let budget = context.runtime.memory_budget();
    let (endpoint, driver) = match KcpEndpoint::with_budget(layers.kcp.clone(), transport, budget) {
        Ok(made) => made,
        Err(error) => return error,
    };
    let listener: KcpListener = endpoint.listen();
    let _running = context.run_endpoint(endpoint, driver);
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let session = serve_session(Rc::clone(context), Rc::clone(layers), stream, from);
                context.runtime.spawn(session).detach();
            }
            Err(error) => return error,
        }
    }
}

/// Serves the streams of one session, until it has ended and they have.
async fn serve_session(
    context: Rc<TunnelContext>,
    layers: Rc<Layers>,
    stream: KcpStream,
    from: SocketAddr,
) {
    let name = format!("{}: session {:08x} with {from}", context.name, stream.conv());
    log::debug!("{name} is open");
    let carriage = Carriage::new(stream, layers.compression);
    let (session, driver) = match smol_smux::Session::server(carriage, layers.smux.clone()) {
        Ok(made) => made,
        Err(error) => return log::error!("{name}: {error}"),
    };
    let accepting = async {
        while let Ok(stream) = session.accept().await {
            // Dropped, it is closed.
            if context.is_ending() {
                continue;
            }
            if !context.has_room() {
                context.incoming_rejected(&from);
                continue;
            }
            let settings = context.settings();
            let Role::Server { target: Some(target) } = &settings.role else { return };
            context.serve(serve(Rc::clone(&context), target.clone(), stream, from));
        }
        future::pending::<()>().await;
    };
    let cut = async {
        context.was_cut().await;
        Ok(())
    };
    let accepting = async {
        accepting.await;
        Ok(())
    };
    match future::or(driver, future::or(cut, accepting)).await {
        Ok(()) => log::debug!("{name} has ended"),
        // Mostly silence: kcptun has no other sign of an end.
        Err(error) => log::debug!("{name} has ended: {error}"),
    }
}

async fn serve(
    context: Rc<TunnelContext>,
    target: HostPort,
    stream: smol_smux::Stream,
    from: SocketAddr,
) -> Result<(), RelayError> {
    let name = &context.name;
    let tcp = match open_target(&context, &target).await {
        Ok(tcp) => tcp,
        Err(error) => {
            log::warn!("{name}: target {target} of {from}: {error}");
            return Err(RelayError::Tcp(error));
        }
    };
    log::debug!("{name}: stream {} of {from} is connected to {target}", stream.id());
    let settings = context.settings();
    let close_wait = settings.kcptun.as_ref().map(|kcptun| kcptun.close_wait).unwrap_or_default();
    relay(&context.runtime, tcp, Kcp::smux(stream, close_wait)).await
}
