//! Which segments were overtaken by later ones, and therefore are probably lost.
//!
//! ikcp.c counts for every unacknowledged segment the datagrams that acknowledge a later one, and
//! walks the whole send buffer to do so. Here a datagram that acknowledges several later ones counts
//! twice, because peers that read in batches put many ACKs into few datagrams, and only the segments
//! that it really counts against are touched, because they stand on lines in an order in which they
//! are a prefix:
//!
//! - [`Passed`](LossList::Suspected): sent once and passed over by an ACK of a higher number; in the order
//!   of their numbers, which is that of their transmission. A datagram counts against those below
//!   the highest number it acknowledges, as in ikcp.c.
//! - [`Again`](LossList::Retransmitted): sent again; in the order of the latest transmission. A datagram counts
//!   against those that were sent before the latest transmission that it acknowledges. ikcp.c
//!   compares numbers, and with `IKCP_FASTACK_CONSERVE` also clocks, to the same end; the order of
//!   transmissions is exact where two share a millisecond, and an ACK of a lower number counts too.
//! - [`Lost`](LossList::Lost): overtaken often enough; the next flush sends them again.
//!
//! Where nothing waits to be sent, so that little more may ever overtake, once is enough, as in
//! kcp-go: 256 KiB take 20 % less time over the paths of `router/tests/matrix.rs` with the profile
//! `file_transfer` and 0 to 5 % less with the others, for 0.2 % more datagrams.
//!
//! A transmission younger than the path's shortest round trip is not overtaken: no ACK can tell
//! anything of it yet. And one datagram condemns [`BURST`] segments at most; the next one goes on. So a
//! forged ACK, or a true one of a whole window, never sets off a flood.
//!
//! Whatever is touched moves on after `resend` times at most, so that each transmission costs O(1).

use super::send::SendWindow;
use super::slot::{Moment, State};
use crate::arq::knobs::BURST;
use crate::wire::diff;

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

/// A doubly linked list through the slots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub head: u32,
    pub tail: u32,
    pub len: u32,
}

/// The three lists, and an empty one for [`LossList::None`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossDetector([List; 4]);

impl LossDetector {
    #[inline]
    pub(super) fn get(&self, line: LossList) -> List {
        self.0[line as usize]
    }

    #[inline]
    fn get_mut(&mut self, line: LossList) -> &mut List {
        &mut self.0[line as usize]
    }
}

/// The latest two of what the ACKs of one datagram acknowledge.
#[derive(Clone, Copy, Debug)]
pub(super) struct HighestAcked {
    /// The highest numbers, counted from here.
    sn_base: u32,
    sn: TopTwo,
    /// The latest transmissions, as in [`Slot::xmit_seq`](super::slot::Slot::xmit_seq), counted from here.
    xmit_base: u32,
    xmit: TopTwo,
}

impl HighestAcked {
    /// Is there none?
    pub(super) fn is_none(&self) -> bool {
        self.sn.first == 0
    }

    #[inline(always)]
    pub(super) fn add_number(&mut self, sn: u32) {
        self.sn.add(sn.wrapping_sub(self.sn_base));
    }

    #[inline(always)]
    pub(super) fn add_xmit(&mut self, xmit_seq: u32) {
        self.xmit.add(xmit_seq.wrapping_sub(self.xmit_base));
    }

    /// How many of the highest numbers are above this one?
    fn above_number(&self, sn: u32) -> u8 {
        self.sn.above(sn.wrapping_sub(self.sn_base))
    }

    /// How many of the latest transmissions are later than this one?
    fn above_xmit(&self, xmit_seq: u32) -> u8 {
        self.xmit.above(xmit_seq.wrapping_sub(self.xmit_base))
    }
}

/// The highest two of some numbers, all of which are above 0.
#[derive(Clone, Copy, Debug, Default)]
struct TopTwo {
    first: u32,
    second: u32,
}

impl TopTwo {
    #[inline(always)]
    fn add(&mut self, number: u32) {
        self.second = self.second.max(number.min(self.first));
        self.first = self.first.max(number);
    }

    /// How many of the two are above `number`?
    fn above(&self, number: u32) -> u8 {
        u8::from(self.first > number) + u8::from(self.second > number)
    }
}

/// How a datagram counts.
#[derive(Clone, Copy, Debug)]
struct Tally {
    now: Moment,
    /// Age in milliseconds from which on a transmission can be overtaken.
    youngest: u32,
    /// ACKs that make a segment count as lost.
    enough: u8,
    /// Segments that may still be made so.
    left: u32,
}

impl Tally {
    /// Counts a segment that is lost by this, and returns whether it was the last one that may be.
    #[inline]
    fn is_last(&mut self) -> bool {
        self.left -= 1;
        if self.left == 0 {
            self.youngest = u32::MAX; // nothing is that old
        }
        self.left == 0
    }

    /// Can the ACK of something else tell anything of what was sent at this wire clock?
    #[inline]
    fn is_old(&self, ts: u32) -> bool {
        self.now.ts.wrapping_sub(ts) >= self.youngest
    }
}

impl SendWindow {
    /// Nothing acknowledged yet. What is in flight counts from 1 on: numbers from the oldest,
    /// transmissions from the time of the latest one 2^32 turns ago.
    pub(super) fn highest_acked(&self) -> HighestAcked {
        let (sn_base, xmit_base) = (self.una().wrapping_sub(1), self.xmit_seq.wrapping_add(1));
        HighestAcked { sn_base, sn: TopTwo::default(), xmit_base, xmit: TopTwo::default() }
    }

    /// When is the next segment sent again because it was overtaken?
    pub(super) fn lost_at(&self, clock: u64) -> Option<u64> {
        let lost = self.loss.get(LossList::Lost);
        if lost.len == 0 {
            return None;
        }
        let first = self.slots.known(lost.head)?;
        let waited = (clock as u16).wrapping_sub(first.lost_at);
        Some((clock + u64::from(self.reorder_window.wait())).saturating_sub(u64::from(waited)))
    }

    /// A segment that is to be sent again now because it was overtaken, if there is one.
    pub(super) fn lost(&self, clock: u64) -> Option<u32> {
        self.lost_at(clock).filter(|&at| at <= clock).map(|_| self.loss.get(LossList::Lost).head)
    }

    /// Counts a datagram that acknowledges `newest` against transmissions that are `youngest`
    /// milliseconds old or older; to be called after [`advance_una`](SendWindow::advance_una).
    pub(super) fn detect_losses(
        &mut self,
        highest_acked: &HighestAcked,
        now: Moment,
        youngest: u32,
    ) {
        if highest_acked.is_none() || self.resend == 0 {
            return;
        }
        let enough = if self.unsent() == 0 { 1 } else { self.resend };
        let mut tally = Tally { now, youngest, enough, left: BURST };
        let passed = self.loss.get(LossList::Suspected);
        let (mut sn, mut left) = (passed.head, passed.len);
        while left > 0 {
            let above = highest_acked.above_number(sn);
            let Some(next) = self.skip(sn, above, &mut tally) else { break };
            (sn, left) = (next, left - 1);
        }
        self.pass(highest_acked, &mut tally);
        let again = self.loss.get(LossList::Retransmitted);
        let (mut sn, mut left) = (again.head, again.len);
        while left > 0 {
            let above =
                self.slots.known(sn).map_or(0, |slot| highest_acked.above_xmit(slot.xmit_seq));
            let Some(next) = self.skip(sn, above, &mut tally) else { break };
            (sn, left) = (next, left - 1);
        }
    }

    /// Counts the same against what is passed over for the first time.
    fn pass(&mut self, highest_acked: &HighestAcked, tally: &mut Tally) {
        // Everything below una has arrived, and everything sent again stands on another line.
        if diff(self.passed, self.slots.head()) < 0 {
            self.passed = self.slots.head();
        }
        let highest = highest_acked.sn_base.wrapping_add(highest_acked.sn.first);
        while diff(highest, self.passed) > 0 {
            let sn = self.passed;
            self.passed = sn.wrapping_add(1);
            let Some(slot) = self.slots.known_mut(sn) else { continue };
            if matches!(slot.state, State::InOrder | State::Early) {
                let counts = tally.is_old(slot.ts);
                slot.fastack = if counts { highest_acked.above_number(sn) } else { 0 };
                let is_lost = slot.fastack >= tally.enough;
                slot.lost_at = tally.now.clock as u16;
                self.link(sn, if is_lost { LossList::Lost } else { LossList::Suspected });
                if is_lost && tally.is_last() {
                    return;
                }
            }
        }
    }

    /// Counts what is `above` it against `sn`, and returns its successor on the line; `None` if
    /// nothing is, or nothing counts: what follows is no older.
    #[inline]
    fn skip(&mut self, sn: u32, above: u8, tally: &mut Tally) -> Option<u32> {
        let slot = self.slots.known_mut(sn).filter(|_| above > 0)?;
        if !tally.is_old(slot.ts) {
            return None;
        }
        let next = slot.next;
        slot.fastack = slot.fastack.saturating_add(above);
        if slot.fastack >= tally.enough {
            slot.lost_at = tally.now.clock as u16;
            tally.is_last();
            self.unlink(sn);
            self.link(sn, LossList::Lost);
        }
        Some(next)
    }

    /// Puts a segment that was just sent again on its line.
    pub(super) fn await_acks(&mut self, sn: u32) {
        if self.resend > 0 {
            self.link(sn, LossList::Retransmitted);
        }
    }

    /// Adds `sn`, which stands on no line, at the end of one.
    #[inline]
    fn link(&mut self, sn: u32, line: LossList) {
        let list = self.loss.get_mut(line);
        let (last, was_empty) = (list.tail, list.len == 0);
        list.tail = sn;
        list.len += 1;
        if was_empty {
            list.head = sn;
        } else if let Some(slot) = self.slots.known_mut(last) {
            slot.next = sn;
        }
        if let Some(slot) = self.slots.known_mut(sn) {
            slot.list = line;
            slot.prev = last;
        }
    }

    /// Takes `sn` off its line, if it stands on one.
    pub(super) fn unlink(&mut self, sn: u32) {
        let Some(slot) = self.slots.known_mut(sn) else { return };
        let (line, prev, next) = (slot.list, slot.prev, slot.next);
        if line == LossList::None {
            return;
        }
        slot.list = LossList::None;
        let list = self.loss.get_mut(line);
        let (is_first, is_last) = (list.head == sn, list.tail == sn);
        list.len -= 1;
        if is_last {
            list.tail = prev;
        }
        // What the first one has before it is never asked for.
        if is_first {
            list.head = next;
            return;
        }
        if let Some(slot) = self.slots.known_mut(prev) {
            slot.next = next;
        }
        if !is_last {
            if let Some(slot) = self.slots.known_mut(next) {
                slot.prev = prev;
            }
        }
    }
}
