//! Which timeout passes next.
//!
//! Segments are sent for the first time in the order of their numbers, and the timeout changes
//! slowly, so that their deadlines are nearly always in order too: they need no structure of their
//! own, a cursor that walks over the row once is enough. What is not in order, because the timeout
//! has fallen or the segment was sent again, goes into a heap, from which outdated entries are taken
//! when they come up. The work is proportional to what is sent, and to the logarithm of the losses.

use std::cmp::Reverse;

use super::flight::{Flight, Slot};
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
        while let Some(&Reverse((due, sn))) = self.late.peek() {
            if slots.get(sn).is_some_and(|slot| slot.is_awaited_late(due)) {
                break;
            }
            self.late.pop();
        }
        // Long timeouts may outlive many short ones: twice as many entries as segments are enough.
        if self.late.len() > 64 + 2 * self.flying() {
            self.late.retain(|&Reverse((due, sn))| {
                slots.get(sn).is_some_and(|slot| slot.is_awaited_late(due))
            });
        }
    }

    /// The clock at which the next timeout passes.
    pub fn due(&self) -> Option<u64> {
        let late = self.late.peek().map(|&Reverse((due, _))| due);
        match self.slots.get(self.cursor).filter(|slot| slot.flying) {
            Some(slot) => Some(late.map_or(slot.due, |late| late.min(slot.due))),
            None => late,
        }
    }

    /// A segment whose timeout has passed at `clock`, if there is one.
    pub fn overdue(&mut self, clock: u64) -> Option<u32> {
        self.tidy();
        if self.slots.get(self.cursor).is_some_and(|slot| slot.flying && slot.due <= clock) {
            return Some(self.cursor);
        }
        self.late.peek().filter(|Reverse((due, _))| *due <= clock).map(|&Reverse((_, sn))| sn)
    }
}
