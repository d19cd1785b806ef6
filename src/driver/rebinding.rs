//! The decision when a client's socket is replaced: after silence, with growing pauses.

use std::time::Duration;

use smol_kcp_proto::time::Time;

/// Silence after which the local address may be the cause.
const SILENCE: Duration = Duration::from_secs(3);

/// Limits the time between two attempts. Each costs an entry in every NAT on the path.
const LONGEST: Duration = Duration::from_secs(48);

/// Counts the attempts against the present silence.
#[derive(Debug)]
pub(super) struct Rebinding {
    /// When the socket was last replaced, or that failed.
    at: Time,
    /// Attempts since something was heard.
    tries: u32,
    /// The transport can replace its socket.
    possible: bool,
}

impl Rebinding {
    pub(super) fn new() -> Rebinding {
        Rebinding { at: Time::ZERO, tries: 0, possible: true }
    }

    /// Ends the silence, since a datagram has arrived. Returns whether the socket was replaced in
    /// it.
    pub(super) fn heard(&mut self) -> bool {
        std::mem::take(&mut self.tries) > 0
    }

    /// Returns whether it is time to replace the socket. `is_silent` says whether there has been a
    /// silence of that length.
    pub(super) fn is_due(&self, now: Time, is_silent: impl FnOnce(Duration) -> bool) -> bool {
        self.possible && now.since(self.at) >= self.wait() && is_silent(SILENCE)
    }

    /// Returns the time from the last attempt to the next.
    fn wait(&self) -> Duration {
        // Each attempt lasts twice as long as the one before: where answers take longer than one
        // attempt, a later one hears them, since the previous socket goes on listening.
        SILENCE.saturating_mul(1 << self.tries.min(8)).min(LONGEST)
    }

    /// Notes that the socket was replaced.
    pub(super) fn done(&mut self, now: Time) {
        self.at = now;
        self.tries = self.tries.saturating_add(1);
    }

    /// Notes that the system had no other socket: the next attempt waits no longer than this one.
    pub(super) fn failed(&mut self, now: Time) {
        self.at = now;
    }

    /// Notes that the transport cannot replace its socket.
    pub(super) fn is_impossible(&mut self) {
        self.possible = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    /// Returns the seconds at which the socket is replaced in a silence that began at zero.
    fn tried(rebinding: &mut Rebinding, until: u64) -> Vec<u64> {
        let mut tried = Vec::new();
        for second in 0..until {
            if rebinding.is_due(at(second), |span| at(second) >= Time::ZERO + span) {
                rebinding.done(at(second));
                tried.push(second);
            }
        }
        tried
    }

    #[test]
    fn each_attempt_is_given_twice_the_time_of_the_one_before() {
        let mut rebinding = Rebinding::new();
        assert_eq!(tried(&mut rebinding, 200), [3, 9, 21, 45, 93, 141, 189]);
        assert!(rebinding.heard());
        assert!(!rebinding.heard());
        assert!(
            rebinding.is_due(at(192), |span| span == SILENCE),
            "it begins with the first again"
        );
    }

    #[test]
    fn where_it_failed_it_is_tried_as_soon_again_and_where_it_is_impossible_never() {
        let mut rebinding = Rebinding::new();
        rebinding.failed(at(3));
        assert!(!rebinding.is_due(at(5), |_| true));
        assert!(rebinding.is_due(at(6), |_| true));
        rebinding.is_impossible();
        assert!(!rebinding.is_due(at(60), |_| true));
    }
}
