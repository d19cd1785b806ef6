//! A batch of datagrams in one piece of memory.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// A queue of datagrams with their addresses, bounded in number, kept end to end in one buffer that
/// is reused: neighbours to one peer can leave in one system call.
#[derive(Debug)]
pub struct Datagrams {
    /// Never shorter than `end`; what is beyond it is scratch.
    bytes: Vec<u8>,
    end: usize,
    /// Address, start and length, in order.
    spans: VecDeque<(SocketAddr, usize, usize)>,
    max: usize,
}

impl Datagrams {
    /// An empty batch for up to `max` datagrams. Memory is taken when it is first needed.
    pub fn new(max: usize) -> Datagrams {
        Datagrams { bytes: Vec::new(), end: 0, spans: VecDeque::new(), max }
    }

    /// Datagrams in the batch.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Is there no room for one more?
    pub fn is_full(&self) -> bool {
        self.spans.len() >= self.max
    }

    /// Appends a datagram from or to `addr`; `false` and unchanged when the batch is full.
    pub fn push(&mut self, addr: SocketAddr, datagram: &[u8]) -> bool {
        if self.is_full() {
            return false;
        }
        let end = self.end + datagram.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.end..end].copy_from_slice(datagram);
        self.spans.push_back((addr, self.end, datagram.len()));
        self.end = end;
        true
    }

    /// Appends a datagram that `fill` writes into the `room` bytes it is given; it returns the
    /// length and the address. Nothing is appended when the batch is full (`Ok(None)`), `fill`
    /// fails, or returns a length beyond `room`.
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
        let limit = self.end + room;
        if self.bytes.len() < limit {
            self.bytes.resize(limit, 0);
        }
        let (len, addr) = fill(&mut self.bytes[self.end..limit])?;
        if len > room {
            return Ok(None);
        }
        self.spans.push_back((addr, self.end, len));
        self.end += len;
        Ok(Some(len))
    }

    /// The first datagram and its address.
    pub fn front(&self) -> Option<(SocketAddr, &[u8])> {
        let &(addr, start, len) = self.spans.front()?;
        Some((addr, &self.bytes[start..start + len]))
    }

    /// Removes the first datagram.
    pub fn pop_front(&mut self) {
        self.spans.pop_front();
        if self.spans.is_empty() {
            self.end = 0;
        }
    }

    /// The datagrams in order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.spans.iter().map(|&(addr, start, len)| (addr, &self.bytes[start..start + len]))
    }

    /// Removes all datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.end = 0;
    }

    /// Removes all datagrams and gives the memory back.
    pub fn release(&mut self) {
        *self = Datagrams::new(self.max);
    }
}
