//! What needs smol's executor and resolver, which are named nowhere else: the constructors that spawn
//! their driver, and names instead of addresses.

use std::net::{SocketAddr, UdpSocket};

use super::driver::Driver;
use super::endpoint::KcpEndpoint;
use super::happy_eyeballs;
use super::listener::KcpListener;
use super::ping::KcpPing;
use super::stream::KcpStream;
use super::transport::UdpTransport;
use crate::{KcpConfig, KcpError};

pub use smol::net::AsyncToSocketAddrs;

impl KcpStream {
    /// Connects to `addr` from a UDP socket of its own, on a port of the system's choice, and
    /// spawns the [`Driver`] on smol's executor. Should the path fall silent, the socket is
    /// replaced and the stream goes on. Of several addresses behind a name, the first that answers
    /// is taken: see [`happy_eyeballs`](crate::happy_eyeballs).
    ///
    /// # Errors
    /// [`KcpError::Config`]; [`KcpError::TimedOut`] without an answer within
    /// [`connect_timeout`](KcpConfig::connect_timeout); [`KcpError::Refused`]; [`KcpError::Io`].
    ///
    /// # Cancel safety
    /// Dropped before it is done, the conversation ends.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpStream};
    ///
    /// let stream = KcpStream::connect(&KcpConfig::wan(), "server.example:4000").await?;
    /// println!("conversation {} with {}", stream.conv(), stream.peer_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(
        config: &KcpConfig,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpStream, KcpError> {
        KcpStream::connect_any(config, None, addr).await
    }

    /// Does as [`connect`](KcpStream::connect), under a conversation number of the caller's choice;
    /// 0 asks the peer to allocate one, as `tokio_kcp` understands it.
    ///
    /// # Errors
    /// As for [`connect`](KcpStream::connect).
    ///
    /// # Cancel safety
    /// As for [`connect`](KcpStream::connect).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpStream};
    ///
    /// let config = KcpConfig { connect_timeout: None, ..KcpConfig::wan() }; // a stock server
    /// let stream = KcpStream::connect_with_conv(&config, 0x1122_3344, "192.0.2.1:4000").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with_conv(
        config: &KcpConfig,
        conv: u32,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpStream, KcpError> {
        KcpStream::connect_any(config, Some(conv), addr).await
    }

    async fn connect_any(
        config: &KcpConfig,
        conv: Option<u32>,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpStream, KcpError> {
        config.check()?;
        let addrs = resolve(addr).await?;
        let (_, stream) = happy_eyeballs(&addrs, |addr| async move {
            let transport = UdpTransport::connect(config, addr)?;
            let peer = transport.peer_addr().unwrap_or(addr);
            let (endpoint, driver) = KcpEndpoint::with_driver(config.clone(), transport)?;
            spawn(driver);
            endpoint.connect_to(peer, conv).await
        })
        .await?;
        Ok(stream)
    }

    /// Connects to `peer` from an existing socket, connected or not, and spawns the [`Driver`] on
    /// smol's executor.
    ///
    /// # Errors
    /// As for [`connect`](KcpStream::connect).
    ///
    /// # Cancel safety
    /// As for [`connect`](KcpStream::connect).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpStream};
    ///
    /// let socket = std::net::UdpSocket::bind("192.0.2.7:0")?; // by this address and no other
    /// let peer = "192.0.2.1:4000".parse().expect("an address");
    /// let stream = KcpStream::connect_with_socket(&KcpConfig::wan(), socket, peer).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with_socket(
        config: &KcpConfig,
        socket: UdpSocket,
        peer: SocketAddr,
    ) -> Result<KcpStream, KcpError> {
        config.check()?;
        let transport = UdpTransport::from_socket(config, socket)?;
        let peer = transport.peer_addr().unwrap_or(peer);
        let (connect, driver) = KcpStream::connect_with_driver(config, transport, peer)?;
        spawn(driver);
        connect.await
    }
}

impl KcpListener {
    /// Binds a UDP socket and spawns its [`Driver`] on smol's executor.
    ///
    /// # Errors
    /// [`KcpError::Config`]; whatever the system says.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing has been bound.
    pub async fn bind(
        config: KcpConfig,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpListener, KcpError> {
        Ok(KcpEndpoint::bind(config, addr).await?.listen())
    }

    /// Listens on an existing socket and spawns the [`Driver`] on smol's executor.
    ///
    /// # Errors
    /// [`KcpError::Config`]; whatever the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpListener};
    ///
    /// let socket = std::net::UdpSocket::bind("0.0.0.0:4000")?; // or one that a supervisor handed over
    /// let listener = KcpListener::from_socket(KcpConfig::wan(), socket)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_socket(config: KcpConfig, socket: UdpSocket) -> Result<KcpListener, KcpError> {
        Ok(KcpEndpoint::from_socket(config, socket)?.listen())
    }
}

impl KcpEndpoint {
    /// Binds a UDP socket, and spawns the [`Driver`] on smol's executor. Of several addresses
    /// behind a name, the first that can be bound is taken.
    ///
    /// # Errors
    /// [`KcpError::Config`]; whatever the system says.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing has been bound.
    pub async fn bind(
        config: KcpConfig,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpEndpoint, KcpError> {
        config.check()?;
        let mut failed = KcpError::Closed;
        for addr in resolve(addr).await? {
            match UdpTransport::bind(&config, addr) {
                Ok(transport) => {
                    let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
                    spawn(driver);
                    return Ok(endpoint);
                }
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }

    /// Makes an endpoint over an existing UDP socket, which may have options of its own or come from a
    /// supervisor, and spawns the [`Driver`] on smol's executor.
    ///
    /// # Errors
    /// [`KcpError::Config`]; whatever the system says.
    ///
    /// # Examples
    ///
    /// A socket that sends by one interface and under a firewall mark only (Linux):
    ///
    /// ```no_run
    /// # #[cfg(target_os = "linux")]
    /// # fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpEndpoint};
    ///
    /// let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    /// let options = socket2::SockRef::from(&socket);
    /// options.bind_device(Some(b"wan"))?; // SO_BINDTODEVICE
    /// options.set_mark(7)?; // SO_MARK
    /// let endpoint = KcpEndpoint::from_socket(KcpConfig::wan(), socket)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_socket(config: KcpConfig, socket: UdpSocket) -> Result<KcpEndpoint, KcpError> {
        config.check()?;
        let transport = UdpTransport::from_socket(&config, socket)?;
        let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
        spawn(driver);
        Ok(endpoint)
    }

    /// Opens a stream to `addr` under a random conversation number. Of several addresses behind a
    /// name, the first that answers is taken: see [`happy_eyeballs`](crate::happy_eyeballs).
    ///
    /// # Errors
    /// [`KcpError::TimedOut`] without an answer within
    /// [`connect_timeout`](KcpConfig::connect_timeout); [`KcpError::Refused`];
    /// [`KcpError::TooManySessions`]; [`KcpError::Io`] from resolving the name.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the conversation ends.
    pub async fn connect(&self, addr: impl AsyncToSocketAddrs) -> Result<KcpStream, KcpError> {
        self.connect_any(None, addr).await
    }

    /// Does as [`connect`](KcpEndpoint::connect), under a conversation number of the caller's
    /// choice; 0 asks the peer to allocate one, as `tokio_kcp` understands it.
    ///
    /// # Errors
    /// [`KcpError::ConvInUse`], and those of [`connect`](KcpEndpoint::connect).
    ///
    /// # Cancel safety
    /// As for [`connect`](KcpEndpoint::connect).
    pub async fn connect_with_conv(
        &self,
        conv: u32,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpStream, KcpError> {
        self.connect_any(Some(conv), addr).await
    }

    async fn connect_any(
        &self,
        conv: Option<u32>,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpStream, KcpError> {
        let addrs = resolve(addr).await?;
        let (_, stream) = happy_eyeballs(&addrs, |addr| self.connect_to(addr, conv)).await?;
        Ok(stream)
    }
}

impl KcpPing {
    /// Pings `addr` from a UDP socket on a port of the system's choice. Of `config` only the keys,
    /// [`dscp`](KcpConfig::dscp) and the socket's buffers matter. Of
    /// several addresses behind a name, the first that the system has a route to is taken.
    ///
    /// # Errors
    /// [`KcpError::Config`]; [`KcpError::Io`] from resolving the name and from the system.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing has been sent.
    pub async fn connect(
        config: &KcpConfig,
        addr: impl AsyncToSocketAddrs,
    ) -> Result<KcpPing, KcpError> {
        config.check()?;
        let mut failed = KcpError::Closed;
        for addr in resolve(addr).await? {
            match UdpTransport::connect(config, addr) {
                Ok(transport) => return KcpPing::with_config(config, transport, addr),
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }
}

/// Runs a driver on smol's global executor until it has nothing left to do.
fn spawn(driver: Driver) {
    smol::spawn(async move {
        if let Err(error) = driver.await {
            log::debug!("the driver ended: {error}");
        }
    })
    .detach();
}

/// Resolves a name to at least one address.
async fn resolve(addr: impl AsyncToSocketAddrs) -> Result<Vec<SocketAddr>, KcpError> {
    let addrs = smol::net::resolve(addr).await?;
    if addrs.is_empty() {
        let none = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        return Err(none.into());
    }
    Ok(addrs)
}
