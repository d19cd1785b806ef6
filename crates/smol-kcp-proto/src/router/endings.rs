//! What concerns all sessions of an endpoint at once: silence, a change of the network, the end.

use std::time::Duration;

use super::{Entry, Key, Router};
use crate::error::KcpError;
use crate::peer::PeerKey;
use crate::session::Session;
use crate::time::Time;

impl Router {
    /// Ends what waits for a first answer, as the peer's system says that nobody listens there.
    pub fn handle_refused(&mut self, now: Time) {
        self.fail_where(now, &KcpError::Refused, Session::is_connecting);
    }

    /// Ends every session for the same cause: the transport has ended, or the driver.
    pub fn fail_all(&mut self, now: Time, cause: &KcpError) {
        self.accepting = false;
        self.fail_where(now, cause, |_| true);
        self.stateless_replies.clear();
    }

    /// Tells whether every session has waited for an answer for so long that the local address may be to blame.
    /// Those that have just begun to connect wait for less, and say nothing about it.
    pub fn is_silent(&self, now: Time, span: Duration) -> bool {
        // Asked after almost every turn: all sessions are looked at only where it may be so.
        if self.asking == 0 || now.since(self.heard_at) < span {
            return false;
        }
        let entries = || self.routes.values().filter_map(|&key| self.sessions.get(key));
        let is_silent = |entry: &Entry| entry.session.is_silent(now, span);
        let mut silent: Vec<PeerKey> =
            entries().filter(|entry| is_silent(entry)).filter_map(|entry| entry.peer).collect();
        silent.sort_unstable();
        silent.dedup();
        // Who waits for nothing says nothing of a peer that another one has asked.
        let says_nothing = |Entry { session, peer, .. }: &Entry| {
            let is_idle = !session.awaits_answer() && now.since(session.last_heard()) >= span;
            session.is_connecting()
                || is_idle && peer.is_some_and(|of| silent.binary_search(&of).is_ok())
        };
        !silent.is_empty() && entries().all(|entry| is_silent(entry) || says_nothing(entry))
    }

    /// Lets every peer learn that the local address has changed.
    pub fn ping_all(&mut self, now: Time) {
        let keys: Vec<Key> = self.routes.values().copied().collect();
        for key in keys {
            self.with_session(now, key, |session| session.ping(now));
        }
    }

    fn fail_where(&mut self, now: Time, cause: &KcpError, which: impl Fn(&Session) -> bool) {
        // Keys first: what fails may leave the slab at once.
        let sessions = self.sessions.iter().filter(|(_, entry)| which(&entry.session));
        let keys: Vec<Key> = sessions.map(|(key, _)| key).collect();
        for key in keys {
            self.with_session(now, key, |session| session.fail(cause.clone()));
        }
    }
}
