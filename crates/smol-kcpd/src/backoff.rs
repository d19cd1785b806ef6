//! Growing waiting times between attempts.

use std::time::Duration;

/// Doubles waiting times from a first to a longest one. Each varies by a quarter to both sides, so that
/// those that failed together do not try again together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, next: first }
    }

    /// Returns the next time to wait, given a random number.
    pub(super) fn next(&mut self, random: u8) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        wait * (384 + u32::from(random)) / 512
    }

    /// Begins with the first again, after a success.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_vary_by_a_quarter() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u128> = (0..5).map(|_| backoff.next(128).as_millis()).collect();
        assert_eq!(waits, [1000, 2000, 4000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(0), Duration::from_millis(750));
        assert!(backoff.next(255) < Duration::from_millis(2500));
    }
}
