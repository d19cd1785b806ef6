//! What one round trip after the other shows of a path.

use crate::time::Time;

/// Rounds whose highest delivery rate counts.
const RATES: usize = 10;

/// The shortest round trip is that of the last five to ten seconds.
const MIN_RTT_HALF_MS: u64 = 5_000;

/// Milliseconds of a round at least: data leaves every two.
const SHORTEST: u64 = 5;

/// The shortest of so many round trips, and of as many before, says something of the queue (RFC 9406 takes
/// as many).
const RECENT: u32 = 8;

/// Milliseconds by which round trips differ that are as long: of the clock, and of a machine's timers.
pub(super) const CLOCK: u32 = 2;

/// A part of what was sent, in parts of 65,536.
pub(super) type Share = u32;
pub(super) const WHOLE: Share = 1 << 16;

/// What a round trip has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// Bytes delivered, and bytes found to be lost.
    pub acked: u64,
    pub lost: u64,
    /// How long it took, in microseconds, and the most that was delivered a second.
    pub took: u64,
    pub rate: u64,
    /// The sender had nothing to send at times.
    pub limited: bool,
    /// By how many milliseconds round trips that follow each other differ, in all, and how many did.
    differences: u64,
    samples: u32,
}

impl Round {
    /// Returns by how much a round trip differs from the one before (as the jitter of RFC 3550): a queue
    /// that grows or falls hardly shows in it.
    pub(super) fn jitter(&self) -> u32 {
        (self.differences / u64::from(self.samples.max(1))) as u32
    }

    /// Takes another one beside it.
    pub(super) fn add(&mut self, other: &Round) {
        self.acked += other.acked;
        self.lost += other.lost;
        self.took += other.took;
    }

    /// Returns what was delivered a second on average.
    pub(super) fn average(&self) -> u64 {
        self.acked.saturating_mul(1_000_000) / self.took.max(1000)
    }

    /// Returns the share that was lost.
    pub(super) fn loss(&self) -> Share {
        let all = self.acked + self.lost;
        (self.lost.saturating_mul(u64::from(WHOLE)) / all.max(1)) as Share
    }

    /// Was more lost than `base` explains, which was measured over `of` bytes? Two per cent are allowed, and
    /// what chance may add to a share of so few datagrams and of those that the base was measured over:
    /// twice the deviation of each.
    pub(super) fn is_congested(&self, base: Share, of: u64, mss: u64) -> bool {
        let datagrams = |bytes: u64| bytes.saturating_mul(16) / mss.max(1);
        let (lost, sent) = (datagrams(self.lost), datagrams(self.acked + self.lost));
        let least = u64::from(base.max(WHOLE / 100));
        let doubt = (least * u64::from(WHOLE) * 16 / datagrams(of).max(16)).isqrt();
        let share = u64::from(base + WHOLE / 50) + 2 * doubt.min(u64::from(WHOLE));
        let allowed = (sent * share) >> 16;
        // All in sixteenths: of so many times 256 the root is 16 times the root.
        let deviation = ((sent * u64::from(base)) >> 12).isqrt();
        lost > allowed + 2 * deviation + 16
    }
}

/// The rounds of a path.
#[derive(Debug)]
pub(super) struct Rounds {
    /// How many are over.
    pub count: u32,
    /// The running one, and the one before it.
    pub now: Round,
    pub last: Round,
    began: Time,
    /// The highest rate of each of the latest rounds.
    rates: [u64; RATES],
    /// The shortest round trip of the running five seconds and of the five before, and when those began.
    min_rtt: [u32; 2],
    min_rtt_at: u64,
    /// The latest round trip, the shortest of the running few and of the few before, and how many there are
    /// in the running ones.
    latest: u32,
    recent: [u32; 2],
    recent_count: u32,
    /// What the shortest of a few round trips falls below that of the few before, the mean of late, in parts of
    /// a millisecond: 256.
    falls: u32,
    /// What one datagram more or less in a queue makes: such falls do not count.
    pub grain: u32,
}

impl Rounds {
    pub(super) fn new(now: Time) -> Rounds {
        Rounds {
            count: 0,
            now: Round::default(),
            last: Round::default(),
            began: now,
            rates: [0; RATES],
            min_rtt: [u32::MAX; 2],
            min_rtt_at: now.as_millis(),
            latest: 0,
            recent: [u32::MAX; 2],
            recent_count: 0,
            falls: 0,
            grain: CLOCK,
        }
    }

    /// The shortest round trip of late, in milliseconds, at least 1; `None` before the first.
    pub(super) fn min_rtt(&self) -> Option<u32> {
        let [now, before] = self.min_rtt;
        Some(now.min(before)).filter(|&min| min != u32::MAX).map(|min| min.max(1))
    }

    /// Was a round trip of late shorter than the clock tells?
    pub(super) fn is_nearest(&self) -> bool {
        self.min_rtt.contains(&0)
    }

    /// The opening took so long, of datagrams that waited behind none of ours.
    pub(super) fn seed_rtt(&mut self, rtt: u32) {
        self.min_rtt[0] = self.min_rtt[0].min(rtt);
    }

    /// Is the shortest round trip about to be forgotten, while all of late were longer than it by `much`?
    pub(super) fn is_min_rtt_old(&self, much: u32) -> bool {
        let [now, before] = self.min_rtt;
        now > before.saturating_add(much)
    }

    /// The shortest round trip of the latest few, in milliseconds; `None`: there are too few.
    pub(super) fn recent_rtt(&self) -> Option<u32> {
        let [now, before] = self.recent;
        (before != u32::MAX).then_some(now.min(before).max(1))
    }

    /// Returns how far below the usual the shortest round trip may be found to be, in milliseconds, where the
    /// shortest of a few goes up and down: a queue that grows does not.
    pub(super) fn swing(&self) -> u32 {
        self.falls / 16
    }

    /// Takes a round-trip time, in milliseconds; `keep`: the shortest is not forgotten, as somebody else's
    /// queue hides it.
    pub(super) fn on_rtt(&mut self, now: Time, rtt: u32, keep: bool) {
        if !keep && now.as_millis() >= self.min_rtt_at + MIN_RTT_HALF_MS {
            self.min_rtt = [u32::MAX, self.min_rtt[0]];
            self.min_rtt_at = now.as_millis();
        }
        self.min_rtt[0] = self.min_rtt[0].min(rtt);
        if self.latest > 0 {
            self.now.differences += u64::from(rtt.abs_diff(self.latest));
            self.now.samples += 1;
        }
        self.latest = rtt.max(1);
        if self.recent_count == RECENT {
            let [now, before] = self.recent;
            if before != u32::MAX {
                let fall = before.saturating_sub(now.saturating_add(self.grain)).min(1000);
                self.falls = self.falls - self.falls / 16 + 16 * fall;
            }
            self.recent = [u32::MAX, now];
            self.recent_count = 0;
        }
        self.recent[0] = self.recent[0].min(rtt);
        self.recent_count += 1;
    }

    /// Takes a delivery rate. One of a sender without data counts if it is higher than what is known.
    pub(super) fn on_rate(&mut self, rate: u64, limited: bool) {
        self.now.limited |= limited;
        if !limited || rate > self.rate() {
            self.now.rate = self.now.rate.max(rate);
            let at = self.count as usize % RATES;
            self.rates[at] = self.rates[at].max(rate);
        }
    }

    /// The highest rate of late, in bytes a second; 0 before the first.
    pub(super) fn rate(&self) -> u64 {
        self.rates.into_iter().max().unwrap_or(0)
    }

    /// Forgets higher rates than this one.
    pub(super) fn cap_rate(&mut self, rate: u64) {
        self.rates = [rate.min(self.rate()); RATES];
    }

    /// Is the running round over, now that what was sent at `sent_at` milliseconds is acknowledged?
    pub(super) fn is_over(&self, now: Time, sent_at: u64) -> bool {
        sent_at >= self.began.as_millis() && now.as_millis() >= self.began.as_millis() + SHORTEST
    }

    /// Ends the running round.
    pub(super) fn turn(&mut self, now: Time) {
        self.now.took = now.since(self.began).as_micros() as u64;
        self.last = std::mem::take(&mut self.now);
        self.began = now;
        self.count = self.count.wrapping_add(1);
        // A round of a sender without data leaves the rates alone: they are not refuted by it.
        if self.last.limited {
            let kept = self.rate();
            self.rates[self.count as usize % RATES] = kept;
        } else {
            self.rates[self.count as usize % RATES] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Time {
        Time::from_millis(n)
    }

    #[test]
    fn the_highest_rate_of_ten_rounds_counts_and_rounds_without_data_take_nothing_off() {
        let mut rounds = Rounds::new(ms(0));
        rounds.on_rate(500, false);
        for round in 0..9 {
            rounds.turn(ms(round));
            rounds.on_rate(100, false);
        }
        assert_eq!(rounds.rate(), 500);
        rounds.turn(ms(10));
        assert_eq!(rounds.rate(), 100);
        for round in 11..40 {
            rounds.on_rate(7, true);
            rounds.turn(ms(round));
        }
        assert_eq!(rounds.rate(), 100);
        rounds.on_rate(300, true);
        assert_eq!(rounds.rate(), 300, "the path carries that much at least");
        rounds.cap_rate(50);
        assert_eq!(rounds.rate(), 50);
    }

    #[test]
    fn the_shortest_round_trip_is_forgotten_after_ten_seconds() {
        let mut rounds = Rounds::new(ms(0));
        assert_eq!(rounds.min_rtt(), None);
        rounds.on_rtt(ms(0), 0, false);
        assert_eq!(rounds.min_rtt(), Some(1));
        rounds.on_rtt(ms(100), 40, false);
        rounds.on_rtt(ms(5000), 60, false);
        assert_eq!(rounds.min_rtt(), Some(1));
        rounds.on_rtt(ms(10_000), 60, false);
        assert_eq!(rounds.min_rtt(), Some(60));
    }

    #[test]
    fn round_trips_that_go_up_and_down_have_a_swing_and_a_queue_that_grows_has_none() {
        let swing = |rtts: &dyn Fn(u32) -> u32| {
            let mut rounds = Rounds::new(ms(0));
            (0..400).for_each(|n| rounds.on_rtt(ms(n.into()), rtts(n), false));
            rounds.swing()
        };
        assert_eq!(swing(&|n| 100 + n / 2), 0, "it grows");
        assert_eq!(swing(&|n| 100 + n % 3), 0, "exact but for the clock");
        assert_eq!(swing(&|n| 500 - n / 4), 0, "it drains at three quarters of the pace");
        // Lumps of ten, each of which waited for its first: up to 30 ms, and every other one for less.
        let lumps = swing(&|n| 100 + n / 20 % 2 * 20 + n % 10);
        assert!((30..100).contains(&lumps), "{lumps}");
    }

    #[test]
    fn losses_that_chance_explains_are_no_congestion() {
        let round = |sent: u64, lost: u64| Round {
            acked: (sent - lost) * 1400,
            lost: lost * 1400,
            ..Round::default()
        };
        assert!(!round(40, 1).is_congested(0, 1 << 30, 1400));
        assert!(round(40, 3).is_congested(0, 1 << 30, 1400));
        let tenth = WHOLE / 10;
        assert!(!round(40, 8).is_congested(tenth, 1 << 30, 1400));
        assert!(!round(1000, 130).is_congested(tenth, 1 << 30, 1400));
        assert!(round(1000, 150).is_congested(tenth, 1 << 30, 1400));
    }
}
