//! The congestion window of ikcp.c: slow start, then about one segment per round trip; half after a
//! fast retransmission, one segment after a timeout.

use super::FlowLimits;

/// `IKCP_THRESH_INIT` and `IKCP_THRESH_MIN` of ikcp.c, in segments.
const THRESH: u32 = 2;

/// The congestion window, in segments unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Ikcp {
    cwnd: u32,
    ssthresh: u32,
    /// The window in bytes, by which it grows in less than whole segments.
    incr: u32,
    mss: u32,
    /// ACKs that make a segment count as lost, which are added to the window then.
    resend: u32,
}

impl Ikcp {
    pub(crate) fn new(mss: usize, resend: u16) -> Ikcp {
        let mss = (mss as u32).max(1);
        Ikcp { cwnd: 1, ssthresh: THRESH, incr: mss, mss, resend: u32::from(resend) }
    }

    pub(crate) fn window(&self) -> u32 {
        self.cwnd
    }

    /// End of `ikcp_input`, when `snd_una` has advanced.
    pub(crate) fn on_advance(&mut self, limits: FlowLimits) {
        let mss = self.mss;
        // The window is never larger than the peer's, which closes it again below.
        if self.cwnd >= limits.peer_window {
            return;
        }
        if self.cwnd < self.ssthresh {
            // Slow start: a segment for each datagram that advances `una`, whatever it
            // acknowledges.
            self.cwnd += 1;
            self.incr = self.incr.saturating_add(mss);
        } else {
            self.incr = self.incr.max(mss);
            // Congestion avoidance in bytes: mss²/incr is a segment a round trip (RFC 5681, 3.1);
            // the sixteenth is ikcp.c's own, so that a small window does not take for ever.
            let step = mss.saturating_mul(mss) / self.incr + mss / 16;
            self.incr = self.incr.saturating_add(step);
            if (self.cwnd + 1).saturating_mul(mss) <= self.incr {
                self.cwnd = self.incr.div_ceil(mss);
            }
        }
        if self.cwnd > limits.peer_window {
            self.cwnd = limits.peer_window;
            self.incr = limits.peer_window.saturating_mul(mss);
        }
    }

    /// End of `ikcp_flush`, after fast retransmissions.
    pub(crate) fn on_loss(&mut self, limits: FlowLimits) {
        // ikcp_flush: half of what is in flight, and as many more as have been acknowledged beyond
        // the loss (RFC 5681, 3.2, step 3).
        self.ssthresh = (limits.span / 2).max(THRESH);
        self.cwnd = self.ssthresh + self.resend;
        self.incr = self.cwnd.saturating_mul(self.mss);
    }

    /// End of `ikcp_flush`, after timeouts.
    pub(crate) fn on_timeout(&mut self, limits: FlowLimits) {
        // ikcp_flush: half of the window that was obeyed, and a single segment (RFC 5681, 3.1).
        self.ssthresh = (limits.windows.min(self.cwnd) / 2).max(THRESH);
        self.cwnd = 1;
        self.incr = self.mss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: FlowLimits = FlowLimits { span: 20, windows: 100, peer_window: 100 };

    #[test]
    fn it_opens_quickly_to_the_threshold_then_slowly_and_never_beyond_the_peer() {
        let mut ikcp = Ikcp::new(1376, 2);
        assert_eq!(ikcp.window(), 1);
        ikcp.on_advance(PATH);
        assert_eq!(ikcp.window(), 2, "slow start up to 2");
        let mut rounds = 0;
        while ikcp.window() < 10 {
            ikcp.on_advance(PATH);
            rounds += 1;
        }
        // Segment by segment it takes 2 + 3 + … + 9 = 44 advances less what the sixteenth adds.
        assert!((25..44).contains(&rounds), "{rounds}");
        for _ in 0..10_000 {
            ikcp.on_advance(PATH);
        }
        assert_eq!(ikcp.window(), 100);
    }

    #[test]
    fn loss_halves_it_and_a_timeout_closes_it() {
        let mut ikcp = Ikcp::new(1376, 2);
        ikcp.on_loss(PATH);
        assert_eq!((ikcp.window(), ikcp.ssthresh), (12, 10), "half of 20, and the ACKs it took");
        ikcp.on_timeout(PATH);
        assert_eq!((ikcp.window(), ikcp.ssthresh), (1, 6));
        ikcp.on_timeout(PATH);
        assert_eq!((ikcp.window(), ikcp.ssthresh), (1, 2));
    }

    #[test]
    fn the_largest_segments_and_windows_do_not_overflow() {
        let mut ikcp = Ikcp::new(65_483, 255);
        let wide = FlowLimits { span: u32::MAX, windows: u32::MAX, peer_window: 65_535 };
        for _ in 0..100_000 {
            ikcp.on_advance(wide);
        }
        ikcp.on_loss(wide);
        ikcp.on_advance(wide);
        assert!(ikcp.window() >= 1);
    }
}
