//! Which segments have been received: the inner engine's receive buffer and queue, seen from outside.

use std::collections::VecDeque;

use crate::arq::knobs::PAST;
use crate::wire::diff;

/// A place in the row where nothing was received yet.
const MISSING: u8 = u8::MAX;

/// Where a PUSH belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Received before.
    Duplicate,
    /// The next one without a gap.
    Next,
    /// New, but there is a gap before it.
    Ahead,
    /// Beyond the receive window or absurdly far behind.
    Outside,
}

/// The row of segments from the oldest unread one to the newest received. Numbers are those of the
/// wire.
#[derive(Debug)]
pub(super) struct Seen {
    /// Number of the first place.
    head: u32,
    /// Fragment number of each segment, or [`MISSING`].
    row: VecDeque<u8>,
    /// Places at the front without a gap.
    run: u32,
    /// Of these, the ones in the inner engine's receive queue, which holds at most `window`. The
    /// rest of the run waits in its buffer.
    queued: u32,
    window: u32,
}

impl Seen {
    /// Nothing received; the first segment will be `sn`.
    pub(super) fn new(sn: u32, window: u16) -> Seen {
        Seen { head: sn, row: VecDeque::new(), run: 0, queued: 0, window: u32::from(window) }
    }

    /// Everything below it has been received.
    pub(super) fn contiguous(&self) -> u32 {
        self.head.wrapping_add(self.run)
    }

    /// The inner engine's `rcv_nxt`, which travels as `una`. It stands still while the queue is
    /// full, and so does the window, which begins there.
    pub(super) fn rcv_nxt(&self) -> u32 {
        self.head.wrapping_add(self.queued)
    }

    /// Free places of the queue, which travel as `wnd`.
    pub(super) fn free(&self) -> u16 {
        self.window.saturating_sub(self.queued) as u16
    }

    /// Places in the row.
    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// Is nothing held, neither readable nor ahead of a gap?
    pub(super) fn is_quiet(&self) -> bool {
        self.row.is_empty()
    }

    /// Does this segment complete what has begun: fill a gap, or go on with a message?
    pub(super) fn completes(&self, sn: u32) -> bool {
        let at = sn.wrapping_sub(self.head);
        let last = self.run.checked_sub(1).and_then(|at| self.row.get(at as usize));
        let mid_message = last.is_some_and(|&frg| frg != 0);
        (at as usize) < self.row.len() || (at == self.run && mid_message)
    }

    /// Where a PUSH with this number belongs.
    pub(super) fn place(&self, sn: u32) -> Place {
        let ahead = diff(sn, self.rcv_nxt());
        if ahead < -PAST || ahead >= self.window as i32 {
            return Place::Outside;
        }
        let at = sn.wrapping_sub(self.head);
        if ahead < 0 || self.row.get(at as usize).is_some_and(|&frg| frg != MISSING) {
            Place::Duplicate
        } else if at == self.run {
            Place::Next
        } else {
            Place::Ahead
        }
    }

    /// Notes a new segment, which must have its [place](Seen::place) within the window.
    pub(super) fn insert(&mut self, sn: u32, frg: u8) {
        let at = sn.wrapping_sub(self.head) as usize;
        if at >= self.row.len() {
            self.row.resize(at + 1, MISSING);
        }
        if let Some(place) = self.row.get_mut(at) {
            *place = frg;
        }
        while self.row.get(self.run as usize).is_some_and(|&frg| frg != MISSING) {
            self.run += 1;
        }
        self.fill_queue();
    }

    /// Is the message at the front of the queue complete? By the rule of the inner engine that means
    /// that as many segments as its first fragment announces are there.
    pub(super) fn has_message(&self) -> bool {
        self.row.front().is_some_and(|&frg| frg != MISSING && self.queued > u32::from(frg))
    }

    /// Segments of the message at the front of the queue, if it is complete: up to the first one
    /// with the number 0, whatever the first fragment said.
    pub(super) fn message(&self) -> Option<u32> {
        let queue = self.row.iter().take(self.queued as usize);
        let before_end = || queue.take_while(|&&frg| frg != 0).count() as u32;
        self.has_message().then(|| (before_end() + 1).min(self.queued))
    }

    /// Notes that the message of `count` segments was read. Returns whether the window was closed
    /// and is open now, which the peer has to be told.
    pub(super) fn read(&mut self, count: u32) -> bool {
        let closed = self.free() == 0;
        self.row.drain(..count as usize);
        self.head = self.head.wrapping_add(count);
        self.run -= count;
        self.queued -= count;
        self.fill_queue();
        if self.row.is_empty() {
            // An idle session keeps no row.
            self.row = VecDeque::new();
        }
        closed && self.free() > 0
    }

    fn fill_queue(&mut self) {
        self.queued = self.run.min(self.window);
    }

    /// Segments in the inner engine's receive queue.
    #[cfg(test)]
    pub(super) fn queued(&self) -> u32 {
        self.queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_duplicates_and_bounds_across_the_wrap() {
        let mut seen = Seen::new(u32::MAX, 128);
        seen.insert(0, 0);
        assert_eq!(seen.contiguous(), u32::MAX);
        assert_eq!(seen.place(0), Place::Duplicate);
        assert_eq!(seen.place(u32::MAX), Place::Next);
        assert_eq!(seen.place(1), Place::Ahead);
        assert_eq!(seen.place(126), Place::Ahead);
        assert_eq!(seen.place(127), Place::Outside);
        seen.insert(u32::MAX, 0);
        assert_eq!(seen.contiguous(), 1);
        assert_eq!(seen.place(u32::MAX), Place::Duplicate);
        assert_eq!(seen.place(1u32.wrapping_sub(PAST as u32)), Place::Duplicate);
        assert_eq!(seen.place(0u32.wrapping_sub(PAST as u32)), Place::Outside);
        assert_eq!(seen.place(1 << 31), Place::Outside);
    }

    #[test]
    fn a_full_queue_holds_the_window_and_reading_reopens_it() {
        let mut seen = Seen::new(0, 128);
        for sn in 0..130 {
            seen.insert(sn, 0);
        }
        assert_eq!((seen.rcv_nxt(), seen.contiguous(), seen.free()), (128, 130, 0));
        assert_eq!(seen.place(255), Place::Ahead);
        assert_eq!(seen.place(256), Place::Outside);
        assert!(!seen.read(1), "the buffer fills the queue again");
        assert!(!seen.read(1));
        assert!(seen.read(1));
        assert_eq!((seen.rcv_nxt(), seen.contiguous(), seen.free()), (130, 130, 1));
    }

    #[test]
    fn a_message_ends_with_its_last_fragment_whatever_the_first_one_says() {
        let mut seen = Seen::new(0, 128);
        seen.insert(0, 2);
        seen.insert(1, 1);
        assert_eq!(seen.message(), None);
        assert!(seen.completes(2) && !seen.completes(3));
        seen.insert(2, 0);
        seen.insert(3, 0);
        assert_eq!(seen.message(), Some(3));
        seen.read(3);
        assert_eq!(seen.message(), Some(1));
        seen.read(1);
        assert!(seen.is_quiet() && !seen.completes(4));

        seen.insert(4, 1);
        seen.insert(5, 1);
        assert_eq!(seen.message(), Some(2), "no end: all there is");
        seen.read(2);
        seen.insert(6, 5);
        for sn in 7..12 {
            seen.insert(sn, 0);
        }
        assert_eq!(seen.message(), Some(2), "an early end");
    }
}
