//! The secure channel of docs/security.md: Noise IKpsk2 between two static keys, datagrams that look random,
//! silence towards strangers.
//!
//! [`SecureTable`] is the state machine of one endpoint with all its peers. It is sans-IO: time and a seed
//! come in, datagrams are sealed and opened in the caller's buffers, and what it has to say itself is taken
//! away by [`transmit`](SecureTable::transmit) and [`poll_event`](SecureTable::poll_event).
//!
//! ```
//! use smol_kcp_proto::layer::crypto::secure::*;
//! use smol_kcp_proto::time::Time;
//!
//! let now = Time::ZERO;
//! let table = |secret, seed| {
//!     let identity = Identity::new(SecretKey::from_bytes([secret; 32]));
//!     SecureTable::new(SecureParams::new(identity), [seed; 32])
//! };
//! let (mut a, mut b) = (table(1, 3), table(2, 4));
//! let (at_a, at_b) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
//! b.add_peer(PeerParams::new(*a.public_key())).unwrap();
//! let to_b = a.add_peer(PeerParams::new(*b.public_key())).unwrap();
//! a.connect(now, to_b, std::net::SocketAddr::into(at_b));
//! a.handle_timeout(now); // the initiation
//! for _ in 0..2 {
//!     a.transmit(&mut |_, datagram| drop(b.open(now, SocketAddr::into(at_a), &mut datagram.to_vec())));
//!     b.transmit(&mut |_, datagram| drop(a.open(now, SocketAddr::into(at_b), &mut datagram.to_vec())));
//! }
//! assert!(a.is_ready(now, to_b));
//!
//! let mut buf = [0; HEADROOM + 5 + TAILROOM];
//! buf[HEADROOM..][..5].copy_from_slice(b"hello");
//! let sealed = a.seal(now, to_b, &mut buf, 5, true).unwrap();
//! let Opened::Data { content, .. } = b.open(now, at_a.into(), &mut buf[..sealed.len]) else { panic!() };
//! assert_eq!(&buf[content], b"hello");
//! # use std::net::SocketAddr;
//! ```

mod admission;
mod attempt;
mod base64;
mod bucket;
mod channel;
mod data;
mod generator;
mod invitation;
mod keypair;
mod keys;
mod message;
mod noise;
mod replay;
mod stats;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod unconfirmed;

use smol_kcp_crypto::secure as primitives;

pub use invitation::{Invitation, InvitationKeys, ParseInvitationError};
pub use keys::{Identity, ParseKeyError, PresharedKey, PublicKey, SecretKey, SharedSecret};
pub use stats::SecureStats;
pub use table::{
    Acceptance, ChannelKey, NotSealed, Opened, PeerParams, PeerRefused, Sealed, SecureEvent,
    SecureParams, SecureTable,
};

/// Bytes that [`SecureTable::seal`] needs before the content.
pub const HEADROOM: usize = data::HEADER_LEN;
/// Bytes that [`SecureTable::seal`] needs behind the content, without padding.
pub const TAILROOM: usize = 1 + primitives::TAG_LEN;
/// Bytes by which a datagram grows, without padding.
pub const OVERHEAD: usize = HEADROOM + TAILROOM;
