//! The segments in flight, learnt from the headers of what the inner engine emits.

use std::collections::VecDeque;

use crate::wire::diff;

/// One segment that has been sent. Numbers and clocks are those of the wire.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Clock of the first transmission.
    first: u32,
    /// Clock of the latest transmission.
    last: u32,
    /// Its own timeout in milliseconds, which grows with every time it passes.
    rto: u32,
    /// Clock at which the timeout passes.
    due: u32,
    transmits: u32,
    acked: bool,
}

/// Why a segment was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// For the first time.
    First,
    /// Its timeout had passed.
    Timeout,
    /// Later segments were acknowledged before it.
    Fast,
}

/// All segments from the oldest unacknowledged one to the newest sent.
#[derive(Debug)]
pub(super) struct Flight {
    /// Number of the front slot, or of the next segment if there is none.
    una: u32,
    slots: VecDeque<Slot>,
    /// Slots that are not acknowledged.
    unacked: usize,
}

impl Flight {
    /// Nothing in flight; the first segment will be `sn`.
    pub fn new(sn: u32) -> Flight {
        Flight { una: sn, slots: VecDeque::new(), unacked: 0 }
    }

    /// The oldest number that is not acknowledged.
    pub fn una(&self) -> u32 {
        self.una
    }

    /// The number that the next new segment gets.
    pub fn next(&self) -> u32 {
        self.una.wrapping_add(self.span())
    }

    /// Numbers from `una` to `next`, acknowledged between or not: what the windows limit.
    pub fn span(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Segments in flight and not acknowledged.
    pub fn unacked(&self) -> usize {
        self.unacked
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Notes that `sn` was emitted at clock `ts` while the session's timeout was `rto`, and tells
    /// why. The timeout of each segment follows the rules of the inner engine's `flush`, so the
    /// answer is exact.
    pub fn sent(&mut self, sn: u32, ts: u32, rto: u32, nodelay: bool) -> Sent {
        let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) else {
            debug_assert_eq!(sn, self.next(), "new segments leave in order");
            // Without nodelay the first timeout has an eighth of grace.
            let grace = if nodelay { 0 } else { rto >> 3 };
            let due = ts.wrapping_add(rto).wrapping_add(grace);
            self.slots.push_back(Slot {
                first: ts,
                last: ts,
                rto,
                due,
                transmits: 1,
                acked: false,
            });
            self.unacked += 1;
            return Sent::First;
        };
        let why = if diff(ts, slot.due) >= 0 {
            let step = if nodelay { slot.rto / 2 } else { slot.rto.max(rto) };
            slot.rto = slot.rto.saturating_add(step);
            Sent::Timeout
        } else {
            Sent::Fast
        };
        slot.due = ts.wrapping_add(slot.rto);
        slot.last = ts;
        slot.transmits = slot.transmits.saturating_add(1);
        why
    }

    /// Is `sn` unacknowledged, and was it sent at clock `ts`? Of more than two transmissions only the
    /// first and the latest are remembered, and any clock between them counts.
    pub fn holds(&self, sn: u32, ts: u32) -> bool {
        let slot = self.slots.get(sn.wrapping_sub(self.una) as usize);
        slot.is_some_and(|s| {
            let between = s.transmits > 2 && diff(ts, s.first) >= 0 && diff(s.last, ts) >= 0;
            !s.acked && (ts == s.first || ts == s.last || between)
        })
    }

    /// Marks `sn` as acknowledged if it [is held](Flight::holds) with that clock, and tells so. It
    /// keeps its place until [`settle`](Flight::settle).
    pub fn ack(&mut self, sn: u32, ts: u32) -> bool {
        let held = self.holds(sn, ts);
        if held {
            if let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) {
                slot.acked = true;
                self.unacked -= 1;
            }
        }
        held
    }

    /// Drops what lies below `una` and what is acknowledged at the front.
    pub fn settle(&mut self, una: u32) {
        while let Some(slot) = self.slots.front() {
            if !slot.acked {
                if diff(una, self.una) <= 0 {
                    break;
                }
                self.unacked -= 1;
            }
            self.slots.pop_front();
            self.una = self.una.wrapping_add(1);
        }
        if self.slots.is_empty() {
            // An idle session keeps no table.
            self.slots = VecDeque::new();
        }
    }

    /// The clock at which the next timeout passes.
    pub fn due(&self) -> Option<u32> {
        let waiting = self.slots.iter().filter(|slot| !slot.acked).map(|slot| slot.due);
        waiting.reduce(|a, b| if diff(b, a) < 0 { b } else { a })
    }

    /// How many milliseconds too late the timeout comes of what was sent latest `rto` or longer before
    /// `clock`, counting in the first `count` of them; `None`: nothing of the kind.
    pub fn overdue_by(&self, clock: u32, rto: u32, count: usize) -> Option<u32> {
        let old =
            |s: &&Slot| !s.acked && diff(clock, s.last) >= 0 && clock.wrapping_sub(s.last) >= rto;
        let late = |slot: &Slot| u32::try_from(diff(slot.due, clock)).ok().filter(|&by| by > 0);
        let mut waits: Vec<u32> = self.slots.iter().filter(old).filter_map(late).collect();
        waits.sort_unstable();
        waits.truncate(count);
        waits.pop()
    }

    /// For how many milliseconds from `clock` on something sent latest is less than `rto` old whose
    /// timeout comes later than that.
    pub fn young_for(&self, clock: u32, rto: u32) -> Option<u32> {
        let until = |slot: &Slot| u32::try_from(diff(slot.last.wrapping_add(rto), clock)).ok();
        let grown = |slot: &&Slot| !slot.acked && diff(slot.due, slot.last.wrapping_add(rto)) > 0;
        self.slots.iter().filter(grown).filter_map(until).filter(|&wait| wait > 0).min()
    }

    /// Lets all timeouts pass `by` milliseconds earlier.
    pub fn advance_timeouts(&mut self, by: u32) {
        for slot in &mut self.slots {
            slot.due = slot.due.wrapping_sub(by);
        }
    }

    /// The most transmissions of one segment that is not acknowledged.
    pub fn worst_transmits(&self) -> u32 {
        let waiting = self.slots.iter().filter(|slot| !slot.acked).map(|slot| slot.transmits);
        waiting.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_counts_once_and_only_with_a_clock_of_its_segment() {
        let mut flight = Flight::new(u32::MAX);
        assert_eq!(flight.sent(u32::MAX, 100, 200, true), Sent::First);
        assert_eq!(flight.sent(0, 100, 200, true), Sent::First);
        assert_eq!(flight.sent(0, 310, 200, true), Sent::Timeout);
        assert!(!flight.ack(1, 100), "never sent");
        assert!(!flight.ack(u32::MAX, 101), "never sent at this clock");
        assert!(flight.ack(0, 310));
        assert!(!flight.ack(0, 310), "a second time");
        assert_eq!((flight.unacked(), flight.span(), flight.worst_transmits()), (1, 2, 1));
        flight.settle(u32::MAX);
        assert_eq!(flight.una(), u32::MAX, "the hole at the front holds the rest");
        flight.settle(0);
        assert_eq!((flight.una(), flight.next(), flight.unacked()), (1, 1, 0));
    }

    #[test]
    fn timeouts_grow_by_half_or_double_and_fast_ones_do_not() {
        for (nodelay, first, second) in [(true, 200, 300), (false, 225, 400)] {
            let mut flight = Flight::new(0);
            flight.sent(0, 1000, 200, nodelay);
            assert_eq!(flight.due(), Some(1000 + first));
            assert_eq!(flight.sent(0, 1000 + first - 1, 200, nodelay), Sent::Fast);
            let due = flight.due().unwrap();
            assert_eq!(due, 1000 + first - 1 + 200);
            assert_eq!(flight.sent(0, due, 200, nodelay), Sent::Timeout);
            assert_eq!(flight.due(), Some(due + second));
        }
    }

    #[test]
    fn the_earliest_timeout_is_found_across_the_wrap_of_the_clock() {
        let mut flight = Flight::new(7);
        flight.sent(7, u32::MAX - 50, 200, true);
        flight.sent(8, u32::MAX - 100, 50, true);
        assert_eq!(flight.due(), Some(u32::MAX - 50));
    }
}
