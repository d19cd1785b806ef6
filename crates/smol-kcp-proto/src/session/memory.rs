//! What a session holds in memory, and what it may hold.

use super::Session;
use crate::arq::RecvDemand;
use crate::peer::Peer;

/// What the endpoint keeps of a session beside it, where it is its peer's only one: the router's entry and
/// the slack of their table, the nodes of the trees in which it and its peer are found, and the peer, in a
/// table that doubles. Weighed by `tests/memory.rs`.
const RECORD: usize = 624 + 2 * size_of::<Peer>();

impl Session {
    /// Bytes of memory held, nearly, and what the endpoint holds because of it.
    pub(crate) fn memory(&self) -> usize {
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.memory());
        size_of::<Session>() + RECORD + self.engine.memory() + pieces
    }

    /// Bytes of memory held beyond what is set aside for the receive window.
    pub(crate) fn memory_beyond_reserve(&self) -> usize {
        let held = self.memory();
        match self.reserve {
            0 => held,
            reserve => held.saturating_sub(self.engine.recv_memory().min(reserve)),
        }
    }

    /// Bytes that were read, or acknowledged by the peer, so far; it wraps.
    pub(crate) fn drained(&self) -> usize {
        self.drained
    }

    /// What the receive window should be, in segments and rounds.
    pub(crate) fn recv_demand(&self) -> RecvDemand {
        self.engine.recv_demand()
    }

    /// The round of that: a new one when it differs.
    pub(crate) fn recv_round(&self) -> u32 {
        self.engine.recv_round()
    }

    /// Bytes that the peer would be told to send. Nobody who has not proved its address is told to send
    /// more than the window that the conversation begins with.
    pub(crate) fn recv_wanted(&self, demand: RecvDemand) -> usize {
        if self.confirmed {
            (demand.segments as usize).saturating_mul(self.engine_mss())
        } else {
            0
        }
    }

    /// Bytes set aside for the receive window.
    pub(crate) fn reserve(&self) -> usize {
        self.reserve
    }

    /// Sets aside so many bytes for what the peer may send, whether or not it does, and makes the
    /// receive window as wide; it never is narrower than it began. [`set_share`](Session::set_share)
    /// must follow.
    pub(crate) fn set_reserve(&mut self, bytes: usize) {
        if bytes != self.reserve {
            self.reserve = bytes;
            let segments = bytes / self.engine_mss();
            self.engine.set_recv_window(u32::try_from(segments).unwrap_or(u32::MAX));
            self.windows_changed();
        }
    }

    /// Returns the window that the peer announces, in segments.
    pub(crate) fn peer_window(&self) -> u32 {
        u32::from(self.engine.rmt_wnd())
    }

    /// Sets the own window, for whoever knows what the path carries; the session's share of the memory
    /// bounds what it may hold. [`set_share`](Session::set_share) must follow.
    pub(crate) fn set_send_window(&mut self, segments: u32) {
        self.engine.set_send_window(segments);
        self.windows_changed();
    }

    /// Bounds what may be held in either direction, as far as the configuration does not; what is set
    /// aside for the receive window is not lowered by it.
    #[inline]
    pub(crate) fn set_share(&mut self, bytes: usize) {
        let (send_widest, recv_widest) = self.widest;
        let share = (bytes.min(send_widest), bytes.max(self.reserve).min(recv_widest));
        if share != self.share {
            self.share = share;
            self.engine.narrow(share.0, share.1);
        }
        if share != self.widest && self.memory() > share.0.max(share.1) {
            self.engine.trim();
        }
    }

    /// The bounds of the engine are those of other windows now.
    fn windows_changed(&mut self) {
        self.widest = self.engine.widest();
        // No share: the next one is new.
        self.share = (0, 0);
    }

    /// Bytes of payload in a full segment, after what the layers take.
    fn engine_mss(&self) -> usize {
        self.mtu.saturating_sub(crate::wire::HEADER_LEN).max(1)
    }
}
