//! One segment of the send window: its payload, its transmissions, and where it stands; and the row of
//! them.

use super::window::Window;
use crate::limits::RTO_NODELAY;
use crate::wire::{diff, HEADER_LEN};

/// The slots, and where in them what was sent ends.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) slots: Window<Slot>,
    /// Number of the next segment sent for the first time.
    pub(super) nxt: u32,
    /// Segments sent and not acknowledged.
    pub(super) in_flight: usize,
}

impl Row {
    /// Segments written and not sent.
    pub(super) fn unsent(&self) -> usize {
        self.slots.end().wrapping_sub(self.nxt) as usize
    }
}

/// Where a segment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LossList {
    /// Nowhere: not passed over, or not in flight.
    #[default]
    None,
    Suspected,
    Retransmitted,
    Lost,
}

/// One segment, in 64 bytes where pointers have 8.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Room for the header, and the payload; given back when the segment is acknowledged.
    pub block: Vec<u8>,
    /// Clock at which its timeout passes, but where it was sent once and in order.
    pub resendts: u64,
    /// Wire clock of the first and of the latest transmission.
    pub first: u32,
    pub ts: u32,
    /// Its own timeout in milliseconds, which grows with every time it passes.
    pub rto: u32,
    /// When it was sent latest, counted in transmissions.
    pub xmit_seq: u32,
    /// Neighbours on its line.
    pub prev: u32,
    pub next: u32,
    pub xmit: u16,
    /// The clock, modulo 2^16, at which it was suspected often enough.
    pub lost_at: u16,
    /// ACKs of later ones than its latest transmission, at most two of each datagram.
    pub fastack: u8,
    /// Fragments of the message still to come.
    pub frg: u8,
    pub list: LossList,
    pub state: State,
}

/// Where a segment is, and why it was sent latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet sent, or acknowledged.
    #[default]
    NotInFlight,
    /// Sent once; its deadline follows from when, and is found by the cursor.
    InOrder,
    /// Sent once, with a deadline of its own.
    Postponed,
    /// Sent again.
    Again(Cause),
}

impl Slot {
    /// Bytes of payload.
    pub(super) fn payload_len(&self) -> usize {
        self.block.len().saturating_sub(HEADER_LEN)
    }

    /// Sent and not acknowledged.
    #[inline]
    pub(super) fn is_in_flight(&self) -> bool {
        self.state != State::NotInFlight
    }

    /// The clock of its latest transmission.
    #[inline]
    pub(super) fn sent_at(&self, now: Moment) -> u64 {
        now.clock.saturating_sub(u64::from(now.ts.wrapping_sub(self.ts)))
    }

    /// How many of its transmissions cannot be the one that a newer `una`, heard at `ts`, tells of, as
    /// they are younger than a round trip. Of more than two only the first and the latest are known; when
    /// the first is hardly older than a round trip, it is all others.
    #[cold]
    pub(super) fn in_vain(&self, ts: u32, min_rtt: u32) -> u64 {
        if ts.wrapping_sub(self.first) < min_rtt.saturating_add(RTO_NODELAY) {
            return u64::from(self.xmit.saturating_sub(1));
        }
        u64::from(ts.wrapping_sub(self.ts) < min_rtt)
    }

    /// Was it sent at this wire clock? Of more than two transmissions only the first and the latest
    /// are remembered, and any clock between them counts.
    pub(super) fn was_sent_at(&self, ts: u32) -> bool {
        let between = || self.xmit > 2 && diff(ts, self.first) >= 0 && diff(self.ts, ts) >= 0;
        self.is_in_flight() && (ts == self.ts || ts == self.first || between())
    }
}

/// The time of a transmission: the clock, and what the wire shows then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub clock: u64,
    pub ts: u32,
}

/// Why a segment is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its timeout has passed.
    Timeout,
    /// Later transmissions were acknowledged before it.
    Fast,
}
