//! Several running programs with one key: each run has a channel of its own.
//!
//! One rule protects the present runs from those that are over, whose datagrams may be late or replayed: a
//! handshake never takes the place of one that began later.

use super::{ChannelKey, SecureTable};
use crate::layer::crypto::secure::channel::Channel;
use crate::layer::crypto::secure::keys::PublicKey;
use crate::layer::crypto::secure::message::Instance;
use crate::layer::crypto::secure::unconfirmed::Unconfirmed;
use crate::path::Path;
use crate::time::Time;

impl SecureTable {
    /// Lists the channels of a key.
    pub(super) fn of_key(
        &self,
        remote: &PublicKey,
    ) -> impl Iterator<Item = (ChannelKey, &Channel)> + '_ {
        let all = self.by_key.range((*remote, 0)..=(*remote, ChannelKey::MAX));
        all.filter_map(|&(_, key)| Some((key, self.channels.get(key)?)))
    }

    /// Finds the channel of a run.
    pub(super) fn of_run(&self, remote: &PublicKey, instance: &Instance) -> Option<ChannelKey> {
        let found = self.of_key(remote).find(|(_, channel)| channel.instance == Some(*instance));
        found.map(|(key, _)| key)
    }

    /// Finds or makes the channel for a run whose handshake, the `number`th, a datagram by this path has
    /// confirmed. `None`: it is over, or not accepted any more, or there is no room.
    pub(super) fn channel_for(
        &mut self,
        now: Time,
        entry: &Unconfirmed,
        number: u64,
        from: Path,
    ) -> Option<ChannelKey> {
        let remote = &entry.initiator;
        if let Some(key) = self.of_run(remote, &entry.keypair.instance) {
            return Some(key);
        }
        let is_there = |channel: &Channel| channel.path.is_some_and(|path| path.peer == from.peer);
        let there = self.of_key(remote).filter(|(_, channel)| is_there(channel));
        match there.max_by_key(|(_, channel)| channel.began) {
            // No two runs have one address and port, and the other one came later.
            Some((_, channel)) if channel.began >= number => return None,
            // The one that was there is over. An observer could copy a datagram of another run so that it
            // seems to come from there; so the initiation must have come from there too, and only from there.
            Some((key, _)) if entry.came_only_from(from.peer) => return Some(key),
            _ => {}
        }
        let mut all = self.of_key(remote);
        match all.find(|(_, channel)| channel.is_vacant(now) && channel.began < number) {
            Some((key, _)) => Some(key),
            None => {
                drop(all);
                self.insert_run(*remote, number)
            }
        }
    }

    /// Makes a channel for another run. Where there are as many of its key as may be, the one that was silent
    /// for longest makes room, one that somebody holds last.
    fn insert_run(&mut self, remote: PublicKey, number: u64) -> Option<ChannelKey> {
        let (limit, psk) = (self.max_channels_per_key, self.accepted(&remote)?);
        let name = self.of_key(&remote).find_map(|(_, channel)| channel.name.clone());
        if self.of_key(&remote).count() < limit {
            return self.insert(remote, psk, name);
        }
        let may_go = |channel: &Channel| channel.began < number && (!channel.listed || limit == 1);
        let others = self.of_key(&remote).filter(|(_, channel)| may_go(channel));
        let (last, channel) = others.min_by_key(|(_, c)| (c.holds > 0, c.heard_at))?;
        if channel.listed {
            // It stays, and one is all that there may be: it leads to the new run.
            return Some(last);
        }
        // First the new one: it must not get the former one's number before anybody knows that it is gone.
        let key = self.insert_beyond_limit(remote, psk, name);
        self.remove(last);
        Some(key)
    }

    /// Finds the channel that takes the keys of a handshake that `key` has begun and this run has answered,
    /// and the last sequence that was heard of that run, if it has moved there.
    ///
    /// The other side has one channel with this endpoint, so there must not be two with it. The channel that
    /// was added takes over, since it is the one that this side connects by; what runs in the other one ends.
    /// A channel that was not added belongs to the run that it knows, and that another one, which is known to
    /// live beside it, answers in its stead (somebody has taken the initiation there) proves nothing: it keeps
    /// its keys, if it has any.
    pub(super) fn channel_answered(
        &mut self,
        now: Time,
        key: ChannelKey,
        instance: &Instance,
    ) -> (ChannelKey, Option<u32>) {
        let Some(channel) = self.channels.get(key) else { return (key, None) };
        let (remote, listed) = (channel.remote, channel.listed);
        match self.of_run(&remote, instance).filter(|&other| other != key) {
            None => (key, None),
            Some(other) if listed => {
                let heard = self.channels.get(other).and_then(|other| other.heard_sequence);
                self.remove(other);
                (key, heard)
            }
            Some(other) => {
                if !self.is_ready(now, key) {
                    self.remove(key);
                }
                (other, None)
            }
        }
    }
}
