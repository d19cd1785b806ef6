//! What must hold after every operation, checked in debug builds.

use std::collections::BTreeSet;

use super::loss::{Line, List};
use super::recv::{Inbox, Place};
use super::send::{Flight, State};
use super::RingEngine;
use crate::wire::{diff, HEADER_LEN};

impl RingEngine {
    /// Compares everything that is kept in two places, by looking at all of it.
    pub(crate) fn assert_sound(&self) {
        self.flight.assert_sound();
        self.inbox.assert_sound();
        assert!(diff(self.peer_una, self.flight.next()) <= 0, "checked before it counts");
        let waits = self.flight.unsent() > 0 && self.flight.span() == 0 && self.peer_window == 0;
        assert_eq!(self.probe_at.is_some(), waits, "a closed window is watched");
    }
}

impl Flight {
    fn assert_sound(&self) {
        let (head, end) = (self.slots.head(), self.slots.end());
        assert!(diff(self.nxt, head) >= 0 && diff(end, self.nxt) >= 0);
        let mut flying = 0;
        let mut worst = 0;
        let mut earliest: Option<u64> = None;
        let mut on_lines = 0;
        let mut in_order = 0;
        let deadlines: BTreeSet<_> = self.late.iter().chain(self.resent.iter().copied()).collect();
        let mut sn = head;
        while sn != end {
            let slot = self.slots.get(sn).expect("within the row");
            let sent = diff(self.nxt, sn) > 0;
            assert_eq!(slot.transmits > 0, sent);
            assert!(sent || !slot.is_flying());
            assert_eq!(slot.block.capacity() > 0, slot.is_flying() || !sent, "{sn}: payload");
            on_lines += u32::from(slot.line != Line::None);
            if slot.is_flying() {
                flying += 1;
                worst = worst.max(u32::from(slot.transmits));
                earliest = Some(earliest.map_or(slot.due, |due| due.min(slot.due)));
                if slot.state == State::InOrder {
                    assert!(diff(sn, self.cursor) >= 0, "{sn}: left behind by the cursor");
                    assert!(slot.due >= in_order, "{sn}: not in order");
                    in_order = slot.due;
                } else {
                    assert!(deadlines.contains(&(slot.due, sn)), "{sn}: no deadline");
                }
                let passed = self.resend > 0 && slot.transmits == 1 && diff(self.passed, sn) > 0;
                assert!(!passed || slot.line != Line::None, "{sn}: passed and not on a line");
            } else {
                assert_eq!(slot.line, Line::None);
            }
            sn = sn.wrapping_add(1);
        }
        assert_eq!((flying, worst), (self.flying(), self.worst_transmits()));
        assert_eq!(earliest, self.due());
        assert!(flying > 0 || self.nxt == head, "settled");
        assert!(self.resent.iter().is_sorted_by_key(|(due, _)| due), "in order");
        let [none, passed, again, lost] =
            [Line::None, Line::Passed, Line::Again, Line::Lost].map(|line| self.lines.get(line));
        assert_eq!((on_lines, none.len), (passed.len + again.len + lost.len, 0));
        self.assert_line(passed, Line::Passed, |a, b| diff(b.0, a.0) > 0);
        self.assert_line(again, Line::Again, |a, b| diff(b.1, a.1) > 0);
        self.assert_line(lost, Line::Lost, |_, _| true);
    }

    /// `ordered` is told number and turn of each segment and of the next one.
    fn assert_line(&self, list: List, line: Line, ordered: fn((u32, u32), (u32, u32)) -> bool) {
        let mut sn = list.head;
        let mut before = None;
        for _ in 0..list.len {
            let slot = self.slots.get(sn).expect("on a line and in the row");
            assert_eq!(slot.line, line);
            if let Some((last, turn)) = before {
                assert_eq!(slot.prev, last);
                assert!(ordered((last, turn), (sn, slot.turn)), "{line:?}: {last}, {sn}");
            }
            assert!(slot.skips < self.resend || line == Line::Lost);
            assert!(slot.skips > 0 || line != Line::Lost);
            before = Some((sn, slot.turn));
            sn = slot.next;
        }
        assert!(before.is_none_or(|(sn, _)| sn == list.tail));
    }
}

impl Inbox {
    fn assert_sound(&self) {
        let len = self.row.len();
        assert!(self.run <= len && len <= self.queued() + self.reach);
        let here = |at: u32| self.row.get(self.row.head().wrapping_add(at)).is_some_and(|p| p.here);
        assert!((0..self.run).all(here), "no gap in the run");
        let ahead = (self.run..len).filter(|&at| here(at)).count();
        assert_eq!(ahead, self.ahead as usize);
        assert!(!here(self.run), "the run is as long as it can be");
        let blocks = (0..len).filter_map(|at| self.row.get(self.row.head().wrapping_add(at)));
        let payload = |place: &Place| place.block.capacity().saturating_sub(HEADER_LEN);
        let held: usize = blocks.map(payload).sum();
        assert_eq!(held, self.held, "memory is accounted for");
    }
}
