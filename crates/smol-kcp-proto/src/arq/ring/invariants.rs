//! What must hold after every operation, checked in debug builds.

use std::collections::BTreeSet;

use super::loss::{List, LossList};
use super::recv::{RecvSlot, RecvWindow};
use super::send::SendWindow;
use super::slot::State;
use super::RingEngine;
use crate::wire::{diff, HEADER_LEN};

impl RingEngine {
    /// Compares everything that is kept in two places, by looking at all of it.
    pub(crate) fn assert_invariants(&self) {
        self.send_window.assert_invariants();
        self.recv_window.assert_invariants();
        assert!(diff(self.peer_una, self.send_window.next()) <= 0, "checked before it counts");
        let waits =
            self.send_window.unsent() > 0 && self.send_window.span() == 0 && self.peer_window == 0;
        assert_eq!(self.probe_at.is_some(), waits, "a closed window is watched");
    }
}

impl SendWindow {
    fn assert_invariants(&self) {
        let (head, end) = (self.slots.head(), self.slots.end());
        assert!(diff(self.nxt, head) >= 0 && diff(end, self.nxt) >= 0);
        let mut in_flight = 0;
        let mut worst = 0;
        let mut earliest: Option<u64> = None;
        let mut on_lines = 0;
        let mut in_order = 0;
        let deadlines: BTreeSet<_> = self.late.iter().chain(self.resent.iter().copied()).collect();
        let mut sn = head;
        while sn != end {
            let slot = self.slots.get(sn).expect("within the row");
            let sent = diff(self.nxt, sn) > 0;
            assert_eq!(slot.xmit > 0, sent);
            assert!(sent || !slot.is_in_flight());
            assert_eq!(slot.block.capacity() > 0, slot.is_in_flight() || !sent, "{sn}: payload");
            on_lines += u32::from(slot.list != LossList::None);
            if slot.is_in_flight() {
                in_flight += 1;
                worst = worst.max(u32::from(slot.xmit));
                earliest = Some(earliest.map_or(slot.resendts, |due| due.min(slot.resendts)));
                if slot.state == State::InOrder {
                    assert!(diff(sn, self.cursor) >= 0, "{sn}: left behind by the cursor");
                    assert!(slot.resendts >= in_order, "{sn}: not in order");
                    in_order = slot.resendts;
                } else {
                    assert!(deadlines.contains(&(slot.resendts, sn)), "{sn}: no deadline");
                }
                let passed = self.resend > 0 && slot.xmit == 1 && diff(self.passed, sn) > 0;
                assert!(!passed || slot.list != LossList::None, "{sn}: passed and not on a line");
            } else {
                assert_eq!(slot.list, LossList::None);
            }
            sn = sn.wrapping_add(1);
        }
        assert_eq!((in_flight, worst), (self.in_flight(), self.worst_transmits()));
        assert_eq!(earliest, self.due());
        assert!(in_flight > 0 || self.nxt == head, "settled");
        assert!(self.resent.iter().is_sorted_by_key(|(due, _)| due), "in order");
        let [none, passed, again, lost] =
            [LossList::None, LossList::Suspected, LossList::Retransmitted, LossList::Lost]
                .map(|line| self.loss.get(line));
        assert_eq!((on_lines, none.len), (passed.len + again.len + lost.len, 0));
        self.assert_line(passed, LossList::Suspected, |a, b| diff(b.0, a.0) > 0);
        self.assert_line(again, LossList::Retransmitted, |a, b| diff(b.1, a.1) > 0);
        self.assert_line(lost, LossList::Lost, |_, _| true);
    }

    /// `ordered` is told number and turn of each segment and of the next one.
    fn assert_line(&self, list: List, line: LossList, ordered: fn((u32, u32), (u32, u32)) -> bool) {
        let mut sn = list.head;
        let mut before = None;
        for _ in 0..list.len {
            let slot = self.slots.get(sn).expect("on a line and in the row");
            assert_eq!(slot.list, line);
            if let Some((last, turn)) = before {
                assert_eq!(slot.prev, last);
                assert!(ordered((last, turn), (sn, slot.xmit_seq)), "{line:?}: {last}, {sn}");
            }
            assert!(slot.fastack < self.resend || line == LossList::Lost);
            assert!(slot.fastack > 0 || line != LossList::Lost);
            before = Some((sn, slot.xmit_seq));
            sn = slot.next;
        }
        assert!(before.is_none_or(|(sn, _)| sn == list.tail));
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
