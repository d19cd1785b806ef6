//! The send window: what was written and is not yet acknowledged, sent or not.
//!
//! One row of slots, indexed by `sn`: from the oldest unacknowledged segment over the last one sent
//! to the last one written. Whatever happens to a segment costs O(1); what a flush has to do is
//! found through [deadlines](super::timeouts) and [lists](super::loss), never by a scan.

use std::collections::VecDeque;
use std::mem;

use super::buffers::Blocks;
use super::loss::{Line, Lines, Newest};
use super::reordering::Patience;
use super::rtt::Rtt;
use super::timeouts::Late;
use super::window::Window;
use crate::arq::knobs::{Knobs, RTO_MAX, RTO_NODELAY};
use crate::wire::{diff, HEADER_LEN};

/// With no more than so many segments in flight a stream is thin: it cannot learn of a loss by what
/// overtakes it, and burdens nobody, so that its first timeouts do not grow (`nodelay` only; the
/// numbers are those of Linux's `tcp_thin_linear_timeouts`).
const THIN: usize = 4;
const THIN_TIMEOUTS: u16 = 6;

/// One segment, in 64 bytes where pointers have 8.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Room for the header, and the payload; given back when the segment is acknowledged.
    pub block: Vec<u8>,
    /// Clock at which its timeout passes.
    pub due: u64,
    /// Wire clock of the first and of the latest transmission.
    pub first: u32,
    pub ts: u32,
    /// Its own timeout in milliseconds, which grows with every time it passes.
    pub rto: u32,
    /// When it was sent latest, counted in transmissions.
    pub turn: u32,
    /// Neighbours on its line.
    pub prev: u32,
    pub next: u32,
    pub transmits: u16,
    /// The clock, modulo 2^16, at which it was overtaken often enough.
    pub overtaken: u16,
    /// ACKs that have overtaken its latest transmission, at most two of each datagram.
    pub skips: u8,
    /// Fragments of the message still to come.
    pub frg: u8,
    pub line: Line,
    pub state: State,
}

/// Where a segment is, and why it was sent latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet sent, or acknowledged.
    #[default]
    Grounded,
    /// Sent once; its deadline is found by the cursor.
    InOrder,
    /// Sent once, with a deadline before those of others that were sent earlier.
    Early,
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
    pub(super) fn is_flying(&self) -> bool {
        self.state != State::Grounded
    }

    /// How many of its transmissions cannot be the one that a newer `una`, heard at `ts`, tells of, as
    /// they are younger than a round trip. Of more than two only the first and the latest are known; when
    /// the first is hardly older than a round trip, it is all others.
    #[cold]
    fn in_vain(&self, ts: u32, min_rtt: u32) -> u64 {
        if ts.wrapping_sub(self.first) < min_rtt.saturating_add(RTO_NODELAY) {
            return u64::from(self.transmits.saturating_sub(1));
        }
        u64::from(ts.wrapping_sub(self.ts) < min_rtt)
    }

    /// Was it sent at this wire clock? Of more than two transmissions only the first and the latest
    /// are remembered, and any clock between them counts.
    fn was_sent_at(&self, ts: u32) -> bool {
        let between = || self.transmits > 2 && diff(ts, self.first) >= 0 && diff(self.ts, ts) >= 0;
        self.is_flying() && (ts == self.ts || ts == self.first || between())
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
    Overtaken,
}

/// What an ACK tells beside that its segment has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    /// Its clock is that of a transmission of ours, and the round trip can be measured.
    pub measures: bool,
    /// How often the segment had been sent again meanwhile, although this transmission arrived: at
    /// least, as only the first and the latest one are remembered.
    pub spurious: u16,
}

/// The send window.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) slots: Window<Slot>,
    /// Number of the next segment sent for the first time.
    pub(super) nxt: u32,
    /// Segments sent and not acknowledged.
    flying: usize,
    /// Bytes of payload acknowledged since the last [`take_landed`](Flight::take_landed).
    landed: u64,
    /// Of these, how many were sent twice, three times, and so on.
    repeated: Vec<u32>,
    /// Transmissions so far.
    pub(super) turn: u32,
    /// Deadlines; see [`timeouts`](super::timeouts).
    pub(super) cursor: u32,
    pub(super) soonest: u64,
    pub(super) latest: u64,
    pub(super) resent: VecDeque<(u64, u32)>,
    pub(super) late: Late,
    /// Loss detection; see [`loss`](super::loss).
    pub(super) lines: Lines,
    pub(super) passed: u32,
    pub(super) resend: u8,
    pub(super) patience: Patience,
    nodelay: bool,
}

impl Flight {
    /// Nothing written; the first segment will be `sn`.
    pub(super) fn new(sn: u32, knobs: &Knobs) -> Flight {
        Flight {
            slots: Window::new(sn),
            nxt: sn,
            flying: 0,
            landed: 0,
            repeated: Vec::new(),
            turn: 0,
            cursor: sn,
            soonest: u64::MAX,
            latest: 0,
            resent: VecDeque::new(),
            late: Late::default(),
            lines: Lines::default(),
            passed: sn,
            resend: knobs.resend.min(u16::from(u8::MAX)) as u8,
            patience: Patience::default(),
            nodelay: knobs.nodelay,
        }
    }

    /// The oldest number that is not acknowledged.
    pub(super) fn una(&self) -> u32 {
        self.slots.head()
    }

    /// The number that the next segment sent for the first time gets.
    pub(super) fn next(&self) -> u32 {
        self.nxt
    }

    /// Numbers from [`una`](Flight::una) to [`next`](Flight::next), acknowledged between or not:
    /// what the windows limit.
    pub(super) fn span(&self) -> u32 {
        self.nxt.wrapping_sub(self.slots.head())
    }

    /// Segments sent and not acknowledged.
    pub(super) fn flying(&self) -> usize {
        self.flying
    }

    /// Bytes of payload acknowledged since the last call.
    pub(super) fn take_landed(&mut self) -> u64 {
        mem::take(&mut self.landed)
    }

    /// Segments written and not sent.
    pub(super) fn unsent(&self) -> usize {
        self.slots.end().wrapping_sub(self.nxt) as usize
    }

    /// Will, with what waits to be sent, so little be in flight that a loss shows only by a timeout?
    pub(super) fn is_thin(&self) -> bool {
        self.nodelay && self.flying + self.unsent() <= THIN
    }

    /// Adds a segment that waits to be sent: room for its header, and the payload.
    #[inline]
    pub(super) fn push(&mut self, block: Vec<u8>, frg: u8) {
        if let Some(slot) = self.slots.push() {
            debug_assert!(!slot.is_flying() && slot.line == Line::None, "has landed");
            slot.block = block;
            slot.frg = frg;
            slot.transmits = 0;
            slot.skips = 0;
        }
    }

    /// The block of the last segment, if that was not sent yet.
    pub(super) fn tail(&mut self) -> Option<&mut Vec<u8>> {
        if self.unsent() == 0 {
            return None;
        }
        let last = self.slots.end().wrapping_sub(1);
        self.slots.get_mut(last).map(|slot| &mut slot.block)
    }

    /// Bytes of payload in the last segment, if that was not sent yet.
    pub(super) fn tail_len(&self) -> Option<usize> {
        let last = self.slots.end().wrapping_sub(1);
        self.slots.get(last).filter(|_| self.unsent() > 0).map(Slot::payload_len)
    }

    /// Notes that the next segment is sent for the first time, and returns it.
    #[inline]
    pub(super) fn send(&mut self, now: Moment, rto: u32) -> Option<(u32, &mut Slot)> {
        if self.unsent() == 0 {
            return None;
        }
        let sn = self.nxt;
        // Without nodelay the first timeout has an eighth of grace.
        let grace = if self.nodelay { 0 } else { rto >> 3 };
        let due = now.clock + u64::from(rto + grace);
        let in_order = self.follows(due);
        self.soonest = self.soonest.min(due);
        let turn = self.next_turn();
        self.nxt = sn.wrapping_add(1);
        self.flying += 1;
        if in_order {
            self.latest = due;
        } else {
            self.late.push((due, sn));
        }
        let slot = self.slots.known_mut(sn)?;
        slot.first = now.ts;
        slot.ts = now.ts;
        slot.rto = rto;
        slot.due = due;
        slot.turn = turn;
        slot.transmits = 1;
        slot.state = if in_order { State::InOrder } else { State::Early };
        Some((sn, slot))
    }

    /// Notes that `sn`, which is in flight, is sent again, and returns it.
    ///
    /// Unlike ikcp.c, a timeout forgets by how many ACKs the segment was overtaken, so that it is
    /// not sent a second time at once, and no timeout grows beyond the longest of all.
    pub(super) fn send_again(
        &mut self,
        sn: u32,
        now: Moment,
        cause: Cause,
        rtt: &Rtt,
    ) -> Option<&mut Slot> {
        self.unlink(sn);
        if cause == Cause::Overtaken {
            self.patience.lost();
        }
        let turn = self.next_turn();
        let is_thin = self.flying <= THIN;
        let slot = self.slots.get_mut(sn).filter(|slot| slot.is_flying())?;
        slot.state = State::Again(cause);
        if rtt.is_measured() && slot.rto < rtt.min {
            // Of a time when nothing was known of the path.
            slot.rto = rtt.rto;
        }
        if cause == Cause::Timeout {
            let step = match self.nodelay {
                true if is_thin && slot.transmits <= THIN_TIMEOUTS => 0,
                true => slot.rto / 2,
                false => slot.rto.max(rtt.rto),
            };
            slot.rto = slot.rto.saturating_add(step).min(RTO_MAX);
        }
        slot.ts = now.ts;
        slot.due = now.clock + u64::from(slot.rto);
        slot.turn = turn;
        slot.skips = 0;
        let before = slot.transmits;
        slot.transmits = before.saturating_add(1);
        let (due, after) = (slot.due, slot.transmits);
        self.await_resent(due, sn, cause);
        self.recount(before, after);
        self.await_overtaking(sn);
        self.slots.known_mut(sn)
    }

    /// The segment `sn` as it was sent latest, if it is in flight.
    pub(super) fn block(&self, sn: u32) -> Option<&[u8]> {
        self.slots.get(sn).filter(|slot| slot.is_flying()).map(|slot| &slot.block[..])
    }

    /// Is `sn` in flight, and was it sent at wire clock `ts`?
    pub(super) fn holds(&self, sn: u32, ts: u32) -> bool {
        self.slots.get(sn).is_some_and(|slot| slot.was_sent_at(ts))
    }

    /// What an ACK of `sn` tells, if that [is held](Flight::holds) with that clock;
    /// [`land`](Flight::land) must follow.
    #[inline(always)]
    pub(super) fn hear(
        &mut self,
        sn: u32,
        ts: u32,
        clock: u64,
        newest: &mut Newest,
    ) -> Option<Echo> {
        let slot = self.slots.get_mut(sn).filter(|slot| slot.was_sent_at(ts))?;
        newest.add_number(sn);
        let latest = slot.ts == ts;
        if latest {
            newest.add_turn(slot.turn);
        }
        // Overtaken, and here all the same: it was not lost but late.
        let hasty = || !latest && slot.state == State::Again(Cause::Overtaken);
        if slot.line == Line::Lost || hasty() {
            self.patience.late((clock as u16).wrapping_sub(slot.overtaken));
        }
        let spurious = match ts {
            _ if latest => 0,
            ts if ts == slot.first => slot.transmits.saturating_sub(1),
            _ => 1,
        };
        Some(Echo { measures: latest || slot.first == ts, spurious })
    }

    /// Drops what lies below `una` and what is acknowledged at the front. Returns how many of them
    /// had been sent again in vain: later than the shortest round trip `min_rtt` before `ts`, so that
    /// what arrived was an earlier transmission.
    pub(super) fn settle(&mut self, una: u32, ts: u32, min_rtt: u32, blocks: &mut Blocks) -> u64 {
        let mut spurious = 0;
        let mut sn = self.slots.head();
        while sn != self.nxt {
            if let Some(slot) = self.slots.known(sn).filter(|slot| slot.is_flying()) {
                if diff(una, sn) <= 0 {
                    break;
                }
                if slot.transmits > 1 && min_rtt != u32::MAX {
                    spurious += slot.in_vain(ts, min_rtt);
                }
                self.land(sn, blocks);
            }
            sn = sn.wrapping_add(1);
        }
        self.slots.advance_to(sn);
        spurious
    }

    /// The most often a segment in flight has been sent.
    pub(super) fn worst_transmits(&self) -> u32 {
        match self.repeated.len() {
            0 => u32::from(self.flying > 0),
            more => more as u32 + 1,
        }
    }

    /// Places held, in the largest of its lists.
    pub(super) fn capacity(&self) -> usize {
        let deadlines = self.late.capacity().max(self.resent.capacity());
        self.slots.capacity().max(deadlines).max(self.repeated.capacity())
    }

    /// Bytes of memory that the row takes.
    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Gives all memory back; nothing must be left.
    pub(super) fn release(&mut self) {
        self.slots.release();
        self.resent = VecDeque::new();
        self.late = Late::default();
        self.repeated = Vec::new();
    }

    /// A segment in flight has arrived: its payload is given back. It keeps its place until
    /// [`settle`](Flight::settle).
    #[inline(always)]
    pub(super) fn land(&mut self, sn: u32, blocks: &mut Blocks) {
        let Some(slot) = self.slots.known_mut(sn) else { return };
        slot.state = State::Grounded;
        let (transmits, line) = (slot.transmits, slot.line);
        self.landed += slot.payload_len() as u64;
        blocks.put(mem::take(&mut slot.block));
        self.flying -= 1;
        if line != Line::None {
            self.unlink(sn);
        }
        if transmits > 1 {
            self.recount(transmits, 0);
        }
    }

    /// Counts a segment among those sent `after` times and no more among those sent `before` times;
    /// who is sent once or not at all is not counted.
    fn recount(&mut self, before: u16, after: u16) {
        if after >= 2 {
            let at = usize::from(after - 2);
            if at >= self.repeated.len() {
                self.repeated.resize(at + 1, 0);
            }
            if let Some(count) = self.repeated.get_mut(at) {
                *count += 1;
            }
        }
        if before >= 2 {
            if let Some(count) = self.repeated.get_mut(usize::from(before - 2)) {
                *count -= 1;
            }
            while self.repeated.last() == Some(&0) {
                self.repeated.pop();
            }
        }
    }

    fn next_turn(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        self.turn
    }
}
