//! The receive window: what has arrived and was not read, and the ACKs that are owed for it.
//!
//! What is next in order goes from the datagram straight to where the application reads it, as long as the
//! receive budget has room there. The row of segments holds what is ahead of a gap, what is a part of a
//! message, and what the reader has left no room for; only the last counts in the window that travels.

use std::mem;

use super::ack_queue::AckQueue;
use super::buffers::Buffers;
use super::window::Window;
use crate::arq::knobs::{Knobs, PAST};
use crate::arq::read_buffer::ReadBuffer;
use crate::error::KcpError;
use crate::wire::diff;

/// A place in the row.
#[derive(Debug, Default)]
pub(super) struct RecvSlot {
    pub block: Vec<u8>,
    pub frg: u8,
    /// Is it the first of a message? Known of datagrams only.
    pub begins: bool,
    /// Has it been received?
    pub received: bool,
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

/// What has been received: in order and ready to be read, and then the row of segments to the newest.
#[derive(Debug)]
pub(super) struct RecvWindow {
    /// What can be read, up to `read_budget`, in messages if they count.
    pub(super) unread: ReadBuffer,
    read_budget: usize,
    pub(super) has_messages: bool,
    /// Messages may be read ahead of others, and parts of one may be missing.
    pub(super) unordered: bool,
    /// Nobody reads.
    pub(super) discards: bool,
    pub(super) slots: Window<RecvSlot>,
    /// Places at the front without a gap.
    pub(super) contiguous: u32,
    pub(super) window: u32,
    /// Segments that are here and have a gap before them.
    pub(super) out_of_order: u32,
    /// Numbers from `rcv_nxt` on that may be here: the window, and what the budget has room for.
    pub(super) limit: u32,
    /// Bytes of memory that the row holds, and how many it may hold together with what is unread.
    pub(super) bytes_held: usize,
    held_max: usize,
    /// The same for a segment without which nothing goes on: it is taken although the bound may
    /// have been lowered since the others came.
    stuck_max: usize,
    mss: usize,
    acks: AckQueue,
    /// Reading has opened a closed window, or the window has shrunk in silence: the peer is to know.
    reopened: bool,
    total_read: usize,
}

impl RecvWindow {
    /// Nothing received; the first segment will be `sn`.
    pub(super) fn new(sn: u32, knobs: &Knobs) -> RecvWindow {
        RecvWindow {
            unread: ReadBuffer::default(),
            read_budget: knobs.read_budget,
            has_messages: !knobs.stream,
            unordered: knobs.unordered,
            discards: false,
            slots: Window::new(sn),
            contiguous: 0,
            window: u32::from(knobs.rcv_wnd),
            out_of_order: 0,
            limit: knobs.reach,
            bytes_held: 0,
            held_max: knobs.recv_bytes,
            stuck_max: knobs.stuck_bytes(),
            mss: knobs.mss,
            acks: AckQueue::default(),
            reopened: false,
            total_read: 0,
        }
    }

    /// Everything below it has been received.
    pub(super) fn next_missing(&self) -> u32 {
        self.slots.head().wrapping_add(self.contiguous)
    }

    /// ikcp.c's `rcv_nxt`, which travels as `una`. It stands still while its receive queue, the
    /// first window of what can be read, is full, and so does the window, which begins there.
    pub(super) fn rcv_nxt(&self) -> u32 {
        self.slots.head().wrapping_add(self.queued())
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
        (self.out_of_order + missing).min(self.limit) as u16
    }

    /// Bytes that the budget has room for.
    fn room(&self) -> usize {
        self.held_max.saturating_sub(self.backlog())
    }

    /// Bytes that wait for the reader, or for a gap to close.
    pub(super) fn backlog(&self) -> usize {
        self.bytes_held.saturating_add(self.unread.len())
    }

    /// Bytes that wait for the reader alone.
    pub(super) fn readable(&self) -> usize {
        let in_row = (self.contiguous as usize).saturating_mul(self.mss).min(self.bytes_held);
        in_row.saturating_add(self.unread.len())
    }

    /// Bytes that were read so far; it wraps.
    pub(super) fn total_read(&self) -> usize {
        self.total_read
    }

    /// Is nothing [free](RecvWindow::free)? Without a division, as it is asked for every segment read.
    fn is_closed(&self) -> bool {
        (self.contiguous >= self.window || self.room() < self.mss) && self.waits_for_reader()
    }

    /// Is there something that the application could read?
    fn waits_for_reader(&self) -> bool {
        !self.unread.is_empty() || self.has_message()
    }

    /// Takes over what bounds the bytes held. What is here stays here, and within reach.
    pub(super) fn set_bounds(&mut self, knobs: &Knobs) {
        let closed = self.is_closed();
        // What is acknowledged is not taken back: `una` would go back with the window.
        self.window = u32::from(knobs.rcv_wnd).max(self.queued());
        self.read_budget = knobs.read_budget;
        self.held_max = knobs.recv_bytes;
        self.stuck_max = knobs.stuck_bytes();
        let span = self.slots.end().wrapping_sub(self.slots.head());
        self.limit = knobs.reach.max(span.saturating_sub(self.queued()));
        self.reopened |= closed && !self.is_closed();
    }

    /// Tells the peer of the window, although there is nothing to acknowledge.
    pub(super) fn announce(&mut self) {
        self.reopened = true;
    }

    pub(super) fn queued(&self) -> u32 {
        self.contiguous.min(self.window)
    }

    /// Is nothing held?
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Is nothing held, neither readable nor ahead of a gap, and nothing owed?
    pub(super) fn is_quiet(&self) -> bool {
        self.slots.is_empty() && !self.needs_flush()
    }

    /// Are there ACKs, or is there a reopened window, to tell the peer?
    pub(super) fn needs_flush(&self) -> bool {
        !self.acks.is_empty() || self.reopened
    }

    /// Where a PUSH with this number belongs.
    #[inline(always)]
    pub(super) fn position(&self, sn: u32) -> Position {
        let at = sn.wrapping_sub(self.slots.head());
        let ahead = diff(at, self.queued());
        if ahead < -PAST || ahead >= self.limit as i32 {
            return Position::Outside;
        }
        // What lies between can be read.
        let is_received =
            || at != self.contiguous && self.slots.get(sn).is_some_and(|place| place.received);
        if ahead < 0 || at < self.contiguous || is_received() {
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
    pub(super) fn insert(
        &mut self,
        at: u32,
        (frg, begins): (u8, bool),
        payload: &[u8],
        buffers: &mut Buffers,
    ) -> bool {
        let cost = if payload.is_empty() { 0 } else { buffers.cost(payload.len()) };
        let bytes_held = self.backlog().saturating_add(cost);
        if bytes_held > self.held_max && !self.is_stuck(at, bytes_held) {
            return false;
        }
        self.slots.extend_to(at + 1);
        let Some(place) = self.slots.known_mut(self.slots.head().wrapping_add(at)) else {
            return false;
        };
        place.received = true;
        (place.frg, place.begins) = (frg, begins);
        if !payload.is_empty() {
            place.block = buffers.take(payload.len());
            place.block.extend_from_slice(payload);
            self.bytes_held += cost;
        }
        match at == self.contiguous {
            true => self.catch_up(1),
            false => self.out_of_order += 1,
        }
        if self.unordered && at > self.contiguous {
            self.hand_over_ahead(at, buffers);
        }
        true
    }

    /// Is so much to be held because without that segment nothing goes on?
    #[cold]
    fn is_stuck(&self, at: u32, bytes_held: usize) -> bool {
        bytes_held <= self.stuck_max && at == self.contiguous && !self.has_message()
    }

    /// Takes a new segment that is a message of its own, or a part of a stream, straight to where it is
    /// read; `false` unless everything before it is there too, and there is room.
    #[inline(always)]
    pub(super) fn pass(&mut self, at: u32, payload: &[u8]) -> bool {
        let next = self.contiguous == 0 && at == 0 && !self.is_full();
        if next {
            self.slots.skip();
            self.deliver(payload);
            self.catch_up(0);
        }
        next
    }

    /// Has what is unread used up its budget? The last message may have gone beyond it.
    pub(super) fn is_full(&self) -> bool {
        self.unread.cost() >= self.read_budget
    }

    /// Hands bytes to the reader; a message of their own if messages count. Empty ones are skipped.
    #[inline]
    fn deliver(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.discards {
            self.unread.push(bytes);
            if self.has_messages {
                self.unread.end_message(bytes.len());
            }
        }
    }

    /// Counts so many more without a gap before them, and what follows on them.
    #[inline]
    fn catch_up(&mut self, more: u32) {
        self.contiguous += more;
        while self.out_of_order > 0
            && self.slots.get(self.next_missing()).is_some_and(|place| place.received)
        {
            self.contiguous += 1;
            self.out_of_order -= 1;
        }
    }

    /// Owes the peer an ACK.
    #[inline]
    pub(super) fn queue_ack(&mut self, sn: u32, ts: u32) {
        self.acks.push(sn, ts);
    }

    /// Owes the peer an ACK of what came twice; `false` if the peer repeats itself.
    pub(super) fn queue_duplicate_ack(&mut self, sn: u32, ts: u32) -> bool {
        self.acks.push_duplicate(sn, ts, self.window as usize)
    }

    /// The ACKs to send, those to repeat and then the new ones; [`acks_sent`](RecvWindow::acks_sent)
    /// must follow when they are sent.
    pub(super) fn acks(&mut self) -> [&[(u32, u32)]; 2] {
        self.acks.due(self.rcv_nxt())
    }

    /// Has reading opened a closed window?
    pub(super) fn reopened(&self) -> bool {
        self.reopened
    }

    /// Notes that the peer was told the news.
    pub(super) fn acks_sent(&mut self) {
        self.acks.on_sent();
        self.reopened = false;
    }

    /// Is the message at the front complete? By the rule of ikcp.c that means that as many segments
    /// as its first fragment announces are there.
    fn has_message(&self) -> bool {
        let first = self.slots.known(self.slots.head()).filter(|_| self.contiguous > 0);
        first.is_some_and(|place| self.queued() > u32::from(place.frg))
    }

    /// Moves what is next in order from the row to where it is read, as far as the budget goes.
    #[inline]
    pub(super) fn fill(&mut self, buffers: &mut Buffers) {
        if self.contiguous > 0 {
            self.fill_some(buffers);
        }
    }

    #[inline(never)]
    fn fill_some(&mut self, buffers: &mut Buffers) {
        while !self.is_full() && self.has_message() {
            self.take_message(buffers);
        }
    }

    /// Moves the first message, up to the first segment with the number 0, whatever the first fragment
    /// said.
    fn take_message(&mut self, buffers: &mut Buffers) {
        let before = self.unread.len();
        let is_whole = !self.unordered || self.is_whole();
        // ikcp_recv: a message ends at fragment 0, or with the receive queue, whatever its first
        // fragment announced.
        let last = self.contiguous - self.queued();
        while self.take_segment(is_whole, buffers) > 0 && self.contiguous > last {}
        self.end_message(before);
    }

    /// Moves the first segment, unless it is of no use, and returns its fragment number.
    #[inline(always)]
    fn take_segment(&mut self, is_of_use: bool, buffers: &mut Buffers) -> u8 {
        let Some(place) = self.slots.pop() else { return 0 };
        place.received = false;
        self.contiguous -= 1;
        let frg = place.frg;
        let block = mem::take(&mut place.block);
        if !block.is_empty() {
            self.take_block(block, is_of_use, buffers);
        }
        frg
    }

    /// Reads bytes, or if `whole` a message; `None`: there is nothing.
    pub(super) fn read(
        &mut self,
        buf: &mut [u8],
        whole: bool,
        buffers: &mut Buffers,
    ) -> Result<Option<usize>, KcpError> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let closed = self.is_closed();
        let read = if whole { self.unread.receive(buf)? } else { self.unread.read(buf) };
        self.total_read = self.total_read.wrapping_add(read);
        self.fill(buffers);
        self.reopened |= closed && !self.is_closed();
        Ok(Some(read))
    }

    /// Copies what comes next and leaves it.
    pub(super) fn peek(&self, buf: &mut [u8]) -> Option<usize> {
        (!self.unread.is_empty()).then(|| self.unread.peek(buf))
    }

    /// Bytes that can be read.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Lets go of what has come, and of what will come.
    pub(super) fn discard(&mut self, buffers: &mut Buffers) {
        let closed = self.is_closed();
        self.discards = true;
        self.unread.clear();
        self.fill(buffers);
        self.reopened |= closed && !self.is_closed();
    }

    /// Places held, in the larger of its lists.
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity().max(self.acks.capacity())
    }

    /// Bytes of memory that the payload and the lists take.
    pub(super) fn memory(&self) -> usize {
        self.bytes_held
            + self.unread.capacity()
            + self.slots.capacity() * size_of::<RecvSlot>()
            + self.acks.memory()
    }

    /// Is there memory of what was read?
    pub(super) fn can_trim(&self) -> bool {
        self.unread.can_shrink()
    }

    /// Gives the memory of what was read back.
    pub(super) fn trim(&mut self) {
        self.unread.shrink();
    }

    /// Gives memory back where nothing is left.
    pub(super) fn release(&mut self) {
        self.slots.release();
        self.acks.release();
    }
}
