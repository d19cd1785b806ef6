//! Memory for payload.

use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::HEADER_LEN;

/// So many free blocks at most a session that has nothing under way lends to the others.
const RETURNED: usize = 8;

/// Free blocks that the sessions of an endpoint lend each other, so that a thousand of them that say
/// a little now and then take a few blocks in all, and need not ask the system.
///
/// Sessions live under one lock as it is; the one in here makes the pool `Sync` without unsafe code,
/// and is never held while another one is waited for.
#[derive(Clone, Debug)]
pub(crate) struct BufferPool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Blocks that it holds at most.
    limit: usize,
}

impl BufferPool {
    /// An empty pool that will hold at most `limit` blocks.
    pub(crate) fn new(limit: usize) -> BufferPool {
        BufferPool { free: Arc::default(), limit }
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes the blocks that it has room for; the others are given up.
    fn put(&self, buffers: &mut Vec<Vec<u8>>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(free.len());
        buffers.truncate(room);
        free.append(buffers);
    }
}

/// Blocks of one segment each, with room for its header before the payload, and a list of free ones.
///
/// The list never holds more than were in use at one time, which the budgets of the session bound.
/// A few are [lent](Buffers::return_to_pool) whenever the session has nothing under way, and
/// [`release`](Buffers::release) gives all up when it comes to rest.
#[derive(Debug)]
pub(super) struct Buffers {
    free: Vec<Vec<u8>>,
    /// Bytes of payload that a block has room for.
    size: usize,
    pool: Option<BufferPool>,
    /// Blocks that had to be asked of the system.
    #[cfg(test)]
    pub fresh: usize,
}

impl Buffers {
    /// No blocks yet; each will have room for a payload of `size` bytes.
    pub(super) fn new(size: usize) -> Buffers {
        Buffers {
            free: Vec::new(),
            size,
            pool: None,
            #[cfg(test)]
            fresh: 0,
        }
    }

    /// Uses the endpoint's pool from now on.
    pub(super) fn share(&mut self, pool: &BufferPool) {
        self.pool = Some(pool.clone());
    }

    /// An empty block for a payload of `len` bytes. A peer with a larger MTU may send more than a block holds:
    /// that gets memory of its own.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        if self.free.is_empty() || len > self.size {
            self.provide(len);
        }
        self.free.pop().unwrap_or_default()
    }

    /// Sees to it that the last of the free ones has room for `len` bytes.
    #[cold]
    fn provide(&mut self, len: usize) {
        if len <= self.size {
            // Sessions of one endpoint have blocks of one size; whatever differs is not for us.
            let lent = self.pool.as_ref().and_then(BufferPool::take);
            if let Some(block) = lent.filter(|block| self.is_ours(block)) {
                return self.free.push(block);
            }
            #[cfg(test)]
            {
                self.fresh += 1;
            }
        }
        // Exactly one segment's room, by which a block is known again; a longer one is used once.
        self.free.push(Vec::with_capacity(HEADER_LEN + len.max(self.size)));
    }

    /// Bytes of payload that what [`take`](Buffers::take) hands out for `len` bytes has room for.
    pub(super) fn cost(&self, len: usize) -> usize {
        len.max(self.size)
    }

    /// Takes a block back.
    #[inline]
    pub(super) fn put(&mut self, mut block: Vec<u8>) {
        // Odd sizes would stay for ever at the bottom of the list.
        if self.is_ours(&block) {
            block.clear();
            self.free.push(block);
        }
    }

    /// `with_capacity` is exact for bytes; anything else is not one of ours.
    #[inline]
    fn is_ours(&self, block: &Vec<u8>) -> bool {
        block.capacity() == HEADER_LEN + self.size
    }

    /// Free blocks that it has.
    pub(super) fn count(&self) -> usize {
        self.free.len()
    }

    /// Blocks that the list of free ones has had at one time.
    pub(super) fn capacity(&self) -> usize {
        self.free.capacity()
    }

    /// Lends what is free to the other sessions, as long as it is little: who has carried much may
    /// soon do so again. To be called when nothing is under way.
    #[inline]
    pub(super) fn return_to_pool(&mut self) {
        if (1..=RETURNED).contains(&self.free.len()) {
            if let Some(pool) = &self.pool {
                pool.put(&mut self.free);
            }
        }
    }

    /// Gives the free blocks up, and the list of them.
    pub(super) fn release(&mut self) {
        self.free = Vec::new();
    }

    /// Free blocks.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_and_foreign_memory_is_not_kept() {
        let mut buffers = Buffers::new(1376);
        let mut first = buffers.take(100);
        first.extend_from_slice(&[7; 100]);
        let address = first.as_ptr();
        buffers.put(first);
        assert_eq!(buffers.free(), 1);
        let again = buffers.take(1376);
        assert_eq!((again.as_ptr(), again.len(), buffers.free()), (address, 0, 0));

        let long = buffers.take(9000);
        assert!(long.capacity() >= 9000);
        buffers.put(long);
        buffers.put(Vec::new());
        assert_eq!(buffers.free(), 0);

        buffers.put(again);
        buffers.release();
        assert_eq!(buffers.free(), 0);
    }

    #[test]
    fn a_session_lends_what_little_it_has_up_to_the_limit_of_the_pool() {
        let pool = BufferPool::new(6);
        let [mut one, mut two] = [Buffers::new(100), Buffers::new(100)];
        one.share(&pool);
        two.share(&pool);
        let used = |buffers: &mut Buffers, count| {
            let taken: Vec<_> = (0..count).map(|_| buffers.take(100)).collect();
            taken.into_iter().for_each(|block| buffers.put(block));
        };
        used(&mut one, 8);
        one.return_to_pool();
        assert_eq!((one.fresh, one.free()), (8, 0));
        used(&mut two, 7);
        assert_eq!((two.fresh, two.free()), (1, 7), "the pool had six");

        used(&mut two, 9);
        two.return_to_pool();
        assert_eq!(two.free(), 9, "too many");
        two.release();
        assert_eq!((two.free(), two.capacity()), (0, 0));

        used(&mut one, 1);
        one.return_to_pool();
        let mut other = Buffers::new(200);
        other.share(&pool);
        assert_eq!(other.take(200).capacity(), HEADER_LEN + 200, "not one of another size");
    }
}
