//! Endpoints: one socket with many conversations.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::clock;
use super::driver::Driver;
use super::listener::KcpListener;
#[cfg(feature = "secure")]
use super::secure;
use super::shared::Shared;
use super::stream::KcpStream;
use super::transport::{canonical, check_port, Transport};
use crate::machine;
use crate::{EndpointStats, KcpConfig, KcpError, MemoryBudget, StreamStats};
use smol_kcp_proto::layer::stack::{LayerStack, Sink};
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The conversation number.
    pub conv: u32,
    /// The present address of the peer.
    pub peer: SocketAddr,
    /// What the peer is called in the configuration, if it has a name there.
    #[cfg(feature = "secure")]
    pub peer_name: Option<Arc<str>>,
    /// The counters of the stream.
    pub stats: StreamStats,
}

impl KcpEndpoint {
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
        let budget = machine::budget(config.memory_budget);
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
        let layers = LayerStack::new(capture(&config)?)?;
        #[cfg(feature = "netem")]
        let layers = layers.with_netem(config.netem.as_ref());
        let router = Router::with_budget(Arc::new(config), 0, clock::entropy(), budget.clone());
        #[cfg(feature = "secure")]
        let router = secure::encrypted(router)?;
        let shared = Shared::new(router, local_addr);
        let driver = Driver::new(Arc::clone(&shared), Box::new(transport), layers);
        Ok((KcpEndpoint::from_shared(shared), driver))
    }

    pub(super) fn from_shared(shared: Arc<Shared>) -> KcpEndpoint {
        shared.lock().handles += 1;
        KcpEndpoint { shared }
    }

    /// Opens a stream to one address, under a conversation number of the caller's choice or a random
    /// one; 0 asks the peer to allocate it, as `tokio_kcp` understands it. Names are for `connect`, which
    /// needs the feature `smol`.
    ///
    /// # Errors
    /// [`KcpError::TimedOut`] without an answer within
    /// [`connect_timeout`](KcpConfig::connect_timeout); [`KcpError::Refused`];
    /// [`KcpError::TooManySessions`]; [`KcpError::ConvInUse`]; [`KcpError::Io`] of kind
    /// `InvalidInput` for port 0.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the conversation ends.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(endpoint: smol_kcp::KcpEndpoint) -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = "192.0.2.1:4000".parse()?;
    /// let (first, second) =
    ///     (endpoint.connect_to(peer, None).await?, endpoint.connect_to(peer, Some(7)).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_to(
        &self,
        peer: SocketAddr,
        conv: Option<u32>,
    ) -> Result<KcpStream, KcpError> {
        check_port(peer)?;
        self.open(peer, conv).await
    }

    /// Opens a stream to whatever address the transport understands.
    pub(super) async fn open(
        &self,
        peer: SocketAddr,
        conv: Option<u32>,
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

    /// Returns the time since the driver first [left](crate::Transport::rebind) its local address because
    /// nobody answered, or tried to; `None`: it did not, or something has been heard since.
    pub fn silent_for(&self) -> Option<Duration> {
        self.shared.with(|state, now| state.silent_at.map(|at| now.since(at)))
    }

    /// Replaces those whose streams are accepted: [`SecureConfig::clients`](crate::secure::SecureConfig::clients).
    /// The streams of those who are no more among them are reset; others do not notice.
    ///
    /// # Errors
    /// [`KcpError::Config`]: a key that is nobody's, the own one, or there twice; or an endpoint without keys.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn run(endpoint: smol_kcp::KcpEndpoint) -> Result<(), Box<dyn std::error::Error>> {
    /// use smol_kcp::secure::SecurePeer;
    ///
    /// let alice = SecurePeer::new("…".parse()?).with_name("alice");
    /// endpoint.set_clients(vec![alice])?; // from here on she alone
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "secure")]
    pub fn set_clients(&self, clients: Vec<secure::SecurePeer>) -> Result<(), KcpError> {
        self.shared.with(|state, now| state.router.set_clients(now, clients))
    }

    /// Returns what the encrypted channels have done, refused initiations included; `None` in the clear.
    #[cfg(feature = "secure")]
    pub fn secure_stats(&self) -> Option<secure::SecureStats> {
        self.shared.lock().router.secure_stats()
    }

    /// Returns what the cipher and the parity of [`kcp_go`](KcpConfig::kcp_go) have done; `None` without them.
    #[cfg(feature = "kcptun")]
    pub fn kcp_go_stats(&self) -> Option<crate::kcp_go::KcpGoStats> {
        self.shared.lock().router.kcp_go_stats()
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
    let info = |(_key, conv, peer, stats)| SessionInfo {
        conv,
        peer,
        #[cfg(feature = "secure")]
        peer_name: state.router.peer_name(_key),
        stats,
    };
    state.router.list_keys().map(info).collect()
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
