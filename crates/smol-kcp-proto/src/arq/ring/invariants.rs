//! What must hold after every operation, checked in debug builds.

use super::recv::{RecvSlot, RecvWindow};
use super::send::SendWindow;
use super::RingEngine;
use crate::wire::{diff, HEADER_LEN};

impl RingEngine {
    /// Compares everything that is kept in two places, by looking at all of it.
    pub(crate) fn assert_invariants(&self) {
        self.send_window.assert_invariants(self.moment());
        self.recv_window.assert_invariants();
        assert!(diff(self.peer_una, self.send_window.next()) <= 0, "checked before it counts");
        assert_eq!(self.payload_in_flight, self.send_window.payload_in_flight());
        let waits =
            self.send_window.unsent() > 0 && self.send_window.span() == 0 && self.peer_window == 0;
        assert_eq!(self.probe_at.is_some(), waits, "a closed window is watched");
    }
}

impl SendWindow {
    fn payload_in_flight(&self) -> u64 {
        let sent = (0..self.span()).filter_map(|at| self.block(self.una().wrapping_add(at)));
        sent.map(|block| (block.len() - HEADER_LEN) as u64).sum()
    }
}

impl RecvWindow {
    fn assert_invariants(&self) {
        let len = self.slots.len();
        assert!(self.contiguous <= len && len <= self.queued() + self.limit);
        let received = |at: u32| {
            self.slots.get(self.slots.head().wrapping_add(at)).is_some_and(|p| p.received)
        };
        assert!((0..self.contiguous).all(received), "no gap in the run");
        let out_of_order = (self.contiguous..len).filter(|&at| received(at)).count();
        assert_eq!(out_of_order, self.out_of_order as usize);
        assert!(!received(self.contiguous), "the run is as long as it can be");
        let buffers = (0..len).filter_map(|at| self.slots.get(self.slots.head().wrapping_add(at)));
        let payload = |place: &RecvSlot| place.block.capacity().saturating_sub(HEADER_LEN);
        let bytes_held: usize = buffers.map(payload).sum();
        assert_eq!(bytes_held, self.bytes_held, "memory is accounted for");
    }
}
