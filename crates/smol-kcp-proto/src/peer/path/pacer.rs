//! A token bucket that spreads what leaves over time.

use std::time::Duration;

use crate::time::Time;

/// What is sent at one go, in microseconds of the rate. Less would wake the driver more often than a router's
/// processor can afford; more would be a burst for the queues on the way.
const QUANTUM: u64 = 2_000;

/// What a driver that woke late may catch up with, in microseconds of the rate.
const CATCH_UP: u64 = 4_000;

/// The same where it had been asked to come earlier than it did; the window bounds the burst.
const LATEST: u64 = 100_000;

/// Bytes that may leave now. What leaves before its time (a thin stream's datagram, an acknowledgement)
/// makes it negative: a debt that the others wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    tokens: i64,
    at: Time,
    /// When the driver was to come back.
    due: Option<Time>,
}

impl Pacer {
    /// A full bucket.
    pub(super) fn new(now: Time, burst: u64) -> Pacer {
        Pacer { tokens: clamp(burst), at: now, due: None }
    }

    /// Returns the bytes sent at one go: never less than a datagram, and with more than two on a slow line
    /// a short queue or a policer would lose some of them.
    pub(super) fn quantum(rate: u64, mss: u64) -> u64 {
        over(rate, QUANTUM).max(mss)
    }

    /// Fills the bucket up to `now`.
    pub(super) fn refill(&mut self, now: Time, rate: u64, mss: u64) {
        if now <= self.at {
            // Asked several times at a moment.
            return;
        }
        let gained = over(rate, now.as_micros().saturating_sub(self.at.as_micros()));
        // Of less than a byte nothing is noted, so that it is not lost on slow lines.
        if gained > 0 {
            // Somebody waited for a driver that had no processor: what it was late is not lost to them.
            let late =
                self.due.take().map_or(0, |due| now.as_micros().saturating_sub(due.as_micros()));
            let most = over(rate, CATCH_UP.max(late.min(LATEST)));
            let most = Pacer::quantum(rate, mss).saturating_add(most);
            // What was given for the first flight stays.
            let filled = self.tokens.saturating_add(clamp(gained)).min(clamp(most));
            self.tokens = self.tokens.max(filled);
            self.at = self.at.max(now);
        }
    }

    /// Returns the bytes that may leave, as filled last: none before there is room for a whole datagram.
    pub(super) fn allowance(&self, mss: u64) -> u64 {
        u64::try_from(self.tokens).ok().filter(|&tokens| tokens >= mss).unwrap_or(0)
    }

    /// Returns when a quantum may leave.
    pub(super) fn next(&mut self, rate: u64, mss: u64) -> Time {
        let missing = clamp(Pacer::quantum(rate, mss)).saturating_sub(self.tokens).max(0) as u64;
        let micros = missing.saturating_mul(1_000_000).div_ceil(rate.max(1));
        let at = self.at + Duration::from_micros(micros.max(1));
        self.due = Some(at);
        at
    }

    /// Nobody waits any more for what [`next`](Pacer::next) has promised: who comes later gets none of it.
    pub(super) fn forget_due(&mut self) {
        self.due = None;
    }

    /// Takes what has left. A debt is bounded, so that it is paid within a moment.
    pub(super) fn spend(&mut self, bytes: u64, rate: u64, mss: u64) {
        let least = -clamp(Pacer::quantum(rate, mss).saturating_mul(4));
        self.tokens = self.tokens.saturating_sub(clamp(bytes)).max(least);
    }
}

/// Returns the bytes that `rate` carries in so many microseconds.
fn over(rate: u64, micros: u64) -> u64 {
    rate.saturating_mul(micros.min(10_000_000)) / 1_000_000
}

fn clamp(bytes: u64) -> i64 {
    bytes.min(i64::MAX as u64 / 4) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1400;

    /// Sends whole datagrams as soon as they may leave until `end`; the times and bytes of each go.
    fn run(rate: u64, end: Time) -> Vec<(Time, u64)> {
        let (mut pacer, mut now, mut sent) = (Pacer::new(Time::ZERO, MSS), Time::ZERO, Vec::new());
        while now < end {
            pacer.refill(now, rate, MSS);
            let bytes = pacer.allowance(MSS) / MSS * MSS;
            if bytes > 0 {
                pacer.spend(bytes, rate, MSS);
                sent.push((now, bytes));
            }
            now = pacer.next(rate, MSS);
        }
        sent
    }

    #[test]
    fn a_second_carries_the_rate_in_quanta_of_two_milliseconds_and_at_least_a_datagram() {
        for (rate, most) in [(50_000, 1400), (1_250_000, 2800), (12_500_000, 26_600)] {
            let sent = run(rate, Time::from_millis(1000));
            let total: u64 = sent.iter().map(|(_, bytes)| bytes).sum();
            assert!((rate * 97 / 100..=rate + most).contains(&total), "{rate}: {total}");
            let largest = sent.iter().map(|(_, bytes)| *bytes).max();
            assert!(largest <= Some(most), "{rate}: {largest:?}");
        }
    }

    #[test]
    fn a_late_driver_catches_up_with_four_milliseconds_and_no_more() {
        let mut pacer = Pacer::new(Time::ZERO, MSS);
        pacer.refill(Time::from_millis(1000), 12_500_000, MSS);
        assert_eq!(pacer.allowance(MSS), 75_000);
    }

    #[test]
    fn what_it_was_late_is_for_those_who_waited_and_for_nobody_who_comes_after_them() {
        for (is_awaited, bytes) in [(true, 1_275_000), (false, 75_000)] {
            let mut pacer = Pacer::new(Time::ZERO, 0);
            pacer.next(12_500_000, MSS);
            if !is_awaited {
                pacer.forget_due();
            }
            pacer.refill(Time::from_millis(1000), 12_500_000, MSS);
            assert_eq!(pacer.allowance(MSS), bytes);
        }
    }

    #[test]
    fn a_debt_is_waited_for_and_bounded() {
        let mut pacer = Pacer::new(Time::ZERO, MSS);
        pacer.spend(1_000_000, 1_250_000, MSS);
        assert_eq!((pacer.tokens, pacer.allowance(MSS)), (-10_000, 0));
        assert_eq!(pacer.next(1_250_000, MSS), Time::from_millis(10));
    }

    #[test]
    fn absurd_rates_neither_overflow_nor_divide_by_nothing() {
        for rate in [0, 1, u64::MAX] {
            let mut pacer = Pacer::new(Time::ZERO, MSS);
            pacer.refill(Time::from_millis(u64::MAX / 2000), rate, MSS);
            pacer.spend(u64::MAX, rate, MSS);
            assert!(pacer.next(rate, MSS) > Time::ZERO);
        }
    }
}
