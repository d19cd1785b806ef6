//! The one place that reads clocks and asks the system for randomness.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smol_kcp_proto::time::{micros, Time};

/// Monotonic time since an endpoint began. Routers have no clock of their own: wall time jumps when
/// NTP first answers, and decides nothing here.
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

    /// For timers; `None` if the system's clock does not reach so far.
    pub(super) fn instant(&self, time: Time) -> Option<Instant> {
        // A timer that fires a microsecond early would fire twice.
        self.began.checked_add(Duration::from_micros(time.as_micros().saturating_add(1)))
    }
}

/// Microseconds since 1970, for the time stamps of captures only.
#[cfg_attr(not(feature = "pcap"), allow(dead_code))]
#[allow(clippy::disallowed_methods)] // the place where it is allowed
pub(super) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// 128 bits that nobody can guess: the standard library seeds its hash maps from the system's
/// randomness, and these are keyed hashes under two such seeds.
pub(super) fn entropy() -> [u64; 2] {
    [RandomState::new().hash_one(0), RandomState::new().hash_one(1)]
}
