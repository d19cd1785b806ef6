//! What the inner engine computes and does not tell: its round-trip and congestion arithmetic, kept
//! in step with it. Tests compare every number with the engine's own.

use crate::arq::knobs::youngest;
use crate::limits::{RTO_DEFAULT, RTO_MAX};

/// `IKCP_THRESH_INIT` and `IKCP_THRESH_MIN` of ikcp.c, in segments.
const THRESH: u16 = 2;

/// The estimate of the round-trip time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Smoothed; 0 before the first sample.
    pub srtt: u32,
    /// Variation.
    pub rttvar: u32,
    /// Retransmission timeout.
    pub rto: u32,
    /// The shortest ever measured outside; `u32::MAX` before the first time.
    pub min: u32,
    /// Whether the timeout is that of a round trip, measured or believed for certain.
    pub known: bool,
    min_rto: u32,
    interval: u32,
}

impl Rtt {
    /// Begins with nothing measured.
    pub(super) fn new(min_rto: u32, interval: u32) -> Rtt {
        Rtt { srtt: 0, rttvar: 0, rto: RTO_DEFAULT, min: u32::MAX, known: false, min_rto, interval }
    }

    /// Returns what is inside after a renewal; what only the wall knows of the path remains.
    pub(super) fn renewed(self) -> Rtt {
        Rtt { min: self.min, known: self.known, ..Rtt::new(self.min_rto, self.interval) }
    }

    /// Returns whether a round trip was measured.
    pub(super) fn is_measured(&self) -> bool {
        self.min != u32::MAX
    }

    /// Returns the [`youngest`] age, 0 before anything is measured.
    pub(super) fn youngest(&self) -> u32 {
        if self.is_measured() {
            youngest(self.min)
        } else {
            0
        }
    }

    /// Takes a measured round trip into account.
    pub(super) fn measure(&mut self, rtt: u32) {
        self.min = self.min.min(rtt);
        self.known = true;
        self.sample(rtt);
    }

    /// Follows `update_ack` of the inner engine.
    pub(super) fn sample(&mut self, rtt: u32) {
        if self.srtt == 0 {
            self.srtt = rtt;
            self.rttvar = rtt / 2;
        } else {
            let delta = rtt.abs_diff(self.srtt);
            self.rttvar = self.rttvar.saturating_mul(3).saturating_add(delta) / 4;
            self.srtt = (self.srtt.saturating_mul(7).saturating_add(rtt) / 8).max(1);
        }
        let spread = self.rttvar.saturating_mul(4).max(self.interval);
        self.rto = self.srtt.saturating_add(spread).max(self.min_rto).min(RTO_MAX);
    }
}

/// The congestion window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    /// Segments.
    pub cwnd: u16,
    pub ssthresh: u16,
    /// The window in bytes, by which it grows in less than whole segments.
    pub incr: usize,
    mss: usize,
    /// ACKs that make a segment count as lost, which are added to the window then.
    resend: u16,
    snd_wnd: u16,
    /// Whether it is computed but not obeyed.
    off: bool,
}

impl Congestion {
    /// Begins as the inner engine's is after its first `update`.
    pub(super) fn new(mss: usize, resend: u16, snd_wnd: u16, off: bool) -> Congestion {
        Congestion { cwnd: 1, ssthresh: THRESH, incr: mss, mss, resend, snd_wnd, off }
    }

    /// Returns how many segments may be in flight.
    pub(super) fn limit(&self, peer_window: u16) -> u16 {
        let windows = self.snd_wnd.min(peer_window);
        if self.off {
            windows
        } else {
            windows.min(self.cwnd)
        }
    }

    /// Follows the end of the inner engine's `input`, when `snd_una` has advanced in it.
    pub(super) fn advanced(&mut self, peer_window: u16) {
        if self.cwnd >= peer_window {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd += 1;
            self.incr += self.mss;
        } else {
            self.incr = self.incr.max(self.mss);
            self.incr += self.mss * self.mss / self.incr + self.mss / 16;
            if (usize::from(self.cwnd) + 1) * self.mss <= self.incr {
                self.cwnd = self.incr.div_ceil(self.mss) as u16;
            }
        }
        if self.cwnd > peer_window {
            self.cwnd = peer_window;
            self.incr = usize::from(peer_window) * self.mss;
        }
    }

    /// Follows the end of the inner engine's `flush`, which sent segments again: `fast` some that ACKs of
    /// later ones showed lost, `timeout` some whose timeout passed; `span` numbers are in flight.
    pub(super) fn flushed(&mut self, fast: bool, timeout: bool, span: u32, peer_window: u16) {
        let limit = self.limit(peer_window);
        if fast {
            self.ssthresh = (span as u16 / 2).max(THRESH);
            self.cwnd = self.ssthresh.saturating_add(self.resend);
            self.incr = usize::from(self.cwnd) * self.mss;
        }
        if timeout {
            self.ssthresh = (limit / 2).max(THRESH);
            self.cwnd = 1;
            self.incr = self.mss;
        }
    }
}
