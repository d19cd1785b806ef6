//! Datagrams that no session expects: newcomers, movers, ghosts and noise.

use std::net::SocketAddr;

use super::{Key, Router, ANSWERS_PER_SECOND};
use crate::error::KcpError;
use crate::proto::session::{Birth, Foreign, Role, Session};
use crate::proto::time_wait::{hello, reset};
use crate::time::Time;
use crate::wire::{self, diff, CMD_PUSH, CMD_WASK, HEADER_LEN};

/// Sessions of one conversation number that are asked whether a datagram from elsewhere is theirs.
const MAX_CANDIDATES: usize = 8;

/// Every sender knows a receive window of at least so many segments (`IKCP_WND_RCV`), and a first
/// flight may arrive in any order.
const EARLY: i32 = 128;

impl Router {
    pub(super) fn handle_unrouted(
        &mut self,
        now: Time,
        from: SocketAddr,
        conv: u32,
        datagram: &[u8],
    ) {
        if conv == 0 {
            return self.handle_asker(now, from, datagram);
        }
        if self.adopt(now, from, conv, datagram) {
            return;
        }
        if let Some(rest) = self.rests.get(now, conv, from) {
            if !rest.is_succeeded_by(datagram) {
                self.answer(now, from, rest.answer(datagram));
                return;
            }
            self.rests.wake(conv, from);
        }
        let greets = hello(datagram).is_some();
        if self.move_session(now, from, conv, datagram) {
            return;
        }
        if self.accepting && (greets || self.is_opening(datagram)) {
            self.admit(now, from, conv, datagram, false);
            return;
        }
        self.stats.unknown = self.stats.unknown.wrapping_add(1);
        let answer = reset(datagram);
        if self.answer(now, from, answer) {
            self.stats.resets_sent = self.stats.resets_sent.wrapping_add(1);
        }
    }

    /// A stock peer's first words: data from the beginning of a conversation, nothing of which
    /// claims to be part of an established one.
    fn is_opening(&self, datagram: &[u8]) -> bool {
        let mut pushes = 0;
        for segment in wire::segments(datagram).flatten() {
            let header = segment.header;
            let early = (0..EARLY).contains(&diff(header.sn, self.sn_base));
            match header.cmd {
                CMD_PUSH if header.una == self.sn_base && early => pushes += 1,
                CMD_WASK => {}
                _ => return false,
            }
        }
        pushes > 0
    }

    /// tokio_kcp's habit: conversation 0 asks the listener for a number. Until the peer uses it,
    /// what it sends under 0 belongs to the same session.
    fn handle_asker(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let known = self.askers.get(&from).copied();
        if known.is_none()
            && !(self.accepting && (hello(datagram).is_some() || self.is_opening(datagram)))
        {
            self.stats.unknown = self.stats.unknown.wrapping_add(1);
            return;
        }
        let conv = match known.and_then(|key| self.sessions.get(key)) {
            Some(session) => session.conv(),
            None => self.free_conv(from),
        };
        let mut renamed = datagram.to_vec();
        let mut at = 0;
        for segment in wire::segments(datagram).flatten() {
            renamed[at..at + 4].copy_from_slice(&conv.to_le_bytes());
            at += HEADER_LEN + segment.payload.len();
        }
        match known {
            Some(key) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.handle_datagram(now, &renamed);
                    self.settle(now, key);
                }
            }
            None => self.admit(now, from, conv, &renamed, true),
        }
    }

    /// Our own client that asked for a number learns it from the first answer.
    fn adopt(&mut self, now: Time, from: SocketAddr, conv: u32, datagram: &[u8]) -> bool {
        let Some(&key) = self.routes.get(&(0, from)) else { return false };
        let Some(session) = self.sessions.get_mut(key) else { return false };
        if session.role() != Role::Client {
            return false;
        }
        session.adopt(conv);
        self.routes.remove(&(0, from));
        self.routes.insert((conv, from), key);
        self.deliver(now, key, datagram);
        true
    }

    /// Asks the sessions of the same number whether their peer has moved to `from`.
    fn move_session(&mut self, now: Time, from: SocketAddr, conv: u32, datagram: &[u8]) -> bool {
        let lowest = SocketAddr::from(([0, 0, 0, 0], 0));
        let candidates: Vec<(SocketAddr, Key)> = self
            .routes
            .range((conv, lowest)..)
            .take_while(|((of, _), _)| *of == conv)
            .take(MAX_CANDIDATES)
            .map(|(&(_, peer), &key)| (peer, key))
            .collect();
        for (old, key) in candidates {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            match session.handle_foreign(now, from, datagram, self.random.nonzero()) {
                Foreign::Implausible => continue,
                Foreign::Asked => {}
                Foreign::Moved => {
                    self.routes.remove(&(conv, old));
                    self.routes.insert((conv, from), key);
                    if std::mem::take(&mut session.slot.asked) {
                        self.askers.remove(&old);
                    }
                    if let Some(session) = self.sessions.get_mut(key) {
                        session.handle_datagram(now, datagram);
                    }
                }
            }
            self.settle(now, key);
            return true;
        }
        false
    }

    fn admit(&mut self, now: Time, from: SocketAddr, conv: u32, datagram: &[u8], asked: bool) {
        let limit = self.config.max_unconfirmed.min(self.config.max_sessions);
        if self.unconfirmed.len() >= limit || self.routes.len() >= self.config.max_sessions {
            self.evict(now);
        }
        if self.routes.len() >= self.config.max_sessions {
            self.stats.refused = self.stats.refused.wrapping_add(1);
            return;
        }
        let Ok(key) = self.open(now, from, conv, Role::Server) else { return };
        self.stats.accepted = self.stats.accepted.wrapping_add(1);
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.slot.asked = asked;
        if asked {
            self.askers.insert(from, key);
        }
        self.births = self.births.wrapping_add(1);
        session.slot.unconfirmed = Some(self.births);
        self.unconfirmed.insert(self.births, key);
        session.slot.incoming = Some(self.births);
        self.incoming.insert(self.births, key);
        session.handle_datagram(now, datagram);
        self.settle(now, key);
    }

    /// The oldest session whose peer has proved nothing makes room.
    fn evict(&mut self, now: Time) {
        let Some((_, &key)) = self.unconfirmed.first_key_value() else { return };
        if let Some(session) = self.sessions.get_mut(key) {
            session.slot.evicted = true;
            session.fail(KcpError::Reset);
            self.stats.evicted = self.stats.evicted.wrapping_add(1);
            self.settle(now, key);
        }
    }

    pub(super) fn open(
        &mut self,
        now: Time,
        peer: SocketAddr,
        conv: u32,
        role: Role,
    ) -> Result<Key, KcpError> {
        let birth = Birth {
            config: self.config.clone(),
            conv,
            peer,
            role,
            mtu: self.mtu,
            sn_base: self.sn_base,
            pool: self.pool.clone(),
        };
        let mut session = Session::new(birth, now, &mut self.random)?;
        session.slot.routed = true;
        let key = self.sessions.insert(session);
        self.routes.insert((conv, peer), key);
        Ok(key)
    }

    /// A number that is free with this peer.
    pub(super) fn free_conv(&mut self, peer: SocketAddr) -> u32 {
        loop {
            let conv = self.random.nonzero();
            if !self.routes.contains_key(&(conv, peer)) {
                return conv;
            }
        }
    }

    /// Queues a stateless answer; `false` if there is none or the rate is used up.
    fn answer(&mut self, now: Time, to: SocketAddr, answer: Option<[u8; HEADER_LEN]>) -> bool {
        let Some(answer) = answer else { return false };
        let second = now.as_millis() / 1000;
        if self.answered.0 != second {
            self.answered = (second, 0);
        }
        if self.answered.1 >= ANSWERS_PER_SECOND {
            return false;
        }
        self.answered.1 += 1;
        self.answers.push((to, answer));
        true
    }
}
