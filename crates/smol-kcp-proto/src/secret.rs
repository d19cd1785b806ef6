//! Keyed hashes: numbers that prove something because only the holder of the key can compute them.
//!
//! Numbers go into the hash in little endian: the two ends of a proof may differ in their order.

use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use siphasher::sip::SipHasher24;

use crate::time::Time;

/// Time after which cookies change. One stays valid for this long at least and twice as long at
/// most: longer than a client's keepalive, with which a lost proof is repeated.
const SLOT_SECONDS: u64 = 32;

/// The longest that a cookie is valid.
pub(crate) const COOKIE_LASTS: Duration = Duration::from_secs(2 * SLOT_SECONDS);

/// What a hash is for, so that none of one kind passes for one of another.
#[derive(Clone, Copy)]
enum Purpose {
    Number,
    Prefix,
    Cookie,
    Path,
}

/// A key of 128 bits, from the system's randomness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret([u64; 2]);

impl Secret {
    pub(crate) fn new(key: [u64; 2]) -> Secret {
        Secret(key)
    }

    fn hasher(&self, purpose: Purpose) -> SipHasher24 {
        let mut hasher = SipHasher24::new_with_keys(self.0[0], self.0[1]);
        hasher.write(&[purpose as u8]);
        hasher
    }

    /// Returns the `position`th number of a sequence.
    pub(super) fn number(&self, position: u64) -> u64 {
        let mut hasher = self.hasher(Purpose::Number);
        hasher.write(&position.to_le_bytes());
        hasher.finish()
    }

    /// Returns a number for a network prefix, by which nobody can choose prefixes that share theirs.
    pub(super) fn number_of_prefix(&self, prefix: u64) -> u64 {
        let mut hasher = self.hasher(Purpose::Prefix);
        hasher.write(&prefix.to_le_bytes());
        hasher.finish()
    }

    /// Makes a number that only who receives at `addr` learns. It stands for a record of an opening that
    /// nobody has to keep, as a SYN cookie does (RFC 4987, 3.6). `nonce` is that of the client's HELLO;
    /// 0 for peers that have none. Never 0.
    pub(crate) fn cookie(&self, now: Time, addr: SocketAddr, conv: u32, nonce: u32) -> u32 {
        self.cookie_of(slot(now), addr, conv, nonce)
    }

    /// Returns whether `cookie` was made for the same in this slot of time or the one before.
    pub(crate) fn is_cookie(
        &self,
        now: Time,
        (addr, conv, nonce): (SocketAddr, u32, u32),
        cookie: u32,
    ) -> bool {
        let slot = slot(now);
        cookie == self.cookie_of(slot, addr, conv, nonce)
            || slot > 0 && cookie == self.cookie_of(slot - 1, addr, conv, nonce)
    }

    fn cookie_of(&self, slot: u64, addr: SocketAddr, conv: u32, nonce: u32) -> u32 {
        let mut hasher = self.hasher(Purpose::Cookie);
        hasher.write(&slot.to_le_bytes());
        match addr.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write(&addr.port().to_le_bytes());
        hasher.write(&conv.to_le_bytes());
        hasher.write(&nonce.to_le_bytes());
        ((hasher.finish() >> 32) as u32).max(1)
    }
}

fn slot(now: Time) -> u64 {
    now.as_millis() / (1000 * SLOT_SECONDS)
}

/// Makes the answer to a question whether a peer is at a new address: 64 bits that only the two ends of a
/// conversation can compute, as they alone have seen both nonces of its HELLO.
pub(crate) fn path_proof(nonces: (u32, u32), conv: u32, token: u32) -> (u32, u32) {
    let key = Secret::new([u64::from(nonces.0), u64::from(nonces.1)]);
    let mut hasher = key.hasher(Purpose::Path);
    hasher.write(&conv.to_le_bytes());
    hasher.write(&token.to_le_bytes());
    let proof = hasher.finish();
    ((proof >> 32) as u32, proof as u32)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    #[test]
    fn a_cookie_is_good_for_its_address_number_nonce_and_time_only() {
        let secret = Secret::new([1, 2]);
        let at = Time::from_millis;
        let cookie = secret.cookie(at(1000), addr(1), 7, 9);
        let is = |now, port, conv, nonce| secret.is_cookie(now, (addr(port), conv, nonce), cookie);
        assert!(is(at(1000), 1, 7, 9) && is(at(63_999), 1, 7, 9));
        assert!(!is(at(64_000), 1, 7, 9), "too old");
        assert!(!is(at(1000), 2, 7, 9) && !is(at(1000), 1, 8, 9) && !is(at(1000), 1, 7, 0));
        let other = Secret::new([1, 3]);
        assert!(!other.is_cookie(at(1000), (addr(1), 7, 9), cookie));
    }

    #[test]
    fn a_proof_needs_both_nonces_and_the_question() {
        let proof = path_proof((1, 2), 7, 9);
        for other in [((1, 3), 7, 9), ((2, 2), 7, 9), ((1, 2), 8, 9), ((1, 2), 7, 8)] {
            let (nonces, conv, token) = other;
            assert_ne!(path_proof(nonces, conv, token), proof);
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new([1, 2])), "Secret");
    }
}
