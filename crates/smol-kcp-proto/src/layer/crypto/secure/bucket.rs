//! Token buckets, each as small as one time (the generic cell rate algorithm of ATM, ITU-T I.371).

use std::time::Duration;

use crate::time::Time;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A token comes each time that this has passed.
    pub(super) interval: Duration,
    /// Tokens of a full bucket, at least 1.
    pub(super) burst: u32,
}

impl Pace {
    pub(super) const fn per_second(rate: u32, burst: u32) -> Pace {
        let rate = if rate == 0 { 1 } else { rate };
        Pace { interval: Duration::from_micros(1_000_000 / rate as u64), burst }
    }

    fn slack(self) -> Duration {
        self.interval.saturating_mul(self.burst.saturating_sub(1))
    }
}

/// A bucket, full at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When it is full again.
    full_at: Time,
}

impl Bucket {
    /// Takes a token; `false`: there is none.
    pub(super) fn take(&mut self, now: Time, pace: Pace) -> bool {
        if now < self.ready_at(pace) {
            return false;
        }
        self.full_at = self.full_at.max(now) + pace.interval;
        true
    }

    /// Returns when there is a token.
    pub(super) fn ready_at(&self, pace: Pace) -> Time {
        self.full_at - pace.slack()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let (pace, mut bucket) = (Pace::per_second(10, 3), Bucket::default());
        let at = |ms| Time::from_millis(1000 + ms);
        let taken: Vec<u64> = (0..500).filter(|&ms| bucket.take(at(ms), pace)).collect();
        assert_eq!(taken, [0, 1, 2, 100, 200, 300, 400]);
        assert!(bucket.take(at(10_000), pace) && bucket.take(at(10_000), pace));
        assert!(bucket.take(at(10_000), pace) && !bucket.take(at(10_000), pace));
        assert_eq!(bucket.ready_at(pace), at(10_100));
    }
}
