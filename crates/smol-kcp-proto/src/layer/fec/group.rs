//! The groups that may still lack something, and what has arrived of them.

use super::config::FecConfig;
use super::header::SHARD_MAX;
use crate::time::Time;
use smol_kcp_crypto::field::{fill, read, WORD};

/// Shards that are kept at once: those of any group, and what a row of small ones needs. 390 KB at most.
const SHARDS_MAX: usize = 256;
/// Datagrams that come between two of one group, at most: a batch of GSO that overtakes the one before it.
const REORDERED: u16 = 128;
/// Groups that are kept at least: kcp-go keeps the newest and three before it.
const GROUPS_MIN: u16 = 4;

/// Shards of one group. Without a buffer: absent.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) number: u32,
    /// When its first shard came; `None`: nothing is wanted of it any more.
    pub(super) began: Option<Time>,
    /// By index.
    pub(super) shards: Vec<Vec<usize>>,
    /// How many of them are there, and how many of these are data.
    pub(super) held: u16,
    pub(super) data: u16,
    /// How long the longest one of data is, and the longest and the shortest one of parity.
    data_len: usize,
    parity_len: Option<(usize, usize)>,
}

impl Group {
    fn new() -> Group {
        Group {
            // No group has it.
            number: u32::MAX,
            began: None,
            shards: Vec::new(),
            held: 0,
            data: 0,
            data_len: 0,
            parity_len: None,
        }
    }

    /// Returns how long the parity is. It is as long as the longest shard of data, all of it; `None`: it does not
    /// belong together.
    pub(super) fn parity_len(&self) -> Option<usize> {
        let (longest, shortest) = self.parity_len?;
        (longest == shortest && self.data_len <= longest).then_some(longest)
    }
}

/// A row of groups: each has its place by its number, and takes that of an older one. Buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Groups {
    places: Vec<Group>,
    spare: Vec<Vec<usize>>,
    /// Buffers in groups.
    held: usize,
    /// Bytes of all buffers, in groups and spare.
    bytes: usize,
}

/// How many groups are kept.
pub(super) fn window(ratio: FecConfig) -> u32 {
    u32::from((REORDERED / ratio.total()).max(GROUPS_MIN))
}

impl Groups {
    /// Returns the place of a group, which then is open for it unless it is complete already.
    pub(super) fn enter(&mut self, now: Time, ratio: FecConfig, number: u32) -> Option<usize> {
        let window = window(ratio) as usize;
        if self.places.len() != window {
            self.clear();
            self.places.resize_with(window, Group::new);
        }
        let at = number as usize % window;
        if self.places.get(at)?.number != number {
            self.release(at);
            let place = self.places.get_mut(at)?;
            place.number = number;
            place.began = Some(now);
            place.shards.resize_with(usize::from(ratio.total()), Vec::new);
        }
        self.places.get(at)?.began.is_some().then_some(at)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Group> {
        self.places.get(at)
    }

    /// Keeps a copy of a shard; `false`: it is there already, or there is no room for it.
    pub(super) fn keep(&mut self, at: usize, index: u16, is_data: bool, shard: &[u8]) -> bool {
        let index = usize::from(index);
        let absent = |group: &Group| group.shards.get(index).is_some_and(Vec::is_empty);
        if shard.is_empty() || shard.len() > SHARD_MAX || !self.places.get(at).is_some_and(absent) {
            return false;
        }
        if self.held == SHARDS_MAX && !self.make_room(at) {
            return false;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        let before = buffer.capacity();
        read(shard, &mut buffer);
        self.bytes += (buffer.capacity() - before) * WORD;
        let Some(group) = self.places.get_mut(at) else { return false };
        let Some(place) = group.shards.get_mut(index) else { return false };
        *place = buffer;
        group.held += 1;
        group.data += u16::from(is_data);
        let len = shard.len();
        if is_data {
            group.data_len = group.data_len.max(len);
        } else {
            let (longest, shortest) = group.parity_len.unwrap_or((len, len));
            group.parity_len = Some((longest.max(len), shortest.min(len)));
        }
        self.held += 1;
        true
    }

    /// Gives up the group that began first, apart from the one at `except`.
    fn make_room(&mut self, except: usize) -> bool {
        let open =
            self.places.iter().enumerate().filter(|(at, group)| *at != except && group.held > 0);
        let Some((oldest, _)) = open.min_by_key(|(_, group)| group.began) else { return false };
        self.release(oldest);
        true
    }

    /// Makes all shards that are there as long as the parity, and returns the group.
    pub(super) fn level(&mut self, at: usize, len: usize) -> Option<&Group> {
        let group = self.places.get_mut(at)?;
        for shard in group.shards.iter_mut().filter(|shard| !shard.is_empty()) {
            let before = shard.capacity();
            fill(shard, len.div_ceil(WORD));
            self.bytes += (shard.capacity() - before) * WORD;
        }
        Some(group)
    }

    /// Wants nothing more of a group, and takes its buffers back.
    pub(super) fn release(&mut self, at: usize) {
        let Some(group) = self.places.get_mut(at) else { return };
        group.began = None;
        self.held = self.held.saturating_sub(usize::from(group.held));
        (group.held, group.data, group.data_len, group.parity_len) = (0, 0, 0, None);
        self.spare.extend(group.shards.drain(..).filter(|buffer| buffer.capacity() > 0));
    }

    /// Forgets all groups.
    pub(super) fn clear(&mut self) {
        (0..self.places.len()).for_each(|at| self.release(at));
        self.places.clear();
    }

    /// Gives all memory back.
    pub(super) fn free(&mut self) {
        *self = Groups::default();
    }

    /// Returns whether there is memory to give back.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.spare.is_empty()
    }

    /// Returns how many bytes of shards there is room for.
    pub(super) fn memory(&self) -> usize {
        self.bytes
    }
}
