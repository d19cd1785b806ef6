//! Peers come, are held, and go.

use std::sync::Arc;
use std::time::Duration;

use super::{ChannelKey, PeerParams, PeerRefused, SecureEvent, SecureTable};
use crate::layer::crypto::secure::channel::Channel;
use crate::layer::crypto::secure::keys::{PresharedKey, PublicKey};
use crate::path::Path;
use crate::time::Time;

impl SecureTable {
    /// Adds a peer, or takes its new name and preshared key, for all its runs. Where the latter has changed,
    /// the keys that were made with the former one are erased. Its channel is what this side connects by; the
    /// first of the peer's runs that is heard gets it, others get channels of their own.
    ///
    /// # Errors
    /// What is wrong with its key.
    pub fn add_peer(&mut self, params: PeerParams) -> Result<ChannelKey, PeerRefused> {
        let PeerParams { key: remote, psk, name } = params;
        if remote == self.own.public {
            return Err(PeerRefused::OwnKey);
        }
        if remote.as_bytes() == &[0; 32] {
            return Err(PeerRefused::ZeroKey);
        }
        let key = match self.channel(&remote) {
            Some(key) => key,
            None => {
                let key = self.insert(remote, psk.clone(), None);
                key.ok_or(PeerRefused::TooMany)?
            }
        };
        if let Some(channel) = self.channels.get_mut(key) {
            channel.listed = true;
        }
        let all: Vec<ChannelKey> = self.of_key(&remote).map(|(key, _)| key).collect();
        for key in all {
            let Some(channel) = self.channels.get_mut(key) else { continue };
            channel.name = name.clone();
            if std::mem::replace(&mut channel.psk, psk.clone()) != psk {
                self.forget_keys(key);
                self.forget_unconfirmed(&remote);
                self.remove_if_idle(key);
            }
        }
        Ok(key)
    }

    /// Removes a peer with all its runs: their keys are erased, and it is a stranger. Returns the channel that
    /// [`channel`](SecureTable::channel) found; [`SecureEvent::Gone`] tells of each.
    pub fn remove_peer(&mut self, remote: &PublicKey) -> Option<ChannelKey> {
        let found = self.channel(remote)?;
        let all: Vec<ChannelKey> = self.of_key(remote).map(|(key, _)| key).collect();
        all.into_iter().for_each(|key| self.remove(key));
        self.forget_unconfirmed(remote);
        Some(found)
    }

    /// Finds the channel of a key: the one that was added, or any of a peer that was not.
    pub fn channel(&self, remote: &PublicKey) -> Option<ChannelKey> {
        let added = self.of_key(remote).find(|(_, channel)| channel.listed);
        added.or_else(|| self.of_key(remote).next()).map(|(key, _)| key)
    }

    /// Lists the channels of a key: one for each of its runs.
    pub fn channels_of(&self, remote: &PublicKey) -> impl Iterator<Item = ChannelKey> + '_ {
        self.of_key(remote).map(|(key, _)| key)
    }

    /// Returns whose channel it is.
    pub fn peer_key(&self, key: ChannelKey) -> Option<&PublicKey> {
        self.channels.get(key).map(|channel| &channel.remote)
    }

    /// Returns what the peer is called.
    pub fn peer_name(&self, key: ChannelKey) -> Option<&Arc<str>> {
        self.channels.get(key)?.name.as_ref()
    }

    /// Returns how many datagrams of the peer arrived, and how many of those before the newest have not.
    pub fn arrivals(&self, key: ChannelKey) -> Option<(u64, u64)> {
        let channel = self.channels.get(key)?;
        Some((channel.arrived, channel.expected.saturating_sub(channel.arrived)))
    }

    /// Returns where the peer is.
    pub fn path(&self, key: ChannelKey) -> Option<Path> {
        self.channels.get(key)?.path
    }

    /// Says where the peer is, as a name that was resolved again does. What arrives from elsewhere moves it.
    pub fn set_path(&mut self, key: ChannelKey, path: Path) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.path = Some(path);
        }
    }

    /// Takes the path's retransmission timeout, by which an answer counts as overdue. The round trip of a
    /// handshake stands for it until then.
    pub fn set_timeout(&mut self, key: ChannelKey, timeout: Duration) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.set_timeout(timeout);
        }
    }

    /// Returns what the last handshake took, as far as that is clear.
    pub fn round_trip(&self, key: ChannelKey) -> Option<Duration> {
        self.channels.get(key)?.round_trip
    }

    /// Keeps a channel that was not added, while somebody holds it.
    pub fn hold(&mut self, key: ChannelKey) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.holds = channel.holds.saturating_add(1);
        }
    }

    /// Ends what [`hold`](SecureTable::hold) began.
    pub fn release(&mut self, key: ChannelKey) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.holds = channel.holds.saturating_sub(1);
        }
        self.remove_if_idle(key);
    }

    /// Returns whether there are keys to seal with.
    pub fn is_ready(&self, now: Time, key: ChannelKey) -> bool {
        self.channels.get(key).is_some_and(|channel| channel.has_keys(now))
    }

    /// Returns how many channels there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    pub(super) fn insert(
        &mut self,
        remote: PublicKey,
        psk: PresharedKey,
        name: Option<Arc<str>>,
    ) -> Option<ChannelKey> {
        let has_room = self.channels.len() < self.max_channels;
        has_room.then(|| self.insert_beyond_limit(remote, psk, name))
    }

    pub(super) fn insert_beyond_limit(
        &mut self,
        remote: PublicKey,
        psk: PresharedKey,
        name: Option<Arc<str>>,
    ) -> ChannelKey {
        let key = self.channels.insert(Channel::new(remote, psk, name));
        self.by_key.insert((remote, key));
        key
    }

    /// Erases all that was agreed on with a run of a peer.
    fn forget_keys(&mut self, key: ChannelKey) {
        self.end_attempt(key);
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.erase(&mut |index| self.indices.forget(index));
        channel.stop_waiting();
    }

    /// Forgets the handshakes of a key that nobody has confirmed.
    fn forget_unconfirmed(&mut self, remote: &PublicKey) {
        for number in self.unconfirmed.of_key(remote) {
            if let Some(entry) = self.unconfirmed.remove(number) {
                self.indices.forget(entry.keypair.own_index);
            }
        }
    }

    pub(super) fn remove_if_idle(&mut self, key: ChannelKey) {
        if self.channels.get(key).is_some_and(|channel| channel.is_idle()) {
            self.remove(key);
        }
    }

    pub(super) fn remove(&mut self, key: ChannelKey) {
        self.forget_keys(key);
        let Some(mut channel) = self.channels.try_remove(key) else { return };
        self.deadlines.forget(key, &mut channel.deadline);
        self.by_key.remove(&(channel.remote, key));
        self.events.push_back(SecureEvent::Gone { channel: key });
    }

    /// Ends a handshake of this side, if there is one.
    pub(super) fn end_attempt(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let Some(attempt) = channel.attempt.take() else { return };
        self.indices.forget(attempt.initiated.index);
        for path in attempt.paths() {
            self.awaiting.remove(&(path.peer, key));
        }
    }
}
