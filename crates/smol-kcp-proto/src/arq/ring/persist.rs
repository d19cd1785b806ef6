//! Asking a peer that has closed its window whether it has opened it.

use super::RingEngine;
use crate::arq::knobs::{PROBE_FIRST, PROBE_LONGEST};
use crate::wire::{CMD_WASK, CODE_PLAIN};

impl RingEngine {
    /// Probes the peer's window if it is time to.
    pub(super) fn probe(&mut self) {
        self.watch_window();
        if self.probe_at.is_some_and(|at| at <= self.now) {
            // A probe has no number, so that its loss shows only by the next one. Intervals grow by half,
            // as in ikcp.c (RFC 9293, 3.8.6.1, wants them to grow), but do not begin with its 7 s.
            let wask = self.header(self.now, CMD_WASK, CODE_PLAIN);
            self.out.header(&wask);
            self.probe_wait = (self.probe_wait * 3 / 2).min(PROBE_LONGEST);
            self.probe_at = Some(self.now + self.probe_wait);
        }
    }

    /// Sees to it that the peer's window is probed while it is closed, something waits for it, and
    /// nothing is in flight whose ACK would tell of its opening.
    #[inline(always)]
    pub(super) fn watch_window(&mut self) {
        if self.peer_window == 0 || self.probe_at.is_some() {
            self.watch_closed_window();
        }
    }

    #[cold]
    fn watch_closed_window(&mut self) {
        // What is in flight is sent again until it is acknowledged, and every ACK carries the
        // window: it is probe enough. Without anything to send nobody minds that the window is
        // closed.
        if self.peer_window > 0 || self.send_window.unsent() == 0 || self.send_window.span() > 0 {
            self.probe_at = None;
            self.probe_wait = PROBE_FIRST;
        } else if self.probe_at.is_none() {
            self.probe_at = Some(self.now + self.probe_wait);
        }
    }
}
