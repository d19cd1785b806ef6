//! The sender's side: numbers and lengths in front of what leaves, and parity behind each group.

use std::time::Duration;

use super::config::FecConfig;
use super::header::{
    end_of_numbers, write, Kind, EXPIRES, HEADROOM, SHARD_AT, SHARD_MAX, SIZE_LEN,
};
use crate::time::Time;
use smol_kcp_crypto::field::{self, fill, Basis, WORD};

/// With a gap as long as this before its last datagram a group gets no parity: what was before the gap has been
/// acknowledged or repeated by then. As kcp-go since 2025; its receivers know that parity may be missing.
const CONTINUOUS: Duration = Duration::from_millis(500);

/// What a [`FecEncoder`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FecEncoderStats {
    /// Datagrams of data.
    pub data: u64,
    /// Datagrams of parity.
    pub parity: u64,
    /// Groups without parity, as they took too long to fill.
    pub skipped: u64,
}

/// Puts parity among the datagrams of one peer.
///
/// It keeps copies of the datagrams of a group, and computes the parity when it is asked for it.
#[derive(Debug)]
pub struct FecEncoder {
    config: FecConfig,
    basis: Basis,
    /// The group so far. Buffers are used again.
    shards: Vec<Vec<usize>>,
    /// One datagram of parity.
    sum: Vec<usize>,
    /// Bytes of the longest shard of the group.
    len: usize,
    /// Number of the next datagram.
    next: u32,
    /// Its place in its group.
    index: u16,
    last_at: Option<Time>,
    /// Bytes of all buffers, as of the last group.
    memory: usize,
    stats: FecEncoderStats,
}

impl FecEncoder {
    /// Begins with number 0. `None`: there is no parity, or that much is not possible.
    ///
    /// How much parity there is stays as it is for as long as the peer is the same one: a receiver that takes new
    /// datagrams for ones of the ratio before, as those that contradict got lost, recovers noise.
    pub fn new(config: FecConfig) -> Option<FecEncoder> {
        if !config.is_ratio() {
            return None;
        }
        let mut basis = Basis::default();
        basis.set(0..config.data);
        Some(FecEncoder {
            config,
            basis,
            shards: vec![Vec::new(); config.data.into()],
            sum: Vec::new(),
            len: 0,
            next: 0,
            index: 0,
            last_at: None,
            memory: 0,
            stats: FecEncoderStats::default(),
        })
    }

    /// Returns how much parity there is.
    pub fn config(&self) -> FecConfig {
        self.config
    }

    /// Returns what it did.
    pub fn stats(&self) -> FecEncoderStats {
        self.stats
    }

    /// Returns how many bytes of shards there was room for at the end of the last group.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Makes a datagram of the `len` bytes that lie behind [`HEADROOM`] in `buf`, and returns its length. What is
    /// then due of [parity](FecEncoder::parity) should leave before the next one: it is lost otherwise.
    ///
    /// `None`, and nothing happened: `buf` is too short, or the datagram would be longer than
    /// [`DATAGRAM_MAX`](super::DATAGRAM_MAX).
    pub fn seal(&mut self, now: Time, buf: &mut [u8], len: usize) -> Option<usize> {
        let size = len.checked_add(SIZE_LEN).filter(|&size| size <= SHARD_MAX)?;
        let datagram = buf.get_mut(..SHARD_AT + size)?;
        if self.index >= u16::from(self.config.data) {
            self.skip_parity();
        }
        write(self.next, Kind::Data, datagram);
        let shard = datagram.get_mut(SHARD_AT..)?;
        let size = u16::try_from(size).ok()?.to_le_bytes();
        shard.iter_mut().zip(size).for_each(|(byte, of)| *byte = of);
        self.len = self.len.max(shard.len());
        if let Some(place) = self.shards.get_mut(usize::from(self.index)) {
            field::read(shard, place);
        }
        self.advance();
        self.stats.data += 1;

        let gap = self.last_at.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        if self.index == u16::from(self.config.data) {
            self.end_data(gap);
        }
        Some(HEADROOM + len)
    }

    /// The group has all its data: its parity is due, unless it comes too late.
    fn end_data(&mut self, gap: Duration) {
        if gap >= CONTINUOUS {
            self.stats.skipped += 1;
            self.skip_parity();
        } else {
            let words = self.len.div_ceil(WORD);
            self.shards.iter_mut().for_each(|shard| fill(shard, words));
            fill(&mut self.sum, words);
        }
        let buffers = self.shards.iter().map(Vec::capacity).sum::<usize>() + self.sum.capacity();
        self.memory = buffers * WORD;
    }

    /// Returns how long the next datagram of parity is, if one is due.
    pub fn parity_len(&self) -> Option<usize> {
        (self.index >= u16::from(self.config.data)).then_some(SHARD_AT + self.len)
    }

    /// Writes the next datagram of parity to the beginning of `buf`, and returns its length; `None`: none is due, or
    /// `buf` is too short for it.
    pub fn parity(&mut self, buf: &mut [u8]) -> Option<usize> {
        let len = self.parity_len()?;
        let datagram = buf.get_mut(..len)?;
        write(self.next, Kind::Parity, datagram);
        // All indices of a group fit into a byte.
        let index = u8::try_from(self.index).ok()?;
        self.basis.compute(index, &self.shards, &mut self.sum);
        field::write(&self.sum, datagram.get_mut(SHARD_AT..)?);
        self.stats.parity += 1;
        self.advance();
        if self.index == self.config.total() {
            self.begin_group();
        }
        Some(len)
    }

    /// Returns whether the next datagram begins a group.
    pub fn is_between_groups(&self) -> bool {
        self.index == 0
    }

    /// Leaves the group as it is, where parity for it would come too late: it gets none, and the next datagram begins
    /// another.
    pub fn skip(&mut self) {
        if self.index > 0 {
            self.stats.skipped += 1;
            self.skip_parity();
        }
    }

    /// Returns when [`handle_timeout`](FecEncoder::handle_timeout) gives memory back; `None`: there is none.
    pub fn poll_timeout(&self) -> Option<Time> {
        let has_memory = self.shards.iter().any(|shard| shard.capacity() > 0);
        self.last_at.filter(|_| has_memory).map(|at| at + EXPIRES)
    }

    /// Gives all memory back after three seconds of silence. The group that is not full yet gets no parity.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.free();
        }
    }

    /// Gives all memory back at once. The group that is not full yet gets no parity.
    pub fn free(&mut self) {
        if self.index > 0 {
            self.skip_parity();
        }
        self.shards.fill_with(Vec::new);
        self.sum = Vec::new();
        self.memory = 0;
    }

    /// Passes over what is left of the group: its numbers are used, its datagrams never leave.
    fn skip_parity(&mut self) {
        self.next = self.next.wrapping_add(u32::from(self.config.total() - self.index));
        self.wrap();
        self.begin_group();
    }

    fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
        self.index += 1;
        self.wrap();
    }

    fn wrap(&mut self) {
        if self.next >= end_of_numbers(self.config.total()) {
            self.next = 0;
        }
    }

    fn begin_group(&mut self) {
        self.index = 0;
        self.len = 0;
    }
}

#[cfg(test)]
impl FecEncoder {
    /// Goes on with the group that begins at the last number before `next`.
    pub(super) fn with_next(mut self, next: u32) -> FecEncoder {
        self.next = next - next % u32::from(self.config.total());
        self
    }

    pub(super) fn next(&self) -> u32 {
        self.next
    }
}
