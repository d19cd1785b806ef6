//! What the application writes.

use super::RingEngine;
use crate::error::KcpError;
use crate::limits::{FRAGMENTS_MAX, FRG_FIRST, MTU_MIN};
use crate::wire::HEADER_LEN;

impl RingEngine {
    /// Cuts new segments for datagrams of `mtu` bytes from now on.
    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        let mtu = mtu.clamp(MTU_MIN, self.knobs.mtu);
        self.out.set_mtu(mtu);
        self.cut = mtu - HEADER_LEN;
    }

    pub(crate) fn write(&mut self, buf: &[u8]) -> Result<usize, KcpError> {
        let max = self.knobs.max_message;
        if !self.knobs.stream && buf.len() > max {
            return Err(KcpError::MessageTooLarge { len: buf.len(), max });
        }
        if buf.is_empty() {
            return Ok(0);
        }
        // One segment with nothing to fill up before it is the same in both modes, and what most
        // often is written.
        let stands_alone = !self.knobs.stream || self.send_window.unsent() == 0;
        let is_one = stands_alone && buf.len() <= self.cut;
        let taken = if is_one && self.free_segments() > 0 {
            self.push(buf, self.first_mark());
            buf.len()
        } else if self.knobs.stream {
            self.write_stream(buf)
        } else {
            self.write_message(buf)
        };
        self.watch_window();
        self.check_invariants();
        Ok(taken)
    }

    pub(crate) fn writable(&self) -> bool {
        self.free_segments() > 0 || self.tail_room() > 0
    }

    /// Segments that the send budget has room for. It is counted in whole segments whatever is in
    /// them, so that many tiny messages are bounded too.
    fn free_segments(&self) -> usize {
        self.knobs.send_segments.saturating_sub(self.unacked())
    }

    /// Bytes that the last unsent segment has room for: only a stream fills it up.
    fn tail_room(&self) -> usize {
        match self.send_window.tail_len() {
            // It may be longer than what is cut now.
            Some(len) if self.knobs.stream => self.cut.saturating_sub(len),
            _ => 0,
        }
    }

    #[inline(never)]
    fn write_stream(&mut self, buf: &[u8]) -> usize {
        let mss = self.cut;
        // As ikcp_send does in stream mode: what has not left yet is filled up first, so that small
        // writes share segments.
        let tail_room = self.tail_room();
        let room = self.free_segments().saturating_mul(mss).saturating_add(tail_room);
        let buf = buf.get(..room).unwrap_or(buf);
        let (head, rest) = buf.split_at(tail_room.min(buf.len()));
        if let Some(tail) = self.send_window.tail().filter(|_| !head.is_empty()) {
            tail.extend_from_slice(head);
        }
        for part in rest.chunks(mss) {
            self.push(part, 0);
        }
        buf.len()
    }

    #[inline(never)]
    fn write_message(&mut self, buf: &[u8]) -> usize {
        // No message has more fragments than their number can say, however small they should be.
        let cut = self.cut.max(buf.len().div_ceil(FRAGMENTS_MAX));
        let fragments = buf.len().div_ceil(cut);
        // A message larger than the budget goes alone, or it could never go.
        if fragments > self.free_segments() && self.unacked() > 0 {
            return 0;
        }
        for (at, part) in buf.chunks(cut).enumerate() {
            let mark = if at == 0 { self.first_mark() } else { 0 };
            self.push(part, (fragments - 1 - at) as u8 | mark);
        }
        buf.len()
    }

    fn first_mark(&self) -> u8 {
        if self.knobs.unordered {
            FRG_FIRST
        } else {
            0
        }
    }

    #[inline(always)]
    fn push(&mut self, part: &[u8], frg: u8) {
        let mut block = self.buffers.take(part.len());
        // Room for the header, which each transmission writes anew: header and payload leave in one
        // piece.
        block.extend_from_slice(&[0; HEADER_LEN]);
        block.extend_from_slice(part);
        self.send_window.push(block, frg);
    }
}
