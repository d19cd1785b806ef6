//! An initiation under way: repeated as it is, with a new salt, until somebody answers or nobody will.

use std::net::SocketAddr;
use std::time::Duration;

use super::message::Mac;
use super::noise::Initiator;
use crate::path::Path;
use crate::time::Time;

/// The first wait for an answer where the path is not known.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Its bounds where it is.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_FIRST_WAIT: Duration = Duration::from_secs(2);
/// Waits double up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// An initiation that is so old is replaced by a new one.
const RENEW_AFTER: Duration = Duration::from_secs(15);
/// Addresses at which the peer is looked for; the oldest one makes room.
const TARGETS: usize = 4;
/// Nobody answers (WireGuard's Rekey-Attempt-Time).
const GIVE_UP_AFTER: Duration = Duration::from_secs(90);

/// The first Noise message, and what is needed to read the second.
#[derive(Debug)]
pub(super) struct Initiated {
    pub(super) noise: Initiator,
    pub(super) message: Vec<u8>,
    /// Where the response is to go to.
    pub(super) index: u32,
}

/// Where the peer may be, and what was sent there.
#[derive(Clone, Copy, Debug)]
struct Target {
    path: Path,
    /// mac1 of the last message, which a cookie reply has to know.
    mac1: Option<Mac>,
    /// When the first message left, if it is the only one: for the round trip.
    only_sent_at: Option<Time>,
    /// What was sent last answers a cookie reply: another one does not make it leave again at once, or
    /// two who do not understand each other would go on for ever.
    has_cookie: bool,
}

/// A handshake that this side has begun.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) initiated: Initiated,
    began_at: Time,
    /// When the present message was made.
    made_at: Time,
    /// When it is sent again.
    pub(super) next_at: Time,
    wait: Duration,
    targets: Vec<Target>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Repeat,
    /// Make a new message and send that.
    Renew,
    GiveUp,
}

impl Attempt {
    /// `answer_timeout`: one and a half timeouts of the path, if it is known.
    pub(super) fn new(
        now: Time,
        initiated: Initiated,
        answer_timeout: Option<Duration>,
    ) -> Attempt {
        let known = |wait: Duration| wait.clamp(SHORTEST_WAIT, LONGEST_FIRST_WAIT);
        Attempt {
            initiated,
            began_at: now,
            made_at: now,
            next_at: now,
            wait: answer_timeout.map_or(FIRST_WAIT, known),
            targets: Vec::with_capacity(1),
        }
    }

    /// Lists where the peer may be.
    pub(super) fn paths(&self) -> impl Iterator<Item = Path> + '_ {
        self.targets.iter().map(|target| target.path)
    }

    /// Returns whether the peer is looked for there.
    pub(super) fn has(&self, path: Path) -> bool {
        self.paths().any(|known| known.peer == path.peer)
    }

    /// Looks for the peer there too, and returns what has made room.
    pub(super) fn add(&mut self, path: Path) -> Option<Path> {
        let is_full = self.targets.len() >= TARGETS;
        let oldest = is_full.then(|| self.targets.remove(0).path);
        self.targets.push(Target { path, mac1: None, only_sent_at: None, has_cookie: false });
        oldest
    }

    pub(super) fn due(&self, now: Time) -> Due {
        if now < self.next_at {
            Due::Nothing
        } else if now.since(self.began_at) >= GIVE_UP_AFTER {
            Due::GiveUp
        } else if now.since(self.made_at) >= RENEW_AFTER {
            Due::Renew
        } else {
            Due::Repeat
        }
    }

    pub(super) fn renew(&mut self, now: Time, initiated: Initiated) {
        (self.initiated, self.made_at) = (initiated, now);
    }

    /// Notes that the message leaves, because it is time or (`has_cookie`) because of a cookie reply.
    pub(super) fn sent(&mut self, now: Time, to: SocketAddr, mac1: Mac, has_cookie: bool) {
        if let Some(target) = self.target_mut(to) {
            target.only_sent_at = target.mac1.is_none().then_some(now);
            (target.mac1, target.has_cookie) = (Some(mac1), has_cookie);
        }
    }

    /// Sets when the message is sent again: each wait is up to an eighth shorter or longer, by a random number.
    /// `longer`: the next one is twice as long.
    pub(super) fn wait(&mut self, now: Time, random: u32, longer: bool) {
        self.next_at = now + self.wait - self.wait / 8 + self.wait / 4 * (random % 1024) / 1024;
        if longer {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Returns the path to this address, and the mac1 that a cookie reply from there has to know; `None`: none
    /// is taken.
    pub(super) fn awaits_cookie(&self, from: SocketAddr) -> Option<(Path, Mac)> {
        let target = self.targets.iter().find(|target| target.path.peer == from)?;
        Some((target.path, target.mac1.filter(|_| !target.has_cookie)?))
    }

    /// Returns the round trip to this address, if it is clear which message was answered.
    pub(super) fn round_trip(&self, now: Time, from: SocketAddr) -> Option<Duration> {
        let target = self.targets.iter().find(|target| target.path.peer == from)?;
        target.only_sent_at.map(|at| now.since(at))
    }

    fn target_mut(&mut self, addr: SocketAddr) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.path.peer == addr)
    }
}
