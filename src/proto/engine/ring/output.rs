//! Datagrams on their way out.

use crate::wire::{Header, HEADER_LEN};

/// Segments packed into datagrams of at most `mtu` bytes, back to back in one piece of memory.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Where each finished datagram ends in `bytes`.
    ends: Vec<usize>,
    /// Where the unfinished one begins.
    open: usize,
    mtu: usize,
}

impl Output {
    pub fn new(mtu: usize) -> Output {
        Output { bytes: Vec::new(), ends: Vec::new(), open: 0, mtu }
    }

    /// Adds ACKs, each of which is `base` with a number and a clock of its own.
    pub fn acks(&mut self, base: &Header, acks: &[(u32, u32)]) {
        let mut bytes = base.encode();
        self.bytes.reserve(acks.len() * HEADER_LEN);
        for &(sn, ts) in acks {
            if self.bytes.len() - self.open + HEADER_LEN > self.mtu {
                self.finish();
            }
            bytes[8..12].copy_from_slice(&ts.to_le_bytes());
            bytes[12..16].copy_from_slice(&sn.to_le_bytes());
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Adds a segment to the unfinished datagram, or to a new one if it does not fit.
    #[inline]
    pub fn segment(&mut self, header: &Header, payload: &[u8]) {
        let len = HEADER_LEN + payload.len();
        if self.bytes.len() - self.open + len > self.mtu {
            self.finish();
        }
        self.bytes.reserve(len);
        self.bytes.extend_from_slice(&header.encode());
        if !payload.is_empty() {
            self.bytes.extend_from_slice(payload);
        }
    }

    /// What follows begins a new datagram.
    #[inline]
    pub fn finish(&mut self) {
        if self.bytes.len() > self.open {
            self.open = self.bytes.len();
            self.ends.push(self.open);
        }
    }

    /// Hands over all datagrams and forgets them.
    pub fn take(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.finish();
        let mut start = 0;
        for &end in &self.ends {
            sink(self.bytes.get(start..end).unwrap_or_default());
            start = end;
        }
        self.bytes.clear();
        self.ends.clear();
        self.open = 0;
    }

    /// Gives the memory back, if nothing is in it and more than `keep` bytes are held.
    pub fn release(&mut self, keep: usize) {
        if self.bytes.is_empty() && self.bytes.capacity() > keep {
            self.bytes = Vec::new();
            self.ends = Vec::new();
        }
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(output: &mut Output) -> Vec<usize> {
        let mut lens = Vec::new();
        output.take(&mut |datagram| lens.push(datagram.len()));
        lens
    }

    #[test]
    fn segments_share_datagrams_up_to_the_mtu() {
        let mut output = Output::new(100);
        let header = Header::default();
        for payload in [&[0; 26][..], &[0; 26], &[0; 76], &[], &[0; 53], &[0; 1]] {
            output.segment(&header, payload);
        }
        output.finish();
        output.finish();
        output.segment(&header, &[]);
        assert_eq!(lens(&mut output), [100, 100, 24, 77, 25, 24]);
        assert_eq!(lens(&mut output), [0; 0]);
    }

    #[test]
    fn acks_travel_as_single_segments_would() {
        let [mut output, mut single] = [Output::new(100), Output::new(100)];
        let base = Header { conv: 1, cmd: 82, wnd: 3, una: 4, ..Header::default() };
        let acks = [(5, 6), (7, 8), (u32::MAX, 9), (10, u32::MAX), (11, 12)];
        output.acks(&base, &acks);
        for (sn, ts) in acks {
            single.segment(&Header { sn, ts, ..base }, &[]);
        }
        assert_eq!(output.bytes, single.bytes);
        assert_eq!(lens(&mut output), [96, 24]);
    }

    #[test]
    fn an_empty_output_gives_its_memory_back() {
        let mut output = Output::new(1400);
        output.segment(&Header::default(), &[0; 1000]);
        output.release(0);
        assert!(output.capacity() >= 1024, "in use");
        assert_eq!(lens(&mut output), [1024]);
        output.release(512);
        assert_eq!(output.capacity(), 0);
    }
}
