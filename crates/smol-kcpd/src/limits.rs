//! Warnings about limits that were reached: each once a minute, with its name and value.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use super::runtime::now;

/// Time between two warnings about one limit.
const EVERY: Duration = Duration::from_secs(60);

/// Counts how often one limit of a tunnel was reached.
#[derive(Debug, Default)]
pub(super) struct Limit {
    said: Cell<Option<Instant>>,
    since: Cell<u32>,
}

impl Limit {
    /// Logs that the limit was reached, unless that was logged in the last minute.
    pub(super) fn reached(&self, what: impl fmt::Display) {
        if let Some(since) = self.count(now()) {
            match since {
                0 => log::warn!("{what}"),
                _ => log::warn!("{what} ({since} more since it was last said)"),
            }
        }
    }

    /// Counts one time. Returns `Some` if it is time to log, with the number that was not logged.
    fn count(&self, now: Instant) -> Option<u32> {
        if self.said.get().is_some_and(|said| now.duration_since(said) < EVERY) {
            self.since.set(self.since.get().saturating_add(1));
            return None;
        }
        self.said.set(Some(now));
        Some(self.since.take())
    }
}

/// Returns whether an error says that descriptors or memory are used up, of the process or the system:
/// they come back as soon as others are closed.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(super) fn is_exhaustion(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error().is_some_and(|error| {
        use nix::errno::Errno;
        let error = Errno::from_raw(error);
        matches!(error, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS)
    });
    #[cfg(not(unix))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_said_once_a_minute_with_what_was_not_said() {
        let (limit, began) = (Limit::default(), now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let said: Vec<_> = (0..150).map(|second| limit.count(at(second))).collect();
        let said: Vec<_> = said.iter().enumerate().filter(|(_, said)| said.is_some()).collect();
        assert_eq!(said, [(0, &Some(0)), (60, &Some(59)), (120, &Some(59))]);
    }

    #[cfg(unix)]
    #[test]
    fn what_comes_back_by_itself_is_told_apart() {
        use nix::errno::Errno;
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS] {
            assert!(is_exhaustion(&std::io::Error::from_raw_os_error(errno as i32)), "{errno}");
        }
        assert!(!is_exhaustion(&std::io::Error::from_raw_os_error(Errno::EADDRINUSE as i32)));
    }
}
