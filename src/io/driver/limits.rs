//! Limits at which peers are turned away: said once a minute, each with its name and value.

use std::time::Duration;

use crate::io::shared::State;
use crate::time::Time;

/// Time between two words about it.
const EVERY: Duration = Duration::from_secs(60);

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Limits {
    refused: Said,
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
    /// Says what limits were reached, from the counters of the endpoint. Without traffic nothing is
    /// refused, so no timer is needed.
    pub(super) fn report(&mut self, state: &State, now: Time) {
        let at = state.local_addr;
        let (refused, evicted) = state.router.turned_away();
        if state.listeners == 0 {
            // Who is refused since nobody listens has met no limit.
            self.refused.count = refused;
        }
        if let Some(count) = self.refused.new_ones(now, refused) {
            let (name, limit) = state.router.refusing_limit();
            log::warn!("{at}: {name} = {limit} is reached: {count} streams of peers refused");
        }
        if let Some(count) = self.evicted.new_ones(now, evicted) {
            let limit = state.router.config().max_sessions;
            log::warn!(
                "{at}: max_sessions = {limit} is reached: {count} idle streams made room for others"
            );
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
