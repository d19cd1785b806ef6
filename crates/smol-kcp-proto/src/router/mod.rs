//! From datagram to session and back: who is meant, who may come in, whose turn it is.

mod admission;
mod answers;
mod api;
mod endings;
mod entry;
#[cfg(feature = "kcptun")]
mod kcp_go;
#[cfg(not(feature = "kcptun"))]
#[path = "kcp_go_absent.rs"]
mod kcp_go;
mod migration;
mod mtu;
mod pacing;
mod restart;
#[cfg(feature = "secure")]
mod secure;
#[cfg(not(feature = "secure"))]
#[path = "secure_absent.rs"]
mod secure;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use self::answers::Answers;
use self::entry::Entry;
#[cfg(feature = "kcptun")]
use self::kcp_go::KcpGo;
#[cfg(feature = "kcptun")]
pub use self::kcp_go::KcpGoStats;
use self::kcp_go::LaneOutlet;
use self::restart::{Before, Restarts};
use self::secure::Outlet;
#[cfg(feature = "secure")]
use self::secure::Secure;
use self::shares::Shares;
use super::arq::BufferPool;
use super::budget::{Account, MemoryBudget};
use super::log_limit::LogLimit;
use super::random::Random;
use super::secret::Secret;
use super::session::AnotherLife;
use super::time_wait::TimeWait;
use crate::config::KcpConfig;
use crate::deadlines::Deadlines;
use crate::error::KcpError;
pub use crate::key::Key;
#[cfg(feature = "secure")]
use crate::path::ChannelKey;
use crate::path::{Path, PeerId};
use crate::peer::{PeerKey, Peers};
use crate::stats::EndpointStats;
use crate::time::{earliest, Time};
use crate::wire::{Malformed, View, CMD_WASK, CODE_HELLO};

/// Datagrams after which [`Router::transmit`] starts no further session, so that the caller can
/// send them and receive in between.
const TRANSMIT_BATCH: usize = 256;

/// Segments' worth of free memory that an endpoint keeps: enough for small talk of many sessions, 90 kB
/// at the usual MTU.
const POOLED: usize = 64;

/// The memory budget where nobody names one.
const MEMORY_UNKNOWN: usize = 64 * 1024 * 1024;

/// All sessions of one endpoint.
#[derive(Debug)]
pub struct Router {
    config: Arc<KcpConfig>,
    mtu: usize,
    random: Random,
    sessions: Slab<Entry>,
    /// By conversation first: so all sessions of one number are neighbours.
    routes: BTreeMap<(u32, PeerId), Key>,
    peers: Peers,
    /// Peers that opened conversation 0 and have not yet used the number they were given.
    unnumbered: BTreeMap<SocketAddr, Key>,
    unconfirmed: BTreeMap<u64, Key>,
    next_id: u64,
    /// Sessions whose peer's silence tells something, and when any session last heard of its peer.
    asking: usize,
    heard_at: Time,
    deadlines: Deadlines,
    /// When the pace of a path has room again for those that wait.
    pace_deadlines: Deadlines,
    /// When the probes of a path's MTU have had time to be answered.
    mtu_deadlines: Deadlines,
    /// Paths that may have room for those that wait.
    open_paths: VecDeque<PeerKey>,
    time_wait: TimeWait,
    /// Sessions with something to send.
    pending_flush: VecDeque<Key>,
    /// Sessions whose deadline is found out after their path was served.
    put_off: Vec<Key>,
    /// Sessions with news for their handles.
    ready: Vec<Key>,
    /// Sessions that a peer opened and nobody has a handle to yet.
    incoming: BTreeMap<u64, Key>,
    /// Of cookies, and of what must not be foreseen.
    secret: Secret,
    /// Stateless answers.
    stateless_replies: Answers,
    /// When an opening was last answered without a record of it.
    stateless_at: Option<Time>,
    /// Sessions by the network of the peers that opened them.
    shares: Shares,
    /// What the log knows of newcomers that were refused, and of streams that stand still.
    refusals: LogLimit,
    stalls: LogLimit,
    /// The minute in which moves were last logged, and how many there were in it.
    moves_logged: (u64, u32),
    restarts: Restarts,
    /// The channels of the encrypted mode.
    #[cfg(feature = "secure")]
    secure: Option<Box<Secure>>,
    /// Those whose sessions ended while the channels were the outlet's.
    #[cfg(feature = "secure")]
    left_channels: Vec<ChannelKey>,
    /// The cipher and the parity of peers that are made of kcp-go, and peers that have left while those were out.
    #[cfg(feature = "kcptun")]
    kcp_go: Option<Box<KcpGo>>,
    #[cfg(feature = "kcptun")]
    left_lanes: Vec<SocketAddr>,
    accepting: bool,
    stats: EndpointStats,
    /// Free memory for payload, for whichever session needs some next.
    pool: BufferPool,
    account: Account,
    /// Where the sequence numbers of new sessions begin; other than 0 in tests only.
    sn_base: u32,
}

impl Router {
    /// Makes a router with a memory budget of its own; what the machine has is not known here.
    pub fn new(config: Arc<KcpConfig>, overhead: usize, seed: [u64; 2]) -> Router {
        let budget = MemoryBudget::new(config.memory_budget.unwrap_or(MEMORY_UNKNOWN));
        Router::with_budget(config, overhead, seed, budget)
    }

    /// Makes a router: `config` is checked; `overhead` is what the layers add to a datagram; `seed` is secret.
    pub fn with_budget(
        config: Arc<KcpConfig>,
        overhead: usize,
        seed: [u64; 2],
        budget: MemoryBudget,
    ) -> Router {
        let time_wait = TimeWait::new(config.linger + config.stall_timeout, config.max_sessions);
        let router = Router {
            mtu: config.mtu.saturating_sub(overhead),
            account: Account::new(&config, budget),
            config,
            random: Random::new(seed),
            sessions: Slab::new(),
            routes: BTreeMap::new(),
            peers: Peers::default(),
            unnumbered: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            next_id: 0,
            asking: 0,
            heard_at: Time::ZERO,
            deadlines: Deadlines::default(),
            pace_deadlines: Deadlines::default(),
            mtu_deadlines: Deadlines::default(),
            open_paths: VecDeque::new(),
            time_wait,
            pending_flush: VecDeque::new(),
            put_off: Vec::new(),
            ready: Vec::new(),
            incoming: BTreeMap::new(),
            secret: Secret::new(seed),
            stateless_replies: Answers::default(),
            stateless_at: None,
            shares: Shares::default(),
            refusals: LogLimit::default(),
            stalls: LogLimit::default(),
            moves_logged: (0, 0),
            restarts: Restarts::default(),
            #[cfg(feature = "secure")]
            secure: None,
            #[cfg(feature = "secure")]
            left_channels: Vec::new(),
            #[cfg(feature = "kcptun")]
            kcp_go: None,
            #[cfg(feature = "kcptun")]
            left_lanes: Vec::new(),
            accepting: false,
            stats: EndpointStats::default(),
            pool: BufferPool::new(POOLED),
            sn_base: 0,
        };
        #[cfg(feature = "kcptun")]
        let router = router.with_kcp_go();
        router
    }

    /// Sets whether peers may open sessions.
    pub fn set_accepting(&mut self, accepting: bool) {
        self.accepting = accepting;
    }

    /// Acts on one datagram.
    pub fn handle_datagram(&mut self, now: Time, from: impl Into<Path>, datagram: &[u8]) {
        let from = from.into();
        self.stats.datagrams_received = self.stats.datagrams_received.wrapping_add(1);
        self.stats.bytes_received = self.stats.bytes_received.wrapping_add(datagram.len() as u64);
        self.route(now, from, View::new(datagram));
    }

    /// Leads a datagram to its session.
    fn route(&mut self, now: Time, from: Path, datagram: Result<View<'_>, Malformed>) {
        let Ok(datagram) = datagram else {
            self.stats.malformed = self.stats.malformed.wrapping_add(1);
            return;
        };
        // By number and address: two clients may have drawn the same number.
        match self.routes.get(&(datagram.conv(), from.id())) {
            Some(&key) => self.deliver(now, key, from, &datagram),
            None => self.handle_unrouted(now, from, &datagram),
        }
    }

    fn deliver(&mut self, now: Time, key: Key, from: Path, datagram: &View<'_>) {
        let first = datagram.first();
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let session = &mut entry.session;
        // The codes of the handshake come first in a datagram.
        if first.cmd >= CMD_WASK && first.frg == CODE_HELLO {
            match session.another_life(now, datagram) {
                Some(AnotherLife::Asks { nonce }) if self.accepting => {
                    return self.answer_hello(now, from, first.conv, nonce);
                }
                Some(AnotherLife::Proven { .. }) if self.accepting => {
                    return self.begin_anew(now, key, from, datagram);
                }
                // Who accepts nobody ends nothing for a newcomer either.
                Some(_) => return,
                None => {}
            }
        }
        let (peer, before) = (session.peer(), Before::of(session));
        session.handle_datagram(now, datagram);
        let stall = session.take_stall();
        if session.speaks_for_peer(now) {
            if let Some(of) = entry.peer.and_then(|of| self.peers.get_mut(of)) {
                of.heard_at = now;
            }
        }
        if std::mem::take(&mut entry.assigned_conv) {
            // It used the number it was given.
            self.unnumbered.remove(&peer);
        }
        if let Some(lasted) = stall {
            self.report_stall(now, key, lasted);
        }
        self.time_channel(from, key);
        self.heed_restart(now, from.id(), key, before);
        self.report(now, key);
        self.heed_probes(now, key);
        self.settle(now, key);
    }

    /// Ends a session whose peer has lost its memory and proved itself again; another begins under its
    /// number.
    fn begin_anew(&mut self, now: Time, key: Key, from: Path, datagram: &View<'_>) {
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.session.fail(KcpError::Reset);
        }
        self.heed_restart(now, from.id(), key, Before::Waiting);
        self.settle(now, key);
        // The old life may have been put to rest under the same key just now.
        self.time_wait.remove(datagram.conv(), from.id());
        self.handle_unrouted(now, from, datagram);
    }

    /// Counts a stream whose data does not get through, and says so once a minute.
    fn report_stall(&mut self, now: Time, key: Key, lasted: Duration) {
        if self.stalls.another(now, &mut self.stats.stalled).is_none() {
            return;
        }
        let Ok(session) = self.session(key) else { return };
        let (conv, peer, mtu, stalled) =
            (session.conv(), session.peer(), self.config.mtu, self.stats.stalled);
        log::warn!(
            "conversation {conv}: {peer} answers, but for {} s has acknowledged no data; if datagrams \
             of mtu = {mtu} bytes are too long for the path or for the peer, set less ({stalled} such \
             streams so far)",
            lasted.as_secs()
        );
    }

    /// Lets every session whose deadline has passed do what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.handle_channels_timeout(now);
        self.handle_lanes_timeout(now);
        self.handle_pace(now);
        self.handle_mtu_timeouts(now);
        while let Some(key) = self.deadlines.pop_due(now) {
            let Some(entry) = self.sessions.get_mut(key) else { continue };
            // It may have come up early (see Deadlines): the session knows what is due.
            entry.deadline = None;
            if entry.session.is_engine_due(now) {
                entry.schedule_flush(&mut self.pending_flush, key);
            }
            // What its other conversations have heard of the peer comes first: it may save a keepalive.
            let mut of = entry.peer.and_then(|of| self.peers.get_mut(of));
            if let Some(of) = &of {
                entry.session.heed_peer(of.heard_at, of.asked_at);
            }
            entry.session.handle_timeout(now);
            if let Some(of) = of.as_mut().filter(|_| entry.session.has_just_asked(now)) {
                of.asked_at = now;
            }
            self.settle(now, key);
            self.finish_move(now, key);
        }
    }

    /// Returns when [`handle_timeout`](Router::handle_timeout) must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        let path = earliest(self.pace_deadlines.first(), self.mtu_deadlines.first());
        let below = earliest(self.poll_channels_timeout(), self.poll_lanes_timeout());
        earliest(self.deadlines.first(), earliest(path, below))
    }

    /// Hands the datagrams of sessions that have something to send to `out`, each session's
    /// together. `true`: call again, there is more.
    pub fn transmit(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) -> bool {
        let (mut datagrams, mut bytes) = (0usize, 0u64);
        let mut count = |path, datagram: &[u8]| {
            datagrams += 1;
            bytes = bytes.wrapping_add(datagram.len() as u64);
            out(path, datagram);
        };
        let mut lanes = LaneOutlet::new(self);
        let mut count = |path: Path, datagram: &[u8]| lanes.send(now, path, datagram, &mut count);
        let mut outlet = Outlet::new(self);
        outlet.begin(now, &mut count);
        let mut handed = 0usize;
        let mut out = |path, datagram: &[u8]| {
            outlet.send(now, path, datagram, &mut count);
            handed += 1;
            handed
        };
        let mut sent = 0;
        // Handshakes wait for these, and each answers a datagram or ends a session.
        for (addr, answer) in self.stateless_replies.drain() {
            sent = out(addr, &answer);
        }
        // Each session once: who has more waits until the others had their turn.
        for _ in 0..self.pending_flush.len() {
            if sent >= TRANSMIT_BATCH {
                break;
            }
            let Some(key) = self.pending_flush.pop_front() else { break };
            sent = self.flush(now, key, None, &mut out).max(sent);
        }
        self.serve_paths(now, sent, &mut out);
        outlet.end(self);
        lanes.end(self);
        self.set_put_off(now);
        self.stats.datagrams_sent = self.stats.datagrams_sent.wrapping_add(datagrams as u64);
        self.stats.bytes_sent = self.stats.bytes_sent.wrapping_add(bytes);
        self.has_transmits()
    }

    /// Returns whether there is something for [`transmit`](Router::transmit).
    pub fn has_transmits(&self) -> bool {
        !self.pending_flush.is_empty()
            || !self.open_paths.is_empty()
            || !self.stateless_replies.is_empty()
            || self.channels_have_transmits()
    }

    /// Returns whether there is something for [`pop_ready`](Router::pop_ready).
    pub fn has_events(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns a session for which handles may have something to do, and what, as bits.
    pub fn pop_ready(&mut self) -> Option<(Key, u8)> {
        while let Some(key) = self.ready.pop() {
            if let Some(entry) = self.sessions.get_mut(key) {
                entry.queued_event = false;
                return Some((key, entry.session.take_ready()));
            }
        }
        None
    }

    /// Returns whether there is something for [`pop_incoming`](Router::pop_incoming).
    pub fn has_incoming(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Returns a session that a peer opened; the caller owns a handle to it from here on.
    pub fn pop_incoming(&mut self) -> Option<Key> {
        let (_, key) = self.incoming.pop_first()?;
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.incoming = None;
        }
        Some(key)
    }

    /// Returns whether no conversation is on the wire. Handles to ended ones may be left.
    pub fn is_idle(&self) -> bool {
        self.routes.is_empty() && self.stateless_replies.is_empty()
    }

    /// Returns whether all sessions are gone, and all handles to them.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.stateless_replies.is_empty()
    }

    /// Returns the counters and gauges, except what only the shell knows.
    pub fn stats(&self) -> EndpointStats {
        EndpointStats {
            sessions: self.routes.len(),
            unconfirmed: self.unconfirmed.len(),
            time_wait: self.time_wait.len(),
            memory_used: self.account.budget().used(),
            memory_budget: self.account.budget().limit(),
            ..self.stats
        }
    }

    /// Charges what the queues of the driver hold.
    pub fn charge_queues(&mut self, bytes: usize) {
        self.account.set_queues(bytes);
    }

    /// Bytes that a queue of the driver may hold.
    pub fn queue_share(&self) -> usize {
        self.account.budget().moving_share()
    }

    /// Returns what it was made with.
    pub fn config(&self) -> &KcpConfig {
        &self.config
    }
}
