//! Memory for payload.

/// Blocks of one segment's payload each, and a list of free ones.
///
/// The list never holds more than were in use at one time, which the budgets of the session bound,
/// and [`release`](Blocks::release) empties it when the session comes to rest. An engine asks for
/// blocks and gives them back nowhere else, so that a list shared by all sessions of an endpoint can
/// take the place of this one.
#[derive(Debug)]
pub(super) struct Blocks {
    free: Vec<Vec<u8>>,
    /// Bytes of a block.
    size: usize,
}

impl Blocks {
    /// No blocks yet; each will have `size` bytes.
    pub fn new(size: usize) -> Blocks {
        Blocks { free: Vec::new(), size }
    }

    /// An empty block for `len` bytes. A peer with a larger MTU may send more than a block holds:
    /// that gets memory of its own.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        if len > self.size {
            return Vec::with_capacity(len);
        }
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(self.size))
    }

    /// Bytes of memory that [`take`](Blocks::take) hands out for `len` bytes.
    pub fn cost(&self, len: usize) -> usize {
        len.max(self.size)
    }

    /// Takes a block back.
    pub fn put(&mut self, mut block: Vec<u8>) {
        // `with_capacity` is exact for bytes; anything else is not one of ours.
        if block.capacity() == self.size {
            block.clear();
            self.free.push(block);
        }
    }

    /// Gives the free blocks back to the system.
    pub fn release(&mut self) {
        if self.free.capacity() > 0 {
            self.free = Vec::new();
        }
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
}
