//! When a client's socket is replaced: the one place that decides.

use std::time::Duration;

use smol_kcp_proto::time::Time;

/// Silence after which the local address may be to blame.
const SILENCE: Duration = Duration::from_secs(3);

/// Longest time between two attempts. Each costs an entry in every NAT on the way.
const LONGEST: Duration = Duration::from_secs(48);

/// What has been tried against the present silence.
#[derive(Debug)]
pub(super) struct Rebinding {
    /// When the socket was last replaced.
    at: Time,
    /// How often it was since something was heard.
    tries: u32,
    /// The transport can do it.
    possible: bool,
}

impl Rebinding {
    pub(super) fn new() -> Rebinding {
        Rebinding { at: Time::ZERO, tries: 0, possible: true }
    }

    /// Something has arrived: the silence is over. Returns whether something was done against it.
    pub(super) fn heard(&mut self) -> bool {
        std::mem::take(&mut self.tries) > 0
    }

    /// Is it time to replace the socket? `is_unheard` says whether there has been a silence of that
    /// length. Each attempt is given twice the time of the one before, so that a path on which the
    /// answers take longer than one attempt is heard by a later one: the previous socket goes on
    /// listening.
    pub(super) fn is_due(&self, now: Time, is_unheard: impl FnOnce(Duration) -> bool) -> bool {
        self.possible && now.since(self.at) >= self.wait() && is_unheard(SILENCE)
    }

    /// Time from the last attempt to the next.
    fn wait(&self) -> Duration {
        SILENCE.saturating_mul(1 << self.tries.min(8)).min(LONGEST)
    }

    /// The socket was replaced.
    pub(super) fn done(&mut self, now: Time) {
        self.at = now;
        self.tries = self.tries.saturating_add(1);
    }

    /// The system had no other socket.
    pub(super) fn failed(&mut self, now: Time) {
        self.at = now;
    }

    /// The transport does not do that.
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

    /// The seconds at which the socket is replaced in a silence that began at zero.
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
