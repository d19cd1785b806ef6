//! An initiation under way: repeated as it is, with a new salt, until somebody answers or nobody will.

use std::net::SocketAddr;
use std::time::Duration;

use super::message::Mac;
use super::noise::Initiator;
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
    /// When the first message left, if it is the only one: for the round trip.
    only_sent_at: Option<Time>,
    /// Where the last message went to, and its mac1, which a cookie reply has to know.
    pub(super) asked: Option<(SocketAddr, Mac)>,
    /// What was sent last answers a cookie reply: another one does not make it leave again at once, or
    /// two who do not understand each other would go on for ever.
    has_cookie: bool,
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
            only_sent_at: None,
            asked: None,
            has_cookie: false,
        }
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
        (self.initiated, self.made_at, self.only_sent_at) = (initiated, now, None);
    }

    /// Notes that the message leaves, because it is time or (`has_cookie`) because of a cookie reply, and when
    /// it is sent again: each wait is up to an eighth shorter or longer, by a random number.
    pub(super) fn sent(
        &mut self,
        now: Time,
        to: SocketAddr,
        mac1: Mac,
        random: u32,
        has_cookie: bool,
    ) {
        self.has_cookie = has_cookie;
        let is_first = self.made_at == now && self.asked.is_none();
        self.only_sent_at = is_first.then_some(now);
        self.asked = Some((to, mac1));
        self.next_at = now + self.wait - self.wait / 8 + self.wait / 4 * (random % 1024) / 1024;
        if !has_cookie {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Returns where a cookie reply may come from, and the mac1 that it has to know.
    pub(super) fn awaits_cookie(&self) -> Option<(SocketAddr, Mac)> {
        self.asked.filter(|_| !self.has_cookie)
    }

    /// Returns the round trip, if it is clear which message was answered.
    pub(super) fn round_trip(&self, now: Time) -> Option<Duration> {
        self.only_sent_at.map(|at| now.since(at))
    }
}
