//! Which timeout passes next.
//!
//! Segments are sent for the first time in the order of their numbers, and are waited for equally long,
//! as [`TailProbe`] has it now: they need no structure of their own, a cursor that walks over the row once
//! is enough. Those of segments sent again are nearly always in order among those sent again for the same
//! cause, and stand in a queue for each. What is not in order goes into a heap. Outdated entries are
//! dropped when they come up, and so is what turns out not to be due yet: it is entered again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::slot::{Cause, Moment, Row, Slot, State};
use super::tail_probe::TailProbe;
use super::window::Window;
use crate::arq::knobs::FIRST_FLIGHT;
use crate::wire::diff;

/// A deadline and the number of its segment.
type Entry = (u64, u32);

impl Slot {
    fn is_awaited_late(&self, due: u64) -> bool {
        self.is_in_flight() && self.state != State::InOrder && self.resendts == due
    }
}

/// Is that still when the timeout of that segment passes?
#[inline]
fn is_awaited(slots: &Window<Slot>, (due, sn): Entry) -> bool {
    slots.get(sn).is_some_and(|slot| slot.is_awaited_late(due))
}

/// Deadlines in any order: as a heap has them, but those that come in order stand in a queue.
#[derive(Debug, Default)]
struct Late {
    queue: VecDeque<Entry>,
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Late {
    fn push(&mut self, entry: Entry) {
        if self.queue.back().is_none_or(|&last| last <= entry) {
            self.queue.push_back(entry);
        } else {
            self.heap.push(Reverse(entry));
        }
    }

    /// The first one.
    #[inline]
    fn peek(&self) -> Option<Entry> {
        match (self.queue.front(), self.heap.peek()) {
            (Some(&queued), Some(&Reverse(other))) => Some(queued.min(other)),
            (Some(&queued), None) => Some(queued),
            (None, other) => other.map(|&Reverse(other)| other),
        }
    }

    /// Drops the first one.
    #[inline]
    fn pop(&mut self) {
        let queued = self
            .queue
            .front()
            .is_some_and(|&queued| self.heap.peek().is_none_or(|&Reverse(other)| queued <= other));
        if queued {
            self.queue.pop_front();
        } else {
            self.heap.pop();
        }
    }

    fn len(&self) -> usize {
        self.queue.len() + self.heap.len()
    }

    fn capacity(&self) -> usize {
        self.queue.capacity().max(self.heap.capacity())
    }

    #[cfg(any(test, debug_assertions))]
    fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.queue.iter().copied().chain(self.heap.iter().map(|entry| entry.0))
    }
}

/// What an entry whose deadline has passed turns out to be.
enum Verdict {
    Due,
    Outdated,
    /// Its segment is due at this clock.
    Later(u64),
}

/// When the timeouts of what is in flight pass.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// The first segment whose deadline the row itself has.
    cursor: u32,
    /// The clock of the first deadline of all, as [judged](Timeouts::judge) last.
    soonest: u64,
    /// Deadlines of what was sent again because it was suspected, in order, and all others.
    resent: VecDeque<Entry>,
    late: Late,
}

impl Timeouts {
    /// Nothing in flight; the first segment will be `sn`.
    pub(super) fn new(sn: u32) -> Timeouts {
        let (resent, late) = (VecDeque::new(), Late::default());
        Timeouts { cursor: sn, soonest: u64::MAX, resent, late }
    }

    /// Places held, in the larger of the lists.
    pub(super) fn capacity(&self) -> usize {
        self.late.capacity().max(self.resent.capacity())
    }

    /// Gives all memory back; nothing must be in flight.
    pub(super) fn release(&mut self) {
        (self.resent, self.late) = (VecDeque::new(), Late::default());
    }

    /// Notes the deadline of a segment that was sent again.
    #[inline]
    pub(super) fn await_resent(&mut self, due: u64, sn: u32, cause: Cause) {
        let follows = || self.resent.back().is_none_or(|&(latest, _)| due >= latest);
        if cause == Cause::Fast && follows() {
            self.resent.push_back((due, sn));
        } else {
            self.late.push((due, sn));
        }
    }

    /// Moves the timeout of `sn`, which has passed, to the clock `with`, or at least to `rto` after its latest
    /// transmission. Returns whether it is later than now.
    pub(super) fn postpone(
        &mut self,
        row: &mut Row,
        sn: u32,
        now: Moment,
        rto: u32,
        with: u64,
    ) -> bool {
        let Some(slot) = row.slots.get_mut(sn).filter(|slot| slot.is_in_flight()) else {
            return false;
        };
        let due = with.max(slot.sent_at(now) + u64::from(rto));
        if due <= now.clock {
            return false;
        }
        slot.resendts = due;
        if slot.state == State::InOrder {
            slot.state = State::Postponed;
        }
        self.late.push((due, sn));
        true
    }

    /// Begins the timeouts anew that have grown by passing or were [postponed](Timeouts::postpone): they
    /// pass `rto` after the latest transmission. Of what has been under way for `waited`, [`FIRST_FLIGHT`] segments leave
    /// now, the rest in flights that double, `step` milliseconds apart, as a window opens that starts
    /// slowly (RFC 5681, 3.1): nobody knows yet how much the path takes. As a rule ACKs are faster.
    pub(super) fn restart(
        &mut self,
        row: &mut Row,
        now: Moment,
        (waited, rto): (u32, u32),
        step: u32,
    ) {
        let (mut burst, mut left, mut at) = (FIRST_FLIGHT, FIRST_FLIGHT, now.clock);
        let mut sn = row.slots.head();
        while sn != row.nxt {
            let slot = row.slots.known_mut(sn);
            if let Some(slot) = slot.filter(|slot| slot.is_in_flight()) {
                let mut due = slot.sent_at(now) + u64::from(waited);
                if slot.state == State::InOrder {
                    if due > now.clock {
                        // Young, and not waiting for longer than that.
                        sn = sn.wrapping_add(1);
                        continue;
                    }
                    (slot.state, slot.resendts) = (State::Postponed, u64::MAX);
                }
                if due <= now.clock {
                    // The flight is full: the next one, twice as large, leaves a round trip later.
                    if left == 0 {
                        burst = burst.saturating_mul(2);
                        left = burst;
                        at += u64::from(step.max(1));
                    }
                    left -= 1;
                    due = at;
                }
                if due < slot.resendts {
                    slot.resendts = due;
                    slot.rto = slot.rto.min(rto);
                    self.late.push((due, sn));
                }
            }
            sn = sn.wrapping_add(1);
        }
    }

    /// The peer's window has been opened as far as `edge`, from `from` on: for what lies between, and
    /// was sent in vain, timeouts begin anew with `rto`. So long after it was sent latest it is due.
    #[cold]
    pub(super) fn reopen(
        &mut self,
        row: &mut Row,
        (from, edge): (u32, u32),
        now: Moment,
        rto: u32,
    ) -> bool {
        let mut sn = if diff(from, row.slots.head()) < 0 { row.slots.head() } else { from };
        let end = if diff(edge, row.nxt) > 0 { row.nxt } else { edge };
        let mut changed = false;
        while diff(end, sn) > 0 {
            if let Some(slot) = row.slots.get_mut(sn) {
                // So long after its latest transmission, or now if that is over.
                let rest = rto.saturating_sub(now.ts.wrapping_sub(slot.ts));
                let due = now.clock + u64::from(rest);
                let waits = match slot.state {
                    State::NotInFlight => false,
                    // Young, or waits for what others that ask are answered.
                    State::InOrder => rest == 0,
                    State::Postponed => slot.resendts > due,
                    State::Again(_) => slot.rto > rto && slot.resendts > due,
                };
                if waits {
                    if slot.state == State::InOrder {
                        slot.state = State::Postponed;
                    }
                    (slot.rto, slot.resendts) = (rto, due);
                    self.late.push((due, sn));
                    changed = true;
                }
            }
            sn = sn.wrapping_add(1);
        }
        changed
    }

    /// Forgets the deadlines of what has arrived or was sent again. To be called whenever that has
    /// happened, before the deadlines are asked for.
    pub(super) fn tidy(&mut self, row: &Row) {
        self.walk(row);
        while self.late.peek().is_some_and(|entry| !is_awaited(&row.slots, entry)) {
            self.late.pop();
        }
        self.tidy_resent(row);
        // Long timeouts may outlive many short ones: twice as many entries as segments are enough.
        // Each restart may add an entry for every segment; amortised over as many operations as
        // there are entries this is O(1).
        let enough = 64 + 2 * row.in_flight;
        if self.late.len() > enough {
            self.late.queue.retain(|&entry| is_awaited(&row.slots, entry));
            self.late.heap.retain(|&Reverse(entry)| is_awaited(&row.slots, entry));
        }
        if self.resent.len() > enough {
            self.resent.retain(|&entry| is_awaited(&row.slots, entry));
        }
    }

    /// Finds the first deadline, as it looks now; after [`tidy`](Timeouts::tidy), or after segments were
    /// sent for the first time. Of what stands in the queues it may come later than that.
    #[inline]
    pub(super) fn judge(&mut self, row: &Row, tail_probe: &TailProbe, now: Moment) {
        let cursor = row.slots.known(self.cursor).filter(|_| self.cursor != row.nxt);
        let in_order = cursor.map_or(u64::MAX, |slot| tail_probe.due(slot, now));
        let late = self.late.peek().map_or(u64::MAX, |(due, _)| due);
        let resent = self.resent.front().map_or(u64::MAX, |&(due, _)| due);
        self.soonest = in_order.min(late).min(resent);
    }

    /// The same for what was sent again because it was suspected. Outdated entries at the front might
    /// keep others out of the queue.
    #[inline]
    pub(super) fn tidy_resent(&mut self, row: &Row) {
        while self.resent.front().is_some_and(|&entry| !is_awaited(&row.slots, entry)) {
            self.resent.pop_front();
        }
    }

    /// Brings the cursor to the next segment that it finds the deadline of.
    #[inline]
    fn walk(&mut self, row: &Row) {
        let mut cursor = self.cursor;
        if diff(cursor, row.slots.head()) < 0 {
            cursor = row.slots.head();
        }
        let awaited = |slot: &Slot| slot.state == State::InOrder;
        while cursor != row.nxt && !row.slots.known(cursor).is_some_and(awaited) {
            cursor = cursor.wrapping_add(1);
        }
        self.cursor = cursor;
    }

    /// The clock at which the next timeout passes.
    #[inline]
    pub(super) fn due(&self, row: &Row) -> Option<u64> {
        Some(self.soonest).filter(|_| row.in_flight > 0)
    }

    /// A segment whose timeout has passed, if there is one.
    #[inline]
    pub(super) fn overdue(
        &mut self,
        row: &mut Row,
        tail_probe: &TailProbe,
        now: Moment,
    ) -> Option<u32> {
        self.walk(row);
        let cursor = self.cursor;
        let first = row.slots.known(cursor).filter(|_| cursor != row.nxt);
        if first.is_some_and(|slot| tail_probe.due(slot, now) <= now.clock) {
            return Some(cursor);
        }
        while let Some(entry) = self.late.peek().filter(|&(due, _)| due <= now.clock) {
            match self.judge_entry(row, tail_probe, now, entry) {
                Verdict::Due => return Some(entry.1),
                Verdict::Outdated => self.late.pop(),
                Verdict::Later(due) => {
                    self.late.pop();
                    self.late.push((due, entry.1));
                }
            }
        }
        while let Some(&entry) = self.resent.front().filter(|&&(due, _)| due <= now.clock) {
            match self.judge_entry(row, tail_probe, now, entry) {
                Verdict::Due => return Some(entry.1),
                Verdict::Outdated => {}
                Verdict::Later(due) => self.late.push((due, entry.1)),
            }
            self.resent.pop_front();
        }
        None
    }

    /// Judges an entry whose deadline has passed, and moves that of its segment where it has not.
    fn judge_entry(
        &self,
        row: &mut Row,
        tail_probe: &TailProbe,
        now: Moment,
        (due, sn): Entry,
    ) -> Verdict {
        let slot = row.slots.get_mut(sn).filter(|slot| slot.is_awaited_late(due));
        let Some(slot) = slot else { return Verdict::Outdated };
        let due = tail_probe.due(slot, now);
        if due <= now.clock {
            return Verdict::Due;
        }
        slot.resendts = due;
        Verdict::Later(due)
    }
}
#[cfg(any(test, debug_assertions))]
impl Timeouts {
    /// Is every deadline found, and the first one known?
    pub(super) fn assert_invariants(&self, row: &Row, tail_probe: &TailProbe, now: Moment) {
        let deadlines: Vec<Entry> = self.late.iter().chain(self.resent.iter().copied()).collect();
        let deadlines = std::collections::BTreeSet::from_iter(deadlines);
        let (mut earliest, mut in_order): (Option<u64>, u64) = (None, 0);
        for at in 0..row.slots.len() {
            let sn = row.slots.head().wrapping_add(at);
            let Some(slot) = row.slots.get(sn).filter(|slot| slot.is_in_flight()) else { continue };
            let mut due = slot.resendts;
            if slot.state == State::InOrder {
                due = tail_probe.due(slot, now);
                assert!(diff(sn, self.cursor) >= 0, "{sn}: left behind by the cursor");
                assert!(due >= in_order, "{sn}: not in order");
                in_order = due;
            }
            earliest = Some(earliest.map_or(due, |earliest| due.min(earliest)));
            if slot.state != State::InOrder {
                assert!(deadlines.contains(&(slot.resendts, sn)), "{sn}: no deadline");
            }
        }
        assert_eq!(earliest, self.due(row));
        assert!(self.resent.iter().is_sorted_by_key(|(due, _)| due), "in order");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_order_deadlines_come_in_the_first_one_is_the_soonest() {
        let mut late = Late::default();
        // In order, then earlier ones, then the same clock again with a lower number.
        let entries = [(5, 1), (7, 2), (7, 3), (6, 4), (2, 5), (9, 6), (9, 0), (8, 8)];
        entries.into_iter().for_each(|entry| late.push(entry));
        assert_eq!((late.queue.len(), late.len()), (4, 8), "what is in order needs no heap");
        let mut sorted = entries.to_vec();
        sorted.sort();
        for entry in sorted {
            assert_eq!(late.peek(), Some(entry));
            late.pop();
        }
        assert_eq!((late.peek(), late.len()), (None, 0));
    }
}
