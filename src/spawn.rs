//! The only room that names smol's executor and its resolver.

use std::net::SocketAddr;

use super::driver::Driver;
use super::transport::check_port;
use crate::KcpError;

pub use smol::net::AsyncToSocketAddrs;

/// Runs a driver on smol's global executor until it has nothing left to do.
pub(super) fn spawn(driver: Driver) {
    smol::spawn(async move {
        if let Err(error) = driver.await {
            log::debug!("the driver ended: {error}");
        }
    })
    .detach();
}

/// The addresses behind a name, at least one.
pub(super) async fn resolve(addr: impl AsyncToSocketAddrs) -> Result<Vec<SocketAddr>, KcpError> {
    let addrs = smol::net::resolve(addr).await?;
    if addrs.is_empty() {
        let none = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        return Err(none.into());
    }
    Ok(addrs)
}

/// The addresses of a peer with that name, at least one. No peer is at port 0.
pub(super) async fn resolve_peer(
    addr: impl AsyncToSocketAddrs,
) -> Result<Vec<SocketAddr>, KcpError> {
    let addrs = resolve(addr).await?;
    addrs.iter().try_for_each(|&addr| check_port(addr))?;
    Ok(addrs)
}
