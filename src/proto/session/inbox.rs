//! What has been received in order and waits to be read.

use std::collections::VecDeque;

use crate::error::KcpError;

/// Memory that an empty inbox may keep while its session is idle.
const KEEP: usize = 4096;

/// Bytes in order, and where messages end in them when messages count.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Bytes at the front of `bytes` that have been read.
    read: usize,
    /// What is left of each message; not kept in stream mode.
    messages: VecDeque<usize>,
}

impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.read
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where an engine appends; [`appended`](Inbox::appended) must follow in message mode.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        // Move no more than has been read since the last move: each byte is moved at most once.
        if self.read > 0 && self.read >= self.len() {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        &mut self.bytes
    }

    /// The last `len` bytes are one message.
    pub(crate) fn appended(&mut self, len: usize) {
        self.messages.push_back(len);
    }

    /// Reads bytes without regard to messages.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.len());
        buf[..n].copy_from_slice(&self.bytes[self.read..self.read + n]);
        self.read += n;
        let mut left = n;
        while let Some(first) = self.messages.front_mut() {
            if *first > left {
                *first -= left;
                break;
            }
            left -= *first;
            self.messages.pop_front();
        }
        self.tidy();
        n
    }

    /// Reads the first message, or what an earlier [`read`](Inbox::read) left of it.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        match self.messages.front() {
            Some(&needed) if needed > buf.len() => {
                Err(KcpError::BufferTooSmall { needed, len: buf.len() })
            }
            Some(&needed) => Ok(self.read(&mut buf[..needed])),
            None => Ok(self.read(buf)),
        }
    }

    /// Is there memory to [`shrink`](Inbox::shrink)?
    pub(crate) fn can_shrink(&self) -> bool {
        self.is_empty() && self.bytes.capacity() + 8 * self.messages.capacity() > KEEP
    }

    /// Gives back the memory that an empty inbox keeps for the next arrival.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Inbox::default();
    }

    fn tidy(&mut self) {
        if !self.is_empty() {
            return;
        }
        // The memory stays: in the midst of traffic the next batch needs it again.
        self.read = 0;
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(messages: &[&[u8]]) -> Inbox {
        let mut inbox = Inbox::default();
        for message in messages {
            inbox.tail().extend_from_slice(message);
            inbox.appended(message.len());
        }
        inbox
    }

    #[test]
    fn a_short_buffer_is_told_the_need_and_loses_nothing() {
        let mut inbox = inbox(&[b"hello", b"you"]);
        let mut buf = [0; 8];
        assert!(matches!(
            inbox.receive(&mut buf[..4]),
            Err(KcpError::BufferTooSmall { needed: 5, len: 4 })
        ));
        assert_eq!(inbox.receive(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(inbox.receive(&mut buf).unwrap(), 3);
        assert!(inbox.is_empty());
    }

    #[test]
    fn bytes_may_be_read_across_messages() {
        let mut inbox = inbox(&[b"hello", b"you", b"there"]);
        let mut buf = [0; 7];
        assert_eq!(inbox.read(&mut buf), 7);
        assert_eq!(&buf, b"helloyo");
        assert_eq!(inbox.receive(&mut buf).unwrap(), 1);
        assert_eq!(inbox.receive(&mut buf).unwrap(), 5);
        assert_eq!(&buf[..5], b"there");
    }

    #[test]
    fn memory_follows_what_waits() {
        let mut inbox = Inbox::default();
        let mut buf = [0; 1000];
        for _ in 0..10_000 {
            inbox.tail().extend_from_slice(&[1; 1000]);
            if inbox.len() > 3000 {
                inbox.read(&mut buf);
            }
        }
        assert!(inbox.bytes.capacity() < 32_000, "{}", inbox.bytes.capacity());
        while inbox.read(&mut buf) > 0 {}
        assert!(inbox.can_shrink());
        inbox.shrink();
        assert_eq!(inbox.bytes.capacity(), 0);
    }
}
