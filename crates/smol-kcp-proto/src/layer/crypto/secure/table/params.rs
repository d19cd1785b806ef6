//! What a table is made with, and what it tells.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::keys::{Identity, PresharedKey, PublicKey};
pub use crate::path::ChannelKey;
use crate::path::Path;

/// Whose initiations are answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Acceptance {
    /// Those of the peers that were added.
    Added,
    /// Those of anybody who proves to have this preshared key, and of the peers that were added.
    AnyoneWith(PresharedKey),
}

/// What a [`SecureTable`](super::SecureTable) is made with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SecureParams {
    /// The own static key.
    pub identity: Identity,
    /// Whose initiations are answered.
    pub acceptance: Acceptance,
    /// The content and kind of data are padded to a multiple of this, as far as the buffer goes; 0 and 1:
    /// not at all.
    pub pad_to: usize,
    /// Initiations in a second that are computed under load, when all of them come with a cookie.
    pub initiations_per_second: u32,
    /// Channels in all.
    pub max_channels: usize,
    /// Channels with programs that have one and the same key, at least 1.
    pub max_channels_per_key: usize,
}

/// A peer as it is [added](super::SecureTable::add_peer).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerParams {
    /// Its static key.
    pub key: PublicKey,
    /// The preshared key of the two.
    pub psk: PresharedKey,
    /// What it is called.
    pub name: Option<Arc<str>>,
}

/// Why a peer was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRefused {
    /// It has the own key: both sides would be one.
    OwnKey,
    /// No key of X25519 is all zeros.
    ZeroKey,
    /// There are as many channels as there may be.
    TooMany,
}

/// A datagram that was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// Bytes from the beginning of the buffer.
    pub len: usize,
    /// Where the peer is.
    pub path: Path,
}

/// Why a datagram was not sealed. The buffer is as it was, but for what lies outside the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSealed {
    /// There are no keys yet. A handshake is under way;
    /// [`SecureEvent::Established`] tells when it is worth another try.
    NoKeys,
    /// Nobody knows where the peer is.
    NoPath,
    /// The buffer is too short.
    NoRoom,
    /// There is no such channel.
    NoChannel,
}

/// What an incoming datagram was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// Data of a peer.
    Data {
        /// Whose.
        channel: ChannelKey,
        /// Where the content is in the buffer.
        content: Range<usize>,
        /// The peer's former path, if this datagram has moved it.
        moved_from: Option<Path>,
    },
    /// Nothing for the caller: a part of the handshake, or something that was dropped.
    Nothing,
}

/// What the caller should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecureEvent {
    /// There are new keys: what was not sealed can be.
    Established {
        /// Whose.
        channel: ChannelKey,
        /// The peer has lost its memory since the last handshake: it does not know the conversations.
        restarted: bool,
        /// The round trip of the handshake, if it is known.
        round_trip: Option<Duration>,
    },
    /// A peer moved without sending data: by a response, a probe, or an answer.
    Moved {
        /// Who.
        channel: ChannelKey,
        /// Its former path.
        from: Path,
    },
    /// Nobody has answered for 90 seconds. The next datagram begins again.
    Unanswered {
        /// Who.
        channel: ChannelKey,
    },
    /// The channel is gone, and nobody's hold on it counts any more: it was removed, or was nobody's and its keys
    /// are too old, or has made room for another run of its key, or another channel leads to its run now.
    Gone {
        /// Which.
        channel: ChannelKey,
    },
}

impl SecureParams {
    /// Begins with what is right for most: only added peers, no padding, 500 initiations a second, 4,096
    /// channels, 16 for each key.
    pub fn new(identity: Identity) -> SecureParams {
        SecureParams {
            identity,
            acceptance: Acceptance::Added,
            pad_to: 0,
            initiations_per_second: 500,
            max_channels: 4096,
            max_channels_per_key: 16,
        }
    }
}

impl PeerParams {
    /// Begins with a key alone.
    pub fn new(key: PublicKey) -> PeerParams {
        PeerParams { key, psk: PresharedKey::none(), name: None }
    }
}

impl fmt::Display for PeerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeerRefused::OwnKey => "a peer's key must be another one than the own",
            PeerRefused::ZeroKey => "a key of zeros is nobody's",
            PeerRefused::TooMany => "there are too many channels",
        })
    }
}

impl std::error::Error for PeerRefused {}

impl fmt::Display for NotSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSealed::NoKeys => "the handshake is under way",
            NotSealed::NoPath => "nobody knows where the peer is",
            NotSealed::NoRoom => "the buffer is too short",
            NotSealed::NoChannel => "there is no such channel",
        })
    }
}

impl std::error::Error for NotSealed {}
