//! Datagrams on their way out.

use crate::wire::{Header, HEADER_LEN};

/// Datagrams of at most `mtu` bytes that segments were packed into, back to back in one piece of
/// memory. A segment that fills its datagram alone is not copied here: it stays in its block.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    finished: Vec<Datagram>,
    /// Where the unfinished one begins.
    open: usize,
    mtu: usize,
}

/// A finished datagram.
#[derive(Clone, Copy, Debug)]
enum Datagram {
    /// It ends there in `bytes`, and begins where the one before it ends.
    Packed(usize),
    /// The block of the segment with this number.
    Block(u32),
}

impl Output {
    pub(super) fn new(mtu: usize) -> Output {
        Output { bytes: Vec::new(), finished: Vec::new(), open: 0, mtu }
    }

    /// Packs up to `mtu` bytes into a datagram from now on.
    pub(super) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// Adds ACKs, each of which is `base` with a number and a clock of its own.
    pub(super) fn acks(&mut self, base: &Header, mut acks: &[(u32, u32)]) {
        // All fields but two are the same in a row of ACKs: one encoding, copied.
        let header = base.encode();
        while !acks.is_empty() {
            let room = (self.open + self.mtu).saturating_sub(self.bytes.len()) / HEADER_LEN;
            if room == 0 {
                self.finish();
                continue;
            }
            let (now, later) = acks.split_at(room.min(acks.len()));
            let at = self.bytes.len();
            self.bytes.resize(at + now.len() * HEADER_LEN, 0);
            let places = self.bytes.get_mut(at..).unwrap_or_default();
            for (place, (sn, ts)) in places.chunks_exact_mut(HEADER_LEN).zip(now) {
                if let Some(place) = place.first_chunk_mut::<HEADER_LEN>() {
                    *place = header;
                    place[8..12].copy_from_slice(&ts.to_le_bytes());
                    place[12..16].copy_from_slice(&sn.to_le_bytes());
                }
            }
            acks = later;
        }
    }

    /// Adds a segment without payload.
    pub(super) fn header(&mut self, header: &Header) {
        self.pack(&header.encode());
    }

    /// Adds the segment `sn`, header and payload.
    #[inline(always)]
    pub(super) fn block(&mut self, sn: u32, segment: &[u8]) {
        // Nothing more would fit beside it, not even an ACK. Segments of a stream in bulk are all
        // so, and need no copy.
        if segment.len() + HEADER_LEN > self.mtu {
            self.finish();
            self.finished.push(Datagram::Block(sn));
        } else {
            self.pack(segment);
        }
    }

    /// Adds a segment from its parts.
    pub(super) fn copy(&mut self, header: &Header, payload: &[u8]) {
        if self.bytes.len() - self.open + HEADER_LEN + payload.len() > self.mtu {
            self.finish();
        }
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(payload);
    }

    /// Returns whether a segment of so many bytes fits a datagram that leaves anyway.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let begun = self.bytes.len() - self.open;
        begun > 0 && begun + bytes <= self.mtu
    }

    /// Adds a segment to the unfinished datagram, or to a new one if it does not fit.
    #[inline(never)]
    fn pack(&mut self, segment: &[u8]) {
        if self.bytes.len() - self.open + segment.len() > self.mtu {
            self.finish();
        }
        self.bytes.extend_from_slice(segment);
    }

    /// What follows begins a new datagram.
    #[inline]
    pub(super) fn finish(&mut self) {
        if self.bytes.len() > self.open {
            self.open = self.bytes.len();
            self.finished.push(Datagram::Packed(self.open));
        }
    }

    /// Hands over all datagrams and forgets them. `block` finds the block of a segment; one that has
    /// arrived since need not be sent.
    pub(super) fn take<'a>(
        &mut self,
        block: impl Fn(u32) -> Option<&'a [u8]>,
        sink: &mut dyn FnMut(&[u8]),
    ) {
        self.finish();
        let mut start = 0;
        for datagram in &self.finished {
            match *datagram {
                Datagram::Packed(end) => {
                    sink(self.bytes.get(start..end).unwrap_or_default());
                    start = end;
                }
                Datagram::Block(sn) => {
                    // What was acknowledged between flush and send has no block any more, and need
                    // not leave.
                    if let Some(segment) = block(sn) {
                        sink(segment);
                    }
                }
            }
        }
        self.finished.clear();
        self.bytes.clear();
        self.open = 0;
    }

    /// Gives the memory back, if nothing is in it.
    pub(super) fn release(&mut self) {
        if self.bytes.is_empty() && self.finished.is_empty() {
            self.bytes = Vec::new();
            self.finished = Vec::new();
        }
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.finished.capacity() * size_of::<Datagram>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(output: &mut Output) -> Vec<usize> {
        let mut lens = Vec::new();
        output.take(|_| Some(&[0; 100]), &mut |datagram| lens.push(datagram.len()));
        lens
    }

    #[test]
    fn segments_share_datagrams_up_to_the_mtu() {
        let mut output = Output::new(100);
        for (sn, len) in (0..).zip([50, 50, 100, 24, 77, 25]) {
            output.block(sn, &[0; 100][..len]);
        }
        output.finish();
        output.finish();
        output.header(&Header::default());
        assert_eq!(lens(&mut output), [100, 100, 24, 100, 25, 24], "the 77 stand for their block");
        assert_eq!(lens(&mut output), [0; 0]);
    }

    #[test]
    fn a_segment_that_fills_a_datagram_stays_in_its_block_and_keeps_its_turn() {
        let mut output = Output::new(100);
        output.block(1, &[1; 60]);
        output.block(2, &[2; 100]);
        output.block(3, &[3; 77]);
        output.block(4, &[4; 60]);
        assert_eq!(output.bytes.len(), 120, "only what may share is copied");
        let mut firsts = Vec::new();
        let block = |sn| (sn == 2).then_some(&[2; 100][..]);
        output.take(block, &mut |datagram| firsts.push(datagram[0]));
        assert_eq!(firsts, [1, 2, 4], "3 has arrived in the meantime");
    }

    #[test]
    fn acks_travel_as_single_segments_would() {
        let [mut output, mut single] = [Output::new(100), Output::new(100)];
        let base = Header { conv: 1, cmd: 82, wnd: 3, una: 4, ..Header::default() };
        let acks = [(5, 6), (7, 8), (u32::MAX, 9), (10, u32::MAX), (11, 12)];
        output.acks(&base, &acks);
        for (sn, ts) in acks {
            single.header(&Header { sn, ts, ..base });
        }
        assert_eq!(output.bytes, single.bytes);
        assert_eq!(lens(&mut output), [96, 24]);
    }

    #[test]
    fn an_empty_output_gives_its_memory_back() {
        let mut output = Output::new(1400);
        output.block(0, &[0; 1024]);
        output.release();
        assert!(output.capacity() >= 1024, "in use");
        assert_eq!(lens(&mut output), [1024]);
        output.release();
        assert_eq!(output.capacity(), 0);
    }
}
