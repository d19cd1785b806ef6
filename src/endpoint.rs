//! Endpoints: one socket with many conversations.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::Poll;

use super::clock;
use super::driver::Driver;
use super::happy_eyeballs;
use super::listener::KcpListener;
use super::shared::Shared;
use super::spawn::{resolve, resolve_peer, spawn, AsyncToSocketAddrs};
use super::stream::KcpStream;
use super::transport::{canonical, Transport, UdpTransport};
use crate::{EndpointStats, KcpConfig, KcpError, MemoryBudget, StreamStats};
use smol_kcp_proto::layer::trunk::{Sink, Trunk};
use smol_kcp_proto::router::Router;

/// Owns one socket and the conversations on it, opened by either side.
///
/// Clones are handles to the same endpoint. It goes on as long as a handle, a listener or a stream
/// of it lives, or data of a dropped stream is on its way.
///
/// # Examples
///
/// Three streams to two peers over one socket:
///
/// ```no_run
/// use smol_kcp::{KcpConfig, KcpEndpoint};
///
/// # async fn run() -> Result<(), smol_kcp::KcpError> {
/// let endpoint = KcpEndpoint::bind(KcpConfig::wan(), "0.0.0.0:0").await?;
/// let first = endpoint.connect("192.0.2.1:4000").await?;
/// let second = endpoint.connect("192.0.2.1:4000").await?;
/// let third = endpoint.connect("server.example:4000").await?;
/// # Ok(())
/// # }
/// ```
pub struct KcpEndpoint {
    shared: Arc<Shared>,
}

/// Describes a conversation of an endpoint: see [`KcpEndpoint::sessions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The conversation number.
    pub conv: u32,
    /// The present address of the peer.
    pub peer: SocketAddr,
    /// The counters of the stream.
    pub stats: StreamStats,
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

    /// Makes an endpoint over any transport and spawns nothing: the caller polls the [`Driver`], a
    /// future, on any executor.
    ///
    /// # Errors
    /// [`KcpError::Config`]; those of [`Transport::local_addr`] and of opening the capture.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use smol_kcp::{KcpConfig, KcpEndpoint, UdpTransport};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = KcpConfig::lan();
    /// let transport = UdpTransport::bind(&config, "[::]:0".parse()?)?;
    /// let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
    /// let executor = smol::LocalExecutor::new();
    /// executor.spawn(driver).detach();
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_driver(
        config: KcpConfig,
        transport: impl Transport,
    ) -> Result<(KcpEndpoint, Driver), KcpError> {
        let budget = MemoryBudget::new(config.memory_budget);
        KcpEndpoint::with_budget(config, transport, &budget)
    }

    /// Does as [`with_driver`](KcpEndpoint::with_driver), with a memory budget that is shared with
    /// others. [`memory_budget`](KcpConfig::memory_budget) is not used.
    ///
    /// # Errors
    /// As for [`with_driver`](KcpEndpoint::with_driver).
    pub fn with_budget(
        config: KcpConfig,
        transport: impl Transport,
        budget: &MemoryBudget,
    ) -> Result<(KcpEndpoint, Driver), KcpError> {
        config.check()?;
        let local_addr = transport.local_addr()?;
        let trunk = Trunk::new(&config, capture(&config)?)?;
        let router = Router::with_budget(Arc::new(config), 0, clock::entropy(), budget.clone());
        let shared = Shared::new(router, local_addr);
        let driver = Driver::new(Arc::clone(&shared), Box::new(transport), trunk);
        Ok((KcpEndpoint::from_shared(shared), driver))
    }

    pub(super) fn from_shared(shared: Arc<Shared>) -> KcpEndpoint {
        shared.lock().handles += 1;
        KcpEndpoint { shared }
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
        let addrs = resolve_peer(addr).await?;
        let (_, stream) = happy_eyeballs(&addrs, |addr| self.connect_to(conv, addr)).await?;
        Ok(stream)
    }

    pub(super) async fn connect_to(
        &self,
        conv: Option<u32>,
        peer: SocketAddr,
    ) -> Result<KcpStream, KcpError> {
        let key = self.shared.with(|state, now| match &state.ended {
            Some(error) => Err(error.clone()),
            None if state.closed => Err(KcpError::Closed),
            None => {
                let key = state.router.connect(now, canonical(peer), conv)?;
                state.forget_wakers(key);
                Ok(key)
            }
        })?;
        let stream = KcpStream::from_key(&self.shared, key);
        poll_fn(|cx| {
            self.shared.with(|state, _| match state.router.is_connected(key) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => {
                    state.wait_writable(key, cx);
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            })
        })
        .await?;
        Ok(stream)
    }

    /// Lets peers open streams on this endpoint. Several listeners of one endpoint share those that
    /// come; when the last is dropped, peers are refused again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::{KcpConfig, KcpEndpoint};
    ///
    /// let endpoint = KcpEndpoint::bind(KcpConfig::wan(), "0.0.0.0:4000").await?;
    /// let listener = endpoint.listen(); // both directions over one socket
    /// let out = endpoint.connect("192.0.2.1:4000").await?;
    /// let (back, peer) = listener.accept().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen(&self) -> KcpListener {
        KcpListener::from_shared(&self.shared)
    }

    /// Closes the endpoint: no stream is opened or accepted any more, those that wait to be accepted
    /// are reset, and the writing side of every other is closed, so that what was written is delivered.
    /// Reading goes on until the peers close too; [`wait_idle`](KcpEndpoint::wait_idle) waits for that.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(endpoint: smol_kcp::KcpEndpoint) {
    /// endpoint.close();
    /// endpoint.wait_idle().await; // the process may end now
    /// # }
    /// ```
    pub fn close(&self) {
        // `accept` learns of the end. What nobody will accept would keep the endpoint busy for ever: it
        // is reset before the others are closed, so that its peer sees no ordinary end.
        self.shared.incoming.0.close();
        self.shared.reject_incoming();
        self.shared.with(|state, now| {
            state.closed = true;
            state.router.close_all(now);
        });
    }

    /// Waits until no conversation is left on the wire. One ends when its stream was dropped, both
    /// sides have closed and everything is acknowledged, or when it fails.
    ///
    /// # Cancel safety
    /// Nothing depends on it.
    pub async fn wait_idle(&self) {
        poll_fn(|cx| {
            self.shared.change(|state| match state.router.is_idle() {
                true => Poll::Ready(()),
                false => {
                    state.wait_idle(cx);
                    Poll::Pending
                }
            })
        })
        .await
    }

    /// Sends a keepalive on every conversation at once. After a change of the network below, peers
    /// of this crate learn the new address by it instead of by the next regular keepalive.
    pub fn network_changed(&self) {
        self.shared.with(|state, now| state.router.ping_all(now));
    }

    /// Returns the address of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.shared.lock().local_addr)
    }

    /// Returns the counters of the endpoint.
    pub fn stats(&self) -> EndpointStats {
        self.shared.stats()
    }

    /// Lists the conversations that are on the wire now, ordered by number.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn run(endpoint: smol_kcp::KcpEndpoint) {
    /// for session in endpoint.sessions() {
    ///     println!("{} {}: {:?}", session.conv, session.peer, session.stats.srtt);
    /// }
    /// # }
    /// ```
    pub fn sessions(&self) -> Vec<SessionInfo> {
        sessions(&self.shared)
    }
}

pub(super) fn sessions(shared: &Shared) -> Vec<SessionInfo> {
    let state = shared.lock();
    state.router.list().map(|(conv, peer, stats)| SessionInfo { conv, peer, stats }).collect()
}

#[cfg(feature = "pcap")]
fn capture(config: &KcpConfig) -> Result<Option<Sink>, KcpError> {
    let Some(path) = &config.pcap else { return Ok(None) };
    let file = std::fs::File::create(path)?;
    Ok(Some(Box::new(std::io::BufWriter::new(file))))
}

#[cfg(not(feature = "pcap"))]
fn capture(_: &KcpConfig) -> Result<Option<Sink>, KcpError> {
    Ok(None)
}

impl Clone for KcpEndpoint {
    fn clone(&self) -> KcpEndpoint {
        KcpEndpoint::from_shared(Arc::clone(&self.shared))
    }
}

impl Drop for KcpEndpoint {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.handles -= 1);
    }
}

impl fmt::Debug for KcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpEndpoint").field("local_addr", &self.shared.lock().local_addr).finish()
    }
}
