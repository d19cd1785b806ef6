//! The receive window: what has arrived and was not read, and the ACKs that are owed for it.

use std::mem;

use super::buffers::Blocks;
use super::window::Window;
use crate::arq::knobs::{Knobs, PAST};
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
    /// New, so far from the oldest unread one on.
    New(u32),
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
    /// The same for a segment without which nothing goes on: it is taken although the bound may
    /// have been lowered since the others came.
    stuck_max: usize,
    mss: usize,
    /// Numbers and clocks to acknowledge, and those that the last flush has acknowledged and that
    /// may be repeated.
    acks: Vec<(u32, u32)>,
    told: Vec<(u32, u32)>,
    /// ACKs that may be repeated.
    credit: usize,
    /// Reading has opened a closed window.
    reopened: bool,
}

impl Inbox {
    /// Nothing received; the first segment will be `sn`.
    pub(super) fn new(sn: u32, knobs: &Knobs) -> Inbox {
        Inbox {
            row: Window::new(sn),
            run: 0,
            window: u32::from(knobs.rcv_wnd),
            ahead: 0,
            reach: knobs.reach,
            held: 0,
            backlog: 0,
            held_max: knobs.recv_bytes,
            stuck_max: knobs.stuck_bytes(),
            mss: knobs.mss,
            acks: Vec::new(),
            told: Vec::new(),
            credit: 0,
            reopened: false,
        }
    }

    /// Everything below it has been received.
    pub(super) fn contiguous(&self) -> u32 {
        self.row.head().wrapping_add(self.run)
    }

    /// ikcp.c's `rcv_nxt`, which travels as `una`. It stands still while its receive queue, the
    /// first window of what can be read, is full, and so does the window, which begins there.
    pub(super) fn rcv_nxt(&self) -> u32 {
        self.row.head().wrapping_add(self.queued())
    }

    /// Numbers from `rcv_nxt` on that the peer may send, which travel as `wnd`: the free places of
    /// that queue, and as many more as are here and wait behind a gap, as far as the budget goes.
    /// ikcp.c lets those use up the window, so that each loss stops the sender for the time that its
    /// repair takes.
    pub(super) fn free(&self) -> u16 {
        let (mut missing, room) = (self.window - self.queued(), self.room());
        // Seldom: it is asked for at every turn, and a division is slow.
        if room < (missing as usize).saturating_mul(self.mss) {
            missing = (room / self.mss) as u32;
        }
        if missing == 0 && self.waits_for_reader() {
            // Else what is ahead would count for room, and the peer for one that is slow to
            // repeat what finds none.
            return 0;
        }
        // Nothing could be read, and nothing would make room, without the next one.
        missing = missing.max(1);
        (self.ahead + missing).min(self.reach) as u16
    }

    /// Bytes that the budget has room for.
    fn room(&self) -> usize {
        self.held_max.saturating_sub(self.held.saturating_add(self.backlog))
    }

    /// Is nothing [free](Inbox::free)? Without a division, as it is asked for every segment read.
    fn is_closed(&self) -> bool {
        (self.run >= self.window || self.room() < self.mss) && self.waits_for_reader()
    }

    /// Is there something that the application could read?
    fn waits_for_reader(&self) -> bool {
        self.backlog > 0 || self.has_message()
    }

    /// Bytes that were read from here and that the application has not taken count against the
    /// budget too.
    pub(super) fn set_backlog(&mut self, bytes: usize) {
        let closed = self.is_closed();
        self.backlog = bytes;
        self.reopened |= closed && !self.is_closed();
    }

    /// Takes over what bounds the bytes held. What is here stays here, and within reach.
    pub(super) fn set_bounds(&mut self, knobs: &Knobs) {
        let closed = self.is_closed();
        self.held_max = knobs.recv_bytes;
        let here = self.row.end().wrapping_sub(self.row.head());
        self.reach = knobs.reach.max(here.saturating_sub(self.queued()));
        self.reopened |= closed && !self.is_closed();
    }

    pub(super) fn queued(&self) -> u32 {
        self.run.min(self.window)
    }

    /// Is nothing held?
    pub(super) fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    /// Is nothing held, neither readable nor ahead of a gap, and nothing owed?
    pub(super) fn is_quiet(&self) -> bool {
        self.row.is_empty() && !self.has_news()
    }

    /// Are there ACKs, or is there a reopened window, to tell the peer?
    pub(super) fn has_news(&self) -> bool {
        !self.acks.is_empty() || self.reopened
    }

    /// Where a PUSH with this number belongs.
    #[inline(always)]
    pub(super) fn position(&self, sn: u32) -> Position {
        let at = sn.wrapping_sub(self.row.head());
        let ahead = diff(at, self.queued());
        if ahead < -PAST || ahead >= self.reach as i32 {
            return Position::Outside;
        }
        // What lies between can be read.
        let is_here = || at != self.run && self.row.get(sn).is_some_and(|place| place.here);
        if ahead < 0 || at < self.run || is_here() {
            return Position::Duplicate;
        }
        Position::New(at)
    }

    /// Takes a new segment, which is so far `at` in the row, and returns whether there was room. The
    /// bound is the receive budget and a window of our own segments, which a peer with the same MTU
    /// cannot fill with more than its reader's backlog. One with larger segments could fill it with
    /// what lies ahead of a gap; so the next segment is still taken up to twice the bound, as long as
    /// there is nothing to read that would make room.
    #[inline(always)]
    pub(super) fn insert(&mut self, at: u32, frg: u8, payload: &[u8], blocks: &mut Blocks) -> bool {
        let cost = if payload.is_empty() { 0 } else { blocks.cost(payload.len()) };
        let held = self.held.saturating_add(self.backlog).saturating_add(cost);
        if held > self.held_max && !self.is_stuck(at, held) {
            return false;
        }
        self.row.extend_to(at + 1);
        let Some(place) = self.row.known_mut(self.row.head().wrapping_add(at)) else {
            return false;
        };
        place.here = true;
        place.frg = frg;
        if !payload.is_empty() {
            place.block = blocks.take(payload.len());
            place.block.extend_from_slice(payload);
            self.held += cost;
        }
        match at == self.run {
            true => self.catch_up(1),
            false => self.ahead += 1,
        }
        true
    }

    /// Is so much to be held because without that segment nothing goes on?
    #[cold]
    fn is_stuck(&self, at: u32, held: usize) -> bool {
        held <= self.stuck_max && at == self.run && !self.has_message()
    }

    /// Leaves out a new segment that goes straight to its reader, if everything before it was read.
    #[inline(always)]
    pub(super) fn pass(&mut self, at: u32) -> bool {
        let next = self.run == 0 && at == 0;
        if next {
            self.row.skip();
            self.catch_up(0);
        }
        next
    }

    /// Counts so many more without a gap before them, and what follows on them.
    #[inline]
    fn catch_up(&mut self, more: u32) {
        self.run += more;
        while self.ahead > 0 && self.row.get(self.contiguous()).is_some_and(|place| place.here) {
            self.run += 1;
            self.ahead -= 1;
        }
    }

    /// Owes the peer an ACK.
    #[inline]
    pub(super) fn owe(&mut self, sn: u32, ts: u32) {
        self.acks.push((sn, ts));
    }

    /// Owes the peer an ACK of what came twice. Returns `false` if two windows of ACKs wait already:
    /// the peer repeats itself.
    pub(super) fn owe_again(&mut self, sn: u32, ts: u32) -> bool {
        if self.acks.len() >= 2 * self.window as usize {
            return false;
        }
        self.credit = (self.credit + CREDIT).min(self.window as usize);
        self.owe(sn, ts);
        true
    }

    /// The ACKs to send, those to repeat and then the new ones; [`told`](Inbox::told) must follow
    /// when they are sent.
    ///
    /// What `una` covers is left out, as in kcp-go, except for the newest [few](ECHOES): the peer
    /// measures the round trip by their clocks. An ACK that was sent and is not covered is repeated once.
    pub(super) fn acks(&mut self) -> [&[(u32, u32)]; 2] {
        let una = self.rcv_nxt();
        let is_covered = |&(sn, _): &(u32, u32)| diff(sn, una) < 0;
        self.told.retain(|ack| !is_covered(ack));
        self.told.truncate(self.credit);
        self.credit -= self.told.len();
        let mut uncertain = self.acks.len().saturating_sub(ECHOES);
        self.acks.retain(|ack| {
            let is_echo = uncertain == 0;
            uncertain = uncertain.saturating_sub(1);
            is_echo || !is_covered(ack)
        });
        [&self.told, &self.acks]
    }

    /// Has reading opened a closed window?
    pub(super) fn reopened(&self) -> bool {
        self.reopened
    }

    /// Notes that the peer was told the news.
    pub(super) fn told(&mut self) {
        mem::swap(&mut self.told, &mut self.acks);
        self.acks.clear();
        self.reopened = false;
    }

    /// Is the message at the front complete? By the rule of ikcp.c that means that as many segments
    /// as its first fragment announces are there.
    fn has_message(&self) -> bool {
        let first = self.row.known(self.row.head()).filter(|_| self.run > 0);
        first.is_some_and(|place| self.queued() > u32::from(place.frg))
    }

    /// Appends the next complete message, up to the first segment with the number 0, whatever the
    /// first fragment said, and returns its length. Empty ones are skipped.
    #[inline]
    pub(super) fn read(&mut self, into: &mut Vec<u8>, blocks: &mut Blocks) -> Option<usize> {
        if self.run == 0 {
            return None;
        }
        self.read_some(into, blocks)
    }

    /// Most messages are one segment, like all of a stream: without a loop, for which everything
    /// would be kept in registers, and be saved instead.
    #[inline(never)]
    fn read_some(&mut self, into: &mut Vec<u8>, blocks: &mut Blocks) -> Option<usize> {
        let before = into.len();
        let closed = self.is_closed();
        if self.row.known(self.row.head()).is_some_and(|place| place.frg == 0) {
            self.read_segment(into, blocks);
            self.reopened |= closed && !self.is_closed();
        }
        if into.len() > before {
            return Some(into.len() - before);
        }
        self.read_fragments(into, blocks)
    }

    #[inline(never)]
    fn read_fragments(&mut self, into: &mut Vec<u8>, blocks: &mut Blocks) -> Option<usize> {
        let before = into.len();
        while self.has_message() {
            let closed = self.is_closed();
            let last = self.run - self.queued();
            while self.read_segment(into, blocks) > 0 && self.run > last {}
            self.reopened |= closed && !self.is_closed();
            if into.len() > before {
                return Some(into.len() - before);
            }
        }
        None
    }

    /// Appends the first segment and returns its fragment number.
    #[inline(always)]
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

    /// Places held, in the larger of its lists.
    pub(super) fn capacity(&self) -> usize {
        self.row.capacity().max(self.acks.capacity()).max(self.told.capacity())
    }

    /// Bytes of memory that the payload and the lists take.
    pub(super) fn memory(&self) -> usize {
        let acks = self.acks.capacity() + self.told.capacity();
        self.held + self.row.capacity() * size_of::<Place>() + acks * size_of::<(u32, u32)>()
    }

    /// Gives memory back where nothing is left.
    pub(super) fn release(&mut self) {
        self.row.release();
        if self.acks.is_empty() {
            (self.acks, self.told) = (Vec::new(), Vec::new());
        }
    }
}
