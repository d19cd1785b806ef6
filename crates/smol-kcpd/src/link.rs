//! The link of a client to its server, whose address may change.
//!
//! The endpoint knows its server by one address that never changes, [`SERVER`]. [`Link`] is the
//! transport beneath: a connected UDP socket. When the server falls silent, the endpoint's driver has
//! it replaced by one on a fresh local port; [`Reconnector`] is the task that then resolves the name again
//! and makes a socket to another address where the server has moved, or where another one answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::future;

use super::backoff::Backoff;
use super::health::{Concern, Health};
use super::limits::is_exhaustion;
use super::runtime::{within, Runtime};
use super::{perf_conv, HostPort};
use smol_kcp::{happy_eyeballs, KcpError, KcpPing};
use smol_kcp::{Datagrams, KcpConfig, KcpEndpoint, Transport, UdpTransport};

/// Stands for the server, wherever it is: an address that no network uses (RFC 5737).
pub(super) const SERVER: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1));

/// Time for which an address is kept after the endpoint first replaced its socket without success, while
/// streams are open that were heard from there: another address of the name may be another server, which does
/// not know them. At most half of `stall_timeout`, so that a server which has moved finds them alive.
const ADDRESS_HOLD: Duration = Duration::from_secs(12);

/// Time for an address to answer a probe, and the number of probes.
const PROBE: Duration = Duration::from_secs(2);
const PROBES: u32 = 2;

/// Time for the reset of a probe to leave.
const RST_FLUSH: Duration = Duration::from_millis(500);

/// Waiting times between look-ups of a name without an address, or without one that can be reached.
const LOOKUPS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Least time between two look-ups.
const LOOKUP_REST: Duration = Duration::from_secs(1);

/// Holds what the link shares with its reconnector.
#[derive(Debug, Default)]
struct LinkState {
    /// A new socket for the link.
    fresh: Option<UdpTransport>,
    /// The waker of the link's driver.
    waker: Option<Waker>,
}

type SharedState = Arc<Mutex<LinkState>>;

/// Locks the state, after a panic too: no step under the lock leaves it half changed.
fn lock(state: &SharedState) -> MutexGuard<'_, LinkState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries the datagrams of a client.
#[derive(Debug)]
pub(super) struct Link {
    state: SharedState,
    failed: Sender<()>,
    socket: Option<UdpTransport>,
    dropped: u64,
}

/// Resolves the name of the server, and gives the link its sockets.
#[derive(Debug)]
pub(super) struct Reconnector {
    state: SharedState,
    failures: Receiver<()>,
    server: HostPort,
    config: KcpConfig,
    health: Rc<Health>,
    /// Dropped when the server's address is known; nothing is ever sent through it.
    up: Option<Sender<()>>,
}

/// Lets connections wait for the link, and report failures to it.
#[derive(Clone, Debug)]
pub(super) struct LinkHandle {
    failed: Sender<()>,
    up: Receiver<()>,
}

impl LinkHandle {
    /// Waits until the server's address is known.
    pub(super) async fn up(&self) {
        if !self.up.is_closed() {
            self.notify_failure();
            let _ = self.up.recv().await; // nothing comes: it will be closed
        }
    }

    /// Reports that a connection has failed: the server may have another address now.
    pub(super) fn notify_failure(&self) {
        let _ = self.failed.try_send(()); // full: somebody has said so already
    }
}

pub(super) fn link(
    server: HostPort,
    config: KcpConfig,
    health: Rc<Health>,
) -> (Link, Reconnector, LinkHandle) {
    let state = SharedState::default();
    let (failed, failures) = async_channel::bounded(1);
    let (up_sender, up) = async_channel::bounded(1);
    let link = Link { state: Arc::clone(&state), failed: failed.clone(), socket: None, dropped: 0 };
    let up_sender = Some(up_sender);
    let reconnector = Reconnector { state, failures, server, config, health, up: up_sender };
    (link, reconnector, LinkHandle { failed, up })
}

impl Link {
    /// Takes the socket that the reconnector has made.
    fn renew(&mut self, cx: &mut Context<'_>) {
        let mut state = lock(&self.state);
        let stale = match &state.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => state.waker.replace(cx.waker().clone()),
        };
        if let Some(fresh) = state.fresh.take() {
            self.dropped += self.socket.replace(fresh).map_or(0, |stale| stale.dropped());
        }
        drop(state);
        drop(stale);
    }
}

impl Transport for Link {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.renew(cx);
        let Some(socket) = &mut self.socket else { return Poll::Pending };
        let received = socket.poll_recv(cx, batch);
        if matches!(received, Poll::Ready(Ok(()))) {
            batch.map_addrs(|_| SERVER);
        }
        received
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let peer = self.socket.as_ref().and_then(UdpTransport::peer_addr);
        let (Some(socket), Some(peer)) = (&mut self.socket, peer) else {
            self.dropped += batch.len() as u64;
            batch.clear();
            return Poll::Ready(Ok(()));
        };
        batch.map_addrs(|_| peer);
        socket.poll_send(cx, batch)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Some(socket) => socket.local_addr(),
            None => Ok((Ipv4Addr::UNSPECIFIED, 0).into()),
        }
    }

    /// Replaces the socket after a silence, and has the name looked up again: the local address may no
    /// longer work, or the server may have moved.
    fn rebind(&mut self) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else {
            return Err(io::ErrorKind::NotConnected.into()); // the keeper is at it
        };
        let _ = self.failed.try_send(()); // full: it is known already
        socket.rebind()
    }

    fn dropped(&self) -> u64 {
        self.dropped + self.socket.as_ref().map_or(0, Transport::dropped)
    }

    fn socket_buffers(&self) -> (usize, usize) {
        self.socket.as_ref().map_or((0, 0), Transport::socket_buffers)
    }
}

/// Tells what a search for the server has found.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// It is where it was; the next search is after that time, if no failure is reported before.
    Stays(Option<Duration>),
    /// The link has a socket to another address.
    Moved,
}

impl Reconnector {
    /// Runs as long as the link does.
    pub(super) async fn run(mut self, runtime: Runtime, endpoint: KcpEndpoint) {
        let mut lookups = LOOKUPS;
        let mut present = None;
        loop {
            let wait = match self.look(&runtime, &endpoint, &mut present).await {
                Ok(look) => {
                    lookups.reset();
                    self.health.works(Concern::Lookup);
                    match look {
                        Look::Stays(wait) => wait,
                        Look::Moved => {
                            endpoint.network_changed();
                            None
                        }
                    }
                }
                Err(error) => {
                    log::warn!("server {}: {error}", self.server);
                    let why = format_args!("server {}: {error}", self.server);
                    self.health.failed(Concern::Lookup, why);
                    // Descriptors come back at any moment.
                    let wait = lookups.next(fastrand::u8(..));
                    Some(if is_exhaustion(&error) { wait.min(LOOKUP_REST) } else { wait })
                }
            };
            Timer::after(LOOKUP_REST).await;
            let failure = self.failures.recv();
            let again = async {
                match wait {
                    Some(wait) => Timer::after(wait).await,
                    None => future::pending().await,
                };
                Ok(())
            };
            if future::or(failure, again).await.is_err() {
                return;
            }
        }
    }

    /// Looks where the server is, and gives the link a socket if that is elsewhere than before.
    async fn look(
        &mut self,
        runtime: &Runtime,
        endpoint: &KcpEndpoint,
        present: &mut Option<SocketAddr>,
    ) -> io::Result<Look> {
        let addrs = runtime.look_up(&self.server).await?;
        if addrs[..] == present.as_slice()[..] {
            return Ok(Look::Stays(None));
        }
        if present.is_some() && has_streams(endpoint) {
            let hold = ADDRESS_HOLD.min(self.config.stall_timeout / 2);
            let left = endpoint.silent_for().map(|silent| hold.saturating_sub(silent));
            if left != Some(Duration::ZERO) {
                return Ok(Look::Stays(left));
            }
        }
        let addr = self.choose(runtime, &addrs, *present).await;
        // Meanwhile something may have arrived from the present address.
        let back = endpoint.silent_for().is_none() && has_streams(endpoint);
        if Some(addr) == *present || (present.is_some() && back) {
            return Ok(Look::Stays(None));
        }
        let socket = UdpTransport::connect(&self.config, addr)?;
        self.install(addr, socket);
        *present = Some(addr);
        Ok(Look::Moved)
    }

    /// Chooses the address that answers first; if none does, the one after `present`.
    async fn choose(
        &self,
        runtime: &Runtime,
        addrs: &[SocketAddr],
        present: Option<SocketAddr>,
    ) -> SocketAddr {
        let at = present.and_then(|present| addrs.iter().position(|&addr| addr == present));
        let first = at.map_or(0, |at| (at + 1) % addrs.len());
        let mut order = addrs.to_vec();
        order.rotate_left(first);
        if let [only] = order[..] {
            return only;
        }
        let found = happy_eyeballs(&order, |addr| self.probe(runtime, addr)).await;
        match found {
            Ok((addr, ())) => addr,
            Err(error) => {
                log::debug!("server {}: none of its addresses answers: {error}", self.server);
                order[0]
            }
        }
    }

    /// Finds out whether an address answers.
    async fn probe(&self, runtime: &Runtime, addr: SocketAddr) -> Result<(), KcpError> {
        match &self.config.secure {
            None => self.ping(addr).await,
            Some(_) => self.handshake(runtime, addr).await,
        }
    }

    async fn ping(&self, addr: SocketAddr) -> Result<(), KcpError> {
        let mut ping = KcpPing::over(UdpTransport::connect(&self.config, addr)?, addr);
        let mut answer = Err(KcpError::TimedOut);
        for _ in 0..PROBES {
            answer = ping.ping(PROBE).await;
            if !matches!(answer, Err(KcpError::TimedOut)) {
                break;
            }
        }
        answer.map(|_| ())
    }

    /// Finds out whether one who has the keys answers: strangers would hear nothing. The stream is for a
    /// measurement that nobody begins, for which a server opens no connection.
    async fn handshake(&self, runtime: &Runtime, addr: SocketAddr) -> Result<(), KcpError> {
        let config = self.config.clone().with_connect_timeout(Some(PROBE * PROBES));
        let transport = UdpTransport::connect(&config, addr)?;
        let (endpoint, driver) =
            KcpEndpoint::with_budget(config, transport, runtime.memory_budget())?;
        let opened = async {
            let opened = endpoint.connect_to(addr, Some(perf_conv())).await;
            opened.map(|stream| stream.abort())
        };
        let mut driver = pin!(driver);
        let ended = async { Err(driver.as_mut().await.err().unwrap_or(KcpError::Closed)) };
        let opened = future::or(opened, ended).await;
        drop(endpoint);
        // The reset leaves before the socket is closed.
        let _ = within(RST_FLUSH, driver).await;
        opened
    }

    fn install(&mut self, addr: SocketAddr, socket: UdpTransport) {
        log::info!("server {} is at {addr}", self.server);
        self.health.server.set(Some(addr));
        let waker = {
            let mut state = lock(&self.state);
            state.fresh = Some(socket);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.up = None; // whoever waits for it goes on
    }
}

/// Returns whether there are streams on which the server has sent something.
fn has_streams(endpoint: &KcpEndpoint) -> bool {
    endpoint.sessions().iter().any(|session| session.stats.datagrams_received > 0)
}
