//! smol's executor and resolver, named nowhere else.

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

/// Resolves a name to at least one address.
pub(super) async fn resolve(addr: impl AsyncToSocketAddrs) -> Result<Vec<SocketAddr>, KcpError> {
    let addrs = smol::net::resolve(addr).await?;
    if addrs.is_empty() {
        let none = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        return Err(none.into());
    }
    Ok(addrs)
}

/// Resolves a peer's name to at least one address, none of which has port 0.
pub(super) async fn resolve_peer(
    addr: impl AsyncToSocketAddrs,
) -> Result<Vec<SocketAddr>, KcpError> {
    let addrs = resolve(addr).await?;
    addrs.iter().try_for_each(|&addr| check_port(addr))?;
    Ok(addrs)
}
