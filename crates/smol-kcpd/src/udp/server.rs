//! The server: takes conversations that carry datagrams, and opens a socket to the target for each.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;

use async_io::Async;
use smol_kcp::KcpStream;

use super::relay::{relay, Near, OpenSource};
use super::target::Target;
use crate::clients::Peer;
use crate::context::TunnelContext;
use crate::health::Concern;
use crate::relay::RelayError;
use crate::runtime::within;
use crate::{HostPort, UdpSettings};

/// Carries the datagrams of one source.
pub(crate) async fn serve(
    context: Rc<TunnelContext>,
    settings: UdpSettings,
    stream: KcpStream,
    from: Peer,
) -> Result<(), RelayError> {
    let mut open = OpenSource::new(&context);
    let name = &context.name;
    let (_open, counters) = context.clients.count(&from);
    let target = match Box::pin(open_target(&context, &settings.at)).await {
        Ok(target) => target,
        Err(error) => {
            let at = &settings.at;
            log::warn!("{name}: udp_target {at} of {from}: {error}");
            context.health.failed(Concern::UdpTarget, format_args!("udp_target {at}: {error}"));
            counters.iter().for_each(|counters| counters.failed());
            open.fail(0);
            stream.abort();
            return Err(RelayError::Tcp(error));
        }
    };
    log::debug!("{name}: datagrams of {from} go to {}", settings.at);
    let near = Near::Target(Target::new(target, settings.at, Rc::clone(&context.health)));
    let carried = relay(open, near, stream, settings.timeout, counters).await?;
    log::debug!("{name}: datagrams of {from} have ended: {carried:?}");
    Ok(())
}

async fn open_target(context: &TunnelContext, target: &HostPort) -> io::Result<Async<UdpSocket>> {
    let limit = context.settings().target_timeout;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no address in {limit:?}"));
    let addrs =
        within(limit, context.runtime.resolve(target)).await.unwrap_or_else(|| Err(late()))?;
    let mut failed = None;
    for addr in addrs {
        let any: SocketAddr = match addr {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // Connected, it hears of nobody else; and of a family that is missing here.
        match UdpSocket::bind(any).and_then(|socket| socket.connect(addr).map(|()| socket)) {
            Ok(socket) => return Async::new(socket),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(late))
}
