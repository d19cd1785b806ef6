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
        Path { peer: self.peer, local: self.local }
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
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    fn to(port: u16, payload: &[u8]) -> Datagram<'_> {
        Datagram::new(addr(port), payload)
    }

    fn contents(batch: &Datagrams) -> Vec<(SocketAddr, Vec<u8>)> {
        batch.iter().map(|datagram| (datagram.peer, datagram.payload.to_vec())).collect()
    }

    #[test]
    fn datagrams_come_out_in_order_with_their_addresses_and_lengths() {
        let mut batch = Datagrams::new(3);
        assert!(batch.push(to(1, b"first")));
        assert!(batch.push(to(2, b"")));
        assert!(batch.push(to(1, b"third")));
        let all =
            [(addr(1), b"first".to_vec()), (addr(2), Vec::new()), (addr(1), b"third".to_vec())];
        assert_eq!(contents(&batch), all);
        for (from, datagram) in &all {
            assert_eq!(batch.front(), Some(Datagram::new(*from, datagram)));
            batch.pop_front();
        }
        assert!(batch.is_empty() && batch.front().is_none());
        batch.pop_front();
        assert_eq!(batch.room(), 3);
    }

    #[test]
    fn a_full_batch_takes_nothing_until_one_leaves() {
        let mut batch = Datagrams::new(1);
        assert!(batch.push(to(1, b"one")));
        assert!(batch.is_full());
        assert!(!batch.push(to(1, b"two")));
        let asked = batch.push_with(8, |_| panic!("a full batch must not read"));
        assert_eq!(asked.unwrap(), None);
        assert_eq!(contents(&batch), [(addr(1), b"one".to_vec())]);
        batch.pop_front();
        assert!(batch.push(to(1, b"two")));
        assert!(!Datagrams::new(0).push(to(1, b"")), "no room at all");
    }

    #[test]
    fn a_failed_or_cut_read_leaves_the_batch_as_it_was() {
        let mut batch = Datagrams::new(4);
        batch.push(to(1, b"kept"));
        let failed = batch.push_with(8, |room| {
            room.fill(0xee);
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(batch.push_with(8, |_| Ok((9, addr(2)))).unwrap(), None);
        let read = batch.push_with(8, |room| {
            assert_eq!(room.len(), 8);
            room[..3].copy_from_slice(b"abc");
            Ok((3, addr(3)))
        });
        assert_eq!(read.unwrap(), Some(3));
        assert_eq!(contents(&batch), [(addr(1), b"kept".to_vec()), (addr(3), b"abc".to_vec())]);
    }

    #[test]
    fn a_queue_that_is_never_empty_stays_small_and_whole() {
        let mut batch = Datagrams::new(8);
        let datagram = |i: usize| vec![i as u8; 1 + i * 7 % 1400];
        for i in 0..5 {
            assert!(batch.push(to(i as u16, &datagram(i))));
        }
        for i in 5..20_000 {
            let read = batch.push_with(1500, |room| {
                let bytes = datagram(i);
                room[..bytes.len()].copy_from_slice(&bytes);
                Ok((bytes.len(), addr(i as u16)))
            });
            assert_eq!(read.unwrap(), Some(datagram(i).len()));
            assert_eq!(batch.front(), Some(to((i - 5) as u16, &datagram(i - 5))));
            batch.pop_front();
        }
        // At most twice the 6 * 1400 live bytes and one read; Vec's doubling at most doubles that.
        assert!(batch.bytes.len() <= 2 * 6 * 1400 + 1500, "{}", batch.bytes.len());
        assert!(batch.bytes.capacity() <= 2 * (2 * 6 * 1400 + 1500));
        assert!(batch.spans.capacity() <= 16);
    }

    /// Lengths of the GSO batches that such datagrams leaves in.
    fn gso_counts(datagrams: &[(u16, usize)], max: usize, max_bytes: usize) -> Vec<usize> {
        let mut batch = Datagrams::new(datagrams.len());
        for (i, &(port, len)) in datagrams.iter().enumerate() {
            assert!(batch.push(to(port, &vec![i as u8; len])));
        }
        let mut counts = Vec::new();
        while let Some(gso) = batch.front_gso_batch(max, max_bytes) {
            let singles: Vec<_> = contents(&batch).into_iter().take(gso.count).collect();
            let cut: Vec<_> = match gso.bytes {
                [] => vec![(gso.path.peer, Vec::new())],
                bytes => bytes.chunks(gso.segment).map(|d| (gso.path.peer, d.to_vec())).collect(),
            };
            assert_eq!(cut, singles, "what the system cuts is what was queued");
            counts.push(gso.count);
            batch.pop_segments(counts[counts.len() - 1]);
        }
        counts
    }

    #[test]
    fn neighbours_of_one_length_to_one_peer_are_a_gso_batch() {
        assert_eq!(gso_counts(&[(1, 9); 5], 64, 1000), [5]);
        assert_eq!(gso_counts(&[(1, 9), (1, 9), (2, 9), (1, 9)], 64, 1000), [2, 1, 1]);
        // A shorter one ends a GSO batch, a longer one begins the next.
        assert_eq!(gso_counts(&[(1, 9), (1, 9), (1, 4), (1, 9), (1, 9)], 64, 1000), [3, 2]);
        assert_eq!(gso_counts(&[(1, 4), (1, 9), (1, 9), (1, 10)], 64, 1000), [1, 2, 1]);
        assert_eq!(gso_counts(&[(1, 0), (1, 0), (1, 9), (1, 0), (1, 9)], 64, 1000), [1; 5]);
    }

    #[test]
    fn a_gso_batch_has_bounds() {
        assert_eq!(gso_counts(&[(1, 9); 7], 3, 1000), [3, 3, 1]);
        assert_eq!(gso_counts(&[(1, 9); 7], 1, 1000), [1; 7]);
        assert_eq!(gso_counts(&[(1, 9); 7], 64, 20), [2, 2, 2, 1]);
        assert_eq!(gso_counts(&[(1, 9), (1, 9), (1, 2), (1, 9)], 64, 20), [3, 1]);
        assert_eq!(gso_counts(&[(1, 90), (1, 90)], 64, 20), [1, 1], "it cannot be made shorter");
        assert_eq!(gso_counts(&[], 64, 20), [0; 0]);
    }

    #[test]
    fn addresses_are_replaced_and_the_bytes_stay() {
        let mut batch = Datagrams::new(2);
        batch.push(to(1, b"a"));
        batch.push(to(2, b"b"));
        batch.map_addrs(|from| if from == addr(2) { addr(3) } else { from });
        assert_eq!(batch.iter().collect::<Vec<_>>(), [to(1, b"a"), to(3, b"b")]);
    }

    #[test]
    fn what_one_receive_brings_arrives_as_its_datagrams() {
        let (mut batch, mut overflow) = (Datagrams::new(4), Datagrams::new(1));
        assert!(!batch.has_spare(1));
        let mut arrive = |len: usize, segment: usize| {
            let fill = |room: &mut [u8]| {
                room.iter_mut().zip(0..).for_each(|(byte, at)| *byte = at);
                Ok((addr(1).into(), len, segment))
            };
            let said = batch.push_segments(20, 9, &mut overflow, fill).unwrap();
            (said, contents(&batch), contents(&overflow))
        };
        let one = |bytes: std::ops::Range<u8>| (addr(1), bytes.collect::<Vec<_>>());
        assert_eq!(arrive(5, 0), ((1, 0), vec![one(0..5)], vec![]), "a single one");
        let mut all = vec![one(0..5)];
        assert_eq!(arrive(20, 10), ((2, 2), all.clone(), vec![]), "too long");
        all.push(one(10..18));
        assert_eq!(arrive(18, 10), ((2, 1), all.clone(), vec![]), "but for its end");
        all.extend([one(0..8), one(8..16)]);
        let last = vec![one(16..18)];
        assert_eq!(arrive(18, 8), ((3, 0), all.clone(), last.clone()), "room for two");
        assert_eq!(arrive(4, 2), ((2, 2), all, last), "no room at all");
        batch.clear();
        assert!(batch.has_spare(20));
        let failed = batch.push_segments(20, 9, &mut overflow, |_| {
            Err(io::Error::from(io::ErrorKind::WouldBlock))
        });
        assert!(failed.is_err() && batch.is_empty());
    }

    #[test]
    fn clear_keeps_the_memory_and_release_gives_it_back() {
        let mut batch = Datagrams::new(2);
        batch.push(to(1, &[1; 1000]));
        batch.clear();
        assert!(batch.is_empty() && batch.bytes.capacity() >= 1000);
        batch.push(to(1, &[2; 10]));
        batch.release();
        assert!(batch.is_empty());
        assert_eq!((batch.bytes.capacity(), batch.spans.capacity()), (0, 0));
        assert!(batch.push(to(1, b"a")) && batch.push(to(1, b"b")) && batch.is_full());
    }
}
