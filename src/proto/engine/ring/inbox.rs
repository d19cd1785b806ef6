//! The receive window: what has arrived and was not read, and the ACKs that are owed for it.

use std::mem;

use super::blocks::Blocks;
use super::window::Window;
use crate::proto::engine::knobs::{Knobs, PAST};
use crate::wire::diff;

/// ACKs that may be repeated for each segment that came twice: they are as long as a segment, and so
/// the repetition never costs more than what it is against.
const CREDIT: usize = 58;

/// ACKs of a flush that are sent although `una` covers them. kcp-go sends one, and so the variation,
/// which begins at half of the first round trip, and with it the timeout, falls slowly; after eight
/// it is a tenth of that.
const ECHOES: usize = 8;

/// A place in the row.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub block: Vec<u8>,
    frg: u8,
    /// Has it been received?
    pub here: bool,
}

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

/// The row of segments from the oldest unread one to the newest received.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) row: Window<Place>,
    /// Places at the front without a gap.
    pub(super) run: u32,
    pub(super) window: u32,
    /// Segments that are here and have a gap before them.
    pub(super) ahead: u32,
    /// Numbers from `rcv_nxt` on that may be here: the window, and what the budget has room for.
    pub(super) reach: u32,
    /// Bytes of memory held, of what was read from here and waits for the application, and how many
    /// both may be.
    pub(super) held: usize,
    backlog: usize,
    held_max: usize,
    mss: usize,
    /// Numbers and clocks to acknowledge: first what was acknowledged by the last flush and may be
    /// repeated, then what is `new`.
    acks: Vec<(u32, u32)>,
    new: usize,
    /// ACKs that may be repeated.
    credit: usize,
    /// Reading has opened a closed window.
    reopened: bool,
}

impl Inbox {
    /// Nothing received; the first segment will be `sn`.
    pub fn new(sn: u32, knobs: &Knobs) -> Inbox {
        Inbox {
            row: Window::new(sn),
            run: 0,
            window: u32::from(knobs.rcv_wnd),
            ahead: 0,
            reach: knobs.reach,
            held: 0,
            backlog: 0,
            held_max: knobs.recv_bytes,
            mss: knobs.mss,
            acks: Vec::new(),
            new: 0,
            credit: 0,
            reopened: false,
        }
    }

    /// Everything below it has been received.
    pub fn contiguous(&self) -> u32 {
        self.row.head().wrapping_add(self.run)
    }

    /// ikcp.c's `rcv_nxt`, which travels as `una`. It stands still while its receive queue, the
    /// first window of what can be read, is full, and so does the window, which begins there.
    pub fn rcv_nxt(&self) -> u32 {
        self.row.head().wrapping_add(self.queued())
    }

    /// Numbers from `rcv_nxt` on that the peer may send, which travel as `wnd`: the free places of
    /// that queue, and as many more as are here and wait behind a gap, as far as the budget goes.
    /// ikcp.c lets those use up the window, so that each loss stops the sender for the time that its
    /// repair takes.
    pub fn free(&self) -> u16 {
        let (mut missing, room) = (self.window - self.queued(), self.room());
        // Seldom: it is asked for at every turn, and a division is slow.
        if room < (missing as usize).saturating_mul(self.mss) {
            missing = (room / self.mss) as u32;
        }
        (self.ahead + missing).min(self.reach) as u16
    }

    /// Bytes that the budget has room for.
    fn room(&self) -> usize {
        self.held_max.saturating_sub(self.held.saturating_add(self.backlog))
    }

    /// Is nothing [free](Inbox::free)? Without a division, as it is asked for every segment read.
    fn is_closed(&self) -> bool {
        self.ahead == 0 && (self.run >= self.window || self.room() < self.mss)
    }

    /// Bytes that were read from here and that the application has not taken count against the
    /// budget too.
    pub fn set_backlog(&mut self, bytes: usize) {
        let closed = self.is_closed();
        self.backlog = bytes;
        self.reopened |= closed && !self.is_closed();
    }

    pub(super) fn queued(&self) -> u32 {
        self.run.min(self.window)
    }

    /// Is nothing held, neither readable nor ahead of a gap, and nothing owed?
    pub fn is_quiet(&self) -> bool {
        self.row.is_empty() && !self.has_news()
    }

    /// Are there ACKs, or is there a reopened window, to tell the peer?
    pub fn has_news(&self) -> bool {
        self.new > 0 || self.reopened
    }

    /// Where a PUSH with this number belongs.
    pub fn position(&self, sn: u32) -> Position {
        let ahead = diff(sn, self.rcv_nxt());
        if ahead < -PAST || ahead >= self.reach as i32 {
            return Position::Outside;
        }
        if ahead < 0 || self.row.get(sn).is_some_and(|place| place.here) {
            return Position::Duplicate;
        }
        match sn == self.contiguous() {
            true => Position::Next,
            false => Position::Ahead,
        }
    }

    /// Is there room for a segment of `len` bytes? The bound is the receive budget and a window of
    /// our own segments, which a peer with the same MTU cannot fill with more than its reader's
    /// backlog. One with larger segments could fill it with what lies ahead of a gap; so the next
    /// segment is still taken up to twice the bound, as long as there is nothing to read that would
    /// make room.
    pub fn has_room(&self, position: Position, len: usize, blocks: &Blocks) -> bool {
        let cost = if len == 0 { 0 } else { blocks.cost(len) };
        let held = self.held.saturating_add(self.backlog).saturating_add(cost);
        let stuck = || position == Position::Next && !self.has_message();
        held <= self.held_max || (held <= self.held_max.saturating_mul(2) && stuck())
    }

    /// Takes a new segment, whose [position](Inbox::position) must be within the window.
    #[inline]
    pub fn insert(&mut self, sn: u32, frg: u8, payload: &[u8], blocks: &mut Blocks) {
        self.row.extend_to(sn.wrapping_sub(self.row.head()).wrapping_add(1));
        let Some(place) = self.row.get_mut(sn) else { return };
        place.here = true;
        place.frg = frg;
        if !payload.is_empty() {
            place.block = blocks.take(payload.len());
            place.block.extend_from_slice(payload);
            self.held += blocks.cost(payload.len());
        }
        self.ahead += 1;
        self.catch_up();
    }

    /// Leaves out a new segment that goes straight to its reader, if everything before it was read.
    #[inline]
    pub fn pass(&mut self, sn: u32) -> bool {
        let next = self.run == 0 && sn == self.row.head();
        if next {
            self.row.skip();
            self.catch_up();
        }
        next
    }

    /// Counts what has no gap before it.
    #[inline]
    fn catch_up(&mut self) {
        while self.row.get(self.contiguous()).is_some_and(|place| place.here) {
            self.run += 1;
            self.ahead -= 1;
        }
    }

    /// Owes the peer an ACK. Returns `false` for a duplicate if two windows of them wait already:
    /// the peer repeats itself.
    pub fn owe(&mut self, sn: u32, ts: u32, duplicate: bool) -> bool {
        if duplicate {
            if self.new >= 2 * self.window as usize {
                return false;
            }
            self.credit = (self.credit + CREDIT).min(self.window as usize);
        }
        self.acks.push((sn, ts));
        self.new += 1;
        true
    }

    /// The ACKs to send; [`told`](Inbox::told) must follow when they are sent.
    ///
    /// What `una` covers is left out, as in kcp-go, except for the newest [few](ECHOES): the peer
    /// measures the round trip by their clocks. An ACK that was sent and is not covered is repeated once.
    pub fn acks(&mut self) -> &[(u32, u32)] {
        let una = self.rcv_nxt();
        let repeatable = self.acks.len() - self.new;
        let echoes = self.acks.len().saturating_sub(ECHOES);
        let (mut at, mut kept, mut repeated) = (0, 0, 0);
        self.acks.retain(|&(sn, _)| {
            let is_old = at < repeatable;
            let keep = match is_old {
                true => repeated < self.credit && diff(sn, una) >= 0,
                false => at >= echoes || diff(sn, una) >= 0,
            };
            at += 1;
            repeated += usize::from(is_old && keep);
            kept += usize::from(!is_old && keep);
            keep
        });
        self.credit = self.credit.saturating_sub(repeated);
        self.new = kept;
        &self.acks
    }

    /// Has reading opened a closed window?
    pub fn reopened(&self) -> bool {
        self.reopened
    }

    /// Notes that the peer was told the news.
    pub fn told(&mut self) {
        self.acks.drain(..self.acks.len() - self.new);
        self.new = 0;
        self.reopened = false;
    }

    /// Is the message at the front complete? By the rule of ikcp.c that means that as many segments
    /// as its first fragment announces are there.
    fn has_message(&self) -> bool {
        let first = self.row.get(self.row.head());
        first.is_some_and(|place| place.here && self.queued() > u32::from(place.frg))
    }

    /// Appends the next complete message, up to the first segment with the number 0, whatever the
    /// first fragment said, and returns its length. Empty ones are skipped.
    pub fn read(&mut self, into: &mut Vec<u8>, blocks: &mut Blocks) -> Option<usize> {
        while self.has_message() {
            let closed = self.is_closed();
            let at = into.len();
            let mut queued = self.queued();
            while self.read_segment(into, blocks) > 0 && queued > 1 {
                queued -= 1;
            }
            self.reopened |= closed && !self.is_closed();
            if into.len() > at {
                return Some(into.len() - at);
            }
        }
        None
    }

    /// Appends the first segment and returns its fragment number. Not inlined: within the loops
    /// around it everything would have to be kept in registers, and be saved instead.
    #[inline(never)]
    fn read_segment(&mut self, into: &mut Vec<u8>, blocks: &mut Blocks) -> u8 {
        let Some(place) = self.row.pop() else { return 0 };
        place.here = false;
        self.run -= 1;
        let frg = place.frg;
        if !place.block.is_empty() {
            into.extend_from_slice(&place.block);
            self.held = self.held.saturating_sub(blocks.cost(place.block.len()));
            blocks.put(mem::take(&mut place.block));
        }
        frg
    }

    /// Gives memory back when nothing is left.
    /// Places held, in the larger of its lists.
    pub fn capacity(&self) -> usize {
        self.row.capacity().max(self.acks.capacity())
    }

    pub fn release(&mut self, keep: usize) {
        self.row.release(keep);
        if self.new == 0 && self.acks.capacity() > keep {
            self.acks = Vec::new();
        }
    }
}
