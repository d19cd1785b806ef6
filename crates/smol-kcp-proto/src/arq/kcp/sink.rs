//! Where the inner engine writes its datagrams to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::{Header, HEADER_LEN};

/// Datagrams on their way out, back to back.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each datagram ends in `bytes`.
    ends: Vec<usize>,
    /// Bytes at the front that are already translated into what travels.
    translated: usize,
}

impl Batch {
    /// Shows each segment that the inner engine has emitted since the last call to `translate`, which
    /// leaves in its header what shall travel instead, and tells whether it shall travel.
    pub(super) fn translate(&mut self, mut translate: impl FnMut(&mut Header, &[u8]) -> bool) {
        // The inner engine pads nothing, so that its segments follow each other across datagrams.
        let (mut from, mut to) = (self.translated, self.translated);
        let untold = self.ends.partition_point(|&end| end <= from);
        let mut ends = self.ends.iter_mut().skip(untold).peekable();
        while let Some(segment) = self.bytes.get_mut(from..) {
            let Some(mut header) = Header::decode(segment) else { break };
            let (head, body) = segment.split_at_mut(HEADER_LEN);
            let payload = body.get(..header.len as usize).unwrap_or_default();
            let len = HEADER_LEN + payload.len();
            if translate(&mut header, payload) {
                head.copy_from_slice(&header.encode());
                if to < from {
                    self.bytes.copy_within(from..from + len, to);
                }
                to += len;
            }
            from += len;
            while let Some(end) = ends.next_if(|end| **end <= from) {
                *end = to;
            }
        }
        if to < from {
            self.bytes.truncate(to);
            // Datagrams of which nothing is left.
            self.ends.dedup();
            self.ends.retain(|&end| end > 0);
        }
        self.translated = self.bytes.len();
    }

    /// Adds a datagram that needs no translation; everything before it must have had its own.
    pub(super) fn push(&mut self, datagram: &[u8]) {
        debug_assert_eq!(self.translated, self.bytes.len(), "emitted and not yet translated");
        self.append(datagram);
        self.translated = self.bytes.len();
    }

    /// Adds a segment that needs no translation to the last datagram, or as a datagram where that has
    /// no room up to `mtu`.
    pub(super) fn join(&mut self, segment: &[u8], mtu: usize) {
        let ends = self.ends.as_slice();
        let begin = ends.iter().rev().nth(1).copied().unwrap_or_default();
        if ends.is_empty() || self.bytes.len() - begin + segment.len() > mtu {
            return self.push(segment);
        }
        debug_assert_eq!(self.translated, self.bytes.len(), "emitted and not yet translated");
        self.ends.pop();
        self.append(segment);
        self.translated = self.bytes.len();
    }

    /// Hands over all datagrams and forgets them.
    pub(super) fn take(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let mut start = 0;
        for &end in &self.ends {
            sink(self.bytes.get(start..end).unwrap_or_default());
            start = end;
        }
        self.bytes.clear();
        self.ends.clear();
        self.translated = 0;
    }

    /// Gives the memory back, if nothing is in it and more than `keep` bytes are held.
    pub(super) fn release(&mut self, keep: usize) {
        if self.ends.is_empty() && self.bytes.capacity() > keep {
            *self = Batch::default();
        }
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn append(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push(self.bytes.len());
    }
}

/// A handle on the [`Batch`], given to the inner engine as its output.
///
/// The inner engine owns its output and never gives it back, so the wall keeps a second handle. Both
/// live in one [`KcpEngine`](super::KcpEngine), which is used through `&mut`: nobody ever waits for
/// the lock. It is there because the engine has to be `Send` and the crate has no unsafe code.
///
/// Writing never fails: an error here would make the inner engine lose a segment until its timeout.
#[derive(Clone, Debug, Default)]
pub(super) struct Sink(Arc<Mutex<Batch>>);

impl Sink {
    /// Gives access to the datagrams.
    pub(super) fn lock(&self) -> MutexGuard<'_, Batch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    /// Takes a datagram with each call, as the inner engine writes them.
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.lock().append(datagram);
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CMD_PUSH;

    fn segment(sn: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header { cmd: CMD_PUSH, sn, len: payload.len() as u32, ..Header::default() };
        [&header.encode()[..], payload].concat()
    }

    #[test]
    fn every_header_is_translated_once_and_datagrams_keep_their_bounds() {
        let mut sink = Sink::default();
        let two = [segment(1, b"ab"), segment(2, b"")].concat();
        sink.write_all(&two).unwrap();
        let add = |header: &mut Header, _: &[u8]| {
            header.sn += 10;
            true
        };
        sink.lock().translate(add);
        sink.write_all(&segment(3, b"c")).unwrap();
        sink.lock().translate(add);
        sink.lock().push(&segment(4, b"as it is"));

        let mut out = Vec::new();
        sink.lock().take(&mut |datagram| out.push(datagram.to_vec()));
        let first = [segment(11, b"ab"), segment(12, b"")].concat();
        assert_eq!(out, [first, segment(13, b"c"), segment(4, b"as it is")]);
    }

    #[test]
    fn what_shall_not_travel_leaves_no_trace() {
        let travels = |kept: &[u32]| {
            let mut sink = Sink::default();
            sink.write_all(&[segment(1, b"ab"), segment(2, b""), segment(3, b"c")].concat())
                .unwrap();
            sink.write_all(&segment(4, b"def")).unwrap();
            sink.write_all(&[segment(5, b""), segment(6, b"ghijkl")].concat()).unwrap();
            sink.lock().translate(|header, _| kept.contains(&header.sn));
            sink.lock().push(&segment(7, b"as it is"));
            let mut out: Vec<Vec<u8>> = Vec::new();
            sink.lock().take(&mut |datagram| out.push(datagram.to_vec()));
            assert_eq!(out.pop(), Some(segment(7, b"as it is")));
            out
        };
        assert_eq!(travels(&[]), [[0; 0]; 0]);
        assert_eq!(travels(&[2]), [segment(2, b"")]);
        assert_eq!(travels(&[6]), [segment(6, b"ghijkl")]);
        let two = [segment(1, b"ab"), segment(3, b"c")].concat();
        assert_eq!(travels(&[1, 3, 4]), [two, segment(4, b"def")]);
    }

    #[test]
    fn segments_join_the_last_datagram_as_far_as_it_has_room() {
        let mut batch = Batch::default();
        for sn in 1..=5 {
            batch.join(&segment(sn, b"12345678"), 64);
        }
        let mut out: Vec<usize> = Vec::new();
        batch.take(&mut |datagram| out.push(datagram.len()));
        assert_eq!(out, [64, 64, 32]);
    }

    #[test]
    fn an_empty_batch_gives_large_memory_back() {
        let mut sink = Sink::default();
        sink.write_all(&[0; 10_000]).unwrap();
        sink.lock().release(2_000);
        assert_eq!(sink.lock().bytes.len(), 10_000);
        sink.lock().take(&mut |_| {});
        sink.lock().release(2_000);
        assert_eq!(sink.lock().bytes.capacity(), 0);
    }
}
