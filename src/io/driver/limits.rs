//! Limits that the router does not tell of itself: said once a minute, each with its name and value.

use std::time::Duration;

use crate::io::shared::State;
use crate::time::Time;

/// Time between two words about it.
const EVERY: Duration = Duration::from_secs(60);

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Limits {
    evicted: Said,
    backlog: Said,
}

/// How far a counter has been told of, and when.
#[derive(Debug, Default)]
struct Said {
    at: Option<Time>,
    count: u64,
}

impl Said {
    /// How many are new; `None`: none, or something was said in the last minute.
    fn new_ones(&mut self, now: Time, count: u64) -> Option<u64> {
        if count == self.count || self.at.is_some_and(|at| now.since(at) < EVERY) {
            return None;
        }
        self.at = Some(now);
        Some(count.wrapping_sub(std::mem::replace(&mut self.count, count)))
    }
}

impl Limits {
    /// Says which streams made room for others. Without traffic none does, so no timer is needed.
    pub(super) fn report(&mut self, state: &State, now: Time) {
        if let Some(count) = self.evicted.new_ones(now, state.router.evicted()) {
            let (at, config) = (state.local_addr, state.router.config());
            let (name, limit) = match config.max_accepted {
                Some(limit) => ("max_accepted", limit),
                None => ("max_sessions", config.max_sessions),
            };
            log::warn!("{at}: {count} idle streams made room for others, {name} = {limit}");
        }
    }

    /// Streams of peers wait because the backlog is full.
    pub(super) fn backlog_full(&mut self, state: &State, now: Time) {
        if self.backlog.new_ones(now, self.backlog.count.wrapping_add(1)).is_some() {
            let (at, limit) = (state.local_addr, state.router.config().backlog);
            log::warn!("{at}: backlog = {limit} is full: more streams wait to be accepted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_told_of_once_a_minute_and_nothing_is_lost() {
        let mut said = Said::default();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        assert_eq!(said.new_ones(at(0), 0), None);
        let told: Vec<_> =
            (0..150).filter_map(|n| said.new_ones(at(n), n + 1).map(|new| (n, new))).collect();
        assert_eq!(told, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(said.new_ones(at(500), 150), Some(29));
        assert_eq!(said.new_ones(at(900), 150), None);
    }
}
