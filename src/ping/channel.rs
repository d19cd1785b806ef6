//! The encrypted channel in which a server with keys is asked.

use std::net::SocketAddr;

use crate::secure::{random_key, SecretKey, SecureConfig};
use crate::transport::{Datagram, Datagrams};
use crate::{KcpConfig, KcpError};
use smol_kcp_proto::layer::crypto::secure::{
    ChannelKey, Identity, Opened, PeerParams, SecureEvent, SecureParams, SecureTable, HEADROOM,
    TAILROOM,
};
use smol_kcp_proto::time::Time;

/// One end of a channel with one server.
#[derive(Debug)]
pub(super) struct Channel {
    table: SecureTable,
    key: ChannelKey,
    /// What is being sealed or opened.
    scratch: Vec<u8>,
}

impl Channel {
    /// Begins a handshake with the server of a configuration, if that has keys.
    pub(super) fn of(
        config: &KcpConfig,
        peer: SocketAddr,
        now: Time,
    ) -> Result<Option<Channel>, KcpError> {
        config.secure.as_ref().map(|secure| Channel::new(secure, peer, now)).transpose()
    }

    fn new(secure: &SecureConfig, peer: SocketAddr, now: Time) -> Result<Channel, KcpError> {
        let refused = |value: String| KcpError::Config {
            field: "secure.server",
            value,
            accepted: "the key of the one to ping, which is not the own one".into(),
        };
        let server = secure.server.as_ref().ok_or_else(|| refused("none".into()))?;
        let own = match &secure.own_key {
            Some(own) => own.clone(),
            None => SecretKey::from_bytes(random_key()?),
        };
        let mut table = SecureTable::new(SecureParams::new(Identity::new(own)), random_key()?);
        let mut params = PeerParams::new(server.key);
        if let Some(psk) = &server.psk {
            params.psk = psk.clone();
        }
        let key = table.add_peer(params).map_err(|_| refused(server.key.to_string()))?;
        table.connect(now, key, peer.into());
        Ok(Channel { table, key, scratch: Vec::new() })
    }

    /// Appends to `out` what is due of the handshake. Returns whether there are new keys since the last call.
    pub(super) fn transmit(&mut self, now: Time, peer: SocketAddr, out: &mut Datagrams) -> bool {
        self.table.handle_timeout(now);
        let mut is_new = false;
        while let Some(event) = self.table.poll_event() {
            is_new |= matches!(event, SecureEvent::Established { .. });
        }
        self.table.transmit(&mut |_, datagram| {
            out.push(Datagram::new(peer, datagram)); // no room: it is repeated
        });
        is_new
    }

    /// Appends to `out` what is to be sent. Returns whether there are keys for that; else it is worth another try
    /// when something has been opened.
    pub(super) fn seal(
        &mut self,
        now: Time,
        peer: SocketAddr,
        content: &[u8],
        out: &mut Datagrams,
    ) -> bool {
        self.scratch.clear();
        self.scratch.resize(HEADROOM + content.len() + TAILROOM, 0);
        let Some(place) = self.scratch.get_mut(HEADROOM..HEADROOM + content.len()) else {
            return false;
        };
        place.copy_from_slice(content);
        let sealed = self.table.seal(now, self.key, &mut self.scratch, content.len(), true);
        let datagram = sealed.ok().and_then(|sealed| self.scratch.get(..sealed.len));
        datagram.is_some_and(|datagram| out.push(Datagram::new(peer, datagram)))
    }

    /// Opens a datagram; `None`: it is the channel's own, or nobody's.
    pub(super) fn open(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) -> Option<&[u8]> {
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        match self.table.open(now, from.into(), &mut self.scratch) {
            Opened::Data { content, .. } => self.scratch.get(content),
            _ => None,
        }
    }

    /// Returns when the handshake has something to repeat.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.table.poll_timeout()
    }
}
