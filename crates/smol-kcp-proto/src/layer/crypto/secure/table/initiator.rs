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
    /// Says where a peer may be. Without keys a handshake begins; where one is under way, its initiation
    /// leaves for this address at once too, and whichever answers is where the peer is. Where there are keys and
    /// the peer answers, it stays where it was heard last; where it does not, it is looked for at both
    /// addresses.
    pub fn connect(&mut self, now: Time, key: ChannelKey, path: Path) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        if channel.is_answering(now) {
            return;
        }
        if !channel.has_keys(now) {
            channel.path = Some(path);
        }
        self.begin_attempt(now, key);
        let Some(channel) = self.channels.get_mut(key) else { return };
        let Some(attempt) = channel.attempt.as_mut().filter(|attempt| !attempt.has(path)) else {
            return;
        };
        if let Some(former) = attempt.add(path) {
            self.awaiting.remove(&(former.peer, key));
        }
        self.send_initiation(now, key, path, false);
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
            self.send_initiations(now, key);
        }
        self.schedule(key);
    }

    /// Makes an initiation.
    pub(super) fn initiate(&mut self, key: ChannelKey) -> Option<Initiated> {
        let index = self.indices.draw(&mut self.generator, Owner::Attempt(key));
        let payload = InitiationPayload {
            instance: self.instance,
            sequence: self.next_sequence,
            index,
            header_key: self.header_key.clone(),
        };
        self.next_sequence = self.next_sequence.saturating_add(1);
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

    /// Sends the present initiation wherever the peer may be, for the first time or again because it is time.
    pub(super) fn send_initiations(&mut self, now: Time, key: ChannelKey) {
        let jitter = self.generator.number();
        let Some(channel) = self.channels.get_mut(key) else { return };
        let (Some(path), Some(attempt)) = (channel.path, channel.attempt.as_mut()) else { return };
        let former = if attempt.has(path) { None } else { attempt.add(path) };
        attempt.wait(now, jitter, true);
        let paths: Vec<Path> = attempt.paths().collect();
        if let Some(former) = former {
            self.awaiting.remove(&(former.peer, key));
        }
        for path in paths {
            self.send_initiation(now, key, path, false);
        }
    }

    /// Sends the present initiation by this path; `has_cookie`: because there is a cookie now.
    fn send_initiation(&mut self, now: Time, key: ChannelKey, path: Path, has_cookie: bool) {
        let (salt, random) = (self.generator.draw(), self.generator.draw());
        let Some(channel) = self.channels.get_mut(key) else { return };
        let cookie = channel.cookie(now, path.peer);
        let Some(attempt) = channel.attempt.as_mut() else { return };
        let (datagram, mac1) = ResponderKeys::new(&channel.remote).initiation(
            &attempt.initiated.message,
            salt,
            cookie.ok_or(random),
        );
        attempt.sent(now, path.peer, mac1, has_cookie);
        count(&mut self.stats.initiations_sent);
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
        let own_index = attempt.initiated.index;
        let round_trip = attempt.round_trip(now, from.peer);
        let params = KeypairParams {
            side: Side::Initiator,
            own_index,
            peer_index: payload.index,
            peer_header_key: payload.header_key,
            instance: payload.instance,
            spread,
        };
        let keypair = Box::new(Keypair::new(now, split, params));
        self.end_attempt(key);
        let (key, heard_sequence) = self.channel_answered(now, key, &keypair.instance);
        self.indices.give(own_index, Owner::Keypair(key));
        self.establish(now, key, keypair, round_trip);
        let Some(channel) = self.channels.get_mut(key) else { return Some(()) };
        channel.began = self.unconfirmed.last_number();
        channel.heard_at = now;
        channel.heard_sequence = channel.heard_sequence.max(heard_sequence);
        if let Some(round_trip) = round_trip {
            channel.set_timeout(round_trip);
        }
        let moved_from = channel.move_to(from);
        channel.begin_probes(now);
        channel.take_probe(now);
        if let Some(path) = moved_from {
            count(&mut self.stats.moved);
            self.events.push_back(SecureEvent::Moved { channel: key, from: path });
        }
        // The responder may not use the keys before it has heard something under them.
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
            let (path, mac1) = channel.attempt.as_ref()?.awaits_cookie(from.peer)?;
            let cookie = ResponderKeys::new(&channel.remote).cookie(&mac1, datagram)?;
            Some((key, path, cookie))
        });
        let Some((key, path, cookie)) = found else { return false };
        count(&mut self.stats.cookies_taken);
        let jitter = self.generator.number();
        if let Some(channel) = self.channels.get_mut(key) {
            channel.set_cookie(now, from.peer, cookie);
            if let Some(attempt) = &mut channel.attempt {
                attempt.wait(now, jitter, false);
            }
        }
        self.send_initiation(now, key, path, true);
        self.schedule(key);
        true
    }
}
