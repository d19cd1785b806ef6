//! What of the send window is due, and when.

use super::{SendWindow, THIN};
use crate::arq::ring::rtt::Rtt;
use crate::arq::ring::slot::Moment;

impl SendWindow {
    /// Has the timeout of `sn` passed?
    pub(in crate::arq::ring) fn is_due(&self, sn: u32, now: Moment) -> bool {
        let slot = self.row.slots.get(sn).filter(|slot| slot.is_in_flight());
        slot.is_some_and(|slot| self.tail_probe.due(slot, now) <= now.clock)
    }

    /// The clock at which the next timeout passes.
    #[inline]
    pub(in crate::arq::ring) fn due(&self) -> Option<u64> {
        self.timeouts.due(&self.row)
    }

    /// A segment whose timeout has passed, if there is one.
    pub(in crate::arq::ring) fn overdue(&mut self, now: Moment) -> Option<u32> {
        self.timeouts.overdue(&mut self.row, &self.tail_probe, now)
    }

    /// See [`Timeouts::postpone`](super::Timeouts::postpone).
    pub(in crate::arq::ring) fn postpone(
        &mut self,
        sn: u32,
        now: Moment,
        rtt: &Rtt,
        with: Option<u32>,
    ) -> bool {
        let with = with.and_then(|with| self.row.slots.get(with));
        let with = with.map_or(0, |slot| self.tail_probe.due(slot, now)).max(rtt.first_due());
        self.timeouts.postpone(&mut self.row, sn, now, rtt.rto, with)
    }

    /// See [`Timeouts::restart`](super::Timeouts::restart); [`tidy`](SendWindow::tidy) must follow.
    pub(in crate::arq::ring) fn restart(&mut self, now: Moment, waits: (u32, u32), step: u32) {
        self.tail_probe.release();
        self.timeouts.restart(&mut self.row, now, waits, step);
    }

    /// See [`Timeouts::reopen`](super::Timeouts::reopen).
    pub(in crate::arq::ring) fn reopen(&mut self, edges: (u32, u32), now: Moment, rtt: &Rtt) {
        if self.timeouts.reopen(&mut self.row, edges, now, rtt.rto) {
            self.tail_probe.release();
            self.tidy(now, rtt);
        }
    }

    /// See [`Timeouts::tidy`](super::Timeouts::tidy).
    pub(in crate::arq::ring) fn tidy(&mut self, now: Moment, rtt: &Rtt) {
        self.timeouts.tidy(&self.row);
        self.judge(now, rtt);
    }

    /// Judges by what is known now, and by how much is in flight, what is due and when.
    #[inline]
    pub(in crate::arq::ring) fn judge(&mut self, now: Moment, rtt: &Rtt) {
        let is_thin = self.row.in_flight <= THIN;
        let first_timeout = match self.nodelay {
            // With so little in flight nothing will overtake a lost segment.
            true if is_thin => rtt.tail_probe_timeout(),
            true => rtt.first_timeout(),
            // ikcp_flush: without nodelay the first timeout has an eighth of grace.
            false => rtt.first_timeout() + (rtt.rto >> 3),
        };
        self.tail_probe.set_first_timeout(first_timeout, rtt.rto, is_thin);
        self.timeouts.judge(&self.row, &self.tail_probe, now);
    }

    /// See [`Timeouts::tidy_resent`](super::Timeouts::tidy_resent).
    pub(in crate::arq::ring) fn tidy_resent(&mut self) {
        self.timeouts.tidy_resent(&self.row);
    }
}
