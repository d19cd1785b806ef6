//! The round-trip time and the timeout that follows from it (RFC 6298 in the integers of ikcp.c).

use std::mem;

use crate::arq::knobs::RTT_MAX;
use crate::limits::{RTO_DEFAULT, RTO_MAX};

/// The estimate of the round-trip time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Smoothed; 0 before the first sample.
    pub srtt: u32,
    /// Variation.
    pub rttvar: u32,
    /// Retransmission timeout.
    pub rto: u32,
    /// The shortest ever measured; `u32::MAX` before the first sample.
    pub min: u32,
    /// The latest sample.
    pub latest: u32,
    /// The largest deviation of late: it falls to half with every sample.
    jitter: u32,
    /// By how much samples have exceeded the smoothed value at most in this round trip and the last
    /// one, and the clock at which this one ends.
    excess: [u32; 2],
    round_ends: u64,
    /// Does the timeout not know of it yet?
    dirty: bool,
    /// Is the timeout that of a round trip, measured or [seeded](Rtt::seed) for certain?
    known: bool,
    /// How long the opening took, and the clock at which it was over; `u32::MAX`: it told nothing.
    opening: (u32, u64),
    min_rto: u32,
    interval: u32,
    /// What a probe waits longer than a round trip, at least.
    probe_wait: u32,
}

/// Milliseconds that a probe waits longer than a round trip where datagrams get lost often enough for segments to
/// be copied: a copy too many costs less than a wait.
const LOSSY_WAIT: u32 = 10;

impl Rtt {
    /// Nothing measured.
    pub(super) fn new(min_rto: u32, interval: u32) -> Rtt {
        Rtt {
            srtt: 0,
            rttvar: 0,
            rto: RTO_DEFAULT.max(min_rto),
            min: u32::MAX,
            latest: 0,
            jitter: 0,
            excess: [0; 2],
            round_ends: 0,
            dirty: false,
            known: false,
            opening: (u32::MAX, 0),
            min_rto,
            interval,
            probe_wait: interval,
        }
    }

    /// Does the path lose so much that segments are copied?
    pub(super) fn set_lossy(&mut self, is_lossy: bool) {
        self.probe_wait = if is_lossy { self.interval.min(LOSSY_WAIT) } else { self.interval };
    }

    /// Before anything is measured: the first timeout is to suit a path of about this round trip. As
    /// it may be that of a question asked twice (Karn's algorithm), the first measurement forgets it.
    pub(super) fn seed(&mut self, clock: u64, rtt: u32, is_certain: bool) {
        if self.srtt == 0 {
            self.known = is_certain;
            self.opening = (rtt, clock);
            // The round trip, and once more for its variation. RFC 6298 (2.2) takes half of it four
            // times, three round trips in all; the first answer has shown that the path is there.
            self.rto = rtt.saturating_mul(2).max(self.interval).max(self.min_rto).min(RTO_MAX);
        }
    }

    /// Returns the round trip of an ACK that took `measured`. What left with the opening is answered only
    /// after our proof has arrived: that takes the opening's round trip once more, which is none of the
    /// path's.
    #[inline]
    pub(super) fn of_ack(&self, clock: u64, measured: u32) -> u32 {
        let (took, over) = self.opening;
        let since = u32::try_from(clock.saturating_sub(over)).unwrap_or(u32::MAX);
        measured.min(since.max(took))
    }

    /// Returns the clock before which nothing has timed out: of what left with the opening the answer cannot
    /// be there sooner.
    pub(super) fn first_due(&self) -> u64 {
        match self.opening {
            (u32::MAX, _) => 0,
            (_, over) => over + u64::from(self.rto),
        }
    }

    /// Has a round trip been measured?
    pub(super) fn is_measured(&self) -> bool {
        self.min != u32::MAX
    }

    /// Is the timeout a guess, that an answer may well take longer than?
    pub(super) fn is_unknown(&self) -> bool {
        !self.known
    }

    /// The first timeout of a segment that nothing may overtake, as far as the timeout is longer: one
    /// and a half round trips, or less where they differ less. The timeout begins at three round
    /// trips and takes some ten of them to come down; RFC 8985 (7.2) waits for two, to be gentle to
    /// more than one small segment.
    pub(super) fn tail_probe_timeout(&self) -> u32 {
        // Twice the largest deviation of late, so that one sample out of line does not make a probe
        // of every segment; never more than half a round trip, beyond which the ordinary timeout is
        // not far.
        let spread = (2 * self.jitter).min(self.srtt / 2).max(self.probe_wait);
        match self.srtt {
            0 => self.rto,
            _ => self.rto.min((self.srtt + spread).max(self.min_rto)),
        }
    }

    /// Takes a measured round trip into account, as `ikcp_update_ack` does, but for the timeout:
    /// [`update_rto`](Rtt::update_rto) must follow.
    #[inline]
    pub(super) fn sample(&mut self, rtt: u32) {
        let rtt = rtt.min(RTT_MAX); // so that nothing below overflows
        self.latest = rtt;
        self.dirty = true;
        self.known = true;
        self.min = self.min.min(rtt);
        if self.srtt == 0 {
            // RFC 6298 (2.2) and ikcp_update_ack: the first sample is taken whole.
            self.srtt = rtt;
            self.rttvar = rtt / 2;
            self.jitter = rtt / 2;
        } else {
            let delta = rtt.abs_diff(self.srtt);
            self.excess[0] = self.excess[0].max(rtt.saturating_sub(self.srtt));
            self.jitter = delta.max(self.jitter / 2);
            // RFC 6298 (2.3), a quarter and an eighth, in the order of ikcp_update_ack: the
            // variation is taken against the old smoothed value. At least 1, as 0 stands for "not
            // measured".
            self.rttvar = (self.rttvar * 3 + delta) / 4;
            self.srtt = ((self.srtt * 7 + rtt) / 8).max(1);
        }
    }

    /// How long an answer is waited for that is expected beside many others, as it looks now: the timeout,
    /// or what the last two round trips have shown to be possible. The variation forgets within a few
    /// samples, of which there are as many as ACKs, what a queue or a peer's lumps do once in a round
    /// trip (RFC 7323, appendix G; Linux's `mdev_max`).
    pub(super) fn first_timeout(&self) -> u32 {
        let excess = self.excess[0].max(self.excess[1]);
        (self.srtt + excess + self.interval).max(self.rto).min(RTO_MAX)
    }

    /// A segment without an ACK of its own was covered by `una` so many milliseconds after it left. Peers
    /// like ours acknowledge the newest of what they read at once, which is the fastest: the rest of a lump
    /// shows how long an answer may take. Where ACKs are lost it is an overestimate, hence the bound.
    #[inline]
    pub(super) fn was_covered(&mut self, age: u32) {
        let excess = age.saturating_sub(self.srtt).min(self.srtt);
        self.excess[0] = self.excess[0].max(excess);
    }

    /// Sets the timeout by what the samples of a datagram have left, if there were any.
    pub(super) fn update_rto(&mut self, clock: u64) {
        if !mem::take(&mut self.dirty) {
            return;
        }
        if clock >= self.round_ends {
            self.excess = [0, self.excess[0]];
            self.round_ends = clock + u64::from(self.srtt);
        }
        // RFC 6298 (2.3) with ikcp.c's clock granularity: the interval at which a stock peer
        // flushes its ACKs, below which a difference means nothing.
        let spread = (self.rttvar * 4).max(self.interval);
        self.rto = (self.srtt + spread).max(self.min_rto).min(RTO_MAX);
    }
}

impl super::RingEngine {
    /// The retransmission timeout, in milliseconds.
    pub(in crate::arq) fn rto_ms(&self) -> u32 {
        self.rtt.rto
    }

    /// What an answer takes, in milliseconds: a round trip, or the timeout where none is known.
    pub(in crate::arq) fn answer_ms(&self) -> u32 {
        match self.rtt.srtt {
            0 => self.rtt.rto,
            srtt => srtt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rtt {
        fn hear(&mut self, rtt: u32) {
            self.sample(rtt);
            self.update_rto(0);
        }
    }

    #[test]
    fn an_expectation_sets_the_first_timeout_and_leaves_no_trace_in_what_is_measured() {
        let (mut rtt, mut dirty) = (Rtt::new(30, 10), Rtt::new(30, 10));
        rtt.seed(0, 790, true);
        assert_eq!((rtt.rto, rtt.srtt, rtt.min), (1580, 0, u32::MAX));
        rtt.hear(40);
        dirty.hear(40);
        rtt.seed(0, 790, true);
        assert_eq!((rtt.rto, rtt.srtt, rtt.min), (dirty.rto, dirty.srtt, dirty.min));
    }

    #[test]
    fn the_first_sample_is_taken_whole_and_later_ones_by_an_eighth() {
        let mut rtt = Rtt::new(30, 10);
        assert_eq!((rtt.rto, rtt.srtt), (200, 0));
        rtt.hear(80);
        assert_eq!((rtt.srtt, rtt.rttvar, rtt.rto), (80, 40, 240));
        rtt.hear(160);
        assert_eq!((rtt.srtt, rtt.rttvar, rtt.rto), (90, 50, 290));
        assert_eq!(rtt.min, 80);
    }

    #[test]
    fn a_probe_waits_for_one_and_a_half_round_trips_or_less_where_they_do_not_differ() {
        let mut rtt = Rtt::new(30, 10);
        rtt.seed(0, 300, true);
        assert_eq!(rtt.tail_probe_timeout(), 600, "nothing is measured");
        let waits = [40, 40, 40, 70, 10].map(|sample| {
            rtt.hear(sample);
            (rtt.rto, rtt.tail_probe_timeout())
        });
        assert_eq!(waits, [(120, 60), (100, 60), (84, 50), (103, 64), (114, 57)]);
        let mut even = Rtt::new(30, 20);
        (0..20).for_each(|_| even.hear(40));
        let waits = [false, true, false].map(|is_lossy| {
            even.set_lossy(is_lossy);
            even.tail_probe_timeout()
        });
        assert_eq!(waits, [60, 50, 60], "sooner where much gets lost");
        let mut near = Rtt::new(30, 10);
        near.hear(2);
        assert_eq!((near.rto, near.tail_probe_timeout()), (30, 30));
    }

    #[test]
    fn the_timeout_keeps_between_its_bounds() {
        let mut rtt = Rtt::new(30, 10);
        for _ in 0..100 {
            rtt.hear(1);
        }
        assert_eq!((rtt.srtt, rtt.rto), (1, 30));
        for _ in 0..100 {
            rtt.hear(u32::MAX);
        }
        assert_eq!(rtt.rto, 60_000);
    }
}
