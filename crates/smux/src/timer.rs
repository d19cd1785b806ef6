//! Where a session's time comes from.

use std::task::{Context, Poll};
use std::time::Duration;

/// A clock and one alarm, of whatever runtime there is.
///
/// `SystemTimer` is one, with the feature `async-io`.
///
/// # Examples
///
/// A clock that stands still, for a session without signs of life:
///
/// ```
/// use std::task::{Context, Poll};
/// use std::time::Duration;
///
/// struct Never;
///
/// impl smol_smux::Timer for Never {
///     fn now(&self) -> Duration {
///         Duration::ZERO
///     }
///     fn poll_until(&mut self, _: &mut Context<'_>, _: Duration) -> Poll<()> {
///         Poll::Pending
///     }
/// }
/// ```
pub trait Timer: Send {
    /// Returns the time since a beginning that does not change; it never goes back.
    fn now(&self) -> Duration;

    /// Waits until `at`, a time as [`now`](Timer::now) gives it; too early does no harm. Each call replaces
    /// the alarm of the last one, and only the task of the last call is woken.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()>;
}

#[cfg(feature = "async-io")]
pub use system::SystemTimer;

#[cfg(feature = "async-io")]
mod system {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::{Duration, Instant};

    use super::Timer;

    /// The system's monotonic clock, with `async-io`'s reactor for the alarm: it works under any executor.
    #[derive(Debug)]
    pub struct SystemTimer {
        began: Instant,
        alarm: async_io::Timer,
        set_to: Option<Duration>,
    }

    impl SystemTimer {
        /// Makes a clock that begins now.
        #[allow(clippy::disallowed_methods)] // the place where it is allowed
        pub fn new() -> SystemTimer {
            SystemTimer { began: Instant::now(), alarm: async_io::Timer::never(), set_to: None }
        }
    }

    impl Default for SystemTimer {
        fn default() -> SystemTimer {
            SystemTimer::new()
        }
    }

    impl Timer for SystemTimer {
        fn now(&self) -> Duration {
            self.began.elapsed()
        }

        fn poll_until(&mut self, cx: &mut Context<'_>, at: Duration) -> Poll<()> {
            // Setting it wakes the reactor, so it is set only to another time.
            if self.set_to != Some(at) {
                self.set_to = Some(at);
                match self.began.checked_add(at) {
                    Some(at) => self.alarm.set_at(at),
                    None => self.alarm = async_io::Timer::never(), // beyond what the clock can say
                }
            }
            let rung = Pin::new(&mut self.alarm).poll(cx).map(|_| ());
            if rung.is_ready() {
                self.set_to = None;
            }
            rung
        }
    }
}
