//! How often the log hears of what strangers can make happen as often as they like.

use std::time::Duration;

use crate::time::Time;

/// Time between two lines about the same.
const EVERY: Duration = Duration::from_secs(60);

/// How far a counter has been logged, and when.
#[derive(Debug, Default)]
pub struct LogLimit {
    at: Option<Time>,
    count: u64,
}

impl LogLimit {
    /// Returns how many are new since the last line, which is to be written now; `None`: there are
    /// none, or there was a line in the last minute.
    pub fn new_ones(&mut self, now: Time, count: u64) -> Option<u64> {
        if count == self.count || self.at.is_some_and(|at| now.since(at) < EVERY) {
            return None;
        }
        self.at = Some(now);
        Some(count.wrapping_sub(std::mem::replace(&mut self.count, count)))
    }

    /// Counts one more, and returns how many are new as [`new_ones`](LogLimit::new_ones) does.
    pub fn another(&mut self, now: Time, count: &mut u64) -> Option<u64> {
        *count = count.wrapping_add(1);
        self.new_ones(now, *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_logged_once_a_minute_and_nothing_is_lost() {
        let mut limit = LogLimit::default();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        assert_eq!(limit.new_ones(at(0), 0), None);
        let mut count = 0;
        let logged: Vec<_> =
            (0..150).filter_map(|n| limit.another(at(n), &mut count).map(|new| (n, new))).collect();
        assert_eq!(logged, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(limit.new_ones(at(500), 150), Some(29));
        assert_eq!(limit.new_ones(at(900), 150), None);
    }
}
