//! Which segments are suspected, as ACKs of later ones came first, and therefore are probably lost.
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
//! - [`Lost`](LossList::Lost): suspected often enough; the next flush sends them again.
//!
//! Where nothing waits to be sent, so that little more may ever overtake, once is enough, as in
//! kcp-go: 256 KiB take 20 % less time over the paths of `router/tests/matrix.rs` with the profile
//! `file_transfer` and 0 to 5 % less with the others, for 0.2 % more datagrams.
//!
//! A transmission younger than the path's shortest round trip is not suspected: no ACK can tell
//! anything of it yet. And one datagram condemns [`BURST`] segments at most; the next one goes on. So a
//! forged ACK, or a true one of a whole window, never sets off a flood.
//!
//! Whatever is touched moves on after `resend` times at most, so that each transmission costs O(1).

use super::reordering::ReorderWindow;
use super::slot::{Cause, LossList, Moment, Row, Slot, State};
use crate::arq::knobs::BURST;
use crate::wire::diff;

/// A doubly linked list through the slots.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    head: u32,
    tail: u32,
    len: u32,
}

/// What was suspected, and how often.
#[derive(Debug)]
pub(super) struct LossDetector {
    /// The three lists, and an empty one for [`LossList::None`].
    lists: [List; 4],
    /// Every number below it has arrived, stands on a list or was sent again.
    passed: u32,
    /// ACKs that make a segment count as lost; 0: none do.
    resend: u8,
    reorder_window: ReorderWindow,
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

    /// The latest transmission, if there is one.
    pub(super) fn latest(&self) -> Option<u32> {
        (self.xmit.first > 0).then(|| self.xmit_base.wrapping_add(self.xmit.first))
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
    /// Age in milliseconds from which on a transmission can be suspected.
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

impl HighestAcked {
    /// Nothing acknowledged yet. What is in flight counts from 1 on: numbers from the oldest, `una`,
    /// transmissions from the time of the latest one, `xmit_seq`, 2^32 turns ago.
    pub(super) fn new(una: u32, xmit_seq: u32) -> HighestAcked {
        let (sn_base, xmit_base) = (una.wrapping_sub(1), xmit_seq.wrapping_add(1));
        HighestAcked { sn_base, sn: TopTwo::default(), xmit_base, xmit: TopTwo::default() }
    }
}

impl LossDetector {
    /// Nothing in flight; the first segment will be `sn`.
    pub(super) fn new(sn: u32, resend: u16) -> LossDetector {
        LossDetector {
            lists: [List::default(); 4],
            passed: sn,
            resend: resend.min(u16::from(u8::MAX)) as u8,
            reorder_window: ReorderWindow::default(),
        }
    }

    #[inline]
    fn list(&self, line: LossList) -> List {
        self.lists[line as usize]
    }

    #[inline]
    fn list_mut(&mut self, line: LossList) -> &mut List {
        &mut self.lists[line as usize]
    }

    /// Learns from a segment that has arrived how late it was; `latest`: by its latest transmission.
    #[inline(always)]
    pub(super) fn learn(&mut self, slot: &Slot, latest: bool, clock: u64) {
        // Suspected, and here all the same: it was not lost but late.
        if slot.list == LossList::Lost || !latest && slot.state == State::Again(Cause::Fast) {
            self.reorder_window.late((clock as u16).wrapping_sub(slot.lost_at));
        }
    }

    /// A segment is sent again because it was suspected.
    pub(super) fn resend(&mut self) {
        self.reorder_window.lost();
    }

    /// Bounds how long a suspected segment is waited for by the smoothed round trip.
    pub(super) fn set_longest_wait(&mut self, srtt: u32) {
        self.reorder_window.set_longest(srtt);
    }

    /// When is the next segment sent again because it was suspected?
    pub(super) fn lost_at(&self, row: &Row, clock: u64) -> Option<u64> {
        let lost = self.list(LossList::Lost);
        if lost.len == 0 {
            return None;
        }
        let first = row.slots.known(lost.head)?;
        // 16 bits hold a minute: longer nothing stands here without being sent again.
        let waited = (clock as u16).wrapping_sub(first.lost_at);
        Some((clock + u64::from(self.reorder_window.wait())).saturating_sub(u64::from(waited)))
    }

    /// A segment that is to be sent again now because it was suspected, if there is one.
    pub(super) fn lost(&self, row: &Row, clock: u64) -> Option<u32> {
        self.lost_at(row, clock).filter(|&at| at <= clock).map(|_| self.list(LossList::Lost).head)
    }

    /// Counts a datagram that acknowledges `newest` against transmissions that are `youngest`
    /// milliseconds old or older; to be called after [`advance_una`](super::send::SendWindow::advance_una).
    pub(super) fn detect(
        &mut self,
        row: &mut Row,
        highest_acked: &HighestAcked,
        now: Moment,
        youngest: u32,
    ) {
        if highest_acked.is_none() || self.resend == 0 {
            return;
        }
        // kcp-go's early retransmit: where nothing more will be sent, nothing more can overtake.
        let enough = if row.unsent() == 0 { 1 } else { self.resend };
        // RFC 8985 (6.2) asks of what was sent how long ago; RFC 5681 and ikcp.c ask how often it
        // was suspected. Both must say so.
        let mut tally = Tally { now, youngest, enough, left: BURST };
        let passed = self.list(LossList::Suspected);
        let (mut sn, mut left) = (passed.head, passed.len);
        while left > 0 {
            let above = highest_acked.above_number(sn);
            let Some(next) = self.skip(row, sn, above, &mut tally) else { break };
            (sn, left) = (next, left - 1);
        }
        // Those of the list come before what joins it now, which has been counted by joining.
        self.pass(row, highest_acked, &mut tally);
        let again = self.list(LossList::Retransmitted);
        let (mut sn, mut left) = (again.head, again.len);
        while left > 0 {
            let above =
                row.slots.known(sn).map_or(0, |slot| highest_acked.above_xmit(slot.xmit_seq));
            let Some(next) = self.skip(row, sn, above, &mut tally) else { break };
            (sn, left) = (next, left - 1);
        }
    }

    /// Counts the same against what is passed over for the first time.
    fn pass(&mut self, row: &mut Row, highest_acked: &HighestAcked, tally: &mut Tally) {
        // Everything below una has arrived, and everything sent again stands on another line.
        if diff(self.passed, row.slots.head()) < 0 {
            self.passed = row.slots.head();
        }
        let highest = highest_acked.sn_base.wrapping_add(highest_acked.sn.first);
        while diff(highest, self.passed) > 0 {
            let sn = self.passed;
            self.passed = sn.wrapping_add(1);
            let Some(slot) = row.slots.known_mut(sn) else { continue };
            if matches!(slot.state, State::InOrder | State::Postponed) {
                // Too young ones are listed all the same, uncounted, so that the next datagram
                // finds them.
                let counts = tally.is_old(slot.ts);
                slot.fastack = if counts { highest_acked.above_number(sn) } else { 0 };
                let is_lost = slot.fastack >= tally.enough;
                // From here on it is waited for as long as late ones have taken on this path.
                slot.lost_at = tally.now.clock as u16;
                self.link(row, sn, if is_lost { LossList::Lost } else { LossList::Suspected });
                if is_lost && tally.is_last() {
                    return;
                }
            }
        }
    }

    /// Counts what is `above` it against `sn`, and returns its successor on the line; `None` if
    /// nothing is, or nothing counts: what follows is no older.
    #[inline]
    fn skip(&mut self, row: &mut Row, sn: u32, above: u8, tally: &mut Tally) -> Option<u32> {
        let slot = row.slots.known_mut(sn).filter(|_| above > 0)?;
        if !tally.is_old(slot.ts) {
            return None;
        }
        let next = slot.next;
        slot.fastack = slot.fastack.saturating_add(above);
        if slot.fastack >= tally.enough {
            slot.lost_at = tally.now.clock as u16;
            tally.is_last();
            self.unlink(row, sn);
            self.link(row, sn, LossList::Lost);
        }
        Some(next)
    }

    /// Puts a segment that was just sent again on its line.
    pub(super) fn await_acks(&mut self, row: &mut Row, sn: u32) {
        if self.resend > 0 {
            self.link(row, sn, LossList::Retransmitted);
        }
    }

    /// Adds `sn`, which stands on no line, at the end of one.
    #[inline]
    fn link(&mut self, row: &mut Row, sn: u32, line: LossList) {
        let list = self.list_mut(line);
        let (last, was_empty) = (list.tail, list.len == 0);
        list.tail = sn;
        list.len += 1;
        if was_empty {
            list.head = sn;
        } else if let Some(slot) = row.slots.known_mut(last) {
            slot.next = sn;
        }
        if let Some(slot) = row.slots.known_mut(sn) {
            slot.list = line;
            slot.prev = last;
        }
    }

    /// Takes `sn` off its line, if it stands on one.
    pub(super) fn unlink(&mut self, row: &mut Row, sn: u32) {
        let Some(slot) = row.slots.known_mut(sn) else { return };
        let (line, prev, next) = (slot.list, slot.prev, slot.next);
        if line == LossList::None {
            return;
        }
        slot.list = LossList::None;
        let list = self.list_mut(line);
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
        if let Some(slot) = row.slots.known_mut(prev) {
            slot.next = next;
        }
        if !is_last {
            if let Some(slot) = row.slots.known_mut(next) {
                slot.prev = prev;
            }
        }
    }
}

#[cfg(any(test, debug_assertions))]
impl LossDetector {
    /// Is everything on the list that it says it is on, and in its order?
    pub(super) fn assert_invariants(&self, row: &Row) {
        let mut listed = 0;
        for at in 0..row.slots.len() {
            let sn = row.slots.head().wrapping_add(at);
            let slot = row.slots.get(sn).expect("within the row");
            listed += u32::from(slot.list != LossList::None);
            assert!(slot.is_in_flight() || slot.list == LossList::None);
            let passed = self.resend > 0 && slot.xmit == 1 && diff(self.passed, sn) > 0;
            let is_missing = passed && slot.is_in_flight() && slot.list == LossList::None;
            assert!(!is_missing, "{sn}: passed and not on a list");
        }
        let [none, suspected, again, lost] = self.lists;
        assert_eq!((listed, none.len), (suspected.len + again.len + lost.len, 0));
        self.assert_list(row, LossList::Suspected, |a, b| diff(b.0, a.0) > 0);
        self.assert_list(row, LossList::Retransmitted, |a, b| diff(b.1, a.1) > 0);
        self.assert_list(row, LossList::Lost, |_, _| true);
    }

    /// `ordered` is told number and transmission of each segment and of the next one.
    fn assert_list(&self, row: &Row, line: LossList, ordered: fn((u32, u32), (u32, u32)) -> bool) {
        let list = self.list(line);
        let (mut sn, mut before) = (list.head, None);
        for _ in 0..list.len {
            let slot = row.slots.get(sn).expect("on a list and in the row");
            assert_eq!(slot.list, line);
            if let Some((last, xmit_seq)) = before {
                assert_eq!(slot.prev, last);
                assert!(ordered((last, xmit_seq), (sn, slot.xmit_seq)), "{line:?}: {last}, {sn}");
            }
            assert!(slot.fastack < self.resend || line == LossList::Lost);
            assert!(slot.fastack > 0 || line != LossList::Lost);
            before = Some((sn, slot.xmit_seq));
            sn = slot.next;
        }
        assert!(before.is_none_or(|(sn, _)| sn == list.tail));
    }
}
