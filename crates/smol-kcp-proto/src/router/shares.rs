//! Everybody's share: how many sessions each subscriber's network has.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::answers::{prefix, Prefix};

/// Sessions that peers have opened and the application holds, counted by prefix.
#[derive(Debug, Default)]
pub(super) struct Shares {
    counts: BTreeMap<Prefix, usize>,
    total: usize,
}

impl Shares {
    pub(super) fn add(&mut self, peer: SocketAddr) {
        *self.counts.entry(prefix(peer)).or_insert(0) += 1;
        self.total += 1;
    }

    pub(super) fn remove(&mut self, peer: SocketAddr) {
        let prefix = prefix(peer);
        if let Some(count) = self.counts.get_mut(&prefix) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.counts.remove(&prefix);
            }
        }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Sessions of the prefix of `peer`.
    pub(super) fn of(&self, peer: SocketAddr) -> usize {
        self.counts.get(&prefix(peer)).copied().unwrap_or(0)
    }

    /// Finds the prefix with the most sessions, if those are more than this peer's.
    pub(super) fn most_but(&self, peer: SocketAddr) -> Option<Prefix> {
        // Walks all of them, but only when everything is full.
        let (&prefix, &count) = self.counts.iter().max_by_key(|(_, &count)| count)?;
        (count > self.of(peer)).then_some(prefix)
    }
}
