//! What a session holds in memory, and what it may hold.

use super::Session;

impl Session {
    /// Bytes of memory held, nearly.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Session>() + self.engine.memory()
    }

    /// Bytes that were read, or acknowledged by the peer, so far; it wraps.
    pub(crate) fn drained(&self) -> usize {
        self.drained
    }

    /// Bounds what may be held in either direction, as far as the configuration does not.
    pub(crate) fn set_share(&mut self, bytes: usize) {
        let share = bytes.min(self.widest);
        if share != self.share {
            self.share = share;
            self.engine.narrow(share);
        }
        if share < self.widest && self.memory() > share {
            self.engine.trim();
        }
    }
}
