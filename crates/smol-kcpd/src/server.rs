//! The end that opens TCP connections to its target.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

use async_io::Async;

use super::perf::PerfServer;
use super::relay::{relay, Kcp, RelayError, Tcp};
use super::runtime::within;
use super::tunnel::Shared;
use super::{is_perf_conv, HostPort, Role};
use smol_kcp::{happy_eyeballs, KcpEndpoint, KcpError, KcpListener, KcpStream, UdpTransport};

pub(super) fn open(shared: &Shared) -> io::Result<KcpListener> {
    // The library shares out the places among those who come; each stream is a connection.
    let places = shared.settings.max_connections;
    let kcp = shared.settings.kcp.clone().with_max_accepted(Some(places));
    let transport = UdpTransport::bind(&kcp, shared.listen_addr()?)?;
    let budget = shared.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(kcp, transport, budget)?;
    let listener = endpoint.listen();
    shared.bound(endpoint.local_addr(), endpoint, driver);
    Ok(listener)
}

/// Accepts until the driver ends.
pub(super) async fn accept(shared: &Rc<Shared>, listener: KcpListener) -> KcpError {
    let name = &shared.settings.name;
    let perf_server = Rc::new(PerfServer::new());
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        let Role::Server { target } = &shared.settings.role else { return KcpError::Closed };
        let measures = is_perf_conv(stream.conv());
        if measures && !shared.settings.perf {
            log::debug!("{name}: {from} wants to measure, and perf is off");
            stream.abort();
        } else if !shared.has_room() {
            shared.turned_away(from);
            stream.abort();
        } else if measures {
            let measurement = measure(Rc::clone(shared), Rc::clone(&perf_server), stream, from);
            shared.serve(measurement);
        } else {
            let connection = serve(Rc::clone(shared), target.clone(), stream, from);
            shared.serve(connection);
        }
    }
}

async fn measure(
    shared: Rc<Shared>,
    perf_server: Rc<PerfServer>,
    stream: KcpStream,
    from: SocketAddr,
) -> Result<(), RelayError> {
    let name = &shared.settings.name;
    log::info!("{name}: {from} measures");
    let measured = perf_server.answer(stream, &shared.settings.kcp).await;
    let measured = measured.map_err(|error| RelayError::Kcp(error.into()))?;
    log::info!("{name}: {from} has measured: {measured}");
    Ok(())
}

async fn serve(
    shared: Rc<Shared>,
    target: HostPort,
    stream: KcpStream,
    from: SocketAddr,
) -> Result<(), RelayError> {
    let name = &shared.settings.name;
    let kcp = Kcp::new(stream);
    match open_target(&shared, &target).await {
        Ok(tcp) => {
            log::debug!("{name}: {from} is connected to {target}");
            relay(&shared.runtime, tcp, kcp).await
        }
        Err(error) => {
            log::warn!("{name}: target {target}: {error}");
            Err(RelayError::Tcp(error))
        }
    }
}

/// Of several addresses behind a name, the first that answers is taken.
async fn open_target(shared: &Shared, target: &HostPort) -> io::Result<Tcp> {
    let limit = shared.settings.target_timeout;
    let open = async {
        let addrs = shared.runtime.resolve(target).await?;
        let (_, stream) = happy_eyeballs(&addrs, Async::<TcpStream>::connect).await?;
        io::Result::Ok(Tcp::new(stream))
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("not open after {limit:?}"));
    within(limit, open).await.unwrap_or_else(|| Err(late()))
}
