//! What is wrong with a tunnel, and since when.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::runtime::now;

/// What may be wrong; in this order it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// The address to listen at cannot be had.
    Listen,
    /// The name of the server leads nowhere.
    Lookup,
    /// The server does not answer, or refuses.
    Server,
    /// The target of a server cannot be connected to.
    Target,
    /// The target of its datagrams has no address, or refuses them.
    UdpTarget,
    /// There is no room for more connections.
    Room,
}

impl Concern {
    /// Returns its name, which programs read.
    pub(super) fn name(self) -> &'static str {
        match self {
            Concern::Listen => "listen",
            Concern::Lookup => "lookup",
            Concern::Server => "server",
            Concern::Target | Concern::UdpTarget => "target",
            Concern::Room => "room",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    concern: Concern,
    since: Instant,
    why: String,
}

/// Knows what is wrong with one tunnel, and where its server is.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The worst first.
    problems: RefCell<Vec<Problem>>,
    /// Client: the address that its link has.
    pub(super) server: Cell<Option<SocketAddr>>,
}

impl Health {
    /// Notes that something is wrong. It is so since it was first noted.
    pub(super) fn failed(&self, concern: Concern, why: impl fmt::Display) {
        let (mut problems, why) = (self.problems.borrow_mut(), why.to_string());
        match problems.iter_mut().find(|problem| problem.concern == concern) {
            Some(known) => known.why = why,
            None => {
                let at = problems.iter().take_while(|problem| problem.concern < concern).count();
                problems.insert(at, Problem { concern, since: now(), why });
            }
        }
    }

    /// Notes that it is right.
    pub(super) fn works(&self, concern: Concern) {
        self.problems.borrow_mut().retain(|problem| problem.concern != concern);
    }

    /// Returns what is wrong, the worst first, and for how long it has been.
    pub(super) fn problems(&self) -> Vec<(Concern, Duration, String)> {
        let problems = self.problems.borrow();
        let told = |it: &Problem| (it.concern, it.since.elapsed(), it.why.clone());
        problems.iter().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_so_since_it_was_first_noted_until_it_works() {
        let health = Health::default();
        health.failed(Concern::Target, "refused");
        let since = health.problems.borrow()[0].since;
        health.failed(Concern::Target, "timed out");
        health.failed(Concern::Listen, "in use");
        assert_eq!(health.problems.borrow()[1].since, since);
        let said = |health: &Health| {
            let problems = health.problems().into_iter();
            problems.map(|(concern, _, why)| (concern.name(), why)).collect::<Vec<_>>()
        };
        let both = [("listen", "in use".to_string()), ("target", "timed out".to_string())];
        assert_eq!(said(&health), both);
        health.works(Concern::Listen);
        assert_eq!(said(&health), both[1..]);
    }
}
