//! Datagrams that no session expects: newcomers, movers, ghosts and noise.

use std::net::SocketAddr;

use super::answers::prefix;
use super::{Entry, Key, Router};
use crate::control::{hello_nonce, no_room, rst_for};
use crate::error::KcpError;
use crate::limits::RECV_WINDOW_MIN;
use crate::path::{Path, PeerId};
use crate::secret::COOKIE_LASTS;
use crate::session::{question, Proof, Role, Session, SessionParams};
use crate::time::Time;
use crate::wire::{diff, Header, View, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, HEADER_LEN};

/// A first flight may arrive in any order.
const EARLY: i32 = RECV_WINDOW_MIN as i32;

impl Router {
    pub(super) fn handle_unrouted(&mut self, now: Time, from: Path, datagram: &View<'_>) {
        if from.channel.is_some() {
            return self.handle_unknown_inside(now, from, datagram);
        }
        let conv = datagram.conv();
        if conv == 0 {
            return self.handle_asker(now, from, datagram);
        }
        if self.adopt(now, from, datagram) {
            return;
        }
        let find = || Proof::find(&self.secret, now, from.peer, self.sn_base, datagram);
        // In the order of how much a datagram shows: a proof, a key that rests, a session
        // elsewhere, an opening.
        let proof = if self.accepting { find() } else { None };
        let nonce = hello_nonce(datagram);
        if let Some(entry) = self.time_wait.get(now, conv, from.id()) {
            match (proof, nonce) {
                (Some(Proof::Third { nonces }), _) if entry.is_succeeded_by(nonces.0) => {
                    self.time_wait.remove(conv, from.id());
                }
                // Anybody can say so: the rest goes on until it is proven.
                (None, Some(nonce)) if self.accepting && entry.is_succeeded_by(nonce) => {
                    return self.answer_hello(now, from, conv, nonce);
                }
                _ => {
                    self.answer(now, from, entry.answer(datagram));
                    return;
                }
            }
        }
        if let Some(proof) = proof {
            return self.admit_proven(now, from, proof, datagram);
        }
        if self.handle_new_path(now, from, datagram) {
            return;
        }
        if self.accepting && (nonce.is_some() || self.is_opening(datagram)) {
            return self.admit(now, from, nonce, datagram, false);
        }
        self.stats.unknown = self.stats.unknown.wrapping_add(1);
        if self.may_be_early(now, datagram) {
            return;
        }
        // As TCP answers what belongs to no connection (RFC 9293, 3.10.7.1); an RST itself is not answered.
        let answer = rst_for(datagram);
        if self.answer(now, from, answer) {
            self.stats.resets_sent = self.stats.resets_sent.wrapping_add(1);
        }
    }

    /// Tells whether this may be data of a client that was answered without a record, and whose proof is late
    /// or lost: it will be repeated, and a reset would end its stream. Such a client marks its `una`.
    fn may_be_early(&self, now: Time, datagram: &View<'_>) -> bool {
        let pressed = self.stateless_at.is_some_and(|at| now.since(at) < COOKIE_LASTS);
        let una = self.sn_base.wrapping_sub(1);
        pressed && datagram.first().una == una
    }

    /// Tells whether these are a stock peer's first words: data from the beginning of a conversation,
    /// nothing of which claims to be part of an established one.
    pub(super) fn is_opening(&self, datagram: &View<'_>) -> bool {
        let mut pushes = 0;
        for header in datagram.headers() {
            let early = (0..EARLY).contains(&diff(header.sn, self.sn_base));
            match header.cmd {
                // ikcp.c has received nothing when it begins, and so acknowledges nothing.
                CMD_PUSH if header.una == self.sn_base && early => pushes += 1,
                CMD_WASK => {}
                _ => return false,
            }
        }
        pushes > 0
    }

    /// Numbers a client of tokio_kcp, whose conversation 0 asks the listener for a number. Until the peer uses it,
    /// what it sends under 0 belongs to the same session.
    fn handle_asker(&mut self, now: Time, from: Path, datagram: &View<'_>) {
        let known = self.unnumbered.get(&from.peer).copied();
        if known.is_none()
            && !(self.accepting && (hello_nonce(datagram).is_some() || self.is_opening(datagram)))
        {
            self.stats.unknown = self.stats.unknown.wrapping_add(1);
            return;
        }
        let conv = match known.and_then(|key| self.session(key).ok()) {
            Some(session) => session.conv(),
            None => self.free_conv(from.id()),
        };
        // Each segment carries the number; behind this line they all have the one that was given.
        let mut renamed = datagram.bytes().to_vec();
        let mut at = 0;
        for segment in datagram.segments() {
            renamed[at..at + 4].copy_from_slice(&conv.to_le_bytes());
            at += HEADER_LEN + segment.payload.len();
        }
        let Ok(renamed) = View::new(&renamed) else { return };
        match known {
            Some(key) => {
                self.with_session(now, key, |session| session.handle_datagram(now, &renamed));
            }
            None => self.admit(now, from, hello_nonce(datagram), &renamed, true),
        }
    }

    /// Lets our own client that asked for a number learn it from the first answer.
    fn adopt(&mut self, now: Time, from: Path, datagram: &View<'_>) -> bool {
        let conv = datagram.conv();
        let Some(&key) = self.routes.get(&(0, from.id())) else { return false };
        let Some(entry) = self.sessions.get_mut(key) else { return false };
        if entry.session.role() != Role::Client {
            return false;
        }
        entry.session.adopt(conv);
        self.routes.remove(&(0, from.id()));
        self.routes.insert((conv, from.id()), key);
        self.with_session(now, key, |session| session.handle_datagram(now, datagram));
        true
    }

    /// Opens a session for a newcomer that has proved nothing; under pressure it is only asked for a
    /// proof, and nothing is kept.
    fn admit(
        &mut self,
        now: Time,
        from: Path,
        nonce: Option<u32>,
        datagram: &View<'_>,
        asked: bool,
    ) {
        let conv = datagram.conv();
        let limit = self.config.max_unconfirmed.min(self.config.max_sessions);
        // Half is left for those who were let in before the pressure was noticed.
        let pressed = 2 * self.unconfirmed.len() >= limit;
        if pressed || self.routes.len() >= self.config.max_sessions {
            self.stateless_at = Some(now);
            return match nonce {
                Some(nonce) => self.answer_hello(now, from, conv, nonce),
                None => self.ask_for_proof(now, from, conv),
            };
        }
        let Ok(key) = self.open(now, from, conv, Role::Server) else { return };
        let birth = self.next_birth();
        let Some(entry) = self.sessions.get_mut(key) else { return };
        entry.assigned_conv = asked;
        entry.unconfirmed = Some(birth);
        entry.incoming = Some(birth);
        if asked {
            self.unnumbered.insert(from.peer, key);
        }
        self.unconfirmed.insert(birth, key);
        if self.config.accept_unconfirmed {
            self.stats.accepted = self.stats.accepted.wrapping_add(1);
            self.incoming.insert(birth, key);
        }
        self.with_session(now, key, |session| session.handle_datagram(now, datagram));
    }

    /// Opens a session for a newcomer that has proved its address with nothing kept of it.
    fn admit_proven(&mut self, now: Time, from: Path, proof: Proof, datagram: &View<'_>) {
        let conv = datagram.conv();
        if !self.make_room(now, from.peer, None) {
            if let Proof::Third { nonces } = proof {
                self.answer(now, from, Some(no_room(conv, nonces)));
            }
            return;
        }
        self.admit_known(now, from, Some(proof), datagram);
    }

    /// Opens a session for somebody who is known to receive where it is.
    pub(super) fn admit_known(
        &mut self,
        now: Time,
        from: Path,
        proof: Option<Proof>,
        datagram: &View<'_>,
    ) {
        let Ok(key) = self.open(now, from, datagram.conv(), Role::Server) else { return };
        let birth = self.next_birth();
        let Some(entry) = self.sessions.get_mut(key) else { return };
        entry.incoming = Some(birth);
        if let Some(proof) = proof {
            entry.session.prove(proof);
        }
        self.welcome(now, key, birth);
        self.with_session(now, key, |session| session.handle_datagram(now, datagram));
    }

    /// Counts a session whose peer has proved its address, and lets it be accepted.
    pub(super) fn welcome(&mut self, now: Time, key: Key, birth: u64) {
        let Some(peer) = self.peer(key) else { return };
        if !self.make_room(now, peer, Some(key)) {
            return self.turn_out(now, key);
        }
        let Some(entry) = self.sessions.get_mut(key) else { return };
        log::debug!("conversation {}: {peer} is accepted", entry.session.conv());
        entry.counted = true;
        self.shares.add(peer);
        // With `accept_unconfirmed` it is in the queue, and counted, already.
        if entry.incoming.is_some() && self.incoming.insert(birth, key).is_none() {
            self.stats.accepted = self.stats.accepted.wrapping_add(1);
        }
    }

    fn next_birth(&mut self) -> u64 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// Makes room for a newcomer that has proved its address, and has the session `own` if there is one
    /// already; `false`: there is none. The oldest session whose peer has proved nothing goes, or else
    /// the one that has been silent for longest among those of the network that has the most, if that has
    /// more than the newcomer's.
    pub(super) fn make_room(&mut self, now: Time, peer: SocketAddr, own: Option<Key>) -> bool {
        let share = self.config.sessions_per_prefix();
        // Whatever else is free, nobody makes room for a network that has its share.
        if self.shares.of(peer) >= share {
            self.refuse(now, peer, "max_sessions_per_prefix", share);
            return false;
        }
        let accepted = self.config.accepted_limit();
        let is_crowded = own.is_none() && self.routes.len() >= self.config.max_sessions;
        if !is_crowded && self.shares.total() < accepted {
            return true;
        }
        // Nobody is lost with it that has shown to exist.
        let unproven = self.unconfirmed.first_key_value().map(|(_, &key)| key);
        let unproven = unproven.filter(|_| is_crowded);
        let Some(key) = unproven.or_else(|| self.idlest_of_most(peer)) else {
            let (name, limit) = match self.shares.total() < accepted {
                true => ("max_sessions", self.config.max_sessions),
                false => ("max_accepted", accepted),
            };
            self.refuse(now, peer, name, limit);
            return false;
        };
        self.stats.evicted = self.stats.evicted.wrapping_add(1);
        self.turn_out(now, key);
        true
    }

    fn idlest_of_most(&self, newcomer: SocketAddr) -> Option<Key> {
        let most = self.shares.most_but(newcomer)?;
        // Fair among networks, not among connections: who opens many pays with the idlest of them.
        let of_most = |entry: &Entry| entry.counted && prefix(entry.session.peer()) == most;
        let entries = self.routes.values().filter_map(|&key| Some((key, self.sessions.get(key)?)));
        let candidates = entries.filter(|(_, entry)| of_most(entry));
        candidates.min_by_key(|(_, entry)| entry.session.last_heard()).map(|(key, _)| key)
    }

    /// Counts a newcomer that there is no room for, and says so once a minute.
    fn refuse(&mut self, now: Time, peer: SocketAddr, limit: &str, value: usize) {
        if self.refusals.another(now, &mut self.stats.refused).is_some() {
            let refused = self.stats.refused;
            log::warn!(
                "{peer} is refused, the limit {limit} = {value} is reached ({refused} so far)"
            );
        }
    }

    /// Ends a session that there is no room for. Its peer is told if it has proved its address.
    fn turn_out(&mut self, now: Time, key: Key) {
        let limit = self.config.max_sessions;
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.evicted = true;
        }
        self.with_session(now, key, |session| session.fail(KcpError::TooManySessions { limit }));
    }

    /// Answers a HELLO and keeps nothing: the nonce is a cookie, which comes back with the third leg.
    pub(super) fn answer_hello(&mut self, now: Time, to: Path, conv: u32, nonce: u32) {
        // No longer than the HELLO: nothing is gained by forging its source (RFC 9000, 8.1).
        let ts = self.secret.cookie(now, to.peer, conv, nonce);
        let (cmd, frg, wnd) = (CMD_WINS, CODE_HELLO, self.config.wnd_size.1.max(RECV_WINDOW_MIN));
        let answer = Header { conv, cmd, frg, wnd, ts, sn: nonce, una: self.sn_base, len: 0 };
        self.stats.stateless = self.stats.stateless.wrapping_add(1);
        self.stateless_replies.push(to, answer.encode());
    }

    /// Asks a stock newcomer for a proof and keeps nothing.
    fn ask_for_proof(&mut self, now: Time, to: Path, conv: u32) {
        let cookie = self.secret.cookie(now, to.peer, conv, 0);
        let wnd = self.config.wnd_size.1.max(RECV_WINDOW_MIN);
        self.stats.stateless = self.stats.stateless.wrapping_add(1);
        self.stateless_replies.push(to, question(conv, cookie, wnd, self.sn_base).encode());
    }

    pub(super) fn open(
        &mut self,
        now: Time,
        path: Path,
        conv: u32,
        role: Role,
    ) -> Result<Key, KcpError> {
        let birth = SessionParams {
            config: self.config.clone(),
            conv,
            path,
            role,
            mtu: self.mtu,
            max_mtu: self.config.longest_mtu() - (self.config.mtu - self.mtu),
            sn_base: self.sn_base,
            secret: self.secret,
            pool: self.pool.clone(),
        };
        let session = Session::new(birth, now, &mut self.random)?;
        let rate = self.new_path();
        if self.sessions.len() == self.sessions.capacity() {
            // By an eighth: doubled, the table would take as much again as the sessions in it.
            self.sessions.reserve_exact(self.sessions.len() / 8 + 4);
        }
        let place = self.sessions.vacant_entry();
        let key = place.key();
        place.insert(Entry::new(session, self.peers.join(now, path, key, rate)));
        self.routes.insert((conv, path.id()), key);
        self.join_lane(path.peer);
        self.adopt_mtu(now, key);
        self.join_channel(now, key);
        Ok(key)
    }

    /// Finds a number that is free with this peer.
    pub(super) fn free_conv(&mut self, peer: PeerId) -> u32 {
        loop {
            // At random, so that nobody off the path can name it (RFC 6056).
            let conv = self.random.nonzero();
            if !self.routes.contains_key(&(conv, peer)) {
                return conv;
            }
        }
    }

    /// Queues an answer to a stranger; `false` if there is none or the rate is used up.
    pub(super) fn answer(&mut self, now: Time, to: Path, answer: Option<[u8; HEADER_LEN]>) -> bool {
        answer.is_some_and(|answer| {
            self.stateless_replies.push_limited(now, &self.secret, to, answer)
        })
    }
}
