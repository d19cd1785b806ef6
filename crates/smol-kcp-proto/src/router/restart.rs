//! A peer that has lost its memory: what one session has learnt of it, the others ask for.

use std::time::Duration;

use super::{Key, Router};
use crate::error::KcpError;
use crate::path::PeerId;
use crate::peer::Peer;
use crate::session::Session;
use crate::time::Time;

/// Time between two rounds of questions to one peer.
const EVERY: Duration = Duration::from_secs(1);

/// Silence of a session after which a new connection to its peer is a reason to ask.
const SILENT: Duration = Duration::from_secs(5);

/// Peers that may be asked within [`EVERY`]; the sessions of others learn by their keepalive.
const PEERS: u32 = 64;

/// How many peers were asked since when.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    since: Time,
    asked: u32,
}

impl Restarts {
    /// Tells whether the sessions of `peer` may be asked now, and if so notes that they are.
    fn ask(&mut self, now: Time, peer: &mut Peer) -> bool {
        if now.since(self.since) >= EVERY {
            (self.since, self.asked) = (now, 0);
        }
        let is_due = peer.all_asked_at.is_none_or(|at| now.since(at) >= EVERY);
        let asks = is_due && self.asked < PEERS;
        if asks {
            self.asked += 1;
            peer.all_asked_at = Some(now);
        }
        asks
    }
}

/// What a session was before a datagram came for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Connecting,
    /// For an answer. Only that can come from who has forgotten the session.
    Waiting,
    Quiet,
}

impl Before {
    pub(super) fn of(session: &Session) -> Before {
        match session.is_connecting() {
            true => Before::Connecting,
            false if session.awaits_answer() => Before::Waiting,
            false => Before::Quiet,
        }
    }
}

impl Router {
    /// Asks `peer` about its other sessions after a datagram for one of them: about every one where it does
    /// not know that session any more; where it has just been connected to, about the one that has been
    /// silent for longest, which speaks for the others. A question is one datagram of 24 bytes, and goes to
    /// who has proved its address.
    pub(super) fn heed_restart(&mut self, now: Time, peer: PeerId, key: Key, before: Before) {
        let Ok(session) = self.session(key) else { return };
        // Both are answers to words of ours: nobody can make us ask by words of its own.
        let connected = match (before, session.error()) {
            (Before::Connecting, None) if session.is_connected() => true,
            (Before::Waiting, Some(KcpError::Reset)) => false,
            _ => return,
        };
        let others = self.peers.sessions(peer).filter(|&other| other != key);
        let others = others.filter_map(|other| Some((other, self.session(other).ok()?)));
        let mut others: Vec<(Time, Key)> = others
            .filter(|(_, session)| session.is_confirmed() && !session.is_connecting())
            .map(|(other, session)| (session.last_heard(), other))
            .collect();
        if connected {
            // One is enough: if it is reset, the others are asked for that.
            let silent = others.into_iter().min().filter(|&(at, _)| now.since(at) >= SILENT);
            others = Vec::from_iter(silent);
        } else if others.is_empty() || !self.may_ask_all(now, peer) {
            return;
        }
        for (_, other) in others {
            self.with_session(now, other, |session| session.ping(now));
        }
    }

    fn may_ask_all(&mut self, now: Time, peer: PeerId) -> bool {
        let restarts = &mut self.restarts;
        self.peers.find_mut(peer).is_some_and(|peer| restarts.ask(now, peer))
    }
}
