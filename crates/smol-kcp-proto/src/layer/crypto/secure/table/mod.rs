//! The secure channels of one endpoint.

mod indices;
mod initiator;
mod open;
mod params;
mod peers;
mod responder;
mod runs;
mod seal;
mod timers;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use slab::Slab;

use self::indices::{Indices, Owner};
pub use self::params::{
    Acceptance, ChannelKey, NotSealed, Opened, PeerParams, PeerRefused, Sealed, SecureEvent,
    SecureParams,
};
use super::admission::Gate;
use super::channel::Channel;
use super::generator::Generator;
use super::keys::{Identity, PublicKey};
use super::message::{Instance, ResponderKeys};
use super::primitives::{Key, KEY_LEN};
use super::stats::{count, SecureStats};
use super::unconfirmed::UnconfirmedSet;
use crate::deadlines::Deadlines;
use crate::path::Path;
use crate::time::{earliest, Time};

/// Messages of handshakes that wait to be taken away.
const OUTGOING_LIMIT: usize = 1024;

/// The state machine of the secure channels of one endpoint: one for each running program on the other side.
/// Peers are known by their keys, and several programs may have one key.
///
/// Whoever drives it calls [`open`](SecureTable::open) with each datagram that arrives,
/// [`seal`](SecureTable::seal) with each that is to leave, [`handle_timeout`](SecureTable::handle_timeout)
/// when [`poll_timeout`](SecureTable::poll_timeout) has come, and after any of these
/// [`transmit`](SecureTable::transmit) and [`poll_event`](SecureTable::poll_event), before it looks at the data
/// that `open` returned: they may be the first of another run.
#[derive(Debug)]
pub struct SecureTable {
    own: Identity,
    own_keys: ResponderKeys,
    header_key: Key,
    instance: Instance,
    generator: Generator,
    acceptance: Acceptance,
    pad_to: usize,
    max_channels: usize,
    max_channels_per_key: usize,
    channels: Slab<Channel>,
    by_key: BTreeSet<(PublicKey, ChannelKey)>,
    /// The sequence of the next initiation, to whomever: it must grow for each run of a peer, and which
    /// channel a run has may change.
    next_sequence: u32,
    indices: Indices,
    /// Where cookie replies may come from.
    awaiting: BTreeSet<(SocketAddr, ChannelKey)>,
    unconfirmed: UnconfirmedSet,
    gate: Gate,
    deadlines: Deadlines,
    outgoing: VecDeque<(Path, Vec<u8>)>,
    events: VecDeque<SecureEvent>,
    stats: SecureStats,
}

impl SecureTable {
    /// Begins without peers; `seed` comes from the system's randomness, in tests from the test.
    pub fn new(params: SecureParams, seed: [u8; KEY_LEN]) -> SecureTable {
        let SecureParams { identity, acceptance, pad_to, .. } = params;
        let mut generator = Generator::new(seed);
        SecureTable {
            own_keys: ResponderKeys::new(&identity.public),
            own: identity,
            header_key: Key::new(generator.draw()),
            instance: generator.draw(),
            gate: Gate::new(params.initiations_per_second, &mut generator),
            generator,
            acceptance,
            pad_to,
            max_channels: params.max_channels,
            max_channels_per_key: params.max_channels_per_key.max(1),
            channels: Slab::new(),
            by_key: BTreeSet::new(),
            next_sequence: 0,
            indices: Indices::default(),
            awaiting: BTreeSet::new(),
            unconfirmed: UnconfirmedSet::default(),
            deadlines: Deadlines::default(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            stats: SecureStats::default(),
        }
    }

    /// Returns the own public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.own.public
    }

    /// Hands out what the handshakes have to say, and where to.
    pub fn transmit(&mut self, out: &mut dyn FnMut(Path, &[u8])) {
        for (path, datagram) in self.outgoing.drain(..) {
            out(path, &datagram);
        }
    }

    /// Returns whether [`transmit`](SecureTable::transmit) has something to hand out.
    pub fn has_transmits(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Returns what the caller should know next.
    pub fn poll_event(&mut self) -> Option<SecureEvent> {
        self.events.pop_front()
    }

    /// Returns when [`handle_timeout`](SecureTable::handle_timeout) must be called. It may be early.
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.deadlines.first(), self.unconfirmed.first_expiry().map(|(at, _)| at))
    }

    /// Returns the counters.
    pub fn stats(&self) -> SecureStats {
        self.stats
    }

    /// Returns how many handshakes wait for their confirmation.
    pub fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    fn push(&mut self, path: Path, datagram: Vec<u8>) {
        if self.outgoing.len() >= OUTGOING_LIMIT {
            return count(&mut self.stats.outgoing_dropped);
        }
        self.outgoing.push_back((path, datagram));
    }

    /// Brings a channel's entry in the set of deadlines up to date.
    fn schedule(&mut self, key: ChannelKey) {
        if let Some(channel) = self.channels.get_mut(key) {
            let wanted = channel.poll_timeout();
            self.deadlines.want(key, &mut channel.deadline, wanted);
        }
    }
}

/// What tests look at and turn.
#[cfg(test)]
impl SecureTable {
    pub(super) fn index_count(&self) -> usize {
        self.indices.len()
    }

    pub(super) fn channel_for_tests(&self, key: ChannelKey) -> &Channel {
        &self.channels[key]
    }

    pub(super) fn skip_to(&mut self, key: ChannelKey, counter: u64) {
        self.channels[key].current.as_mut().unwrap().skip_to(counter);
    }

    pub(super) fn rekey(&mut self, now: Time, key: ChannelKey) {
        self.begin_attempt(now, key);
    }

    pub(super) fn draw_index(&mut self, generator: &mut Generator) -> u32 {
        self.indices.draw(generator, Owner::Unconfirmed(0))
    }

    pub(super) fn pad_to_for_tests(&mut self, pad_to: usize) {
        self.pad_to = pad_to;
    }
}
