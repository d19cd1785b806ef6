//! What has been received in order and waits to be read.

use std::collections::VecDeque;

use crate::error::KcpError;

/// Memory that an empty buffer may keep while its session is idle.
const KEEP: usize = 4096;

/// Bytes after which a piece is full, and what comes next goes into another one: so a reader that
/// stands still has memory for what waits, and not for twice or four times as much, as in a single
/// buffer that grows by doubling.
const PIECE: usize = 64 * 1024;

/// Bytes by which a piece is larger than what is in it when it has grown.
const SLACK: usize = 4096;

/// What is kept for each message beside its bytes: its length.
const RECORD: usize = std::mem::size_of::<usize>();

/// Bytes in order, and where messages end in them when messages count.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    /// Full pieces, the oldest first, and the bytes of memory that they take.
    full: VecDeque<Vec<u8>>,
    full_capacity: usize,
    /// The newest piece.
    bytes: Vec<u8>,
    /// Bytes at the front of the oldest piece that have been read.
    read: usize,
    /// Bytes that have not been read.
    len: usize,
    /// What is left of each message; not kept in stream mode.
    messages: VecDeque<usize>,
}

impl ReadBuffer {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What counts against the receive budget: many tiny messages cost more than their bytes.
    pub(super) fn cost(&self) -> usize {
        self.len + RECORD * self.messages.len()
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.extend(|into| into.extend_from_slice(bytes));
    }

    /// The last `len` bytes are a message.
    pub(super) fn end_message(&mut self, len: usize) {
        self.messages.push_back(len);
    }

    /// Appends what `fill` appends.
    #[inline]
    pub(super) fn extend<R>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.bytes.len() >= PIECE {
            self.begin_piece();
        }
        let (before, had) = (self.bytes.len(), self.bytes.capacity());
        let filled = fill(&mut self.bytes);
        if self.bytes.capacity() > had {
            self.bytes.shrink_to(self.bytes.len() + SLACK);
        }
        self.len += self.bytes.len() - before;
        filled
    }

    #[cold]
    fn begin_piece(&mut self) {
        let next = Vec::with_capacity(PIECE + SLACK);
        self.full_capacity += self.bytes.capacity();
        self.full.push_back(std::mem::replace(&mut self.bytes, next));
    }

    /// Reads bytes without regard to messages.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.len);
        let mut rest = &mut buf[..n];
        while !rest.is_empty() {
            let piece = self.full.front().unwrap_or(&self.bytes);
            let part = &piece[self.read..];
            let taken = part.len().min(rest.len());
            let (here, behind) = std::mem::take(&mut rest).split_at_mut(taken);
            here.copy_from_slice(&part[..taken]);
            rest = behind;
            self.read += taken;
            if self.read == piece.len() {
                if let Some(piece) = self.full.pop_front() {
                    self.full_capacity -= piece.capacity();
                    self.read = 0;
                }
            }
        }
        self.len -= n;
        self.forget(n);
        if self.is_empty() {
            // The memory stays: in the midst of traffic the next batch needs it again.
            self.bytes.clear();
            self.read = 0;
        }
        n
    }

    /// `left` bytes at the front have been read: the messages they were are gone.
    fn forget(&mut self, mut left: usize) {
        while let Some(first) = self.messages.front_mut() {
            if *first > left {
                *first -= left;
                break;
            }
            left -= *first;
            self.messages.pop_front();
        }
    }

    /// Reads the first message, or what an earlier [`read`](ReadBuffer::read) left of it.
    pub(super) fn receive(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        match self.messages.front() {
            Some(&needed) if needed > buf.len() => {
                Err(KcpError::BufferTooSmall { needed, len: buf.len() })
            }
            Some(&needed) => Ok(self.read(&mut buf[..needed])),
            None => Ok(self.read(buf)),
        }
    }

    /// Copies what fits of what the next [`read`](ReadBuffer::read) begins with, within one message, and
    /// leaves it.
    pub(super) fn peek(&self, buf: &mut [u8]) -> usize {
        let len = self.messages.front().map_or(self.len, |&first| first.min(self.len));
        let n = buf.len().min(len);
        let (mut at, mut skip) = (0, self.read);
        for piece in self.full.iter().chain([&self.bytes]) {
            let part = piece.get(skip..).unwrap_or_default();
            let taken = part.len().min(n - at);
            buf[at..at + taken].copy_from_slice(&part[..taken]);
            (at, skip) = (at + taken, 0);
        }
        n
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.full_capacity + self.bytes.capacity() + RECORD * self.messages.capacity()
    }

    /// Returns whether there is memory to [`shrink`](ReadBuffer::shrink).
    pub(super) fn can_shrink(&self) -> bool {
        self.is_empty() && self.capacity() > KEEP
    }

    /// Gives back the memory that an empty buffer keeps for the next arrival.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = ReadBuffer::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(read_buffer: &mut ReadBuffer, message: &[u8]) {
        read_buffer.push(message);
        read_buffer.end_message(message.len());
    }

    fn read_buffer(messages: &[&[u8]]) -> ReadBuffer {
        let mut read_buffer = ReadBuffer::default();
        messages.iter().for_each(|message| append(&mut read_buffer, message));
        read_buffer
    }

    #[test]
    fn a_short_buffer_is_told_the_need_and_loses_nothing() {
        let mut read_buffer = read_buffer(&[b"hello", b"you"]);
        let mut buf = [0; 8];
        assert!(matches!(
            read_buffer.receive(&mut buf[..4]),
            Err(KcpError::BufferTooSmall { needed: 5, len: 4 })
        ));
        assert_eq!(read_buffer.receive(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(read_buffer.receive(&mut buf).unwrap(), 3);
        assert!(read_buffer.is_empty());
    }

    #[test]
    fn bytes_may_be_read_across_messages() {
        let mut read_buffer = read_buffer(&[b"hello", b"you", b"there"]);
        let mut buf = [0; 7];
        assert_eq!(read_buffer.read(&mut buf), 7);
        assert_eq!(&buf, b"helloyo");
        assert_eq!(read_buffer.receive(&mut buf).unwrap(), 1);
        assert_eq!(read_buffer.receive(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"there");
    }

    #[test]
    fn a_look_shows_what_is_left_of_the_first_message_and_takes_nothing() {
        let mut read_buffer = read_buffer(&[b"hello", b"you"]);
        let mut buf = [0; 8];
        assert_eq!((read_buffer.peek(&mut buf[..2]), &buf[..2]), (2, &b"he"[..]));
        assert_eq!((read_buffer.peek(&mut buf), &buf[..5]), (5, &b"hello"[..]));
        assert_eq!(read_buffer.read(&mut buf[..3]), 3);
        assert_eq!((read_buffer.peek(&mut buf), &buf[..2]), (2, &b"lo"[..]));
        assert_eq!(read_buffer.receive(&mut buf).unwrap(), 2);
        assert_eq!((read_buffer.peek(&mut buf), &buf[..3]), (3, &b"you"[..]));
        assert_eq!(read_buffer.peek(&mut []), 0);
        assert_eq!((read_buffer.len(), read_buffer.messages.len()), (3, 1));
    }

    #[test]
    fn a_look_reaches_over_pieces() {
        let bytes: Vec<u8> = (0..3 * PIECE + 100).map(|at| (at % 251) as u8).collect();
        let mut read_buffer = ReadBuffer::default();
        bytes.chunks(1000).for_each(|chunk| read_buffer.push(chunk));
        assert!(read_buffer.full.len() >= 2);
        let mut buf = vec![0; bytes.len() + 1];
        for read in [0, 999, PIECE] {
            let gone = bytes.len() - read_buffer.len() + read;
            read_buffer.read(&mut vec![0; read]);
            let n = read_buffer.peek(&mut buf);
            assert!(buf[..n] == bytes[gone..], "after {gone}");
        }
    }

    #[test]
    fn what_waits_in_many_pieces_comes_out_in_order() {
        let messages: Vec<Vec<u8>> = (0..300).map(|n| vec![n as u8; 1 + n * 37 % 3000]).collect();
        for step in [1, 999, 70_000, 1 << 20] {
            let mut read_buffer = ReadBuffer::default();
            messages.iter().for_each(|message| append(&mut read_buffer, message));
            let (mut all, mut buf) = (Vec::new(), vec![0; step]);
            while !read_buffer.is_empty() {
                let n = read_buffer.read(&mut buf);
                all.extend_from_slice(&buf[..n]);
            }
            assert!(all == messages.concat(), "{step} at a time");
            assert_eq!((read_buffer.cost(), read_buffer.full.len(), read_buffer.read), (0, 0, 0));
        }
        let mut read_buffer = ReadBuffer::default();
        messages.iter().for_each(|message| append(&mut read_buffer, message));
        let mut buf = [0; 3000];
        for message in &messages {
            assert_eq!(read_buffer.receive(&mut buf).unwrap(), message.len());
            assert!(buf[..message.len()] == message[..]);
        }
    }

    #[test]
    fn memory_follows_what_waits() {
        let mut read_buffer = ReadBuffer::default();
        let mut buf = [0; 1000];
        for _ in 0..10_000 {
            append(&mut read_buffer, &[1; 1000]);
            if read_buffer.len() > 3000 {
                read_buffer.read(&mut buf);
            }
        }
        assert!(read_buffer.capacity() < 2 * (PIECE + SLACK), "{}", read_buffer.capacity());
        // A reader that stands still, and messages larger than a piece.
        for _ in 0..1000 {
            append(&mut read_buffer, &[1; 1000]);
        }
        for _ in 0..10 {
            append(&mut read_buffer, &[1; 100_000]);
        }
        let most = read_buffer.len() + read_buffer.len() / 8 + 2 * (PIECE + SLACK);
        assert!(
            read_buffer.capacity() < most,
            "{} for {}",
            read_buffer.capacity(),
            read_buffer.len()
        );
        while read_buffer.read(&mut buf) > 0 {}
        assert!(read_buffer.can_shrink());
        read_buffer.shrink();
        assert_eq!(read_buffer.capacity(), 0);
    }

    #[test]
    fn tiny_messages_cost_what_they_take() {
        let mut read_buffer = read_buffer(&[&b"a"[..]; 1000]);
        assert_eq!((read_buffer.len(), read_buffer.cost()), (1000, 1000 * (1 + RECORD)));
        assert_eq!(read_buffer.read(&mut [0; 999]), 999);
        assert_eq!(read_buffer.cost(), 1 + RECORD);
    }
}
