//! Who is worth an X25519: under load, only who receives at the address that it writes from.

use std::net::{IpAddr, SocketAddr};

use super::bucket::{Bucket, Pace};
use super::generator::Generator;
use super::message::{Initiation, Mac};
use super::primitives::{mac, Key};
use crate::path::prefix;
use crate::secret::Secret;
use crate::time::Time;

/// Initiations that are computed without a cookie.
const STRANGERS: Pace = Pace::per_second(20, 32);
/// Initiations that are computed with a cookie, of each IPv4 address or IPv6 /64.
const PREFIX: Pace = Pace::per_second(20, 5);
/// Prefixes that are told apart. Two may share a bucket, but nobody can tell which.
const BUCKETS: u64 = 1024;
/// Time after which cookies change. One is valid for this long at least and twice as long at most.
const SLOT_MILLIS: u64 = 60_000;

/// What is to become of an initiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Compute,
    /// Ask for this cookie.
    Ask(Mac),
    Drop,
}

/// The buckets, and the secrets of cookies.
#[derive(Debug)]
pub(super) struct Gate {
    strangers: Bucket,
    proven: Bucket,
    proven_pace: Pace,
    /// Empty until the first cookie comes back.
    prefixes: Vec<Bucket>,
    secret: Secret,
    cookie_key: Key,
}

impl Gate {
    /// `per_second`: initiations with a cookie that are computed, in all.
    pub(super) fn new(per_second: u32, generator: &mut Generator) -> Gate {
        let secret = std::array::from_fn(|_| u64::from_le_bytes(generator.draw()));
        Gate {
            strangers: Bucket::default(),
            proven: Bucket::default(),
            proven_pace: Pace::per_second(per_second, (per_second / 4).max(1)),
            prefixes: Vec::new(),
            secret: Secret::new(secret),
            cookie_key: Key::new(generator.draw()),
        }
    }

    /// Decides about an initiation whose mac1 is right.
    pub(super) fn admit(
        &mut self,
        now: Time,
        from: SocketAddr,
        initiation: &Initiation<'_>,
    ) -> Admission {
        if self.strangers.take(now, STRANGERS) {
            return Admission::Compute;
        }
        let slot = now.as_millis() / SLOT_MILLIS;
        let cookie = self.cookie(slot, from);
        let is_proven = initiation.has_cookie(&cookie)
            || slot > 0 && initiation.has_cookie(&self.cookie(slot - 1, from));
        if !is_proven {
            return Admission::Ask(cookie);
        }
        // Before the bucket of all: who has used up its own takes nothing from others.
        match self.take_share(now, from) && self.proven.take(now, self.proven_pace) {
            true => Admission::Compute,
            false => Admission::Drop,
        }
    }

    fn take_share(&mut self, now: Time, from: SocketAddr) -> bool {
        if self.prefixes.is_empty() {
            self.prefixes = vec![Bucket::default(); BUCKETS as usize];
        }
        let number = self.secret.number_of_prefix(prefix(from).0) % BUCKETS;
        self.prefixes.get_mut(number as usize).is_some_and(|bucket| bucket.take(now, PREFIX))
    }

    fn cookie(&self, slot: u64, addr: SocketAddr) -> Mac {
        let (slot, port) = (slot.to_le_bytes(), addr.port().to_le_bytes());
        let authenticate = |ip: &[u8]| mac(&self.cookie_key[..], &[&slot, ip, &port]);
        match addr.ip() {
            IpAddr::V4(ip) => authenticate(&ip.octets()),
            IpAddr::V6(ip) => authenticate(&ip.octets()),
        }
    }
}
