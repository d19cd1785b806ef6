//! Remote parties: what belongs to an address or a channel, and not to one of its conversations.
//!
//! A peer is known as long as it has a conversation. Its sign of life to one of them speaks for all, if it
//! is of our own kind: so a thousand quiet conversations with one peer cost one keepalive, not a thousand.

pub(crate) mod path;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use slab::Slab;

use self::path::PathRate;
use crate::key::Key;
use crate::path::{Path, PeerId};
use crate::time::Time;

/// A peer's place, as long as it has a conversation.
pub(crate) type PeerKey = usize;

/// One remote party.
#[derive(Debug)]
pub(crate) struct Peer {
    id: PeerId,
    /// Where it is.
    pub(crate) addr: SocketAddr,
    /// Its conversations, under the same number: a map, as a peer may have thousands that end one by one.
    sessions: BTreeMap<u64, Key>,
    /// When it was last heard, in whichever conversation.
    pub(crate) heard_at: Time,
    /// When it was last asked for a sign of life.
    pub(crate) asked_at: Time,
    /// When all its conversations were last asked, because it may have lost its memory.
    pub(crate) all_asked_at: Option<Time>,
    /// How fast data may leave for it.
    pub(crate) path: PathRate,
}

/// All peers of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_id: BTreeMap<PeerId, PeerKey>,
    peers: Slab<Peer>,
}

impl Peer {
    /// Lists its conversations.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Key> + '_ {
        self.sessions.values().copied()
    }
}

impl Peers {
    /// Counts a conversation with the peer at the end of `path`.
    pub(crate) fn join(
        &mut self,
        now: Time,
        path: Path,
        session: Key,
        rate: impl FnOnce() -> PathRate,
    ) -> PeerKey {
        let peers = &mut self.peers;
        let id = path.id();
        let fresh = || Peer {
            id,
            addr: path.peer,
            sessions: BTreeMap::new(),
            heard_at: now,
            asked_at: now,
            all_asked_at: None,
            path: rate(),
        };
        let key = *self.by_id.entry(id).or_insert_with(|| peers.insert(fresh()));
        if let Some(peer) = peers.get_mut(key) {
            peer.sessions.insert(session as u64, session);
        }
        key
    }

    /// Ends what [`join`](Peers::join) began. With its last conversation a peer is forgotten,
    /// and returned.
    pub(crate) fn leave(&mut self, key: PeerKey, session: Key) -> Option<Peer> {
        let peer = self.peers.get_mut(key)?;
        peer.sessions.remove(&(session as u64));
        if !peer.sessions.is_empty() {
            return None;
        }
        self.by_id.remove(&peer.id);
        self.peers.try_remove(key)
    }

    /// Returns the peer under this key.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(key)
    }

    /// Returns the peer under this key, to change it.
    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(key)
    }

    /// Returns this peer.
    pub(crate) fn find_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.by_id.get(&id).and_then(|&key| self.peers.get_mut(key))
    }

    /// Lists the conversations with a peer.
    pub(crate) fn sessions(&self, id: PeerId) -> impl Iterator<Item = Key> + '_ {
        let peer = self.by_id.get(&id).and_then(|&key| self.peers.get(key));
        peer.into_iter().flat_map(|peer| peer.sessions.values().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KcpConfig;

    #[test]
    fn a_peer_is_known_as_long_as_it_has_a_conversation() {
        let addr = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let rate = || PathRate::new(&KcpConfig::default(), 1400);
        let mut peers = Peers::default();
        let first = peers.join(Time::ZERO, addr(1).into(), 10, rate);
        assert_eq!(peers.join(Time::from_millis(9), addr(1).into(), 20, rate), first);
        let other = peers.join(Time::ZERO, addr(2).into(), 30, rate);
        assert_ne!(first, other);
        let known =
            |peers: &Peers, port| peers.sessions(PeerId::At(addr(port))).collect::<Vec<_>>();
        assert_eq!((known(&peers, 1), known(&peers, 2)), (vec![10, 20], vec![30]));
        peers.leave(first, 10);
        peers.leave(first, 10);
        assert_eq!(known(&peers, 1), [20]);
        peers.leave(first, 20);
        assert!(known(&peers, 1).is_empty() && peers.get_mut(first).is_none());
        assert_eq!((peers.by_id.len(), peers.peers.len()), (1, 1));
    }
}
