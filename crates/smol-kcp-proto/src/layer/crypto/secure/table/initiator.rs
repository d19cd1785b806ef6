//! Handshakes that this side begins.

use std::time::Duration;

use super::{ChannelKey, Owner, SecureEvent, SecureTable};
use crate::layer::crypto::secure::attempt::{Attempt, Initiated};
use crate::layer::crypto::secure::data::Kind;
use crate::layer::crypto::secure::keypair::{Keypair, KeypairParams, Side};
use crate::layer::crypto::secure::message::{
    unmask_response, InitiationPayload, ResponderKeys, ResponsePayload, COOKIE_REPLY_MAX,
    COOKIE_REPLY_MIN, PROLOGUE,
};
use crate::layer::crypto::secure::noise::Initiator;
use crate::layer::crypto::secure::stats::count;
use crate::path::Path;
use crate::time::Time;

/// Handshakes with one address that a cookie reply from there is tried on.
const AWAITING_TRIES: usize = 4;

impl SecureTable {
    /// Says where a peer is and begins a handshake with it, unless there are keys or one is under way.
    pub fn connect(&mut self, now: Time, key: ChannelKey, path: Path) {
        self.set_path(key, path);
        if !self.is_ready(now, key) {
            self.begin_attempt(now, key);
        }
    }

    /// Begins a handshake, unless one is under way or nobody knows where the peer is.
    pub(super) fn begin_attempt(&mut self, now: Time, key: ChannelKey) {
        let Some(channel) = self.channels.get(key) else { return };
        if channel.attempt.is_some() || channel.path.is_none() {
            return self.schedule(key);
        }
        if let Some(initiated) = self.initiate(key) {
            if let Some(channel) = self.channels.get_mut(key) {
                let attempt = Attempt::new(now, initiated, channel.answer_timeout());
                channel.attempt = Some(Box::new(attempt));
            }
            self.send_initiation(now, key, false);
        }
        self.schedule(key);
    }

    /// Makes an initiation.
    pub(super) fn initiate(&mut self, key: ChannelKey) -> Option<Initiated> {
        let index = self.indices.draw(&mut self.generator, Owner::Attempt(key));
        let payload = InitiationPayload {
            instance: self.instance,
            sequence: self.channels.get_mut(key)?.take_sequence(),
            index,
            header_key: self.header_key.clone(),
        };
        let payload = payload.encode(self.generator.padding());
        let ephemeral = self.generator.secret_key();
        let remote = &self.channels.get(key)?.remote;
        match Initiator::new(&self.own, remote, ephemeral, PROLOGUE, &payload) {
            Some((noise, message)) => Some(Initiated { noise, message, index }),
            None => {
                self.indices.forget(index);
                None
            }
        }
    }

    /// Sends the present initiation, for the first time or again; `has_cookie`: because there is a cookie now.
    pub(super) fn send_initiation(&mut self, now: Time, key: ChannelKey, has_cookie: bool) {
        let (salt, random, jitter) =
            (self.generator.draw(), self.generator.draw(), self.generator.number());
        let Some(channel) = self.channels.get_mut(key) else { return };
        let cookie = channel.path.and_then(|path| channel.cookie(now, path.peer));
        let (Some(path), Some(attempt)) = (channel.path, channel.attempt.as_mut()) else { return };
        let former = attempt.asked.map(|(addr, _)| addr);
        let (datagram, mac1) = ResponderKeys::new(&channel.remote).initiation(
            &attempt.initiated.message,
            salt,
            cookie.ok_or(random),
        );
        attempt.sent(now, path.peer, mac1, jitter, has_cookie);
        count(&mut self.stats.initiations_sent);
        self.stop_awaiting(key, former);
        self.awaiting.insert((path.peer, key));
        self.push(path, datagram);
    }

    /// Takes what came under the index of a handshake of this side; `None`: it is no response to it.
    pub(super) fn handle_response(
        &mut self,
        now: Time,
        from: Path,
        key: ChannelKey,
        datagram: &[u8],
    ) -> Option<()> {
        let spread = self.generator.number();
        let channel = self.channels.get_mut(key)?;
        let attempt = channel.attempt.as_ref()?;
        let message = unmask_response(&self.header_key, datagram)?;
        let read = attempt.initiated.noise.read(&self.own, &channel.psk, &message);
        let Some((payload, split)) = read else {
            count(&mut self.stats.forged);
            return None;
        };
        let payload = ResponsePayload::decode(&payload)?;
        let (own_index, round_trip) = (attempt.initiated.index, attempt.round_trip(now));
        let params = KeypairParams {
            side: Side::Initiator,
            own_index,
            peer_index: payload.index,
            peer_header_key: payload.header_key,
            instance: payload.instance,
            spread,
        };
        let keypair = Box::new(Keypair::new(now, split, params));
        if let Some(round_trip) = round_trip {
            channel.set_timeout(round_trip);
        }
        let moved_from = channel.move_to(from);
        self.indices.give(own_index, Owner::Keypair(key));
        self.end_attempt(key);
        self.establish(now, key, keypair, round_trip);
        if let Some(path) = moved_from {
            count(&mut self.stats.moved);
            self.events.push_back(SecureEvent::Moved { channel: key, from: path });
        }
        // The responder may not use the keys before it has heard something under them.
        if let Some(channel) = self.channels.get_mut(key) {
            channel.begin_probes(now);
            channel.take_probe(now);
        }
        self.send_control(now, key, Kind::Probe);
        self.schedule(key);
        Some(())
    }

    /// Uses new keys from here on.
    pub(super) fn establish(
        &mut self,
        now: Time,
        key: ChannelKey,
        keypair: Box<Keypair>,
        round_trip: Option<Duration>,
    ) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.expire(now, &mut |index| self.indices.forget(index));
        let prefers_new = channel.prefers(&keypair, &self.own.public);
        let restarted =
            channel.install(keypair, prefers_new, &mut |index| self.indices.forget(index));
        if round_trip.is_some() {
            channel.round_trip = round_trip;
        }
        count(&mut self.stats.handshakes);
        if restarted {
            count(&mut self.stats.restarts);
        }
        self.events.push_back(SecureEvent::Established { channel: key, restarted, round_trip });
    }

    /// Takes a cookie reply to an initiation that was sent to where it comes from; `false`: it is none.
    pub(super) fn handle_cookie(&mut self, now: Time, from: Path, datagram: &[u8]) -> bool {
        if !(COOKIE_REPLY_MIN..=COOKIE_REPLY_MAX).contains(&datagram.len()) {
            return false;
        }
        let of_addr = self.awaiting.range((from.peer, 0)..=(from.peer, ChannelKey::MAX));
        let found = of_addr.take(AWAITING_TRIES).find_map(|&(_, key)| {
            let channel = self.channels.get(key)?;
            let (addr, mac1) = channel.attempt.as_ref()?.awaits_cookie()?;
            let cookie = ResponderKeys::new(&channel.remote).cookie(&mac1, datagram)?;
            (addr == from.peer).then_some((key, cookie))
        });
        let Some((key, cookie)) = found else { return false };
        count(&mut self.stats.cookies_taken);
        if let Some(channel) = self.channels.get_mut(key) {
            channel.set_cookie(now, from.peer, cookie);
        }
        self.send_initiation(now, key, true);
        self.schedule(key);
        true
    }
}
