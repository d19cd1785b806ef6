//! Peers that have changed their address.

use std::net::SocketAddr;

use super::{Entry, Key, Router};
use crate::path::{Path, PeerId};
use crate::session::NewPath;
use crate::time::Time;
use crate::wire::View;

/// Sessions of one conversation number that are asked whether a datagram from elsewhere is theirs.
const MAX_CANDIDATES: usize = 8;

/// Moves that are logged in one minute.
const LOGGED: u32 = 10;

impl Router {
    /// Finds the session of the same number whose peer may have moved to `from`; `true`: the datagram
    /// has been dealt with.
    pub(super) fn handle_new_path(&mut self, now: Time, from: Path, datagram: &View<'_>) -> bool {
        let conv = datagram.conv();
        let lowest = PeerId::At(SocketAddr::from(([0, 0, 0, 0], 0)));
        // The routes are in order of their number first: all sessions that it can be are
        // neighbours. A bound, as a number may be anybody's choice.
        let candidates: Vec<Key> = self
            .routes
            .range((conv, lowest)..)
            .take_while(|((of, _), _)| *of == conv)
            .take(MAX_CANDIDATES)
            .map(|(_, &key)| key)
            .collect();
        for key in candidates {
            let Some(Entry { session, .. }) = self.sessions.get_mut(key) else { continue };
            match session.handle_new_path(now, from, datagram) {
                NewPath::Implausible => continue,
                NewPath::Plausible => {
                    // Once a second for a network, whatever it tries; an open question may be
                    // repeated without leave.
                    if session.has_asked(from.peer)
                        || self.stateless_replies.may_ask(now, &self.secret, from.peer)
                    {
                        session.ask_at(now, from, self.random.nonzero());
                    }
                    self.settle(now, key);
                    self.finish_move(now, key);
                }
                NewPath::Proven => {
                    self.relocate(now, key, from);
                    self.with_session(now, key, |session| session.handle_datagram(now, datagram));
                }
            }
            return true;
        }
        false
    }

    /// Moves the session whose peer has answered from elsewhere and no more from where it was.
    pub(super) fn finish_move(&mut self, now: Time, key: Key) {
        let entry = self.sessions.get_mut(key).filter(|entry| entry.session.error().is_none());
        if let Some(to) = entry.and_then(|entry| entry.session.poll_move(now)) {
            self.relocate(now, key, to);
            self.settle(now, key);
        }
    }

    fn relocate(&mut self, now: Time, key: Key, to: Path) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let session = &mut entry.session;
        let (conv, old, former) = (session.conv(), session.peer(), session.peer_id());
        // Another session is there under the same number: which of the two is the peer's nobody can
        // tell.
        if self.routes.contains_key(&(conv, to.id())) {
            return;
        }
        session.move_to(now, to);
        let counted = entry.counted;
        if let Some(of) = entry.peer.take() {
            self.leave_peer(of, key);
            let joined = self.peers.join(now, to, key, self.new_path());
            self.join_lane(to.peer);
            if let Some(entry) = self.sessions.get_mut(key) {
                entry.peer = Some(joined);
            }
            self.count_in_flight(now, key);
            self.adopt_mtu(now, key);
        }
        let Some(entry) = self.sessions.get_mut(key) else { return };
        if std::mem::take(&mut entry.assigned_conv) {
            self.unnumbered.remove(&old);
        }
        self.routes.remove(&(conv, former));
        self.routes.insert((conv, to.id()), key);
        if counted {
            self.shares.remove(old);
            self.shares.add(to.peer);
        }
        self.stats.moved = self.stats.moved.wrapping_add(1);
        self.log_move(now, conv, old, to.peer);
        self.ask_others(now, former, to);
    }

    /// Asks at once for the others of a peer of which one session has moved: they have moved too.
    fn ask_others(&mut self, now: Time, old: PeerId, to: Path) {
        let others: Vec<Key> = self.peers.sessions(old).collect();
        for key in others {
            let token = self.random.nonzero();
            self.with_session(now, key, |session| {
                if session.is_confirmed() {
                    session.ask_at(now, to, token);
                }
            });
        }
    }

    fn log_move(&mut self, now: Time, conv: u32, old: SocketAddr, to: SocketAddr) {
        if self.may_log_move(now) {
            log::info!("conversation {conv}: the peer has moved from {old} to {to}");
        }
    }

    /// Counts a move, and returns whether there were few.
    pub(super) fn may_log_move(&mut self, now: Time) -> bool {
        let minute = now.as_millis() / 60_000;
        if self.moves_logged.0 != minute {
            self.moves_logged = (minute, 0);
        }
        self.moves_logged.1 += 1;
        self.moves_logged.1 <= LOGGED
    }
}
