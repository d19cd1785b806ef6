//! A token bucket that drops what finds no tokens.

use super::config::PolicerConfig;
use super::rate::nanos;
use crate::time::Time;

/// The bucket, as the time at which it is full again (the virtual scheduling of ITU-T I.371, which is the
/// same as counting tokens and rounds nothing away between datagrams).
#[derive(Debug)]
pub(super) struct Policer {
    rate: u64,
    /// Nanoseconds in which an empty bucket fills.
    fills_in: u64,
    full_at: u64,
}

impl Policer {
    pub(super) fn new(config: &PolicerConfig) -> Policer {
        let fills_in = nanos(config.burst_bytes, config.rate);
        Policer { rate: config.rate, fills_in, full_at: 0 }
    }

    /// Takes the tokens of `bytes`, if they are there.
    pub(super) fn passes(&mut self, now: Time, bytes: usize) -> bool {
        let now = now.as_micros().saturating_mul(1000);
        let full_at = self.full_at.max(now).saturating_add(nanos(bytes, self.rate));
        let passes = full_at.saturating_sub(now) <= self.fills_in;
        if passes {
            self.full_at = full_at;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policer(rate: u64, burst_bytes: usize) -> Policer {
        Policer::new(&PolicerConfig { rate, burst_bytes })
    }

    /// How many of `count` datagrams of 1,000 bytes pass, one each `every` microseconds.
    fn passed(policer: &mut Policer, count: u64, every: u64) -> usize {
        (0..count).filter(|n| policer.passes(Time::from_micros(n * every), 1000)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        assert_eq!(passed(&mut policer(8_000_000, 64_000), 1000, 0), 64);
        // Twice the rate for a second: the burst, and half.
        assert_eq!(passed(&mut policer(8_000_000, 64_000), 2000, 500), 1063);
        // At the rate, all do, with a bucket for one.
        assert_eq!(passed(&mut policer(8_000_000, 1000), 1000, 1000), 1000);
    }

    #[test]
    fn a_rest_fills_the_bucket_and_no_more() {
        let mut bucket = policer(8_000_000, 10_000);
        assert_eq!(passed(&mut bucket, 100, 0), 10);
        let later = Time::from_millis(5);
        assert_eq!((0..100).filter(|_| bucket.passes(later, 1000)).count(), 5);
        let much_later = Time::from_millis(50_000);
        assert_eq!((0..100).filter(|_| bucket.passes(much_later, 1000)).count(), 10);
    }

    #[test]
    fn a_short_datagram_passes_where_a_long_one_does_not() {
        let mut bucket = policer(8_000_000, 1500);
        assert!(bucket.passes(Time::ZERO, 1000));
        assert!(!bucket.passes(Time::ZERO, 1000));
        assert!(bucket.passes(Time::ZERO, 500));
        assert!(!bucket.passes(Time::from_millis(60_000), 1501), "longer than the bucket is deep");
    }
}
