//! A way through the network: the two addresses between which a datagram travels, and who is at its end.

use std::net::{IpAddr, SocketAddr};

/// What names a channel of the encrypted mode within its endpoint, as long as the channel lives.
pub type ChannelKey = usize;

/// A network path (RFC 9000, 9): where the peer is, and which of this side's addresses it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The address of the peer.
    pub peer: SocketAddr,
    /// The address of this side that a datagram came to, or leaves from; `None`: the system's choice. A
    /// host with several addresses must answer from the one that it was asked at, or the answer passes no
    /// NAT and no connected socket.
    pub local: Option<IpAddr>,
    /// The channel in which its contents travel; `None`: in the clear.
    pub channel: Option<ChannelKey>,
}

/// Who a conversation is with. Its order has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerId {
    /// Whoever receives at this address.
    At(SocketAddr),
    /// One run of whoever has a key, wherever that is.
    Channel(ChannelKey),
}

impl Path {
    /// Returns who is at its end.
    pub(crate) fn id(&self) -> PeerId {
        self.channel.map_or(PeerId::At(self.peer), PeerId::Channel)
    }
}

impl From<SocketAddr> for Path {
    /// Leaves the choice of the own address to the system.
    fn from(peer: SocketAddr) -> Path {
        Path { peer, local: None, channel: None }
    }
}

/// A subscriber's network, as far as an address tells: an IPv4 address, or the first 64 bits of an IPv6
/// address (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix(pub(crate) u64);

/// Returns the prefix of an address.
pub(crate) fn prefix(addr: SocketAddr) -> Prefix {
    Prefix(match addr.ip() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        // No unicast address begins with 32 zeros.
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => u64::from(u32::from(ip)),
            None => (u128::from(ip) >> 64) as u64,
        },
    })
}
