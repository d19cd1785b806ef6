//! What one remote party's channel is: its keys, its handshake, where it is, and what is due when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;
use super::bucket::{Bucket, Pace};
use super::keypair::{Keypair, Side};
use super::keys::{PresharedKey, PublicKey};
use super::message::{Instance, Mac};
use crate::path::Path;
use crate::time::{earliest, Time};

/// Former keys stay valid for so long once the other side uses the new ones.
const FORMER_LAST: Duration = Duration::from_secs(10);
/// Sets of former keys: two, as both sides may have initiated at once.
const FORMER_LIMIT: usize = 2;
/// Handshakes for want of an answer.
const SILENCES: Pace = Pace { interval: Duration::from_secs(5), burst: 3 };
/// The shortest silence that is one.
const SHORTEST_SILENCE: Duration = Duration::from_millis(100);
/// One and a half timeouts of a path that nobody knows.
const UNKNOWN_PATH: Duration = Duration::from_millis(750);
/// How long a cookie is used.
const COOKIE_LASTS: Duration = Duration::from_secs(60);
/// How often a new key is probed.
const PROBES: u8 = 5;

/// A cookie, and where it was got.
#[derive(Clone, Copy, Debug)]
struct Cookie {
    value: Mac,
    addr: SocketAddr,
    until: Time,
}

/// The question whether the other side has new keys, which is repeated.
#[derive(Clone, Copy, Debug)]
struct Probe {
    next_at: Time,
    wait: Duration,
    left: u8,
}

/// A remote party, known by its key.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) remote: PublicKey,
    pub(super) psk: PresharedKey,
    pub(super) name: Option<Arc<str>>,
    /// It was added, and stays without keys too. One of each key's at most.
    pub(super) listed: bool,
    /// How many want it to stay.
    pub(super) holds: u32,
    pub(super) path: Option<Path>,
    pub(super) current: Option<Box<Keypair>>,
    // Boxed: what a vector moves leaves copies of keys behind.
    #[allow(clippy::vec_box)]
    pub(super) former: Vec<Box<Keypair>>,
    former_until: Option<Time>,
    /// Which run of the other side is known, and the last of its initiations that was confirmed.
    pub(super) instance: Option<Instance>,
    pub(super) heard_sequence: Option<u32>,
    /// The number of the last handshake that had been answered when its present keys were agreed on, their own
    /// if it was the other side's: what is not above it is an earlier one.
    pub(super) began: u64,
    /// When something authentic came last.
    pub(super) heard_at: Time,
    pub(super) attempt: Option<Box<Attempt>>,
    cookie: Option<Cookie>,
    /// The path's timeout, if anybody knows.
    timeout: Option<Duration>,
    /// What the last handshake took, whoever began it.
    pub(super) round_trip: Option<Duration>,
    /// Since when something waits for an answer.
    unanswered_since: Option<Time>,
    silences: Bucket,
    probe: Option<Probe>,
    /// Its entry in the set of deadlines.
    pub(super) deadline: Option<Time>,
    /// Datagrams that came, and those that were sent up to the newest that came: the rest got lost, or is late.
    pub(super) arrived: u64,
    pub(super) expected: u64,
}

impl Channel {
    pub(super) fn new(remote: PublicKey, psk: PresharedKey, name: Option<Arc<str>>) -> Channel {
        Channel {
            remote,
            psk,
            name,
            listed: false,
            holds: 0,
            path: None,
            current: None,
            former: Vec::new(),
            former_until: None,
            instance: None,
            heard_sequence: None,
            began: 0,
            heard_at: Time::ZERO,
            attempt: None,
            cookie: None,
            timeout: None,
            round_trip: None,
            unanswered_since: None,
            silences: Bucket::default(),
            probe: None,
            deadline: None,
            arrived: 0,
            expected: 0,
        }
    }

    /// Notes where the peer is, and returns where it was if it has moved.
    pub(super) fn move_to(&mut self, path: Path) -> Option<Path> {
        let before = self.path.replace(path)?;
        // The own address was left to the system until something came to it: no move.
        let is_elsewhere = before.local.is_some() && before.local != path.local;
        (before.peer != path.peer || is_elsewhere).then_some(before)
    }

    /// Returns the keys under this index, and whether they are the present ones.
    pub(super) fn keypair_mut(&mut self, index: u32) -> Option<(&mut Keypair, bool)> {
        if let Some(current) = self.current.as_mut().filter(|keys| keys.own_index == index) {
            return Some((&mut **current, true));
        }
        let former = self.former.iter_mut().find(|keys| keys.own_index == index)?;
        Some((&mut **former, false))
    }

    /// Takes new keys, and those to send with are they, or if others are preferred those. Those of a run that is over are gone; `gone` is told the indices.
    /// Returns whether that run is over.
    pub(super) fn install(
        &mut self,
        keypair: Box<Keypair>,
        is_preferred: bool,
        gone: &mut dyn FnMut(u32),
    ) -> bool {
        let restarted = self.instance.is_some_and(|known| known != keypair.instance);
        if restarted {
            self.erase(gone);
            self.heard_sequence = None;
        }
        self.instance = Some(keypair.instance);
        let other = match is_preferred || self.current.is_none() {
            true => self.current.replace(keypair),
            false => Some(keypair),
        };
        self.former.splice(0..0, other);
        self.former.drain(FORMER_LIMIT.min(self.former.len())..).for_each(|k| gone(k.own_index));
        (self.former_until, self.unanswered_since, self.probe) = (None, None, None);
        restarted
    }

    /// Erases all keys.
    pub(super) fn erase(&mut self, gone: &mut dyn FnMut(u32)) {
        self.current
            .take()
            .into_iter()
            .chain(self.former.drain(..))
            .for_each(|k| gone(k.own_index));
        self.former.shrink_to_fit();
        (self.former_until, self.probe) = (None, None);
    }

    /// Erases the keys whose time is over.
    pub(super) fn expire(&mut self, now: Time, gone: &mut dyn FnMut(u32)) {
        if self.current.as_ref().is_some_and(|keys| !keys.is_valid(now)) {
            return self.erase(gone);
        }
        let over = self.former_until.is_some_and(|until| now >= until);
        self.former.retain(|keys| {
            let keep = !over && now < keys.expires_at();
            if !keep {
                gone(keys.own_index);
            }
            keep
        });
        if self.former.is_empty() {
            self.former = Vec::new();
        }
        if over {
            self.former_until = None;
        }
    }

    /// Notes that the other side uses the present keys.
    pub(super) fn heard_current(&mut self, now: Time) {
        self.probe = None;
        if !self.former.is_empty() && self.former_until.is_none() {
            self.former_until = Some(now + FORMER_LAST);
        }
    }

    /// Notes that the other side has still used former keys, or has been late.
    pub(super) fn heard_former(&mut self, now: Time) {
        if self.former_until.is_some() {
            self.former_until = Some(now + FORMER_LAST);
        }
    }

    /// Decides which keys to send with if each side has begun a handshake at the same time: both must choose
    /// the same, those whose initiator has the lower public key.
    pub(super) fn prefers(&self, new: &Keypair, own: &PublicKey) -> bool {
        let Some(current) = &self.current else { return true };
        if !current.crosses(new) {
            return true;
        }
        match new.side {
            Side::Initiator => *own < self.remote,
            Side::Responder => self.remote < *own,
        }
    }

    /// Notes a sign of life.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard_at = now;
        self.unanswered_since = None;
    }

    /// Waits for no answer any more.
    pub(super) fn stop_waiting(&mut self) {
        self.unanswered_since = None;
    }

    /// Notes that something was sent that asks for an answer.
    pub(super) fn asked(&mut self, now: Time) {
        self.unanswered_since = self.unanswered_since.or(Some(now));
    }

    /// Takes the path's timeout, which the retransmissions of what runs inside know best.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    /// Returns how long an answer may take: one and a half timeouts.
    pub(super) fn answer_timeout(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout.saturating_add(timeout / 2))
    }

    pub(super) fn set_cookie(&mut self, now: Time, addr: SocketAddr, value: Mac) {
        self.cookie = Some(Cookie { value, addr, until: now + COOKIE_LASTS });
    }

    /// Returns the cookie for an initiation to `addr`.
    pub(super) fn cookie(&self, now: Time, addr: SocketAddr) -> Option<Mac> {
        let valid = |cookie: &Cookie| now < cookie.until && cookie.addr == addr;
        self.cookie.filter(valid).map(|cookie| cookie.value)
    }

    /// Begins to ask whether the other side has the new keys.
    pub(super) fn begin_probes(&mut self, now: Time) {
        let wait = self.answer_timeout().unwrap_or(UNKNOWN_PATH).max(SHORTEST_SILENCE);
        self.probe = Some(Probe { next_at: now, wait, left: PROBES });
    }

    /// Returns whether a probe is to be sent now.
    pub(super) fn take_probe(&mut self, now: Time) -> bool {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.next_at <= now) else {
            return false;
        };
        probe.next_at = now + probe.wait;
        probe.wait = probe.wait.saturating_mul(2);
        probe.left -= 1;
        if probe.left == 0 {
            self.probe = None;
        }
        true
    }

    /// Returns when an answer is overdue.
    fn overdue_at(&self) -> Option<Time> {
        let answer_timeout = self.answer_timeout().unwrap_or(UNKNOWN_PATH).max(SHORTEST_SILENCE);
        self.unanswered_since.map(|at| at + answer_timeout)
    }

    /// Returns whether there are keys, and no answer is overdue: the peer is where it was heard.
    pub(super) fn is_answering(&self, now: Time) -> bool {
        self.has_keys(now) && self.overdue_at().is_none_or(|at| now < at)
    }

    /// Returns whether there are keys to seal with.
    pub(super) fn has_keys(&self, now: Time) -> bool {
        self.current.as_ref().is_some_and(|keys| keys.is_valid(now))
    }

    /// Returns when a silence is one that a handshake should end.
    fn silent_at(&self) -> Option<Time> {
        if self.attempt.is_some() || self.path.is_none() {
            return None;
        }
        self.overdue_at().map(|at| at.max(self.silences.ready_at(SILENCES)))
    }

    /// Returns whether the other side is silent, so that a handshake should find out why.
    pub(super) fn take_silence(&mut self, now: Time) -> bool {
        self.silent_at().is_some_and(|at| at <= now) && self.silences.take(now, SILENCES)
    }

    /// Returns when something is due.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let keys = self.current.iter().chain(&self.former).map(|keys| Some(keys.expires_at()));
        let others = [
            self.attempt.as_ref().map(|attempt| attempt.next_at),
            self.probe.as_ref().map(|probe| probe.next_at),
            self.silent_at(),
            self.former_until,
        ];
        keys.chain(others).fold(None, earliest)
    }

    /// Returns whether it waits for whichever run of its key comes first: none was known yet, or nothing is
    /// left of the one that was.
    pub(super) fn is_vacant(&self, now: Time) -> bool {
        let is_over = self.holds == 0 && !self.has_keys(now);
        self.listed && (self.instance.is_none() || is_over)
    }

    /// Returns whether nothing speaks for keeping it.
    pub(super) fn is_idle(&self) -> bool {
        !self.listed && self.holds == 0 && self.current.is_none() && self.attempt.is_none()
    }
}
