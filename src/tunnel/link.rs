//! The way of a client to its server, whose address may change.
//!
//! The endpoint knows its server by one address that never changes, [`SERVER`]. [`Link`] is the
//! transport beneath: a connected UDP socket that is replaced when the server falls silent, first
//! by one on a fresh local port, and by one to another address when the server's name has moved.
//! [`Keeper`] is the task that resolves the name and makes those sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::future;

use super::backoff::Backoff;
use super::runtime::{now, Runtime};
use super::HostPort;
use crate::{Datagrams, KcpConfig, KcpEndpoint, Transport, UdpTransport};

/// The server, wherever it is: an address that no network uses (RFC 5737).
pub(super) const SERVER: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1));

/// Unanswered datagrams for so long mean that something on the way may have changed; and so long
/// is waited between two attempts to mend it.
const SILENCE: Duration = Duration::from_secs(3);

/// Datagrams further apart are separate questions: KCP asks unanswered questions again within two
/// seconds, and an acknowledgement is not one.
const APART: Duration = Duration::from_secs(5);

/// Attempts to reach an address that once answered before another address of the name is tried.
const PATIENCE: u32 = 5;

/// Waiting times between look-ups of a name that has no address, or none that can be reached.
const LOOKUPS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Time between two look-ups, whoever asks.
const LOOKUP_REST: Duration = Duration::from_secs(1);

/// Notices that nobody answers.
#[derive(Debug, Default)]
struct Silence {
    /// The first and the last of the datagrams that nobody has answered.
    unanswered: Option<(Instant, Instant)>,
    /// When something was last done about it.
    acted: Option<Instant>,
}

impl Silence {
    fn received(&mut self) {
        *self = Silence::default();
    }

    /// Something is sent; `true`: it is time to do something about the silence.
    fn sent(&mut self, now: Instant) -> bool {
        let since = match (self.acted, self.unanswered) {
            (Some(acted), _) => acted,
            (None, Some((first, last))) if now.duration_since(last) <= APART => {
                self.unanswered = Some((first, now));
                first
            }
            (None, _) => {
                self.unanswered = Some((now, now));
                now
            }
        };
        let due = now.duration_since(since) >= SILENCE;
        if due {
            self.acted = Some(now);
        }
        due
    }
}

/// What the link and its keeper share.
#[derive(Debug, Default)]
struct Shared {
    /// A socket for the link to take.
    fresh: Option<UdpTransport>,
    /// Of the link's driver.
    waker: Option<Waker>,
    /// Rebindings since something was heard.
    silent: u32,
    /// Something was heard from the present address.
    heard: bool,
}

type Slot = Arc<Mutex<Shared>>;

/// No step under the lock leaves it half changed.
fn lock(slot: &Slot) -> MutexGuard<'_, Shared> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The transport of a client.
#[derive(Debug)]
pub(super) struct Link {
    slot: Slot,
    trouble: Sender<()>,
    socket: Option<UdpTransport>,
    silence: Silence,
    /// The slot knows that something was heard.
    told: bool,
    dropped: u64,
}

/// Resolves the name of the server, and gives the link its sockets.
#[derive(Debug)]
pub(super) struct Keeper {
    slot: Slot,
    trouble: Receiver<()>,
    server: HostPort,
    config: KcpConfig,
    /// Says when there is a way to the server; nothing is ever sent through it.
    up: Option<Sender<()>>,
}

/// What connections have of the link.
#[derive(Clone, Debug)]
pub(super) struct Way {
    trouble: Sender<()>,
    up: Receiver<()>,
}

impl Way {
    /// Waits until the server's address is known.
    pub(super) async fn up(&self) {
        if !self.up.is_closed() {
            self.complain();
            let _ = self.up.recv().await; // nothing comes: it will be closed
        }
    }

    /// A connection has failed: the address may be another now.
    pub(super) fn complain(&self) {
        let _ = self.trouble.try_send(()); // full: somebody has said so already
    }
}

pub(super) fn link(server: HostPort, config: KcpConfig) -> (Link, Keeper, Way) {
    let slot = Slot::default();
    let (trouble, troubles) = async_channel::bounded(1);
    let (up_sender, up) = async_channel::bounded(1);
    let link = Link {
        slot: Arc::clone(&slot),
        trouble: trouble.clone(),
        socket: None,
        silence: Silence::default(),
        told: false,
        dropped: 0,
    };
    let keeper = Keeper { slot, trouble: troubles, server, config, up: Some(up_sender) };
    (link, keeper, Way { trouble, up })
}

impl Link {
    /// Takes the socket that the keeper has made.
    fn renew(&mut self, cx: &mut Context<'_>) {
        let mut shared = lock(&self.slot);
        let former = match &shared.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => shared.waker.replace(cx.waker().clone()),
        };
        if let Some(fresh) = shared.fresh.take() {
            self.dropped += self.socket.replace(fresh).map_or(0, |former| former.dropped());
            self.silence = Silence::default();
            self.told = false;
        }
        drop(shared);
        drop(former);
    }

    fn received(&mut self) {
        self.silence.received();
        if !std::mem::replace(&mut self.told, true) {
            let mut shared = lock(&self.slot);
            (shared.silent, shared.heard) = (0, true);
        }
    }

    /// Nobody has answered for a while: perhaps the local address works no more, perhaps the name
    /// leads elsewhere by now.
    fn mend(&mut self) {
        self.told = false;
        lock(&self.slot).silent += 1;
        if let Some(Err(error)) = self.socket.as_mut().map(Transport::rebind) {
            log::debug!("cannot rebind: {error}");
        }
        let _ = self.trouble.try_send(()); // full: it is known already
    }
}

impl Transport for Link {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.renew(cx);
        let Some(socket) = &mut self.socket else { return Poll::Pending };
        let received = socket.poll_recv(cx, batch);
        if matches!(received, Poll::Ready(Ok(()))) {
            batch.readdress(|_| SERVER);
            self.received();
        }
        received
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if !batch.is_empty() && self.socket.is_some() && self.silence.sent(now()) {
            self.mend();
            // What the new socket receives has to wake the driver, which polls it then.
            cx.waker().wake_by_ref();
        }
        let peer = self.socket.as_ref().and_then(UdpTransport::peer_addr);
        let (Some(socket), Some(peer)) = (&mut self.socket, peer) else {
            self.dropped += batch.len() as u64;
            batch.clear();
            return Poll::Ready(Ok(()));
        };
        batch.readdress(|_| peer);
        socket.poll_send(cx, batch)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Some(socket) => socket.local_addr(),
            None => Ok((Ipv4Addr::UNSPECIFIED, 0).into()),
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped + self.socket.as_ref().map_or(0, Transport::dropped)
    }

    fn socket_buffers(&self) -> (usize, usize) {
        self.socket.as_ref().map_or((0, 0), Transport::socket_buffers)
    }
}

impl Keeper {
    /// Runs as long as the link does.
    pub(super) async fn keep(mut self, runtime: Runtime, endpoint: KcpEndpoint) {
        let mut lookups = LOOKUPS;
        let mut present = None;
        loop {
            let wait = match self.look(&runtime, &mut present).await {
                Ok(moved) => {
                    lookups.reset();
                    if moved || lock(&self.slot).silent > 0 {
                        endpoint.announce();
                    }
                    None
                }
                Err(error) => {
                    log::warn!("server {}: {error}", self.server);
                    Some(lookups.next(fastrand::u8(..)))
                }
            };
            Timer::after(LOOKUP_REST).await;
            let trouble = self.trouble.recv();
            let again = async {
                match wait {
                    Some(wait) => Timer::after(wait).await,
                    None => future::pending().await,
                };
                Ok(())
            };
            if future::or(trouble, again).await.is_err() {
                return;
            }
        }
    }

    /// Looks where the server is; `true`: elsewhere than before, and the link has a socket there.
    async fn look(
        &mut self,
        runtime: &Runtime,
        present: &mut Option<SocketAddr>,
    ) -> io::Result<bool> {
        let addrs = runtime.resolve(&self.server).await?;
        let (silent, heard) = {
            let shared = lock(&self.slot);
            (shared.silent, shared.heard)
        };
        let patience = if heard { PATIENCE } else { 1 };
        let known = present.and_then(|addr| addrs.iter().position(|&a| a == addr));
        let first = match known {
            Some(_) if silent < patience || addrs.len() == 1 => return Ok(false),
            Some(at) => at + 1,
            None => 0,
        };
        let mut failed = None;
        for &addr in addrs.iter().cycle().skip(first).take(addrs.len()) {
            match UdpTransport::connect(&self.config, addr) {
                Ok(socket) => {
                    self.install(addr, socket);
                    *present = Some(addr);
                    return Ok(true);
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn install(&mut self, addr: SocketAddr, socket: UdpTransport) {
        log::info!("server {} is at {addr}", self.server);
        let waker = {
            let mut shared = lock(&self.slot);
            shared.fresh = Some(socket);
            (shared.silent, shared.heard) = (0, false);
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.up = None; // whoever waits for it goes on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> impl Fn(u64) -> Instant {
        let began = now();
        move |ms| began + Duration::from_millis(ms)
    }

    #[test]
    fn unanswered_datagrams_are_silence_after_three_seconds_and_every_three_from_then_on() {
        let (mut silence, at) = (Silence::default(), times());
        let due: Vec<u64> = (0..10_000).step_by(500).filter(|&ms| silence.sent(at(ms))).collect();
        assert_eq!(due, [3000, 6000, 9000]);
        assert!(silence.sent(at(60_000)), "however far apart, once it is silent");
        silence.received();
        assert!(!silence.sent(at(60_001)));
    }

    #[test]
    fn an_acknowledgement_long_ago_and_a_question_now_are_no_silence() {
        let (mut silence, at) = (Silence::default(), times());
        assert!(!silence.sent(at(0)));
        assert!(!silence.sent(at(25_000)));
        assert!(!silence.sent(at(27_000)));
        assert!(silence.sent(at(29_000)));
    }
}
