//! Handshakes that were answered and not confirmed yet. They change nothing, and there are few of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::keypair::Keypair;
use super::keys::PublicKey;
use super::message::Instance;
use crate::time::Time;

/// How long one waits for its confirmation: as long as an initiation is repeated, and a round trip.
const LIFETIME: Duration = Duration::from_secs(20);
/// In all.
pub(super) const LIMIT: usize = 256;
/// Of one key, unless more of its runs may have channels.
const LIMIT_OF_KEY: usize = 4;
/// How often the same initiation is answered, and how seldom.
const ANSWERS: u8 = 8;
const ANSWER_AGAIN: Duration = Duration::from_millis(20);

/// A handshake that was answered.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    /// The initiator's, by which a repeated initiation is known before anything is computed.
    pub(super) ephemeral: [u8; 32],
    pub(super) initiator: PublicKey,
    pub(super) sequence: u32,
    pub(super) keypair: Box<Keypair>,
    /// The second Noise message.
    pub(super) response: Vec<u8>,
    made_at: Time,
    answers: u8,
    answered_at: Time,
    /// Where the last response went to, and whether all others did.
    answered_to: SocketAddr,
    elsewhere: bool,
}

impl Unconfirmed {
    pub(super) fn new(
        now: Time,
        from: SocketAddr,
        ephemeral: [u8; 32],
        initiator: PublicKey,
        sequence: u32,
        keypair: Box<Keypair>,
        response: Vec<u8>,
    ) -> Unconfirmed {
        let (made_at, answered_at) = (now, now);
        Unconfirmed {
            ephemeral,
            initiator,
            sequence,
            keypair,
            response,
            made_at,
            answers: 1,
            answered_at,
            answered_to: from,
            elsewhere: false,
        }
    }

    /// Returns the time since it was answered, if it is clear which answer has been confirmed.
    pub(super) fn round_trip(&self, now: Time) -> Option<Duration> {
        (self.answers == 1).then(|| now.since(self.answered_at))
    }

    /// Counts another answer; `false`: there were enough. An initiator that does not know which address is
    /// good writes to several at once, and the first one may lead nowhere.
    pub(super) fn answer_again(&mut self, now: Time, from: SocketAddr) -> bool {
        let is_same = from == self.answered_to;
        let is_early = is_same && now.since(self.answered_at) < ANSWER_AGAIN;
        let may = self.answers < ANSWERS && !is_early;
        self.elsewhere |= !is_same;
        if may {
            self.answers += 1;
            (self.answered_at, self.answered_to) = (now, from);
        }
        may
    }

    /// Returns whether the initiation has come from this address, and from no other.
    pub(super) fn came_only_from(&self, addr: SocketAddr) -> bool {
        !self.elsewhere && self.answered_to == addr
    }
}

/// All of them, by the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct UnconfirmedSet {
    entries: BTreeMap<u64, Unconfirmed>,
    by_ephemeral: BTreeMap<[u8; 32], u64>,
    last: u64,
}

impl UnconfirmedSet {
    /// Returns the number that the next one will have.
    pub(super) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Returns the number of the last one.
    pub(super) fn last_number(&self) -> u64 {
        self.last
    }

    /// Adds one under that number.
    pub(super) fn insert(&mut self, entry: Unconfirmed) {
        self.last += 1;
        self.by_ephemeral.insert(entry.ephemeral, self.last);
        self.entries.insert(self.last, entry);
    }

    /// Finds what has to make room for another one of this key, of which so many runs may have channels.
    pub(super) fn surplus(&self, initiator: &PublicKey, runs: usize) -> Option<u64> {
        let mut of_key = self.entries.iter().filter(|(_, entry)| entry.initiator == *initiator);
        let oldest = of_key.next();
        if of_key.count() + 1 >= runs.max(LIMIT_OF_KEY) {
            return oldest.map(|(&number, _)| number);
        }
        (self.entries.len() >= LIMIT).then(|| self.entries.keys().next().copied()).flatten()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Unconfirmed> {
        self.entries.get_mut(&number)
    }

    pub(super) fn by_ephemeral(&mut self, ephemeral: &[u8; 32]) -> Option<&mut Unconfirmed> {
        self.by_ephemeral.get(ephemeral).and_then(|number| self.entries.get_mut(number))
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Unconfirmed> {
        let entry = self.entries.remove(&number)?;
        self.by_ephemeral.remove(&entry.ephemeral);
        Some(entry)
    }

    /// Returns the highest sequence of this run of this key.
    pub(super) fn sequence(&self, initiator: &PublicKey, instance: &Instance) -> Option<u32> {
        self.of_run(initiator, instance).map(|(_, entry)| entry.sequence).max()
    }

    /// Lists those of a run of a key before this one.
    pub(super) fn before(
        &self,
        initiator: &PublicKey,
        instance: &Instance,
        number: u64,
    ) -> Vec<u64> {
        let all = self.of_run(initiator, instance).map(|(number, _)| number);
        all.filter(|&other| other < number).collect()
    }

    fn of_run<'a>(
        &'a self,
        initiator: &'a PublicKey,
        instance: &'a Instance,
    ) -> impl Iterator<Item = (u64, &'a Unconfirmed)> {
        let all = self.entries.iter().map(|(&number, entry)| (number, entry));
        all.filter(|(_, e)| e.initiator == *initiator && e.keypair.instance == *instance)
    }

    /// Lists those of a key.
    pub(super) fn of_key(&self, initiator: &PublicKey) -> Vec<u64> {
        let same = |(_, entry): &(&u64, &Unconfirmed)| entry.initiator == *initiator;
        self.entries.iter().filter(same).map(|(&number, _)| number).collect()
    }

    /// Returns when the oldest one is forgotten, and which that is.
    pub(super) fn first_expiry(&self) -> Option<(Time, u64)> {
        self.entries.first_key_value().map(|(&number, entry)| (entry.made_at + LIFETIME, number))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
