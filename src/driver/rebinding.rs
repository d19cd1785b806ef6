//! The decision when a client's socket is replaced: after silence, with growing pauses. Nobody else
//! decides it, nor keeps the time of such a silence.

use std::time::Duration;

use crate::transport::Transport;
use smol_kcp_proto::time::Time;

/// Silence after which the local address may be the cause.
const SILENCE: Duration = Duration::from_secs(3);

/// Limits the time between two attempts. Each costs an entry in every NAT on the path.
const LONGEST: Duration = Duration::from_secs(48);

/// Counts the attempts against the present silence.
#[derive(Debug)]
pub(crate) struct Rebinding {
    /// When the socket was last replaced, or that failed.
    at: Time,
    /// When that was first so since something was heard.
    since: Option<Time>,
    /// Attempts since something was heard.
    tries: u32,
    /// The transport can replace its socket.
    possible: bool,
}

impl Rebinding {
    pub(crate) fn new() -> Rebinding {
        Rebinding { at: Time::ZERO, since: None, tries: 0, possible: true }
    }

    /// Ends the silence, since a datagram has arrived. Returns whether the socket was replaced in
    /// it.
    pub(crate) fn heard(&mut self) -> bool {
        self.since = None;
        std::mem::take(&mut self.tries) > 0
    }

    /// Returns when the first attempt was made against the present silence.
    pub(crate) fn since(&self) -> Option<Time> {
        self.since
    }

    /// Returns whether it is time to replace the socket. `is_silent` says whether there has been a
    /// silence of that length.
    pub(crate) fn is_due(&self, now: Time, is_silent: impl FnOnce(Duration) -> bool) -> bool {
        self.possible && now.since(self.at) >= self.wait() && is_silent(SILENCE)
    }

    /// Returns the time from the last attempt to the next.
    fn wait(&self) -> Duration {
        // Each attempt lasts twice as long as the one before: where answers take longer than one
        // attempt, a later one hears them, since the previous socket goes on listening.
        SILENCE.saturating_mul(1 << self.tries.min(8)).min(LONGEST)
    }

    /// Replaces the socket. Returns whether that was done.
    pub(crate) fn attempt(&mut self, now: Time, transport: &mut dyn Transport) -> bool {
        match transport.rebind() {
            Ok(true) => {
                log::debug!("nobody answers: rebound to {:?}", transport.local_addr().ok());
                self.done(now);
                true
            }
            Ok(false) => {
                self.possible = false;
                false
            }
            Err(error) => {
                log::debug!("cannot rebind: {error}");
                self.failed(now);
                false
            }
        }
    }

    fn done(&mut self, now: Time) {
        self.failed(now);
        self.tries = self.tries.saturating_add(1);
    }

    /// Notes that the system had no other socket: the next attempt waits no longer than this one.
    fn failed(&mut self, now: Time) {
        self.at = now;
        self.since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTransport;

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
        assert_eq!(rebinding.since(), Some(at(3)));
        assert!(rebinding.heard());
        assert!(!rebinding.heard());
        assert_eq!(rebinding.since(), None);
        assert!(
            rebinding.is_due(at(192), |span| span == SILENCE),
            "it begins with the first again"
        );
    }

    #[test]
    fn where_it_failed_it_is_tried_as_soon_again_and_where_it_is_impossible_never() {
        let mut rebinding = Rebinding::new();
        rebinding.failed(at(3));
        assert_eq!(rebinding.since(), Some(at(3)), "it is silent all the same");
        assert!(!rebinding.is_due(at(5), |_| true));
        assert!(rebinding.is_due(at(6), |_| true));
        // A transport that does not do that.
        assert!(!rebinding.attempt(at(6), &mut MemoryTransport::pair().0));
        assert!(!rebinding.is_due(at(60), |_| true));
    }
}
