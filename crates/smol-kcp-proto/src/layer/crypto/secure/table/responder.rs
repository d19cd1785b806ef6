//! Handshakes that others begin.

use super::{Acceptance, ChannelKey, Owner, SecureTable};
use crate::layer::crypto::secure::admission::Admission;
use crate::layer::crypto::secure::keypair::{Keypair, KeypairParams, Side};
use crate::layer::crypto::secure::keys::{PresharedKey, PublicKey};
use crate::layer::crypto::secure::message::{
    response, InitiationPayload, ResponsePayload, PROLOGUE,
};
use crate::layer::crypto::secure::noise::Responder;
use crate::layer::crypto::secure::stats::count;
use crate::layer::crypto::secure::unconfirmed::Unconfirmed;
use crate::path::Path;
use crate::time::Time;

impl SecureTable {
    /// Takes an initiation; `false`: it is none for this endpoint.
    pub(super) fn handle_initiation(&mut self, now: Time, from: Path, datagram: &[u8]) -> bool {
        let Some(initiation) = self.own_keys.check(datagram) else { return false };
        let message = self.own_keys.unmask(&initiation);
        let Some(ephemeral) = message.first_chunk().copied() else { return false };
        if self.answer_again(now, from, &ephemeral) {
            return true;
        }
        match self.gate.admit(now, from.peer, &initiation) {
            Admission::Compute => {
                self.respond(now, from, ephemeral, &message);
            }
            Admission::Ask(cookie) => {
                let (salt, padding) = (self.generator.draw(), self.generator.padding());
                let reply = self.own_keys.cookie_reply(initiation.mac1, salt, &cookie, padding);
                count(&mut self.stats.cookies_sent);
                self.push(from, reply);
            }
            Admission::Drop => count(&mut self.stats.over_limit),
        }
        true
    }

    /// Answers an initiation that was answered before and not confirmed yet; `false`: it is another one.
    fn answer_again(&mut self, now: Time, from: Path, ephemeral: &[u8; 32]) -> bool {
        let Some(entry) = self.unconfirmed.by_ephemeral(ephemeral) else { return false };
        if !entry.answer_again(now, from.peer) {
            count(&mut self.stats.replayed_initiations);
            return true;
        }
        let (keys, salt) = (&entry.keypair, self.generator.draw());
        let datagram = response(&keys.peer_header_key, keys.peer_index, salt, &entry.response);
        count(&mut self.stats.responses_sent);
        self.push(from, datagram);
        true
    }

    /// Reads an initiation and answers it. Each step costs more than the one before.
    fn respond(
        &mut self,
        now: Time,
        from: Path,
        ephemeral: [u8; 32],
        message: &[u8],
    ) -> Option<()> {
        let Some(mut noise) = Responder::read(&self.own, PROLOGUE, message) else {
            count(&mut self.stats.bad_initiations);
            return None;
        };
        let initiator = *noise.initiator();
        let Some(psk) = self.accepted(&initiator) else {
            count(&mut self.stats.refused);
            return None;
        };
        let payload = noise.payload(&self.own);
        let Some(payload) = payload.and_then(|bytes| InitiationPayload::decode(&bytes)) else {
            count(&mut self.stats.bad_initiations);
            return None;
        };
        if self.is_replay(&initiator, &payload) {
            count(&mut self.stats.replayed_initiations);
            return None;
        }
        while let Some(number) = self.unconfirmed.surplus(&initiator, self.max_channels_per_key) {
            self.drop_unconfirmed(number);
        }
        let own_index = self
            .indices
            .draw(&mut self.generator, Owner::Unconfirmed(self.unconfirmed.next_number()));
        let (instance, header_key) = (self.instance, self.header_key.clone());
        let answer = ResponsePayload { instance, index: own_index, header_key }
            .encode(self.generator.padding());
        let Some((answer, split)) = noise.write(&self.generator.secret_key(), &psk, &answer) else {
            self.indices.forget(own_index);
            count(&mut self.stats.bad_initiations);
            return None;
        };
        let InitiationPayload { instance, sequence, index, header_key } = payload;
        let datagram = response(&header_key, index, self.generator.draw(), &answer);
        let params = KeypairParams {
            side: Side::Responder,
            own_index,
            peer_index: index,
            peer_header_key: header_key,
            instance,
            spread: self.generator.number(),
        };
        let keypair = Box::new(Keypair::new(now, split, params));
        let entry =
            Unconfirmed::new(now, from.peer, ephemeral, initiator, sequence, keypair, answer);
        self.unconfirmed.insert(entry);
        count(&mut self.stats.responses_sent);
        self.push(from, datagram);
        Some(())
    }

    /// Returns the preshared key of an initiator whose initiations are answered.
    pub(super) fn accepted(&self, initiator: &PublicKey) -> Option<PresharedKey> {
        match (self.of_key(initiator).next(), &self.acceptance) {
            (Some((_, channel)), _) => Some(channel.psk.clone()),
            (None, _) if *initiator == self.own.public => None,
            (None, Acceptance::AnyoneWith(psk)) => Some(psk.clone()),
            (None, Acceptance::Added) => None,
        }
    }

    /// Returns whether an initiation of the same run of the peer came before that has a number as high.
    fn is_replay(&self, initiator: &PublicKey, payload: &InitiationPayload) -> bool {
        let same_run = self.of_run(initiator, &payload.instance);
        let same_run = same_run.and_then(|key| self.channels.get(key));
        let confirmed = same_run.and_then(|channel| channel.heard_sequence);
        let waiting = self.unconfirmed.sequence(initiator, &payload.instance);
        confirmed.max(waiting).is_some_and(|highest| payload.sequence <= highest)
    }

    /// Takes an unconfirmed handshake for confirmed, by a datagram that came by this path: its keys are used,
    /// and a stranger is a peer. `None`: it is over, or not accepted any more, or there is no room.
    pub(super) fn confirm(&mut self, now: Time, number: u64, from: Path) -> Option<ChannelKey> {
        let entry = self.unconfirmed.remove(number)?;
        let (index, round_trip) = (entry.keypair.own_index, entry.round_trip(now));
        self.indices.forget(index);
        // What this run began before has no future.
        for before in self.unconfirmed.before(&entry.initiator, &entry.keypair.instance, number) {
            self.drop_unconfirmed(before);
        }
        let Some(key) = self.channel_for(now, &entry, number, from) else {
            count(&mut self.stats.unconfirmed_dropped);
            return None;
        };
        // The other side has keys of this side's making no use for.
        self.end_attempt(key);
        self.indices.give(index, Owner::Keypair(key));
        self.establish(now, key, entry.keypair, round_trip);
        if let Some(channel) = self.channels.get_mut(key) {
            (channel.heard_sequence, channel.began) = (Some(entry.sequence), number);
        }
        Some(key)
    }

    /// Forgets an unconfirmed handshake.
    pub(super) fn drop_unconfirmed(&mut self, number: u64) {
        if let Some(entry) = self.unconfirmed.remove(number) {
            self.indices.forget(entry.keypair.own_index);
            count(&mut self.stats.unconfirmed_dropped);
        }
    }
}
