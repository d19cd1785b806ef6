//! Frames on their way to the transport.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames of fewer bytes than this share a buffer with others: a write for each would cost more than
/// copying them.
const SMALL: usize = 1024;

/// Bytes that small frames share a buffer up to: what one datagram or so carries.
const SHARED: usize = 4096;

/// Holds encoded frames until the transport has taken them.
///
/// It is filled by [`Connection::poll_output`](super::Connection::poll_output) and emptied by whoever
/// writes: take [`front`](Output::front) or [`fill_slices`](Output::fill_slices), write, and
/// [`advance`](Output::advance) by what was taken. The frames left it in the order in which they came.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first buffer that are written.
    front: usize,
    /// Bytes in the queue that are not written.
    len: usize,
    /// Bytes that ever came in.
    pushed: u64,
    /// Buffers that are written, to be used again.
    spare: Vec<Vec<u8>>,
}

impl Output {
    /// Makes an empty queue.
    pub fn new() -> Output {
        Output::default()
    }

    /// Returns the bytes that wait to be written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes to write next; none if everything is written.
    pub fn front(&self) -> &[u8] {
        self.queue.front().and_then(|bytes| bytes.get(self.front..)).unwrap_or_default()
    }

    /// Puts the bytes to write next into `slices`, for a transport that takes several buffers at once.
    /// Returns how many of `slices` are used.
    pub fn fill_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let rest = self.queue.iter().skip(1).map(|bytes| &bytes[..]);
        let all = std::iter::once(self.front()).chain(rest).filter(|bytes| !bytes.is_empty());
        let used = slices.iter_mut().zip(all).map(|(slice, bytes)| *slice = IoSlice::new(bytes));
        used.count()
    }

    /// Returns whether more than one buffer waits.
    pub fn is_scattered(&self) -> bool {
        self.queue.len() > 1
    }

    /// Takes off `n` bytes, which were written; more than there are is all of them.
    pub fn advance(&mut self, n: usize) {
        let mut n = n.min(self.len);
        self.len -= n;
        while let Some(bytes) = self.queue.front() {
            let left = bytes.len() - self.front;
            if n < left {
                self.front += n;
                return;
            }
            n -= left;
            self.front = 0;
            self.spare.extend(self.queue.pop_front());
        }
    }

    /// Returns the bytes that ever came in.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Returns the bytes that were ever written.
    pub(super) fn written(&self) -> u64 {
        self.pushed - self.len as u64
    }

    /// Appends a frame, or several, in a buffer of its own, which comes back as a spare one.
    pub(super) fn push(&mut self, frame: Vec<u8>) {
        if frame.len() < SMALL && self.append(&frame) {
            self.spare.push(frame);
            return;
        }
        self.count(frame.len());
        self.queue.push_back(frame);
    }

    /// Appends a frame that has no buffer of its own.
    pub(super) fn push_bytes(&mut self, frame: &[u8]) {
        if !self.append(frame) {
            let mut buffer = self.spare.pop().unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(frame);
            self.count(frame.len());
            self.queue.push_back(buffer);
        }
    }

    /// Appends to the last buffer, if both are small.
    fn append(&mut self, frame: &[u8]) -> bool {
        let Some(last) = self.queue.back_mut() else { return false };
        if last.len() + frame.len() > SHARED {
            return false;
        }
        last.extend_from_slice(frame);
        self.count(frame.len());
        true
    }

    fn count(&mut self, len: usize) {
        self.len += len;
        self.pushed += len as u64;
    }

    /// Takes a buffer that is not used any more.
    pub(super) fn pop_spare(&mut self) -> Option<Vec<u8>> {
        let mut spare = self.spare.pop()?;
        spare.clear();
        Some(spare)
    }

    /// Gives back the memory of an empty queue.
    pub(super) fn release(&mut self) {
        self.spare = Vec::new();
        if self.is_empty() {
            self.queue = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came_however_they_are_cut() {
        let frames = [vec![1; 2000], vec![2; 10], vec![3; 10], vec![4; 3000], vec![5; 1]];
        for step in [1, 7, 1000, 2005, 9000] {
            let mut output = Output::new();
            frames[..3].iter().for_each(|frame| output.push(frame.clone()));
            output.push(frames[3].clone());
            output.push_bytes(&frames[4]);
            assert_eq!(output.len(), 5021);
            let mut out: Vec<u8> = Vec::new();
            while !output.is_empty() {
                let mut slices = [IoSlice::new(&[]); 8];
                let used = output.fill_slices(&mut slices);
                let all = slices[..used].iter().flat_map(|slice| slice.to_vec());
                let all: Vec<u8> = all.collect();
                let n = step.min(all.len());
                assert_eq!(output.front()[..], all[..output.front().len()]);
                out.extend(&all[..n]);
                output.advance(n);
                assert_eq!(output.written() as usize, out.len());
            }
            assert_eq!(out, frames.concat());
            assert!(output.front().is_empty() && output.fill_slices(&mut [IoSlice::new(&[])]) == 0);
        }
    }

    #[test]
    fn small_frames_share_a_buffer() {
        let mut output = Output::new();
        (0..100).for_each(|n| output.push(vec![n; 8]));
        assert!(!output.is_scattered());
        output.push(vec![0; 5000]);
        assert!(output.is_scattered());
        output.advance(usize::MAX);
        assert!(output.is_empty() && !output.is_scattered());
    }
}
