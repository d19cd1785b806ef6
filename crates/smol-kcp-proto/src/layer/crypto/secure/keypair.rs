//! The keys of one handshake while they live: both directions, both indices, what was taken.

use std::time::Duration;

use super::data::{self, Kind, Outgoing};
use super::message::Instance;
use super::noise::Split;
use super::primitives::Key;
use super::replay::{reconstruct, ReplayWindow};
use crate::time::Time;

/// Keys are refused, both ways, and erased after so long (WireGuard's Reject-After-Time).
pub(super) const REJECT_AFTER: Duration = Duration::from_secs(180);
/// The initiator wants new keys after so long (WireGuard's Rekey-After-Time).
const REKEY_AFTER: Duration = Duration::from_secs(120);
/// The responder wants them so much later, so that both do not begin at once.
const RESPONDER_LATER: Duration = Duration::from_secs(15);
/// And so much more at most, at random.
const RESPONDER_SPREAD: u64 = 10_000_000;
/// Two handshakes, one begun by each side, that end within so long have crossed.
const CROSSING: Duration = Duration::from_secs(5);
/// Both want them after so many datagrams.
const REKEY_COUNT: u64 = 1 << 32;
/// The end of a key's counters.
const REJECT_COUNT: u64 = 1 << 33;

/// Who began the handshake that made the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Initiator,
    Responder,
}

/// Keys of both directions, WireGuard's word.
#[derive(Debug)]
pub(super) struct Keypair {
    send: Key,
    receive: Key,
    /// The counter that is sent next.
    counter: u64,
    taken: ReplayWindow,
    /// Where the other side sends to.
    pub(super) own_index: u32,
    /// Where this side sends to, masked with that key.
    pub(super) peer_index: u32,
    pub(super) peer_header_key: Key,
    /// Which run of the other side made them.
    pub(super) instance: Instance,
    pub(super) side: Side,
    made_at: Time,
    rekey_at: Time,
    /// Something was opened with them.
    pub(super) heard: bool,
}

/// What [`Keypair::new`] takes beside the keys.
#[derive(Debug)]
pub(super) struct KeypairParams {
    pub(super) side: Side,
    pub(super) own_index: u32,
    pub(super) peer_index: u32,
    pub(super) peer_header_key: Key,
    pub(super) instance: Instance,
    /// A random number.
    pub(super) spread: u32,
}

/// What [`Keypair::open`] found in an authentic datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authentic {
    pub(super) len: usize,
    pub(super) kind: Kind,
    /// It was sent after all that have come before it.
    pub(super) newest: bool,
    /// By how many its counter is above all that have come before it.
    pub(super) ahead: u64,
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// Its keys are too old.
    Expired,
    /// It came before, or so late that nobody knows.
    Replayed,
    /// It was not made with these keys.
    Forged,
}

impl Keypair {
    pub(super) fn new(now: Time, split: Split, params: KeypairParams) -> Keypair {
        let KeypairParams { side, own_index, peer_index, peer_header_key, instance, spread } =
            params;
        let Split { forth, back, transcript: _ } = split;
        let spread = Duration::from_micros(u64::from(spread) % RESPONDER_SPREAD);
        let (send, receive, rekey_at) = match side {
            Side::Initiator => (forth, back, now + REKEY_AFTER),
            Side::Responder => (back, forth, now + REKEY_AFTER + RESPONDER_LATER + spread),
        };
        Keypair {
            send,
            receive,
            counter: 0,
            taken: ReplayWindow::default(),
            own_index,
            peer_index,
            peer_header_key,
            instance,
            side,
            made_at: now,
            rekey_at,
            heard: false,
        }
    }

    /// Returns when they are erased.
    pub(super) fn expires_at(&self) -> Time {
        self.made_at + REJECT_AFTER
    }

    /// Returns whether they may be used.
    pub(super) fn is_valid(&self, now: Time) -> bool {
        now < self.expires_at() && self.counter < REJECT_COUNT
    }

    /// Returns whether traffic should make new ones.
    pub(super) fn wants_rekey(&self, now: Time) -> bool {
        now >= self.rekey_at || self.counter.max(self.taken.expected()) >= REKEY_COUNT
    }

    /// Returns whether each side has begun a handshake at the same time, and these are what they made.
    pub(super) fn crosses(&self, other: &Keypair) -> bool {
        let apart = self.made_at.max(other.made_at).since(self.made_at.min(other.made_at));
        self.side != other.side && self.instance == other.instance && apart < CROSSING
    }

    /// Seals a datagram in place and returns its length. `None`: no room, or no counter left.
    pub(super) fn seal(
        &mut self,
        datagram: &mut [u8],
        len: usize,
        kind: Kind,
        padding: usize,
    ) -> Option<usize> {
        if self.counter >= REJECT_COUNT {
            return None;
        }
        let outgoing = Outgoing {
            key: &self.send,
            counter: self.counter,
            index: self.peer_index,
            header_key: &self.peer_header_key,
        };
        let total = outgoing.seal(datagram, len, kind, padding)?;
        self.counter += 1;
        Some(total)
    }

    /// Opens a datagram in place that has this counter in its header.
    pub(super) fn open(
        &mut self,
        now: Time,
        lower: u32,
        datagram: &mut [u8],
    ) -> Result<Authentic, Unopened> {
        let expected = self.taken.expected();
        let counter = reconstruct(expected, lower);
        if now >= self.expires_at() || counter >= REJECT_COUNT {
            return Err(Unopened::Expired);
        }
        // Before the cipher: a repeated datagram costs little.
        if !self.taken.is_new(counter) {
            return Err(Unopened::Replayed);
        }
        let (len, kind) =
            data::open_datagram(&self.receive, counter, datagram).ok_or(Unopened::Forged)?;
        self.taken.take(counter);
        let ahead = counter.saturating_add(1).saturating_sub(expected);
        Ok(Authentic { len, kind, newest: counter >= expected, ahead })
    }

    /// Lets tests come near the end of the counters.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u64) {
        self.counter = counter;
    }
}
