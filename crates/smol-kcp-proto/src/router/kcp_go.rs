//! Peers that are made of kcp-go: each datagram in a cipher, and parity between them.
//!
//! Parity belongs to a UDP session, which is what goes between two addresses, whatever conversations are in it.
//! So each peer has a [`Lane`](lanes::Lane) as long as it has a conversation; what is said to strangers has no
//! parity, which kcp-go takes as well.

mod lanes;

use std::net::SocketAddr;

use super::Router;
use crate::layer::crypto::kcp_go::PacketCipher;
use crate::layer::fec::{self, FecDecoder, FecDecoderStats, FecEncoderStats, Origin};
use crate::path::Path;
use crate::peer::PeerKey;
use crate::time::Time;
use crate::wire::View;

pub(super) use self::lanes::{KcpGo, LaneOutlet};

/// What an endpoint with a [`KcpGoConfig`](crate::KcpGoConfig) has seen and done below KCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KcpGoStats {
    /// Datagrams that do not open: another key, or noise.
    pub unopened: u64,
    /// Parity that was sent.
    pub sent: FecEncoderStats,
    /// Parity that was received, and what came out of it.
    pub received: FecDecoderStats,
    /// Bytes of datagrams that are kept for parity.
    pub memory: usize,
}

impl Router {
    /// Wraps all that travels, if the configuration says so.
    pub(super) fn with_kcp_go(mut self) -> Router {
        if let Some(config) = &self.config.kcp_go {
            let seed = [self.random.next_u64(), self.random.next_u64()];
            self.mtu = self.mtu.saturating_sub(config.overhead());
            self.kcp_go = Some(Box::new(KcpGo::new(config, seed)));
        }
        self
    }

    /// Acts on a datagram that is in no channel. It is opened in place.
    pub(super) fn handle_in_clear(&mut self, now: Time, from: Path, datagram: &mut [u8]) {
        let Some(kcp_go) = &mut self.kcp_go else {
            return self.handle_datagram(now, from, datagram);
        };
        self.stats.datagrams_received = self.stats.datagrams_received.wrapping_add(1);
        self.stats.bytes_received = self.stats.bytes_received.wrapping_add(datagram.len() as u64);
        let Some(content) = kcp_go.open(datagram) else { return };
        if !fec::is_fec(content) {
            return self.route(now, from, View::new(content));
        }
        let share = self.account.budget().share();
        let decoder = self.kcp_go.as_mut().and_then(|kcp_go| kcp_go.take_decoder(from.peer, share));
        if let Some(mut decoder) = decoder {
            decoder.decode(now, content, &mut |origin, content| match origin {
                Origin::Arrived => self.route(now, from, View::new(content)),
                Origin::Recovered => self.route(now, from, View::recovered(content)),
            });
            return self.put_decoder(from.peer, decoder);
        }
        // Of nobody anything is kept who has no conversation. This may open one.
        if let Some(content) = fec::data_content(content) {
            self.route(now, from, View::new(content));
        }
        let expected =
            self.kcp_go.as_ref().and_then(|kcp_go| kcp_go.wants_decoder(from.peer, share));
        if let Some(expected) = expected {
            let mut decoder = Box::new(FecDecoder::new(expected));
            decoder.decode(now, content, &mut |_, _| {});
            self.put_decoder(from.peer, decoder);
        }
    }

    fn put_decoder(&mut self, peer: SocketAddr, decoder: Box<FecDecoder>) {
        if let Some(kcp_go) = &mut self.kcp_go {
            kcp_go.put_decoder(peer, decoder);
        }
        self.charge_lanes();
    }

    /// Charges what is kept for parity.
    fn charge_lanes(&mut self) {
        let Some(kcp_go) = &mut self.kcp_go else { return };
        let (before, after) = kcp_go.charge();
        if before != after {
            self.account.change(before, after);
        }
    }

    /// A peer has a conversation.
    pub(super) fn join_lane(&mut self, peer: SocketAddr) {
        if let Some(kcp_go) = &mut self.kcp_go {
            kcp_go.join(peer);
        }
    }

    /// A peer has no conversation any more.
    pub(super) fn leave_lane(&mut self, peer: SocketAddr) {
        match &mut self.kcp_go {
            Some(kcp_go) => kcp_go.leave(peer),
            // The lanes are on the way out: see `LaneOutlet::end`.
            None if self.config.kcp_go.is_some() => self.left_lanes.push(peer),
            None => {}
        }
    }

    /// Tells the lane of a peer whether parity is worth it.
    pub(super) fn heed_parity(&mut self, of: PeerKey) {
        if let (Some(kcp_go), Some(peer)) = (&mut self.kcp_go, self.peers.get(of)) {
            kcp_go.open_gate(peer.addr, peer.path.parity.is_open());
        }
    }

    /// Lets the lanes give back memory that nobody has used for a while.
    pub(super) fn handle_lanes_timeout(&mut self, now: Time) {
        if self.kcp_go.as_mut().is_some_and(|kcp_go| kcp_go.handle_timeout(now)) {
            self.charge_lanes();
        }
    }

    /// Returns when the lanes have something to do.
    pub(super) fn poll_lanes_timeout(&self) -> Option<Time> {
        self.kcp_go.as_ref().and_then(|kcp_go| kcp_go.poll_timeout())
    }

    /// Returns what was seen and done below KCP; `None` without a [`KcpGoConfig`](crate::KcpGoConfig).
    pub fn kcp_go_stats(&self) -> Option<KcpGoStats> {
        self.kcp_go.as_ref().map(|kcp_go| kcp_go.stats())
    }
}
