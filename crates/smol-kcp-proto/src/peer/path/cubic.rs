//! The window of RFC 9438 (CUBIC), with which a path is shared where somebody else fills its queue.

use crate::time::Time;

/// Growth, and what a loss leaves of the window (RFC 9438, 4.1 and 4.6), in tenths.
const C: u64 = 4;
const BETA: u64 = 7;

/// The window, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cubic {
    pub cwnd: u64,
    /// Where the window stood before the last loss, and how long after it it is to be there again.
    w_max: u64,
    k_ms: u64,
    epoch: Time,
    /// The window that Reno would have by now (4.3).
    reno: u64,
    mss: u64,
}

impl Cubic {
    /// Begins at a window that the path carries now.
    pub(super) fn new(now: Time, cwnd: u64, mss: u64) -> Cubic {
        let cwnd = cwnd.max(4 * mss);
        Cubic { cwnd, w_max: cwnd, k_ms: 0, epoch: now, reno: cwnd, mss }
    }

    /// So many bytes are acknowledged, `rtt_ms` after they were sent.
    pub(super) fn on_ack(&mut self, now: Time, acked: u64, rtt_ms: u32) {
        // Reno's, slowed down so that it loses as often as this one does: 3 × (1 - 0.7) / (1 + 0.7) of a
        // segment a round trip.
        let step = acked.saturating_mul(self.mss) / self.cwnd.max(1);
        self.reno = self.reno.saturating_add(step * 9 / 17);
        let t = now.since(self.epoch).as_millis() as i64 + i64::from(rtt_ms) - self.k_ms as i64;
        let t = t.clamp(-120_000, 120_000);
        // C × t³ segments, t in seconds.
        let bend = (t * t / 1000 * t / 1000).saturating_mul((C * self.mss) as i64) / 10_000;
        let target = self.w_max.saturating_add_signed(bend).clamp(self.cwnd, self.cwnd * 3 / 2);
        let grown = (target - self.cwnd).saturating_mul(acked) / self.cwnd.max(1);
        self.cwnd = self.cwnd.saturating_add(grown).max(self.reno);
    }

    /// Something was lost by congestion; at most once a round trip.
    pub(super) fn on_loss(&mut self, now: Time) {
        // Fast convergence (4.7): who has less than before makes room for a newcomer.
        self.w_max = if self.cwnd < self.w_max { self.cwnd * 17 / 20 } else { self.cwnd };
        self.cwnd = (self.cwnd * BETA / 10).max(4 * self.mss);
        self.reno = self.cwnd;
        self.epoch = now;
        let missing = self.w_max.saturating_sub(self.cwnd) / self.mss.max(1);
        self.k_ms = cube_root(missing.saturating_mul(10 * 1_000_000_000) / C);
    }

    /// Time that was not used for growth does not count for it.
    pub(super) fn pause(&mut self, from: Time, now: Time) {
        self.epoch = self.epoch + now.since(from);
    }
}

/// Returns the whole part of the cube root, of at most 2^21.
fn cube_root(of: u64) -> u64 {
    let mut root = 0u64;
    for bit in (0..21).rev() {
        let more = root | 1 << bit;
        if more * more * more <= of {
            root = more;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_cube_root_is_exact() {
        for root in [0, 1, 2, 9, 999, 1000, 123_456, (1 << 21) - 1] {
            let cube: u64 = root * root * root;
            assert_eq!((cube_root(cube), cube_root(cube + 1)), (root, root.max(1)), "{root}");
            assert_eq!(cube_root(cube.saturating_sub(1)), root.saturating_sub(1), "{root}");
        }
    }

    #[test]
    fn it_is_back_where_it_lost_after_k_and_grows_slowest_there() {
        const MSS: u64 = 1400;
        let mut now = Time::from_millis(1000);
        let mut cubic = Cubic::new(now, 400 * MSS, MSS);
        cubic.on_loss(now);
        assert_eq!(cubic.cwnd, 280 * MSS);
        // K = (400 × 0.3 / 0.4)^(1/3) = 6.69 s.
        assert!((6600..6750).contains(&cubic.k_ms), "{}", cubic.k_ms);
        let (mut halfway, end) = (0, now + Duration::from_millis(6700));
        while now < end {
            now = now + Duration::from_millis(100);
            cubic.on_ack(now, cubic.cwnd, 100);
            if now.as_millis() == 1000 + 3300 {
                halfway = cubic.cwnd;
            }
        }
        assert!((385 * MSS..405 * MSS).contains(&cubic.cwnd), "{}", cubic.cwnd / MSS);
        assert!(halfway > 370 * MSS, "most of it comes early: {}", halfway / MSS);
        cubic.on_loss(now);
        cubic.on_loss(now);
        assert_eq!(cubic.w_max, cubic.cwnd * 10 / 7 * 17 / 20, "fast convergence");
    }
}
