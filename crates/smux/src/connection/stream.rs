//! One stream: its buffers, its window, and which of its ends are closed.

use std::collections::VecDeque;

use crate::frame::{Update, Version, HEADER_LEN};

/// Bytes that a peer of version 2 may send before the first window update; a constant of the protocol
/// (initialPeerWindow in xtaci/smux).
pub(super) const INITIAL_WINDOW: u32 = 262_144;

/// Buffers that a pool keeps.
const POOL: usize = 4;

/// Bytes that a buffer in a pool has at most.
const POOLED: usize = 64 * 1024;

/// Receive buffers without an owner: what one stream has emptied the next one to receive fills, so that
/// streams at rest have none and those in use are not allocated anew for each packet.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<VecDeque<u8>>);

impl Pool {
    fn pop(&mut self) -> VecDeque<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn push(&mut self, buffer: VecDeque<u8>) {
        if self.0.len() < POOL && (1..=POOLED).contains(&buffer.capacity()) {
            self.0.push(buffer);
        }
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.0 = Vec::new();
    }
}

/// What became of our right to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    /// The stream is written to.
    Open,
    /// FIN follows what is pending.
    Wanted,
    /// FIN has left; nothing may follow.
    Sent,
}

/// Everything that a session knows of a stream.
#[derive(Debug)]
pub(super) struct StreamState {
    /// Bytes that have arrived and were not read.
    received: VecDeque<u8>,
    /// The next frame, with room for its header; empty if nothing is pending.
    pub(super) frame: Vec<u8>,
    /// Where in all that was ever sent the last frame of this stream ends.
    pub(super) sent_end: u64,
    /// Bytes read by the application, modulo 2^32.
    consumed: u32,
    /// Those of them that the peer was not told of.
    unreported: u32,
    /// The window of the last update.
    granted: u32,
    /// Bytes written by the application, modulo 2^32.
    written: u32,
    /// What the peer said last: bytes it has read, bytes it takes beyond them.
    peer: Update,
    pub(super) fin: Fin,
    /// The peer writes no more.
    pub(super) peer_finished: bool,
    /// The peer reads no more either.
    pub(super) peer_gone: bool,
    /// The application has let go of the stream.
    pub(super) released: bool,
    /// The application has let go of bytes that the peer had sent: it should learn that.
    pub(super) abandoned: bool,
    pub(super) syn_due: bool,
    pub(super) update_due: bool,
    /// Listed among those that have something for the control queue, for the data queue, and
    /// among those that wait for the send buffer of the session.
    pub(super) in_control: bool,
    pub(super) in_data: bool,
    pub(super) in_blocked: bool,
    /// A task waits to read, to write, or for what it wrote to have left.
    pub(super) waits_read: bool,
    pub(super) waits_write: bool,
}

impl StreamState {
    pub(super) fn new() -> StreamState {
        StreamState {
            received: VecDeque::new(),
            frame: Vec::new(),
            sent_end: 0,
            consumed: 0,
            unreported: 0,
            granted: INITIAL_WINDOW,
            written: 0,
            peer: Update { consumed: 0, window: INITIAL_WINDOW },
            fin: Fin::Open,
            peer_finished: false,
            peer_gone: false,
            released: false,
            abandoned: false,
            syn_due: false,
            update_due: false,
            in_control: false,
            in_data: false,
            in_blocked: false,
            waits_read: false,
            waits_write: false,
        }
    }

    /// Returns the bytes that wait to be read.
    pub(super) fn unread(&self) -> usize {
        self.received.len()
    }

    /// Returns the bytes that were written and are in no queue of the session yet.
    pub(super) fn pending(&self) -> usize {
        self.frame.len().saturating_sub(HEADER_LEN)
    }

    /// Keeps bytes for the reader, in a buffer of `pool` if the stream has none.
    pub(super) fn receive(&mut self, data: &[u8], pool: &mut Pool) {
        if self.received.capacity() == 0 {
            self.received = pool.pop();
        }
        self.received.extend(data);
    }

    /// Gives an empty buffer to `pool`: a stream that rests keeps none.
    pub(super) fn give_back(&mut self, pool: &mut Pool) {
        if self.received.is_empty() {
            pool.push(std::mem::take(&mut self.received));
        }
    }

    /// Throws away what was not read. Returns how much it was.
    pub(super) fn discard_received(&mut self) -> usize {
        std::mem::take(&mut self.received).len()
    }

    /// Throws away what was written and is in no queue of the session yet. Returns how much it was.
    pub(super) fn discard_pending(&mut self) -> usize {
        let pending = self.pending();
        self.frame = Vec::new();
        pending
    }

    /// Fills `buf` as far as there are bytes.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> usize {
        let (first, second) = self.received.as_slices();
        let n = first.len().min(buf.len());
        let m = second.len().min(buf.len() - n);
        buf[..n].copy_from_slice(&first[..n]);
        buf[n..n + m].copy_from_slice(&second[..m]);
        self.received.drain(..n + m);
        n + m
    }

    /// Counts `n` bytes, more than 0, as read. Returns whether the peer should be told: after the first
    /// read and whenever half of the window is used, as xtaci/smux does it.
    pub(super) fn consume(&mut self, n: usize, max_stream_buffer: u32) -> bool {
        let n = n as u32; // buffers are smaller than 2^31
        let first = self.consumed == 0;
        self.consumed = self.consumed.wrapping_add(n);
        self.unreported = self.unreported.saturating_add(n);
        first || self.unreported >= self.granted.min(max_stream_buffer) / 2
    }

    /// Makes the update that tells the peer what was read, and grants `window` beyond it.
    pub(super) fn report(&mut self, window: u32) -> Update {
        self.unreported = 0;
        self.granted = window;
        Update { consumed: self.consumed, window }
    }

    /// Takes the peer's update. Returns whether it is possible: nobody has read what was not written.
    pub(super) fn handle_update(&mut self, update: Update) -> bool {
        self.peer = update;
        self.in_flight() >= 0
    }

    /// Returns the bytes that were written and that the peer has not read: negative if it claims more.
    fn in_flight(&self) -> i32 {
        self.written.wrapping_sub(self.peer.consumed) as i32
    }

    /// Returns the bytes that the peer takes now; without a limit of its own in version 1.
    pub(super) fn window(&self, version: Version) -> usize {
        match version {
            Version::V1 => usize::MAX,
            Version::V2 => {
                let window = self.peer.window.min(i32::MAX as u32) as i32;
                usize::try_from(window.saturating_sub(self.in_flight())).unwrap_or(0)
            }
        }
    }

    /// Counts `n` bytes as written.
    pub(super) fn count_written(&mut self, n: usize) {
        self.written = self.written.wrapping_add(n as u32); // a frame at most
    }

    /// Returns whether everything that was written has left, and FIN if it is wanted: `confirmed` bytes of the
    /// session have.
    pub(super) fn is_flushed(&self, confirmed: u64) -> bool {
        self.frame.is_empty() && self.fin != Fin::Wanted && self.sent_end <= confirmed
    }

    /// Returns whether nothing is left to say or to hear.
    pub(super) fn is_over(&self) -> bool {
        self.released && self.fin == Fin::Sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_across_the_end_of_32_bits() {
        let mut stream = StreamState::new();
        stream.written = u32::MAX - 99;
        assert!(stream.handle_update(Update { consumed: u32::MAX - 199, window: 1000 }));
        assert_eq!(stream.window(Version::V2), 900);
        stream.count_written(900);
        assert_eq!(stream.window(Version::V2), 0);
        assert!(stream.handle_update(Update { consumed: 300, window: 1000 }));
        assert_eq!(stream.window(Version::V2), 500);
        assert!(!stream.handle_update(Update { consumed: 801, window: 1000 }));
    }

    #[test]
    fn a_window_that_shrinks_below_what_is_in_flight_is_none() {
        let mut stream = StreamState::new();
        stream.count_written(5000);
        assert!(stream.handle_update(Update { consumed: 0, window: 10 }));
        assert_eq!(stream.window(Version::V2), 0);
        assert!(stream.handle_update(Update { consumed: 4000, window: u32::MAX }));
        assert_eq!(stream.window(Version::V2), i32::MAX as usize - 1000);
    }

    #[test]
    fn the_first_read_is_reported_and_then_each_half_window() {
        let mut stream = StreamState::new();
        assert!(stream.consume(1, 1000));
        assert_eq!(stream.report(1000), Update { consumed: 1, window: 1000 });
        assert!(!stream.consume(499, 1000));
        assert!(stream.consume(1, 1000));
        assert_eq!(stream.report(1000).consumed, 501);
    }

    #[test]
    fn an_emptied_buffer_is_given_back() {
        let (mut stream, mut pool) = (StreamState::new(), Pool::default());
        stream.receive(&[7; 10_000], &mut pool);
        let mut buf = [0; 6000];
        assert_eq!(stream.read(&mut buf), 6000);
        stream.give_back(&mut pool);
        assert_eq!((stream.read(&mut buf), stream.read(&mut buf)), (4000, 0));
        stream.give_back(&mut pool);
        assert_eq!((stream.received.capacity(), pool.0.len()), (0, 1));
        stream.receive(&[8], &mut pool);
        assert!(stream.received.capacity() >= 10_000 && pool.0.is_empty());
    }
}
