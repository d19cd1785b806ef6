//! What a session holds in memory, and what it may hold.

use super::Session;
use crate::peer::Peer;

/// What the endpoint keeps of a session beside it, where it is its peer's only one: the router's entry and
/// the slack of their table, the nodes of the trees in which it and its peer are found, and the peer, in a
/// table that doubles. Weighed by `tests/memory.rs`.
const RECORD: usize = 624 + 2 * size_of::<Peer>();

impl Session {
    /// Bytes of memory held, nearly, and what the endpoint holds because of it.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Session>() + RECORD + self.engine.memory()
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
