//! Messages that are of use for a limited time only.
//!
//! A number that was given to a segment cannot be left out: the receiver waits for it. So a segment that
//! is given up loses its payload and goes its way without it, which costs a header, and no ACK, timeout or
//! window needs to know.

use super::slot::Slot;
use super::RingEngine;
use crate::wire::{diff, HEADER_LEN};

/// What waits to be sent, and since when at least.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    /// The number behind the last that waited then, and the clock.
    mark: Option<(u32, u64)>,
    /// Numbers below it have waited for too long.
    stale: Option<u32>,
}

impl Waiting {
    /// Looks at the numbers from `next` up to `end`, which wait to be sent.
    fn observe(&mut self, (next, end): (u32, u32), clock: u64, lifetime: u64) {
        // What has left is not to come before `next` again when the numbers have gone half way round.
        self.stale = self.stale.filter(|&stale| diff(stale, next) > 0);
        match self.mark {
            Some((mark, since)) if diff(mark, next) > 0 => {
                if clock.saturating_sub(since) < lifetime {
                    return;
                }
                self.stale = Some(mark);
            }
            _ => {}
        }
        self.mark = Some((end, clock));
    }
}

impl RingEngine {
    /// Notes what waits to be sent, and returns the number below which all has waited for too long.
    pub(super) fn watch_waiting(&mut self) -> Option<u32> {
        let lifetime = self.knobs.lifetime?;
        let next = self.send_window.next();
        let numbers = (next, next.wrapping_add(self.send_window.unsent() as u32));
        self.waiting.observe(numbers, self.clock, u64::from(lifetime));
        self.waiting.stale
    }

    /// Gives up a segment in flight that was sent first so long ago that nobody has a use for it.
    #[cold]
    pub(super) fn give_up_late(&mut self, sn: u32, lifetime: u32) {
        let ts = self.moment().ts;
        let Some(slot) = self.send_window.slot_mut(sn) else { return };
        if slot.payload_len() > 0 && ts.wrapping_sub(slot.first) >= lifetime {
            self.payload_in_flight -= slot.give_up();
            self.counters.given_up += 1;
        }
    }
}

impl Slot {
    /// Drops the payload and returns how many bytes that were.
    pub(super) fn give_up(&mut self) -> u64 {
        let payload = self.payload_len() as u64;
        self.block.truncate(HEADER_LEN);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_old_once_makes_nothing_stale_when_the_numbers_have_come_round() {
        let mut waiting = Waiting::default();
        waiting.observe((0, 3), 0, 100);
        waiting.observe((0, 4), 100, 100);
        assert_eq!(waiting.stale, Some(3));
        // All of it has left, and many more.
        for next in (0..6).map(|n| 4 + n * 0x4000_0000_u64) {
            let next = next as u32;
            waiting.observe((next, next.wrapping_add(1)), 200 + u64::from(next), 100);
            assert_eq!(waiting.stale, None, "{next}");
        }
    }
}
