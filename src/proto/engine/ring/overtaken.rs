//! Which segments were overtaken by later ones, and therefore are probably lost.
//!
//! ikcp.c counts for every unacknowledged segment the datagrams that acknowledge a later one, and
//! walks the whole send buffer to do so. Here only the segments that such a datagram really counts
//! against are touched, because they stand on lines in an order in which they are a prefix:
//!
//! - [`Passed`](Line::Passed): sent once and passed over by an ACK of a higher number; in the order
//!   of their numbers, which is that of their transmission. A datagram counts against those below
//!   the highest number it acknowledges, as in ikcp.c.
//! - [`Again`](Line::Again): sent again; in the order of the latest transmission. A datagram counts
//!   against those that were sent before the latest transmission that it acknowledges. ikcp.c
//!   compares numbers, and with `IKCP_FASTACK_CONSERVE` also clocks, to the same end; the order of
//!   transmissions is exact where two share a millisecond, and an ACK of a lower number counts too.
//! - [`Lost`](Line::Lost): overtaken often enough; the next flush sends them again.
//!
//! Whatever is touched moves on after `resend` times, so that each transmission costs O(1).

use super::flight::Flight;
use crate::wire::diff;

/// Transmissions of a segment after which only timeouts send it again (`IKCP_FASTACK_LIMIT`).
const FAST_LIMIT: u16 = 5;

/// Where a segment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Line {
    /// Nowhere: not passed over, not in flight, or sent too often.
    #[default]
    None,
    Passed,
    Again,
    Lost,
}

/// A doubly linked list through the slots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub head: u32,
    pub tail: u32,
    pub len: u32,
}

/// The three lists.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    pub passed: List,
    pub again: List,
    pub lost: List,
}

impl Lines {
    fn list(&mut self, line: Line) -> Option<&mut List> {
        match line {
            Line::None => None,
            Line::Passed => Some(&mut self.passed),
            Line::Again => Some(&mut self.again),
            Line::Lost => Some(&mut self.lost),
        }
    }
}

/// The latest of what the ACKs of one datagram acknowledge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    /// The highest number.
    sn: Option<u32>,
    /// The latest transmission, counted as in [`Slot::turn`](super::flight::Slot::turn).
    turn: Option<u32>,
}

impl Newest {
    /// Takes an ACK into account; `turn` is unknown if it is not of the latest transmission.
    pub fn add(&mut self, sn: u32, turn: Option<u32>) {
        if self.sn.is_none_or(|highest| diff(sn, highest) > 0) {
            self.sn = Some(sn);
        }
        if let Some(turn) = turn {
            if self.turn.is_none_or(|latest| diff(turn, latest) > 0) {
                self.turn = Some(turn);
            }
        }
    }
}

impl Flight {
    /// Is a segment to be sent again because it was overtaken?
    pub fn lost(&self) -> Option<u32> {
        (self.lines.lost.len > 0).then_some(self.lines.lost.head)
    }

    /// Counts a datagram that acknowledges `newest`; to be called after
    /// [`settle`](Flight::settle).
    pub fn overtake(&mut self, newest: Newest) {
        let Some(highest) = newest.sn.filter(|_| self.resend > 0) else { return };
        // Everything below una has arrived, and everything sent again stands on another line.
        if diff(self.passed, self.slots.head()) < 0 {
            self.passed = self.slots.head();
        }
        while diff(highest, self.passed) > 0 {
            let sn = self.passed;
            if self.slots.get(sn).is_some_and(|slot| slot.flying && slot.transmits == 1) {
                self.link(sn, Line::Passed);
            }
            self.passed = sn.wrapping_add(1);
        }
        let (mut sn, mut left) = (self.lines.passed.head, self.lines.passed.len);
        while left > 0 && diff(highest, sn) > 0 {
            let Some(next) = self.skip(sn) else { break };
            (sn, left) = (next, left - 1);
        }
        let Some(latest) = newest.turn else { return };
        let (mut sn, mut left) = (self.lines.again.head, self.lines.again.len);
        while left > 0 && self.slots.get(sn).is_some_and(|slot| diff(latest, slot.turn) > 0) {
            let Some(next) = self.skip(sn) else { break };
            (sn, left) = (next, left - 1);
        }
    }

    /// Counts once against `sn`, and returns its successor on the line.
    fn skip(&mut self, sn: u32) -> Option<u32> {
        let slot = self.slots.get_mut(sn)?;
        let next = slot.next;
        slot.skips = slot.skips.saturating_add(1);
        if slot.skips >= self.resend {
            self.unlink(sn);
            self.link(sn, Line::Lost);
        }
        Some(next)
    }

    /// Puts a segment that was just sent for the `transmits`th time on its line.
    pub(super) fn await_overtaking(&mut self, sn: u32, transmits: u16) {
        if self.resend > 0 && transmits <= FAST_LIMIT {
            self.link(sn, Line::Again);
        }
    }

    /// Adds `sn`, which stands on no line, at the end of one.
    fn link(&mut self, sn: u32, line: Line) {
        let Some(list) = self.lines.list(line) else { return };
        let last = list.tail;
        let was_empty = list.len == 0;
        if was_empty {
            list.head = sn;
        }
        list.tail = sn;
        list.len += 1;
        if let Some(slot) = self.slots.get_mut(sn) {
            slot.line = line;
            slot.prev = last;
        }
        if !was_empty {
            if let Some(slot) = self.slots.get_mut(last) {
                slot.next = sn;
            }
        }
    }

    /// Takes `sn` off its line, if it stands on one.
    pub(super) fn unlink(&mut self, sn: u32) {
        let Some(slot) = self.slots.get_mut(sn) else { return };
        let (line, prev, next) = (slot.line, slot.prev, slot.next);
        slot.line = Line::None;
        let Some(list) = self.lines.list(line) else { return };
        let (first, last) = (list.head == sn, list.tail == sn);
        list.len -= 1;
        if first {
            list.head = next;
        }
        if last {
            list.tail = prev;
        }
        if !first {
            if let Some(slot) = self.slots.get_mut(prev) {
                slot.next = next;
            }
        }
        if !last {
            if let Some(slot) = self.slots.get_mut(next) {
                slot.prev = prev;
            }
        }
    }
}
