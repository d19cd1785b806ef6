//! The segments in flight, learnt from the headers of what the inner engine emits.

use std::collections::VecDeque;
use std::mem;

use crate::arq::flow::with_headers;
use crate::wire::{diff, Header};

/// One segment that has been sent. Numbers and clocks are those of the wire.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Clock of the first transmission.
    first: u32,
    /// Clock of the latest transmission.
    pub ts: u32,
    /// Its own timeout inside in milliseconds, which grows with every time it passes.
    rto: u32,
    /// Clock at which that passes.
    resendts: u32,
    xmit: u32,
    /// Bytes of payload.
    len: usize,
    acked: bool,
    /// What the [wall sends again by itself](super::retransmit): the whole segment; empty if it does not.
    pub copy: Vec<u8>,
    /// With a copy: the timeout outside in milliseconds, and the milliseconds of
    /// [`Time`](crate::time::Time) at which it passes.
    pub copy_rto: u32,
    pub copy_due: u64,
    /// Whether the copy waits to be sent because ACKs of later segments show it lost.
    pub suspected: bool,
}

impl Slot {
    /// Notes that it leaves again at clock `ts`.
    pub(super) fn leave(&mut self, ts: u32) {
        self.ts = ts;
        self.suspected = false;
        self.xmit = self.xmit.saturating_add(1);
    }
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
pub(super) struct SendWindow {
    /// Number of the front slot, or of the next segment if there is none.
    una: u32,
    slots: VecDeque<Slot>,
    /// Slots that are not acknowledged.
    unacked: usize,
    /// Bytes of copies.
    copied: usize,
    /// Bytes of payload acknowledged so far.
    acked_bytes: u64,
    /// The same of all that was sent, each segment once.
    sent_bytes: u64,
}

impl SendWindow {
    /// Nothing in send_window; the first segment will be `sn`.
    pub(super) fn new(sn: u32) -> SendWindow {
        let slots = VecDeque::new();
        SendWindow { una: sn, slots, unacked: 0, copied: 0, acked_bytes: 0, sent_bytes: 0 }
    }

    /// Returns the oldest number that is not acknowledged.
    pub(super) fn una(&self) -> u32 {
        self.una
    }

    /// Returns the number that the next new segment gets.
    pub(super) fn next(&self) -> u32 {
        self.una.wrapping_add(self.span())
    }

    /// Counts the numbers from `una` to `next`, acknowledged between or not: what the windows limit.
    pub(super) fn span(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Counts the segments in flight and not acknowledged.
    pub(super) fn unacked(&self) -> usize {
        self.unacked
    }

    /// Returns the bytes of payload acknowledged so far.
    pub(super) fn acked_bytes(&self) -> u64 {
        self.acked_bytes
    }

    /// Bytes in flight, headers included.
    pub(super) fn in_flight_bytes(&self) -> u64 {
        with_headers(self.sent_bytes.wrapping_sub(self.acked_bytes), self.unacked as u64)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Notes that `sn` was emitted at clock `ts` while the session's timeout was `rto`, and tells
    /// why. The timeout of each segment follows the rules of the inner engine's `flush`, so the
    /// answer is exact. What was emitted again may [leave](SendWindow::leave) or not.
    pub(super) fn on_emitted(&mut self, sn: u32, ts: u32, rto: u32, nodelay: bool) -> Sent {
        let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) else {
            debug_assert_eq!(sn, self.next(), "new segments leave in order");
            // Without nodelay the first timeout has an eighth of grace.
            let grace = if nodelay { 0 } else { rto >> 3 };
            let resendts = ts.wrapping_add(rto).wrapping_add(grace);
            let slot = Slot { first: ts, ts, rto, resendts, xmit: 1, ..Slot::default() };
            self.slots.push_back(slot);
            self.unacked += 1;
            return Sent::First;
        };
        let why = if diff(ts, slot.resendts) >= 0 {
            let step = if nodelay { slot.rto / 2 } else { slot.rto.max(rto) };
            slot.rto = slot.rto.saturating_add(step);
            Sent::Timeout
        } else {
            Sent::Fast
        };
        slot.resendts = ts.wrapping_add(slot.rto);
        why
    }

    /// Notes how many bytes `sn` carries.
    pub(super) fn set_len(&mut self, sn: u32, len: usize) {
        if let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) {
            slot.len = len;
            self.sent_bytes = self.sent_bytes.wrapping_add(len as u64);
        }
    }

    /// Notes that `sn` leaves again at clock `ts`.
    pub(super) fn leave(&mut self, sn: u32, ts: u32) {
        if let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) {
            slot.leave(ts);
        }
    }

    /// Keeps a copy of a segment in flight.
    pub(super) fn keep(&mut self, header: &Header, payload: &[u8]) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(header.sn.wrapping_sub(self.una) as usize)?;
        slot.copy = [&header.encode()[..], payload].concat();
        self.copied += slot.copy.len();
        Some(slot)
    }

    /// Finds the segment `sn`, if it is in flight and there is a copy of it.
    pub(super) fn copy_of(&mut self, sn: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(sn.wrapping_sub(self.una) as usize);
        slot.filter(|slot| !slot.copy.is_empty())
    }

    /// Lists all segments of which there are copies, with their numbers.
    pub(super) fn copies(&mut self) -> impl Iterator<Item = (u32, &mut Slot)> {
        let una = self.una;
        let numbers = (0..).map(move |n| una.wrapping_add(n));
        numbers.zip(&mut self.slots).filter(|(_, slot)| !slot.copy.is_empty())
    }

    /// Returns the bytes of all copies.
    pub(super) fn copied(&self) -> usize {
        self.copied
    }

    /// Returns the milliseconds since `sn` left latest.
    pub(super) fn age(&self, sn: u32, clock: u32) -> u32 {
        let slot = self.slots.get(sn.wrapping_sub(self.una) as usize);
        slot.map_or(0, |slot| clock.wrapping_sub(slot.ts))
    }

    /// Tells whether `sn` is unacknowledged and was sent at clock `ts`. Of more than two transmissions only
    /// the first and the latest are remembered, and any clock between them counts.
    pub(super) fn holds(&self, sn: u32, ts: u32) -> bool {
        let slot = self.slots.get(sn.wrapping_sub(self.una) as usize);
        slot.is_some_and(|s| {
            let between = s.xmit > 2 && diff(ts, s.first) >= 0 && diff(s.ts, ts) >= 0;
            !s.acked && (ts == s.first || ts == s.ts || between)
        })
    }

    /// Marks `sn` as acknowledged if it [is held](SendWindow::holds) with that clock, and tells so. It
    /// keeps its place until [`advance_una`](SendWindow::advance_una).
    pub(super) fn on_ack(&mut self, sn: u32, ts: u32) -> bool {
        let held = self.holds(sn, ts);
        if held {
            if let Some(slot) = self.slots.get_mut(sn.wrapping_sub(self.una) as usize) {
                slot.acked = true;
                self.unacked -= 1;
                self.acked_bytes = self.acked_bytes.wrapping_add(slot.len as u64);
                self.copied -= mem::take(&mut slot.copy).len();
            }
        }
        held
    }

    /// Drops what lies below `una` and what is acknowledged at the front.
    pub(super) fn advance_una(&mut self, una: u32) {
        while let Some(slot) = self.slots.front() {
            if !slot.acked {
                if diff(una, self.una) <= 0 {
                    break;
                }
                self.unacked -= 1;
                self.acked_bytes = self.acked_bytes.wrapping_add(slot.len as u64);
            }
            self.copied -= slot.copy.len();
            self.slots.pop_front();
            self.una = self.una.wrapping_add(1);
        }
        if self.slots.is_empty() {
            // An idle session keeps no table.
            self.slots = VecDeque::new();
        }
    }

    /// Returns the clock at which the next timeout passes inside.
    #[cfg(test)]
    pub(super) fn due_inside(&self) -> Option<u32> {
        self.soonest(|slot| !slot.acked)
    }

    /// Returns the clock at which the next timeout passes of what the wall does not send by itself.
    pub(super) fn due(&self) -> Option<u32> {
        self.soonest(|slot| !slot.acked && slot.copy.is_empty())
    }

    fn soonest(&self, counts: impl Fn(&Slot) -> bool) -> Option<u32> {
        let waiting = self.slots.iter().filter(|slot| counts(slot)).map(|slot| slot.resendts);
        waiting.reduce(|a, b| if diff(b, a) < 0 { b } else { a })
    }

    /// Returns for how many milliseconds from `clock` on a timeout has not passed inside, of what the wall
    /// does not send by itself; `None`: it sends all.
    pub(super) fn longest_wait(&self, clock: u32) -> Option<u32> {
        let inside = self.slots.iter().filter(|slot| !slot.acked && slot.copy.is_empty());
        inside.map(|slot| u32::try_from(diff(slot.resendts, clock)).unwrap_or(0)).max()
    }

    /// Lets all timeouts pass `by` milliseconds earlier.
    pub(super) fn advance_timeouts(&mut self, by: u32) {
        for slot in &mut self.slots {
            slot.resendts = slot.resendts.wrapping_sub(by);
        }
    }

    /// Returns the most transmissions of one segment that is not acknowledged.
    pub(super) fn worst_transmits(&self) -> u32 {
        let waiting = self.slots.iter().filter(|slot| !slot.acked).map(|slot| slot.xmit);
        waiting.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_counts_once_and_only_with_a_clock_of_its_segment() {
        let mut window = SendWindow::new(u32::MAX);
        assert_eq!(window.on_emitted(u32::MAX, 100, 200, true), Sent::First);
        assert_eq!(window.on_emitted(0, 100, 200, true), Sent::First);
        assert_eq!(window.on_emitted(0, 310, 200, true), Sent::Timeout);
        assert!(!window.holds(0, 310), "it need not leave");
        window.leave(0, 310);
        assert!(!window.on_ack(1, 100), "never sent");
        assert!(!window.on_ack(u32::MAX, 101), "never sent at this clock");
        assert!(window.on_ack(0, 310));
        assert!(!window.on_ack(0, 310), "a second time");
        assert_eq!((window.unacked(), window.span(), window.worst_transmits()), (1, 2, 1));
        window.advance_una(u32::MAX);
        assert_eq!(window.una(), u32::MAX, "the hole at the front holds the rest");
        window.advance_una(0);
        assert_eq!((window.una(), window.next(), window.unacked()), (1, 1, 0));
    }

    #[test]
    fn timeouts_grow_by_half_or_double_and_fast_ones_do_not() {
        for (nodelay, first, second) in [(true, 200, 300), (false, 225, 400)] {
            let mut window = SendWindow::new(0);
            window.on_emitted(0, 1000, 200, nodelay);
            assert_eq!(window.due(), Some(1000 + first));
            assert_eq!(window.on_emitted(0, 1000 + first - 1, 200, nodelay), Sent::Fast);
            let due = window.due().unwrap();
            assert_eq!(due, 1000 + first - 1 + 200);
            assert_eq!(window.on_emitted(0, due, 200, nodelay), Sent::Timeout);
            assert_eq!(window.due(), Some(due + second));
        }
    }

    #[test]
    fn the_earliest_timeout_is_found_across_the_wrap_of_the_clock() {
        let mut window = SendWindow::new(7);
        window.on_emitted(7, u32::MAX - 50, 200, true);
        window.on_emitted(8, u32::MAX - 100, 50, true);
        assert_eq!(window.due(), Some(u32::MAX - 50));
    }
}
