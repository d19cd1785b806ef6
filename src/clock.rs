//! Clocks and randomness of the system: the protocol gets both as arguments.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smol_kcp_proto::time::{micros, Time};

/// Measures monotonic time since an endpoint began. Wall time decides nothing: on routers without a
/// clock it jumps when NTP first answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    #[allow(clippy::disallowed_methods)] // the place where it is allowed
    pub(super) fn new() -> Clock {
        Clock { began: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        Time::from_micros(micros(self.began.elapsed()))
    }

    /// Converts a time for a timer; `None` if the system's clock does not reach that far.
    pub(super) fn instant(&self, time: Time) -> Option<Instant> {
        // Time has whole microseconds: without one more, a timer may fire before its deadline, find
        // nothing due and be set again.
        self.began.checked_add(Duration::from_micros(time.as_micros().saturating_add(1)))
    }
}

/// Returns microseconds since 1970, for the time stamps of captures only.
#[cfg_attr(not(feature = "pcap"), allow(dead_code))]
#[allow(clippy::disallowed_methods)] // the place where it is allowed
pub(super) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Returns 128 bits that cannot be guessed.
pub(super) fn entropy() -> [u64; 2] {
    // The standard library seeds its hash maps from the system's randomness; these are keyed
    // hashes under two such seeds.
    [RandomState::new().hash_one(0), RandomState::new().hash_one(1)]
}
