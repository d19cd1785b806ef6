//! One ordered set of deadlines for all sessions, or peers, of an endpoint.

use std::collections::BTreeSet;

use crate::key::Key;
use crate::time::Time;

/// At most one deadline for each session, ordered. A session's entry may be early: then it is asked
/// again when the entry comes up. So a deadline that traffic postpones again and again costs one
/// update each time it comes up, not one for each datagram.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    set: BTreeSet<(Time, Key)>,
}

impl Deadlines {
    /// Makes sure that `key` comes up at `wanted` or before; `entry` is the session's record of
    /// what stands in the set.
    pub(crate) fn want(&mut self, key: Key, entry: &mut Option<Time>, wanted: Option<Time>) {
        match (*entry, wanted) {
            (Some(entry), Some(wanted)) if entry <= wanted => return,
            (_, None) => return,
            (Some(late), Some(_)) => {
                self.set.remove(&(late, key));
            }
            (None, Some(_)) => {}
        }
        if let Some(wanted) = wanted {
            self.set.insert((wanted, key));
        }
        *entry = wanted;
    }

    /// Takes `key` out.
    pub(crate) fn forget(&mut self, key: Key, entry: &mut Option<Time>) {
        if let Some(at) = entry.take() {
            self.set.remove(&(at, key));
        }
    }

    /// Takes out the next entry that is due, and returns its session.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Key> {
        let &(at, key) = self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(key)
    }

    /// Returns the time of the earliest entry.
    pub(crate) fn first(&self) -> Option<Time> {
        self.set.first().map(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postponed_deadline_keeps_its_early_entry() {
        let mut deadlines = Deadlines::default();
        let mut entry = None;
        deadlines.want(7, &mut entry, Some(Time::from_millis(20)));
        deadlines.want(7, &mut entry, Some(Time::from_millis(30)));
        assert_eq!(deadlines.first(), Some(Time::from_millis(20)));
        deadlines.want(7, &mut entry, Some(Time::from_millis(10)));
        assert_eq!(deadlines.first(), Some(Time::from_millis(10)));
        assert_eq!(deadlines.pop_due(Time::from_millis(9)), None);
        assert_eq!(deadlines.pop_due(Time::from_millis(10)), Some(7));
        assert_eq!(deadlines.first(), None);
    }
}
