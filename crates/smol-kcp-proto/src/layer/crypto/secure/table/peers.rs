//! Peers come, are held, and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{ChannelKey, Owner, PeerParams, PeerRefused, SecureEvent, SecureTable};
use crate::layer::crypto::secure::channel::Channel;
use crate::layer::crypto::secure::keys::{PresharedKey, PublicKey};
use crate::path::Path;
use crate::time::Time;

impl SecureTable {
    /// Adds a peer, or takes its new name and preshared key. Where the latter has changed, the keys that
    /// were made with the former one are erased.
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
        let known = self.by_key.get(&remote).copied();
        let key = match known {
            Some(key) => key,
            None => self.insert(remote, psk.clone()).ok_or(PeerRefused::TooMany)?,
        };
        if self.channels.get(key).is_some_and(|channel| channel.psk != psk) {
            self.forget_keys(key);
        }
        if let Some(channel) = self.channels.get_mut(key) {
            (channel.psk, channel.name, channel.listed) = (psk, name, true);
        }
        Ok(key)
    }

    /// Removes a peer: its keys are erased, and it is a stranger.
    pub fn remove_peer(&mut self, remote: &PublicKey) -> Option<ChannelKey> {
        let key = self.by_key.get(remote).copied()?;
        self.remove(key);
        Some(key)
    }

    /// Finds the channel of a key.
    pub fn channel(&self, remote: &PublicKey) -> Option<ChannelKey> {
        self.by_key.get(remote).copied()
    }

    /// Returns whose channel it is.
    pub fn peer_key(&self, key: ChannelKey) -> Option<&PublicKey> {
        self.channels.get(key).map(|channel| &channel.remote)
    }

    /// Returns what the peer is called.
    pub fn peer_name(&self, key: ChannelKey) -> Option<&Arc<str>> {
        self.channels.get(key)?.name.as_ref()
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
            if channel.is_idle() {
                self.remove(key);
            }
        }
    }

    /// Returns whether there are keys to seal with.
    pub fn is_ready(&self, now: Time, key: ChannelKey) -> bool {
        let current = self.channels.get(key).and_then(|channel| channel.current.as_ref());
        current.is_some_and(|keys| keys.is_valid(now))
    }

    /// Returns how many channels there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    pub(super) fn insert(&mut self, remote: PublicKey, psk: PresharedKey) -> Option<ChannelKey> {
        if self.channels.len() >= self.max_channels {
            return None;
        }
        let key = self.channels.insert(Channel::new(remote, psk, None));
        self.by_key.insert(remote, key);
        Some(key)
    }

    /// Erases all that was agreed on with a peer.
    pub(super) fn forget_keys(&mut self, key: ChannelKey) {
        self.end_attempt(key);
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.erase(&mut |index| self.indices.forget(index));
        channel.answered();
        for number in self.unconfirmed.of_key(&channel.remote) {
            if let Some(entry) = self.unconfirmed.remove(number) {
                self.indices.forget(entry.keypair.own_index);
            }
        }
    }

    pub(super) fn remove(&mut self, key: ChannelKey) {
        self.forget_keys(key);
        let Some(mut channel) = self.channels.try_remove(key) else { return };
        self.deadlines.forget(key, &mut channel.deadline);
        self.by_key.remove(&channel.remote);
        self.events.push_back(SecureEvent::Gone { channel: key });
    }

    /// Ends a handshake of this side, if there is one, and returns where cookie replies could come from.
    pub(super) fn end_attempt(&mut self, key: ChannelKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let Some(attempt) = channel.attempt.take() else { return };
        let index = attempt.initiated.index;
        if matches!(self.indices.get(index), Some(Owner::Attempt(_))) {
            self.indices.forget(index);
        }
        self.stop_awaiting(key, attempt.asked.map(|(addr, _)| addr));
    }

    pub(super) fn stop_awaiting(&mut self, key: ChannelKey, addr: Option<SocketAddr>) {
        if let Some(addr) = addr {
            self.awaiting.remove(&(addr, key));
        }
    }
}
