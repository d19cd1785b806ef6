//! Which timeout passes next.
//!
//! Segments are sent for the first time in the order of their numbers, and the timeout changes
//! slowly, so that their deadlines are nearly always in order too: they need no structure of their
//! own, a cursor that walks over the row once is enough. Those of segments sent again because they
//! were overtaken are nearly always in order among themselves and stand in a queue. What is not in
//! order, because the timeout has fallen, or has passed and grown, goes into a heap. Outdated entries
//! of both are dropped when they come up.

use std::cmp::Reverse;

use super::flight::{Cause, Flight, Slot};
use crate::wire::diff;

impl Slot {
    fn is_awaited_in_order(&self) -> bool {
        self.flying && self.in_order
    }

    fn is_awaited_late(&self, due: u64) -> bool {
        self.flying && !self.in_order && self.due == due
    }
}

impl Flight {
    /// Does a deadline of the next new segment come after all that the cursor will meet?
    pub(super) fn follows(&self, due: u64) -> bool {
        self.cursor == self.nxt || due >= self.latest
    }

    /// Notes the deadline of a segment that was sent again.
    pub(super) fn await_resent(&mut self, due: u64, sn: u32, cause: Cause) {
        let follows = || self.resent.back().is_none_or(|&(latest, _)| due >= latest);
        if cause == Cause::Overtaken && follows() {
            self.resent.push_back((due, sn));
        } else {
            self.late.push(Reverse((due, sn)));
        }
    }

    /// Forgets the deadlines of what has arrived or was sent again. To be called whenever that has
    /// happened, before the deadlines are asked for.
    pub fn tidy(&mut self) {
        if diff(self.cursor, self.slots.head()) < 0 {
            self.cursor = self.slots.head();
        }
        while self.cursor != self.nxt {
            if self.slots.get(self.cursor).is_some_and(Slot::is_awaited_in_order) {
                break;
            }
            self.cursor = self.cursor.wrapping_add(1);
        }
        let slots = &self.slots;
        let awaited = |due, sn| slots.get(sn).is_some_and(|slot| slot.is_awaited_late(due));
        while self.resent.front().is_some_and(|&(due, sn)| !awaited(due, sn)) {
            self.resent.pop_front();
        }
        while self.late.peek().is_some_and(|&Reverse((due, sn))| !awaited(due, sn)) {
            self.late.pop();
        }
        // Long timeouts may outlive many short ones: twice as many entries as segments are enough.
        let enough = 64 + 2 * self.flying();
        if self.late.len() > enough {
            self.late.retain(|&Reverse((due, sn))| awaited(due, sn));
        }
        if self.resent.len() > enough {
            self.resent.retain(|&(due, sn)| awaited(due, sn));
        }
    }

    /// The clock at which the next timeout passes.
    pub fn due(&self) -> Option<u64> {
        if self.flying() == 0 {
            return None;
        }
        let cursor = self.slots.get(self.cursor).filter(|slot| slot.flying);
        let in_order = cursor.map_or(u64::MAX, |slot| slot.due);
        let late = self.late.peek().map_or(u64::MAX, |Reverse((due, _))| *due);
        let resent = self.resent.front().map_or(u64::MAX, |(due, _)| *due);
        Some(in_order.min(late).min(resent))
    }

    /// A segment whose timeout has passed at `clock`, if there is one.
    pub fn overdue(&mut self, clock: u64) -> Option<u32> {
        self.tidy();
        if self.slots.get(self.cursor).is_some_and(|slot| slot.flying && slot.due <= clock) {
            return Some(self.cursor);
        }
        let late = self.late.peek().map(|&Reverse(entry)| entry);
        let resent = self.resent.front().copied();
        late.into_iter().chain(resent).find(|(due, _)| *due <= clock).map(|(_, sn)| sn)
    }
}
