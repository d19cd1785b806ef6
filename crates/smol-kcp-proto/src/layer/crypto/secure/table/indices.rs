//! Indices that were given out: by them the other side says which keys a datagram is for.

use std::collections::BTreeMap;

use super::ChannelKey;
use crate::layer::crypto::secure::generator::Generator;

/// What an index belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// A handshake that this side has begun: a response comes under it.
    Attempt(ChannelKey),
    /// A handshake that was answered.
    Unconfirmed(u64),
    /// Keys.
    Keypair(ChannelKey),
}

/// All indices of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Indices {
    owners: BTreeMap<u32, Owner>,
}

impl Indices {
    /// Finds an index that is nobody's, never 0, and gives it to `owner`.
    pub(super) fn draw(&mut self, generator: &mut Generator, owner: Owner) -> u32 {
        loop {
            let index = generator.number();
            if index != 0 && !self.owners.contains_key(&index) {
                self.owners.insert(index, owner);
                return index;
            }
        }
    }

    /// Gives an index to another owner.
    pub(super) fn give(&mut self, index: u32, owner: Owner) {
        self.owners.insert(index, owner);
    }

    pub(super) fn get(&self, index: u32) -> Option<Owner> {
        self.owners.get(&index).copied()
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.owners.remove(&index);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }
}
