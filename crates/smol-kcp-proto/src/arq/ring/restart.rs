//! Timeouts that wait because nothing is known of the path, or leave because it is heard of again.

use std::time::Duration;

use super::RingEngine;
use crate::time::Time;

impl RingEngine {
    /// Before any round trip is measured: lets `sn`, which has timed out, wait longer, if an answer to it
    /// may still be under way. Nothing is sent again sooner than the timeout that is known by now; and
    /// while that is the same for every path, of all that has timed out only the oldest segment is, as
    /// its ACK will tell whether the others are needed (RFC 6298, 5.4, sends no more at any time).
    #[cold]
    pub(super) fn awaits_measurement(&mut self, sn: u32) -> bool {
        let oldest = self.send_window.una();
        // RFC 6298 (5.4): of what has timed out the oldest alone goes again.
        let with = Some(oldest).filter(|_| self.rtt.is_unknown() && sn != oldest);
        self.send_window.postpone(sn, self.moment(), &self.rtt, with)
    }

    /// Has the oldest segment timed out, of which alone an answer is expected?
    pub(super) fn is_head_due(&self) -> bool {
        self.rtt.is_unknown() && self.send_window.is_due(self.send_window.una(), self.moment())
    }

    /// Something else than this conversation has measured the round trip of the path.
    pub(crate) fn take_rtt(&mut self, now: Time, rtt: Duration) {
        if self.rtt.is_measured() {
            return;
        }
        self.tick(now);
        self.rtt.sample(u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX).max(1));
        self.rtt.update_rto(self.clock);
        self.send_window.judge(self.moment(), &self.rtt);
    }

    /// The peer is heard again after a silence: what has waited for longer than a timeout leaves now,
    /// and the timeouts that have grown meanwhile begin anew.
    pub(crate) fn restart(&mut self, now: Time) {
        self.restart_after(now, self.rtt.rto);
    }

    /// Whoever should have got what is in flight has lost its memory: all of it leaves again.
    pub(crate) fn send_anew(&mut self, now: Time) {
        self.restart_after(now, 0);
    }

    fn restart_after(&mut self, now: Time, waited: u32) {
        self.tick(now);
        // A flight each round trip, as far as one is known.
        let step = if self.rtt.is_measured() { self.rtt.srtt } else { self.rtt.rto };
        self.send_window.restart(self.moment(), (waited, self.rtt.rto), step);
        self.send_window.tidy(self.moment(), &self.rtt);
        self.check_invariants();
    }

    /// Returns the bytes of the oldest segment in flight, and how often the unluckiest was sent.
    pub(crate) fn oldest_in_flight(&self) -> Option<(usize, u32)> {
        // The front of the row is in flight if anything is.
        let block = self.send_window.block(self.send_window.una())?;
        Some((block.len(), self.send_window.worst_transmits()))
    }
}
