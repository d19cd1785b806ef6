//! Which segments have been received: the inner engine's receive buffer and queue, seen from outside.

use std::collections::VecDeque;

use crate::arq::knobs::PAST;
use crate::wire::diff;

/// A place in the row where nothing was received yet.
const MISSING: u8 = u8::MAX;

/// Where a PUSH belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
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
pub(super) struct RecvWindow {
    /// Number of the first place.
    head: u32,
    /// Fragment number of each segment, or [`MISSING`].
    slots: VecDeque<u8>,
    /// Places at the front without a gap.
    contiguous: u32,
    /// Of these, the ones in the inner engine's receive queue, which holds at most `window`. The
    /// rest of the run waits in its buffer.
    queued: u32,
    window: u32,
}

impl RecvWindow {
    /// Begins with nothing received; the first segment will be `sn`.
    pub(super) fn new(sn: u32, window: u16) -> RecvWindow {
        RecvWindow {
            head: sn,
            slots: VecDeque::new(),
            contiguous: 0,
            queued: 0,
            window: u32::from(window),
        }
    }

    /// Returns the lowest number that was not received.
    pub(super) fn next_missing(&self) -> u32 {
        self.head.wrapping_add(self.contiguous)
    }

    /// Returns the inner engine's `rcv_nxt`, which travels as `una`. It stands still while the queue is
    /// full, and so does the window, which begins there.
    pub(super) fn rcv_nxt(&self) -> u32 {
        self.head.wrapping_add(self.queued)
    }

    /// Counts the free places of the queue, which travel as `wnd`.
    pub(super) fn free(&self) -> u16 {
        self.window.saturating_sub(self.queued) as u16
    }

    /// Counts the places in the row.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether nothing is held, neither readable nor ahead of a gap.
    pub(super) fn is_quiet(&self) -> bool {
        self.slots.is_empty()
    }

    /// Tells whether this segment completes what has begun: fills a gap, or goes on with a message.
    pub(super) fn completes(&self, sn: u32) -> bool {
        let at = sn.wrapping_sub(self.head);
        let last = self.contiguous.checked_sub(1).and_then(|at| self.slots.get(at as usize));
        let mid_message = last.is_some_and(|&frg| frg != 0);
        (at as usize) < self.slots.len() || (at == self.contiguous && mid_message)
    }

    /// Finds where a PUSH with this number belongs.
    pub(super) fn position(&self, sn: u32) -> Position {
        let ahead = diff(sn, self.rcv_nxt());
        if ahead < -PAST || ahead >= self.window as i32 {
            return Position::Outside;
        }
        let at = sn.wrapping_sub(self.head);
        if ahead < 0 || self.slots.get(at as usize).is_some_and(|&frg| frg != MISSING) {
            Position::Duplicate
        } else if at == self.contiguous {
            Position::Next
        } else {
            Position::Ahead
        }
    }

    /// Notes a new segment, which must have its [position](RecvWindow::position) within the window.
    pub(super) fn insert(&mut self, sn: u32, frg: u8) {
        let at = sn.wrapping_sub(self.head) as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, MISSING);
        }
        if let Some(place) = self.slots.get_mut(at) {
            *place = frg;
        }
        while self.slots.get(self.contiguous as usize).is_some_and(|&frg| frg != MISSING) {
            self.contiguous += 1;
        }
        self.fill_queue();
    }

    /// Tells whether the message at the front of the queue is complete. By the rule of the inner engine that
    /// means that as many segments as its first fragment announces are there.
    pub(super) fn has_message(&self) -> bool {
        self.slots.front().is_some_and(|&frg| frg != MISSING && self.queued > u32::from(frg))
    }

    /// Counts the segments of the message at the front of the queue, if it is complete: up to the first one
    /// with the number 0, whatever the first fragment said.
    pub(super) fn message(&self) -> Option<u32> {
        let queue = self.slots.iter().take(self.queued as usize);
        let before_end = || queue.take_while(|&&frg| frg != 0).count() as u32;
        self.has_message().then(|| (before_end() + 1).min(self.queued))
    }

    /// Notes that the message of `count` segments was read. Returns whether the window was closed
    /// and is open now, which the peer has to be told.
    pub(super) fn read(&mut self, count: u32) -> bool {
        let closed = self.free() == 0;
        self.slots.drain(..count as usize);
        self.head = self.head.wrapping_add(count);
        self.contiguous -= count;
        self.queued -= count;
        self.fill_queue();
        if self.slots.is_empty() {
            // An idle session keeps no row.
            self.slots = VecDeque::new();
        }
        closed && self.free() > 0
    }

    fn fill_queue(&mut self) {
        self.queued = self.contiguous.min(self.window);
    }

    /// Counts the segments in the inner engine's receive queue.
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
        let mut window = RecvWindow::new(u32::MAX, 128);
        window.insert(0, 0);
        assert_eq!(window.next_missing(), u32::MAX);
        assert_eq!(window.position(0), Position::Duplicate);
        assert_eq!(window.position(u32::MAX), Position::Next);
        assert_eq!(window.position(1), Position::Ahead);
        assert_eq!(window.position(126), Position::Ahead);
        assert_eq!(window.position(127), Position::Outside);
        window.insert(u32::MAX, 0);
        assert_eq!(window.next_missing(), 1);
        assert_eq!(window.position(u32::MAX), Position::Duplicate);
        assert_eq!(window.position(1u32.wrapping_sub(PAST as u32)), Position::Duplicate);
        assert_eq!(window.position(0u32.wrapping_sub(PAST as u32)), Position::Outside);
        assert_eq!(window.position(1 << 31), Position::Outside);
    }

    #[test]
    fn a_full_queue_holds_the_window_and_reading_reopens_it() {
        let mut window = RecvWindow::new(0, 128);
        for sn in 0..130 {
            window.insert(sn, 0);
        }
        assert_eq!((window.rcv_nxt(), window.next_missing(), window.free()), (128, 130, 0));
        assert_eq!(window.position(255), Position::Ahead);
        assert_eq!(window.position(256), Position::Outside);
        assert!(!window.read(1), "the buffer fills the queue again");
        assert!(!window.read(1));
        assert!(window.read(1));
        assert_eq!((window.rcv_nxt(), window.next_missing(), window.free()), (130, 130, 1));
    }

    #[test]
    fn a_message_ends_with_its_last_fragment_whatever_the_first_one_says() {
        let mut window = RecvWindow::new(0, 128);
        window.insert(0, 2);
        window.insert(1, 1);
        assert_eq!(window.message(), None);
        assert!(window.completes(2) && !window.completes(3));
        window.insert(2, 0);
        window.insert(3, 0);
        assert_eq!(window.message(), Some(3));
        window.read(3);
        assert_eq!(window.message(), Some(1));
        window.read(1);
        assert!(window.is_quiet() && !window.completes(4));

        window.insert(4, 1);
        window.insert(5, 1);
        assert_eq!(window.message(), Some(2), "no end: all there is");
        window.read(2);
        window.insert(6, 5);
        for sn in 7..12 {
            window.insert(sn, 0);
        }
        assert_eq!(window.message(), Some(2), "an early end");
    }
}
