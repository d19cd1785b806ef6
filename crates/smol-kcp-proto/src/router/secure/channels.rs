//! The channels of an endpoint, and the way out through them.

use super::waiting::Waiting;
use crate::config::{SecureConfig, SecurePeer};
use crate::layer::crypto::secure::{
    Acceptance, Identity, NotSealed, PeerParams, PeerRefused, PresharedKey, PublicKey, SecretKey,
    SecureParams, SecureTable, HEADROOM, TAILROOM,
};
use crate::path::{ChannelKey, Path};
use crate::router::Router;
use crate::time::Time;
use crate::wire::{View, CMD_PUSH, CMD_WASK};

/// Bytes of a seed: one key of the own static pair, and the randomness of the channels.
pub(super) type Seed = [u8; 64];

/// The channels of an endpoint, and what waits for them.
#[derive(Debug)]
pub(in crate::router) struct Secure {
    pub(super) table: SecureTable,
    /// Whom `connect` means.
    pub(super) server: Option<PublicKey>,
    /// Whose streams are accepted, [sorted](sorted_keys).
    pub(super) clients: Vec<PublicKey>,
    /// So are those of others that have a preshared key.
    takes_others: bool,
    /// Those who are to be forgotten once they have been told.
    pub(super) removed: Vec<PublicKey>,
    pub(super) waiting: Waiting,
    /// A datagram is sealed here: as long as the longest one.
    scratch: Vec<u8>,
}

/// The keys of clients, as [`Secure::clients`] has them.
pub(super) fn sorted_keys(clients: &[SecurePeer]) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = clients.iter().map(|client| client.key).collect();
    keys.sort_unstable();
    keys
}

impl Secure {
    /// Is that one of the clients?
    pub(super) fn is_client(&self, key: &PublicKey) -> bool {
        self.clients.binary_search(key).is_ok()
    }

    pub(super) fn new(
        config: &SecureConfig,
        max_channels: usize,
        mtu: usize,
        seed: Seed,
    ) -> Secure {
        let (own, rest) = seed.split_at(32);
        let (own, rest) = (own.first_chunk().copied(), rest.first_chunk().copied());
        let own = config
            .own_key
            .clone()
            .unwrap_or_else(|| SecretKey::from_bytes(own.unwrap_or_default()));
        let mut params = SecureParams::new(Identity::new(own));
        params.pad_to = config.pad_to;
        params.max_channels = max_channels;
        if let Some(psk) = &config.anyone_with {
            params.acceptance = Acceptance::AnyoneWith(psk.clone());
        }
        let mut secure = Secure {
            table: SecureTable::new(params, rest.unwrap_or_default()),
            server: config.server.as_ref().map(|server| server.key),
            clients: sorted_keys(&config.clients),
            takes_others: config.anyone_with.is_some(),
            removed: Vec::new(),
            waiting: Waiting::default(),
            scratch: vec![0; mtu],
        };
        for peer in config.clients.iter().chain(&config.server) {
            secure.add(peer.clone());
        }
        secure
    }

    pub(super) fn add(&mut self, peer: SecurePeer) {
        let mut params = PeerParams::new(peer.key);
        params.psk = peer.psk.unwrap_or(PresharedKey::none());
        params.name = peer.name;
        match self.table.add_peer(params) {
            // Checked before, but for the own key of an endpoint that has drawn it.
            Ok(_) | Err(PeerRefused::OwnKey | PeerRefused::ZeroKey) => {}
            Err(error) => log::warn!("{} is not accepted: {error}", peer.key),
        }
    }

    /// Returns whether a peer may open streams: who is connected to may not, unless it is a client too.
    pub(super) fn accepts(&self, channel: ChannelKey) -> bool {
        let Some(key) = self.table.peer_key(channel) else { return false };
        self.is_client(key) || self.takes_others && self.server != Some(*key)
    }

    /// Seals a datagram and hands it on; where there are no keys yet it waits for them.
    fn send(
        &mut self,
        now: Time,
        channel: ChannelKey,
        content: &[u8],
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        let least = HEADROOM + content.len() + TAILROOM;
        if self.scratch.len() < least {
            self.scratch.resize(least, 0);
        }
        let Some(place) = self.scratch.get_mut(HEADROOM..HEADROOM + content.len()) else { return };
        place.copy_from_slice(content);
        let elicits = elicits(content);
        match self.table.seal(now, channel, &mut self.scratch, content.len(), elicits) {
            Ok(sealed) => {
                let path = Path { channel: Some(channel), ..sealed.path };
                out(path, self.scratch.get(..sealed.len).unwrap_or_default());
            }
            Err(NotSealed::NoKeys) => self.waiting.push(channel, content),
            // It was removed, or nobody knows where it is: as good as lost.
            Err(_) => {}
        }
    }
}

/// The way out: what leaves in a channel is sealed. It has the channels as long as the router hands out datagrams.
pub(in crate::router) struct Outlet {
    secure: Option<Box<Secure>>,
}

impl Outlet {
    pub(in crate::router) fn new(router: &mut Router) -> Outlet {
        Outlet { secure: router.secure.take() }
    }

    /// Sends what the channels themselves have to say, and what has waited for keys.
    pub(in crate::router) fn begin(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) {
        let Some(secure) = &mut self.secure else { return };
        secure.table.transmit(out);
        while let Some((channel, datagram)) = secure.waiting.pop_released() {
            secure.send(now, channel, &datagram, out);
        }
    }

    pub(in crate::router) fn send(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        match (&mut self.secure, path.channel) {
            (None, _) => out(path, datagram),
            (Some(secure), Some(channel)) => secure.send(now, channel, datagram, out),
            // Nothing leaves in the clear.
            (Some(_), None) => {}
        }
    }

    /// Gives the channels back. Those who were removed have been told.
    pub(in crate::router) fn end(self, router: &mut Router) {
        router.secure = self.secure;
        if let Some(secure) = &mut router.secure {
            router.left_channels.drain(..).for_each(|channel| secure.table.release(channel));
            for key in std::mem::take(&mut secure.removed) {
                secure.table.remove_peer(&key);
            }
        }
    }
}

/// Tells whether something in a datagram of KCP asks for an answer, so that silence means something.
fn elicits(datagram: &[u8]) -> bool {
    View::new(datagram).is_ok_and(|view| view.has(CMD_PUSH) || view.has(CMD_WASK))
}
