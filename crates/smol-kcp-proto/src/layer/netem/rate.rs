//! How long a link takes for a datagram while its rate changes.

use super::config::RateStep;
use crate::time::micros;

/// Nanoseconds of a second.
const NANOS: u64 = 1_000_000_000;

/// Nanoseconds that `bytes` take at `rate` bits per second.
pub(super) fn nanos(bytes: usize, rate: u64) -> u64 {
    (bytes as u64).saturating_mul(8 * NANOS).div_ceil(rate.max(1))
}

/// When the last bit of `bytes` has left, in nanoseconds, if the first leaves at `begins`: at `first` bits
/// per second, and at those of each step from its time on.
pub(super) fn sent_at(first: u64, steps: &[RateStep], begins: u64, bytes: usize) -> u64 {
    let at = |step: &RateStep| micros(step.at).saturating_mul(1000);
    let past = steps.partition_point(|step| at(step) <= begins);
    let mut rate = past.checked_sub(1).map_or(first, |step| steps[step].rate);
    let mut from = begins;
    // What is left, in billionths of a bit: a bit takes NANOS of them, a nanosecond carries `rate`.
    let mut left = (bytes as u64).saturating_mul(8 * NANOS);
    for step in &steps[past..] {
        // A datagram that is half sent goes on at the new rate, as through `tc tbf` that is changed.
        let carried = rate.saturating_mul(at(step) - from);
        if carried >= left {
            break;
        }
        left -= carried;
        from = at(step);
        rate = step.rate;
    }
    from.saturating_add(left.div_ceil(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: u64 = 1_000_000;

    fn step(at: u64, rate: u64) -> RateStep {
        RateStep { at: Duration::from_millis(at), rate }
    }

    #[test]
    fn a_rate_that_does_not_change_is_a_division() {
        for bytes in [0, 1, 24, 1400, 65_507] {
            for rate in [1000, 999_999, 1_000_000_000] {
                assert_eq!(sent_at(rate, &[], 5, bytes), 5 + nanos(bytes, rate));
            }
        }
    }

    #[test]
    fn a_datagram_under_way_goes_on_at_the_new_rate() {
        // 10,000 bits: 10 ms at 1 Mbit/s.
        let steps = [step(5, 500_000), step(9, 10_000_000)];
        let sent = |begins| sent_at(1_000_000, &steps, begins * MS, 1250) as f64 / MS as f64;
        assert_eq!(sent(0), 9.3, "5,000 bits in 5 ms, 2,000 in 4 ms, 3,000 in 0.3 ms");
        assert_eq!(sent(5), 9.8, "2,000 bits in 4 ms, 8,000 in 0.8 ms");
        assert_eq!(sent(9), 10.0);
        assert_eq!(sent(1000), 1001.0);
    }

    #[test]
    fn nothing_overflows() {
        let steps = [step(u64::MAX, 1), step(u64::MAX, u64::MAX)];
        assert_eq!(sent_at(1, &steps, u64::MAX, usize::MAX), u64::MAX);
        assert!(sent_at(u64::MAX, &steps, 0, usize::MAX) > 0);
    }
}
