//! Which segments were overtaken by later ones, and therefore are probably lost.
//!
//! ikcp.c counts for every unacknowledged segment the datagrams that acknowledge a later one, and
//! walks the whole send buffer to do so. Here a datagram that acknowledges several later ones counts
//! twice, because peers that read in batches put many ACKs into few datagrams, and only the segments
//! that it really counts against are touched, because they stand on lines in an order in which they
//! are a prefix:
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
//! Where nothing waits to be sent, so that little more may ever overtake, once is enough, as in
//! kcp-go: 256 KiB take 20 % less time over the paths of `router/tests/matrix.rs` with the profile
//! `file_transfer` and 0 to 5 % less with the others, for 0.2 % more datagrams.
//!
//! Whatever is touched moves on after `resend` times at most, so that each transmission costs O(1).

use super::flight::Flight;
use crate::wire::diff;

/// Where a segment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Line {
    /// Nowhere: not passed over, or not in flight.
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

/// The latest two of what the ACKs of one datagram acknowledge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    /// The highest numbers.
    sn: Top,
    /// The latest transmissions, counted as in [`Slot::turn`](super::flight::Slot::turn).
    turn: Top,
}

impl Newest {
    /// Takes an ACK into account; `turn` is unknown if it is not of the latest transmission.
    pub fn add(&mut self, sn: u32, turn: Option<u32>) {
        self.sn.add(sn);
        if let Some(turn) = turn {
            self.turn.add(turn);
        }
    }
}

/// The highest two of some numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Top {
    first: Option<u32>,
    second: Option<u32>,
}

impl Top {
    fn add(&mut self, number: u32) {
        let is_above = |other: Option<u32>| other.is_none_or(|other| diff(number, other) > 0);
        if is_above(self.first) {
            self.second = self.first.replace(number);
        } else if is_above(self.second) {
            self.second = Some(number);
        }
    }

    /// How many of the two are above `number`?
    fn above(&self, number: u32) -> u8 {
        let is_above = |other: Option<u32>| other.is_some_and(|other| diff(other, number) > 0);
        u8::from(is_above(self.first)) + u8::from(is_above(self.second))
    }
}

impl Flight {
    /// When is the next segment sent again because it was overtaken?
    pub fn lost_at(&self, clock: u64) -> Option<u64> {
        let first = self.slots.get(self.lines.lost.head).filter(|_| self.lines.lost.len > 0)?;
        let waited = (clock as u16).wrapping_sub(first.overtaken);
        Some((clock + u64::from(self.patience.wait())).saturating_sub(u64::from(waited)))
    }

    /// A segment that is to be sent again now because it was overtaken, if there is one.
    pub fn lost(&self, clock: u64) -> Option<u32> {
        self.lost_at(clock).filter(|&at| at <= clock).map(|_| self.lines.lost.head)
    }

    /// Counts a datagram that acknowledges `newest`; to be called after
    /// [`settle`](Flight::settle).
    pub fn overtake(&mut self, newest: Newest, clock: u64) {
        let Some(highest) = newest.sn.first.filter(|_| self.resend > 0) else { return };
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
        while left > 0 {
            let above = newest.sn.above(sn);
            let Some(next) = self.skip(sn, above, clock) else { break };
            (sn, left) = (next, left - 1);
        }
        let (mut sn, mut left) = (self.lines.again.head, self.lines.again.len);
        while left > 0 {
            let above = self.slots.get(sn).map_or(0, |slot| newest.turn.above(slot.turn));
            let Some(next) = self.skip(sn, above, clock) else { break };
            (sn, left) = (next, left - 1);
        }
    }

    /// Counts what is `above` it against `sn`, and returns its successor on the line; `None` if
    /// nothing is.
    fn skip(&mut self, sn: u32, above: u8, clock: u64) -> Option<u32> {
        let enough = if self.unsent() == 0 { 1 } else { self.resend };
        let slot = self.slots.get_mut(sn).filter(|_| above > 0)?;
        let next = slot.next;
        slot.skips = slot.skips.saturating_add(above);
        if slot.skips >= enough {
            slot.overtaken = clock as u16;
            self.unlink(sn);
            self.link(sn, Line::Lost);
        }
        Some(next)
    }

    /// Puts a segment that was just sent again on its line.
    pub(super) fn await_overtaking(&mut self, sn: u32) {
        if self.resend > 0 {
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
