//! The server: accepts KCP streams and opens a TCP connection to its target for each.

use std::io;
use std::net::TcpStream;
use std::rc::Rc;

use async_io::Async;

use super::clients::Peer;
use super::context::TunnelContext;
use super::health::Concern;
use super::perf::PerfServer;
use super::relay::{relay, Kcp, RelayError, Tcp};
use super::runtime::within;
use super::udp;
use super::{is_perf_conv, HostPort, Role, UdpSettings};
use smol_kcp::{happy_eyeballs, KcpEndpoint, KcpError, KcpListener, KcpStream, UdpTransport};

pub(super) fn open(context: &TunnelContext) -> io::Result<KcpListener> {
    // Each stream is a connection. The library divides them among the peers.
    let places = context.settings().max_connections;
    let kcp = context.settings().kcp.clone().with_max_accepted(Some(places));
    let transport = UdpTransport::bind(&kcp, context.listen_addr()?)?;
    let budget = context.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(kcp, transport, budget)?;
    let listener = endpoint.listen();
    context.bound(Some(endpoint.local_addr()?), endpoint, driver);
    Ok(listener)
}

/// Accepts until the driver ends.
pub(super) async fn accept(context: &Rc<TunnelContext>, listener: KcpListener) -> KcpError {
    let name = &context.name;
    let perf_server = Rc::new(PerfServer::new());
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        let settings = context.settings();
        let from = Peer { name: stream.peer_name(), addr };
        let Role::Server { target } = &settings.role else { return KcpError::Closed };
        // A client that was removed meanwhile has lost its key, its name and with it its target.
        if settings.kcp.secure.is_some() && stream.peer_key().is_none() {
            stream.abort();
            continue;
        }
        let measures = is_perf_conv(stream.conv());
        let own = from.name.as_ref().and_then(|client| settings.keys.target_of(client));
        if UdpSettings::CONVS.contains(&stream.conv()) {
            match settings.udp.clone() {
                // It gets to one place only, and that is not this one.
                Some(udp) if own.is_none() && context.has_room() => {
                    context.serve(udp::serve(Rc::clone(context), udp, stream, from));
                }
                Some(_) if own.is_none() => {
                    context.incoming_rejected(&from);
                    stream.abort();
                }
                _ => context.refuse(stream, &from, "udp_target"),
            }
            continue;
        }
        if measures && !settings.perf {
            log::debug!("{name}: {from} wants to measure, and perf is off");
            stream.abort();
        } else if !context.has_room() {
            context.incoming_rejected(&from);
            stream.abort();
        } else if measures {
            let measurement = measure(Rc::clone(context), Rc::clone(&perf_server), stream, from);
            context.serve(measurement);
        } else {
            match own.or(target.as_ref()) {
                Some(target) => {
                    context.serve(serve(Rc::clone(context), target.clone(), stream, from));
                }
                None => context.refuse(stream, &from, "target"),
            }
        }
    }
}

async fn measure(
    context: Rc<TunnelContext>,
    perf_server: Rc<PerfServer>,
    stream: KcpStream,
    from: Peer,
) -> Result<(), RelayError> {
    let name = &context.name;
    log::info!("{name}: {from} measures");
    let measured = perf_server.answer(stream, &context.settings().kcp).await;
    let measured = measured.map_err(|error| RelayError::Kcp(error.into()))?;
    log::info!("{name}: {from} has measured: {measured}");
    Ok(())
}

async fn serve(
    context: Rc<TunnelContext>,
    target: HostPort,
    stream: KcpStream,
    from: Peer,
) -> Result<(), RelayError> {
    let name = &context.name;
    let (_open, counters) = context.clients.count(&from);
    let kcp = Kcp::new(stream, counters.clone());
    // In a box of its own, since a future is as large for all its life as its largest part.
    let served = match Box::pin(open_target(&context, &target)).await {
        Ok(tcp) => {
            log::debug!("{name}: {from} is connected to {target}");
            relay(&context.runtime, tcp, kcp).await
        }
        Err(error) => {
            log::warn!("{name}: target {target} of {from}: {error}");
            Err(RelayError::Tcp(error))
        }
    };
    if let (Err(error), Some(counters)) = (&served, &counters) {
        counters.failed();
        log::debug!("{name}: {from}: {error}");
    }
    served
}

/// Connects to the target. Of several addresses behind a name, the first that answers is taken.
pub(super) async fn open_target(context: &TunnelContext, target: &HostPort) -> io::Result<Tcp> {
    let limit = context.settings().target_timeout;
    let open = async {
        let addrs = context.runtime.resolve(target).await?;
        let (_, stream) = happy_eyeballs(&addrs, Async::<TcpStream>::connect).await?;
        io::Result::Ok(Tcp::new(stream))
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("not open after {limit:?}"));
    let opened = within(limit, open).await.unwrap_or_else(|| Err(late()));
    match &opened {
        Ok(_) => context.health.works(Concern::Target),
        Err(error) => {
            context.health.failed(Concern::Target, format_args!("target {target}: {error}"));
        }
    }
    opened
}
