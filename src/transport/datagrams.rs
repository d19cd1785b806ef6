//! A queue of datagrams in one piece of memory.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use smol_kcp_proto::Path;

/// A datagram on its way in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Where it comes from, or goes to.
    pub peer: SocketAddr,
    /// The address of this side that it came to, or is to leave from; `None`: the only one, or the
    /// transport's choice. An endpoint answers from the address that it was asked at.
    pub local: Option<IpAddr>,
    /// Its bytes.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Makes a datagram from or to `peer`.
    pub fn new(peer: SocketAddr, payload: &'a [u8]) -> Datagram<'a> {
        Datagram { peer, local: None, payload }
    }

    /// Sets the address of this side.
    pub fn with_local(self, local: Option<IpAddr>) -> Datagram<'a> {
        Datagram { local, ..self }
    }

    pub(crate) fn on(path: Path, payload: &'a [u8]) -> Datagram<'a> {
        Datagram { peer: path.peer, local: path.local, payload }
    }

    pub(crate) fn path(&self) -> Path {
        Path { peer: self.peer, local: self.local, channel: None }
    }
}

/// Queues datagrams with their addresses, bounded in number. They lie end to end in one reused
/// buffer, so that neighbours to one peer can leave in one system call.
///
/// The memory follows the most bytes that were queued at once, however many pass through; only
/// [`release`](Datagrams::release) gives it back.
///
/// ```
/// use smol_kcp::{Datagram, Datagrams};
///
/// let peer = "192.0.2.1:4000".parse().unwrap();
/// let mut batch = Datagrams::new(2);
/// assert!(batch.push(Datagram::new(peer, b"one")));
/// assert!(batch.push(Datagram::new(peer, b"two")));
/// assert!(!batch.push(Datagram::new(peer, b"three")), "full");
///
/// assert_eq!(batch.front(), Some(Datagram::new(peer, b"one")));
/// batch.pop_front();
/// assert_eq!(batch.front(), Some(Datagram::new(peer, b"two")));
/// ```
#[derive(Debug)]
pub struct Datagrams {
    /// Never shorter than `end`; what is outside of `start..end` is scratch.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Addresses and length, in order; the first datagram begins at `start`.
    spans: VecDeque<(Path, usize)>,
    max: usize,
}

/// Borrows datagrams on one path that lie end to end: what one send with UDP GSO takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GsoBatch<'a> {
    pub path: Path,
    pub bytes: &'a [u8],
    /// Bytes of each datagram; the last may have fewer.
    pub segment: usize,
    /// The number of datagrams.
    pub count: usize,
}

impl Datagrams {
    /// Makes an empty batch for up to `max` datagrams. Memory is allocated when first needed.
    pub fn new(max: usize) -> Datagrams {
        Datagrams { bytes: Vec::new(), start: 0, end: 0, spans: VecDeque::new(), max }
    }

    /// Returns the number of datagrams.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns whether there is no datagram.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns the number of datagrams that can be appended.
    pub fn room(&self) -> usize {
        self.max.saturating_sub(self.spans.len())
    }

    /// Returns whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Appends a datagram. Returns `false`, and appends nothing, when the batch is full.
    pub fn push(&mut self, datagram: Datagram<'_>) -> bool {
        if self.is_full() {
            return false;
        }
        let Datagram { payload, .. } = datagram;
        self.tail(payload.len()).copy_from_slice(payload);
        self.spans.push_back((datagram.path(), payload.len()));
        self.end += payload.len();
        true
    }

    /// Appends a datagram that `fill` writes into the `room` bytes it is given; it returns the
    /// length and the address. Nothing is appended when the batch is full or `fill` returns a
    /// length beyond `room` (`Ok(None)`), or when it fails.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn push_with(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    ) -> io::Result<Option<usize>> {
        if self.is_full() {
            return Ok(None);
        }
        let (len, addr) = fill(self.tail(room))?;
        if len > room {
            return Ok(None);
        }
        self.spans.push_back((addr.into(), len));
        self.end += len;
        Ok(Some(len))
    }

    /// Returns whether `room` more bytes fit into the memory that is already allocated.
    pub(crate) fn has_spare(&self, room: usize) -> bool {
        self.bytes.len() - self.end >= room
    }

    /// Appends the datagrams of one receive, which `fill` writes into the `room` bytes it is given;
    /// it returns addresses, length, and the bytes of each datagram, of which the last may have
    /// fewer; 0 for a single one. What finds no room goes into `overflow`. Returns how many there
    /// were, and how many of them were left out: those longer than `longest`, and those that find
    /// `overflow` full too.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn push_segments(
        &mut self,
        room: usize,
        longest: usize,
        overflow: &mut Datagrams,
        fill: impl FnOnce(&mut [u8]) -> io::Result<(Path, usize, usize)>,
    ) -> io::Result<(usize, usize)> {
        let (path, mut len, segment) = fill(self.tail(room))?;
        let segment = if segment == 0 { len } else { segment };
        let count = if len == 0 { 1 } else { len.div_ceil(segment) };
        let (mut kept, mut lost) = (count, 0);
        if segment > longest {
            // All but the last are longer than allowed.
            let last = len - (count - 1) * segment;
            kept = usize::from(last <= longest);
            lost = count - kept;
            self.bytes.copy_within(self.end + len - last..self.end + len, self.end);
            len = last;
        }
        let mut at = self.end;
        let end = at + len;
        for _ in 0..kept {
            let bytes = segment.min(end - at);
            if self.is_full() {
                lost +=
                    usize::from(!overflow.push(Datagram::on(path, &self.bytes[at..at + bytes])));
            } else {
                self.spans.push_back((path, bytes));
                self.end += bytes;
            }
            at += bytes;
        }
        Ok((count, lost))
    }

    /// Returns the first datagram.
    pub fn front(&self) -> Option<Datagram<'_>> {
        self.iter().next()
    }

    /// Returns the longest GSO batch at the front: neighbours on one path, all as long as the
    /// first except a shorter last one, of at most `max` datagrams and `max_bytes` bytes together.
    /// The first datagram belongs to it however long it is; an empty one travels alone.
    pub(crate) fn front_gso_batch(&self, max: usize, max_bytes: usize) -> Option<GsoBatch<'_>> {
        let &(path, segment) = self.spans.front()?;
        let (mut bytes, mut count) = (segment, 1);
        while let Some(&(next, len)) = self.spans.get(count) {
            if count == max || next != path || len > segment || len == 0 || bytes + len > max_bytes
            {
                break;
            }
            bytes += len;
            count += 1;
            if len < segment {
                break;
            }
        }
        let bytes = self.bytes.get(self.start..self.start + bytes)?;
        Some(GsoBatch { path, bytes, segment, count })
    }

    /// Removes the first `count` datagrams.
    pub(crate) fn pop_segments(&mut self, count: usize) {
        for _ in 0..count {
            self.pop_front();
        }
    }

    /// Returns the bytes of memory allocated for datagrams.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns the bytes of all datagrams together.
    pub(crate) fn bytes(&self) -> usize {
        self.end - self.start
    }

    /// Removes the first datagram.
    pub fn pop_front(&mut self) {
        if let Some((_, len)) = self.spans.pop_front() {
            self.start += len;
        }
        if self.spans.is_empty() {
            self.clear();
        }
    }

    /// Iterates over the datagrams in order.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let mut rest = &self.bytes[self.start..self.end];
        self.spans.iter().map(move |&(path, len)| {
            let (payload, behind) = rest.split_at(len);
            rest = behind;
            Datagram::on(path, payload)
        })
    }

    /// Iterates over the datagrams in order, to change them in place.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Path, &mut [u8])> {
        let mut rest = &mut self.bytes[self.start..self.end];
        self.spans.iter().map(move |&(path, len)| {
            let (payload, behind) = std::mem::take(&mut rest).split_at_mut(len);
            rest = behind;
            (path, payload)
        })
    }

    /// Replaces the peer's address of every datagram: for a transport around another one, which knows its
    /// peers by other addresses.
    pub fn map_addrs(&mut self, mut replace: impl FnMut(SocketAddr) -> SocketAddr) {
        for (path, _) in &mut self.spans {
            path.peer = replace(path.peer);
        }
    }

    /// Removes all datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.start = 0;
        self.end = 0;
    }

    /// Removes all datagrams and gives the memory back.
    pub fn release(&mut self) {
        *self = Datagrams::new(self.max);
    }

    /// Returns the `room` bytes behind the last datagram.
    fn tail(&mut self, room: usize) -> &mut [u8] {
        // Moving no more bytes than were removed since the last move costs each byte at most one
        // move; while fewer were removed, the buffer is at least half in use and may grow.
        if self.end + room > self.bytes.len() && self.start >= self.end - self.start {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = self.end + room;
        if self.bytes.len() < limit {
            self.bytes.resize(limit, 0);
        }
        &mut self.bytes[self.end..limit]
    }
}

#[cfg(test)]
mod tests;
