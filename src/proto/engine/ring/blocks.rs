//! Memory for payload.

use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::HEADER_LEN;

/// Blocks that are fetched from the pool at once.
const BATCH: usize = 32;

/// Free blocks of all sessions of an endpoint, so that a session that comes to rest keeps none and
/// the next one that wakes up need not ask the system.
///
/// Sessions live under one lock as it is; the one in here makes the pool `Sync` without unsafe code,
/// is taken once per turn and some dozen blocks, and never held while another one is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Blocks that it holds at most.
    limit: usize,
}

impl Pool {
    /// An empty pool that will hold at most `limit` blocks.
    pub fn new(limit: usize) -> Pool {
        Pool { free: Arc::default(), limit }
    }

    fn fetch(&self, into: &mut Vec<Vec<u8>>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.len().saturating_sub(BATCH);
        into.extend(free.drain(at..));
    }

    fn put(&self, blocks: &mut Vec<Vec<u8>>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(free.len());
        free.extend(blocks.drain(blocks.len().saturating_sub(room)..));
    }
}

/// Blocks of one segment each, with room for its header before the payload, and a list of free ones.
///
/// The list never holds more than were in use at one time, which the budgets of the session bound,
/// and [`release`](Blocks::release) empties it when the session comes to rest: into the endpoint's
/// [`Pool`] if there is one.
#[derive(Debug)]
pub(super) struct Blocks {
    free: Vec<Vec<u8>>,
    /// Bytes of payload that a block has room for.
    size: usize,
    pool: Option<Pool>,
    /// Blocks that had to be asked of the system.
    #[cfg(test)]
    pub fresh: usize,
}

impl Blocks {
    /// No blocks yet; each will have room for a payload of `size` bytes.
    pub fn new(size: usize) -> Blocks {
        Blocks {
            free: Vec::new(),
            size,
            pool: None,
            #[cfg(test)]
            fresh: 0,
        }
    }

    /// Uses the endpoint's pool from now on.
    pub fn share(&mut self, pool: &Pool) {
        self.pool = Some(pool.clone());
    }

    /// An empty block for a payload of `len` bytes. A peer with a larger MTU may send more than a block holds:
    /// that gets memory of its own.
    #[inline]
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        if self.free.is_empty() || len > self.size {
            self.provide(len);
        }
        self.free.pop().unwrap_or_default()
    }

    /// Sees to it that the last of the free ones has room for `len` bytes.
    #[cold]
    fn provide(&mut self, len: usize) {
        if len <= self.size {
            if let Some(pool) = &self.pool {
                pool.fetch(&mut self.free);
            }
            // Sessions of one endpoint have blocks of one size; whatever differs is not for us.
            while let Some(block) = self.free.last() {
                if self.is_ours(block) {
                    return;
                }
                self.free.pop();
            }
            #[cfg(test)]
            {
                self.fresh += 1;
            }
        }
        self.free.push(Vec::with_capacity(HEADER_LEN + len.max(self.size)));
    }

    /// Bytes of payload that what [`take`](Blocks::take) hands out for `len` bytes has room for.
    pub fn cost(&self, len: usize) -> usize {
        len.max(self.size)
    }

    /// Takes a block back.
    #[inline]
    pub fn put(&mut self, mut block: Vec<u8>) {
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

    /// Blocks that the list of free ones has had at one time.
    pub fn capacity(&self) -> usize {
        self.free.capacity()
    }

    /// Gives the free blocks away, and the list of them.
    pub fn release(&mut self) {
        if let Some(pool) = &self.pool {
            pool.put(&mut self.free);
        }
        self.free = Vec::new();
    }

    /// Free blocks.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_and_foreign_memory_is_not_kept() {
        let mut blocks = Blocks::new(1376);
        let mut first = blocks.take(100);
        first.extend_from_slice(&[7; 100]);
        let address = first.as_ptr();
        blocks.put(first);
        assert_eq!(blocks.free(), 1);
        let again = blocks.take(1376);
        assert_eq!((again.as_ptr(), again.len(), blocks.free()), (address, 0, 0));

        let long = blocks.take(9000);
        assert!(long.capacity() >= 9000);
        blocks.put(long);
        blocks.put(Vec::new());
        assert_eq!(blocks.free(), 0);

        blocks.put(again);
        blocks.release();
        assert_eq!(blocks.free(), 0);
    }

    #[test]
    fn what_one_session_gives_back_another_one_uses_up_to_the_limit_of_the_pool() {
        let pool = Pool::new(40);
        let [mut one, mut two] = [Blocks::new(100), Blocks::new(100)];
        one.share(&pool);
        two.share(&pool);
        let taken: Vec<_> = (0..50).map(|_| one.take(100)).collect();
        taken.into_iter().for_each(|block| one.put(block));
        one.release();
        assert_eq!((one.fresh, one.free()), (50, 0));
        let taken: Vec<_> = (0..41).map(|_| two.take(1)).collect();
        assert_eq!((two.fresh, taken.len()), (1, 41));

        let mut other = Blocks::new(200);
        other.share(&pool);
        taken.into_iter().for_each(|block| two.put(block));
        two.release();
        assert_eq!(other.take(200).capacity(), HEADER_LEN + 200, "not one of another size");
    }
}
