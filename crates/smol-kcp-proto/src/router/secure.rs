//! The encrypted mode: what arrives is opened before anything else looks at it, and what leaves is sealed
//! after everything else. A peer is the channel that it speaks in, wherever it is.

mod channels;
mod moves;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use self::channels::{sorted_keys, Seed};
pub(super) use self::channels::{Outlet, Secure};
use super::{Key, Router};
use crate::config::secure::check_clients;
use crate::config::SecurePeer;
use crate::control::{hello_nonce, no_room, rst_for};
use crate::error::KcpError;
use crate::layer::crypto::secure::{Opened, PublicKey, SecureEvent, SecureStats, OVERHEAD};
use crate::path::{ChannelKey, Path, PeerId};
use crate::session::Session;
use crate::time::Time;
use crate::wire::View;

impl Router {
    /// Encrypts all that travels, if the configuration says so: without this an endpoint whose configuration has
    /// keys would refuse to speak. `seed` is 64 bytes of the system's randomness.
    pub fn with_secure(mut self, seed: Seed) -> Router {
        if let Some(secure) = &self.config.secure {
            // Sessions are bounded by their number, channels without any by the same.
            let channels = self.config.max_sessions;
            let longest = self.config.longest_mtu();
            self.mtu = self.mtu.saturating_sub(OVERHEAD);
            self.secure = Some(Box::new(Secure::new(secure, channels, longest, seed)));
        }
        self
    }

    /// Acts on a datagram as it came from the wire. It is opened in place.
    pub fn receive(&mut self, now: Time, from: impl Into<Path>, datagram: &mut [u8]) {
        let from = from.into();
        let Some(secure) = &mut self.secure else {
            // Never in the clear where there should be keys.
            if self.config.secure.is_none() {
                self.handle_in_clear(now, from, datagram);
            }
            return;
        };
        let opened = secure.table.open(now, from, datagram);
        // A peer that has lost its memory is not to be reached by what it says next.
        self.heed_channels(now);
        match opened {
            Opened::Data { channel, content, moved_from } => {
                if moved_from.is_some() {
                    self.move_channel(now, channel, from);
                }
                let from = Path { channel: Some(channel), ..from };
                let content = datagram.get(content).unwrap_or_default();
                self.handle_datagram(now, from, content);
            }
            Opened::Nothing => {
                self.stats.datagrams_received = self.stats.datagrams_received.wrapping_add(1);
                self.stats.bytes_received =
                    self.stats.bytes_received.wrapping_add(datagram.len() as u64);
            }
        }
    }

    /// Returns the path to whom `connect` means, and begins a handshake if there are no keys.
    pub(super) fn path_to_server(&mut self, now: Time, to: Path) -> Result<Path, KcpError> {
        if self.config.secure.is_none() {
            return Ok(to);
        }
        let found = self.secure.as_mut().and_then(|secure| {
            let channel = secure.table.channel(secure.server.as_ref()?)?;
            secure.table.connect(now, channel, to);
            Some(channel)
        });
        match found {
            Some(channel) => Ok(Path { channel: Some(channel), ..to }),
            None => Err(KcpError::Config {
                field: "secure.server",
                value: "none".into(),
                accepted: "the key of the one to connect to".into(),
            }),
        }
    }

    /// A session in a channel has begun: the channel stays, and if it has keys the session may begin.
    pub(super) fn join_channel(&mut self, now: Time, key: Key) {
        let Some(secure) = &mut self.secure else { return };
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(channel) = entry.session.path().channel else { return };
        secure.table.hold(channel);
        if secure.table.is_ready(now, channel) {
            entry.session.begin_in_channel(now, secure.table.round_trip(channel));
        }
    }

    /// A session in a channel is over.
    pub(super) fn leave_channel(&mut self, channel: Option<ChannelKey>) {
        match (&mut self.secure, channel) {
            (Some(secure), Some(channel)) => secure.table.release(channel),
            // It ended while it sent, when the outlet has the channels.
            (None, Some(channel)) => self.left_channels.push(channel),
            (_, None) => {}
        }
    }

    /// Tells the channel how long answers take on its path.
    pub(super) fn time_channel(&mut self, from: Path, key: Key) {
        let Some((secure, channel)) = self.secure.as_mut().zip(from.channel) else { return };
        if let Some(entry) = self.sessions.get(key) {
            secure.table.set_timeout(channel, entry.session.answer_time());
        }
    }

    /// Acts on a datagram of a peer for a conversation that it does not have.
    pub(super) fn handle_unknown_inside(&mut self, now: Time, from: Path, datagram: &View<'_>) {
        let conv = datagram.conv();
        if let Some(entry) = self.time_wait.get(now, conv, from.id()) {
            self.answer(now, from, entry.answer(datagram));
            return;
        }
        let nonce = hello_nonce(datagram);
        let opens = nonce.is_some() || self.is_opening(datagram);
        if conv != 0 && self.accepting && opens && self.accepts(from) {
            if !self.make_room(now, from.peer, None) {
                self.answer(now, from, Some(no_room(conv, (nonce.unwrap_or(0), 0))));
                return;
            }
            return self.admit_known(now, from, None, datagram);
        }
        self.stats.unknown = self.stats.unknown.wrapping_add(1);
        if self.answer(now, from, rst_for(datagram)) {
            self.stats.resets_sent = self.stats.resets_sent.wrapping_add(1);
        }
    }

    fn accepts(&self, from: Path) -> bool {
        self.secure.as_ref().zip(from.channel).is_some_and(|(of, channel)| of.accepts(channel))
    }

    /// Does what follows from what has happened to the channels.
    fn heed_channels(&mut self, now: Time) {
        while let Some(event) = self.secure.as_mut().and_then(|secure| secure.table.poll_event()) {
            match event {
                SecureEvent::Established { channel, restarted, round_trip } => {
                    self.begin_sessions(now, channel, restarted, round_trip);
                    if let Some(secure) = &mut self.secure {
                        secure.waiting.release(channel);
                    }
                }
                SecureEvent::Moved { channel, .. } => {
                    let path = self.secure.as_ref().and_then(|secure| secure.table.path(channel));
                    if let Some(path) = path {
                        self.move_channel(now, channel, path);
                    }
                }
                SecureEvent::Unanswered { channel } => {
                    if let Some(secure) = &mut self.secure {
                        secure.waiting.forget(channel);
                    }
                }
                SecureEvent::Gone { channel } => {
                    if let Some(secure) = &mut self.secure {
                        secure.waiting.forget(channel);
                    }
                    self.fail_channel(now, channel, &KcpError::Closed);
                }
            }
        }
    }

    fn sessions_in(&self, channel: ChannelKey) -> Vec<Key> {
        self.peers.sessions(PeerId::Channel(channel)).collect()
    }

    fn begin_sessions(
        &mut self,
        now: Time,
        channel: ChannelKey,
        restarted: bool,
        round_trip: Option<Duration>,
    ) {
        for key in self.sessions_in(channel) {
            self.with_session(now, key, |session| match restarted && session.is_known_to_peer() {
                // The peer has lost its memory.
                true => session.fail(KcpError::Reset),
                false => session.begin_in_channel(now, round_trip),
            });
        }
    }

    fn fail_channel(&mut self, now: Time, channel: ChannelKey, cause: &KcpError) {
        for key in self.sessions_in(channel) {
            self.with_session(now, key, |session| session.fail(cause.clone()));
        }
    }

    /// Lets the channels do what is due.
    pub(super) fn handle_channels_timeout(&mut self, now: Time) {
        if let Some(secure) = &mut self.secure {
            secure.table.handle_timeout(now);
            self.heed_channels(now);
        }
    }

    /// Returns when the channels have something to do.
    pub(super) fn poll_channels_timeout(&self) -> Option<Time> {
        self.secure.as_ref().and_then(|secure| secure.table.poll_timeout())
    }

    /// Returns whether the channels have something to send.
    pub(super) fn channels_have_transmits(&self) -> bool {
        self.secure
            .as_ref()
            .is_some_and(|secure| secure.table.has_transmits() || secure.waiting.has_released())
    }

    /// Replaces those whose streams are accepted. The streams of those who are no more among them end.
    ///
    /// # Errors
    /// [`KcpError::Config`]: a key that is nobody's, the own one, or there twice; or an endpoint without keys.
    pub fn set_clients(&mut self, now: Time, clients: Vec<SecurePeer>) -> Result<(), KcpError> {
        let Some(secure) = &mut self.secure else {
            return Err(KcpError::Config {
                field: "secure",
                value: "none".into(),
                accepted: "keys, where clients are known by theirs".into(),
            });
        };
        check_clients(Some(secure.table.public_key()), &clients)?;
        let keys = sorted_keys(&clients);
        let server = secure.server;
        let former = std::mem::replace(&mut secure.clients, keys);
        let is_gone = |key: &PublicKey| !secure.is_client(key) && Some(*key) != server;
        let removed: Vec<PublicKey> = former.into_iter().filter(is_gone).collect();
        secure.removed.retain(|key| secure.clients.binary_search(key).is_err());
        for client in clients {
            secure.add(client);
        }
        secure.removed.extend(&removed);
        let channels: Vec<ChannelKey> =
            removed.iter().flat_map(|key| secure.table.channels_of(key)).collect();
        for channel in channels {
            self.fail_channel(now, channel, &KcpError::Closed);
        }
        Ok(())
    }

    /// Returns the key of a session's peer; `None` in the clear, and once the session is over.
    pub fn peer_key(&self, key: Key) -> Option<PublicKey> {
        let channel = self.session(key).ok()?.path().channel?;
        self.secure.as_ref()?.table.peer_key(channel).copied()
    }

    /// Returns what a session's peer is called in the configuration.
    pub fn peer_name(&self, key: Key) -> Option<Arc<str>> {
        let channel = self.session(key).ok()?.path().channel?;
        self.secure.as_ref()?.table.peer_name(channel).cloned()
    }

    /// Returns how many datagrams of a session's peer arrived, and how many of those before have not.
    pub(super) fn arrivals(&self, session: &Session) -> Option<(u64, u64)> {
        self.secure.as_ref()?.table.arrivals(session.path().channel?)
    }

    /// Returns the counters of the channels; `None` in the clear.
    pub fn secure_stats(&self) -> Option<SecureStats> {
        self.secure.as_ref().map(|secure| secure.table.stats())
    }
}
