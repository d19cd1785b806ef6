//! Messages of the handshake on the wire: docs/security.md has their layouts.
//!
//! A Noise message never travels as such: all of it is XORed with a key stream that a salt chooses, so that
//! every byte looks random, and one that is sent again looks like another one.

use super::data;
use super::keys::PublicKey;
use super::noise::{FIRST_LEN, SECOND_LEN};
use super::primitives::{equal, hash, keyed, mac, open, seal, stream, Key, TAG_LEN};

/// What both sides must mean to say; part of every handshake's hash.
pub(super) const PROLOGUE: &[u8] = b"smol-kcp secure 1";

/// Bytes of a salt, and of each mac.
pub(super) const SALT_LEN: usize = 16;

/// Bytes of the payload of the first message, and of the second, without padding.
const INITIATION_PAYLOAD: usize = 52;
const RESPONSE_PAYLOAD: usize = 48;

/// The shortest initiation, and the longest one that is looked at.
pub(super) const INITIATION_MIN: usize = SALT_LEN + FIRST_LEN + INITIATION_PAYLOAD + 2 * TAG_LEN;
pub(super) const INITIATION_MAX: usize = 512;
/// The shortest response.
pub(super) const RESPONSE_MIN: usize = data::HEADER_LEN + SALT_LEN + SECOND_LEN + RESPONSE_PAYLOAD;
/// The shortest cookie reply, and the longest one that is looked at.
pub(super) const COOKIE_REPLY_MIN: usize = SALT_LEN + 2 * TAG_LEN;
pub(super) const COOKIE_REPLY_MAX: usize = 128;

/// A number that each run of an endpoint has of its own.
pub(super) type Instance = [u8; 8];
/// A mac or a cookie.
pub(super) type Mac = [u8; TAG_LEN];

/// The keys that whoever knows a responder's public key can compute.
#[derive(Debug)]
pub(super) struct ResponderKeys {
    mac1: [u8; 32],
    mask: [u8; 32],
    cookie: [u8; 32],
}

impl ResponderKeys {
    pub(super) fn new(responder: &PublicKey) -> ResponderKeys {
        let derive = |label: &[u8]| hash(&[label, responder.as_bytes()]);
        ResponderKeys {
            mac1: derive(b"smol-kcp 1 mac1"),
            mask: derive(b"smol-kcp 1 mask"),
            cookie: derive(b"smol-kcp 1 cookie"),
        }
    }

    /// Makes a datagram of the first Noise message, and returns its mac1 too. `last` is the cookie, or
    /// random bytes in the place of mac2.
    pub(super) fn initiation(
        &self,
        message: &[u8],
        salt: [u8; SALT_LEN],
        last: Result<Mac, Mac>,
    ) -> (Vec<u8>, Mac) {
        let mut datagram = Vec::with_capacity(SALT_LEN + message.len() + 2 * TAG_LEN);
        datagram.extend_from_slice(&salt);
        datagram.extend_from_slice(message);
        if let Some(masked) = datagram.get_mut(SALT_LEN..) {
            stream(&self.mask, &salt, masked);
        }
        let mac1 = mac(&self.mac1, &[&datagram]);
        datagram.extend_from_slice(&mac1);
        let mac2 = last.map_or_else(|random| random, |cookie| mac(&cookie, &[&datagram]));
        datagram.extend_from_slice(&mac2);
        (datagram, mac1)
    }

    /// Checks mac1; `None`: no initiation for this responder.
    pub(super) fn check<'a>(&self, datagram: &'a [u8]) -> Option<Initiation<'a>> {
        if !(INITIATION_MIN..=INITIATION_MAX).contains(&datagram.len()) {
            return None;
        }
        let (before_mac2, mac2) = datagram.split_last_chunk::<TAG_LEN>()?;
        let (before_mac1, mac1) = before_mac2.split_last_chunk::<TAG_LEN>()?;
        let (salt, masked) = before_mac1.split_first_chunk::<SALT_LEN>()?;
        equal(&mac(&self.mac1, &[before_mac1]), mac1).then_some(Initiation {
            salt,
            masked,
            mac1,
            before_mac2,
            mac2,
        })
    }

    /// Takes the mask off the Noise message of an initiation.
    pub(super) fn unmask(&self, initiation: &Initiation<'_>) -> Vec<u8> {
        let mut message = initiation.masked.to_vec();
        stream(&self.mask, initiation.salt, &mut message);
        message
    }

    /// Makes a cookie reply to the initiation with this mac1.
    pub(super) fn cookie_reply(
        &self,
        mac1: &Mac,
        salt: [u8; SALT_LEN],
        cookie: &Mac,
        padding: usize,
    ) -> Vec<u8> {
        let key = keyed(&self.cookie, &[&salt, mac1]);
        let mut datagram = [&salt[..], &cookie[..]].concat();
        datagram.resize(datagram.len() + padding, 0);
        let tag = seal(&key, 0, &[], datagram.get_mut(SALT_LEN..).unwrap_or_default());
        datagram.extend_from_slice(&tag);
        datagram
    }

    /// Reads the cookie out of a reply to the initiation with this mac1.
    pub(super) fn cookie(&self, mac1: &Mac, datagram: &[u8]) -> Option<Mac> {
        if !(COOKIE_REPLY_MIN..=COOKIE_REPLY_MAX).contains(&datagram.len()) {
            return None;
        }
        let (salt, rest) = datagram.split_first_chunk::<SALT_LEN>()?;
        let (sealed, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        let mut sealed = sealed.to_vec();
        let key = keyed(&self.cookie, &[salt, mac1]);
        open(&key, 0, &[], &mut sealed, tag).then_some(())?;
        sealed.first_chunk().copied()
    }
}

/// A datagram with a valid mac1.
#[derive(Debug)]
pub(super) struct Initiation<'a> {
    salt: &'a [u8; SALT_LEN],
    masked: &'a [u8],
    pub(super) mac1: &'a Mac,
    before_mac2: &'a [u8],
    mac2: &'a Mac,
}

impl Initiation<'_> {
    /// Returns whether mac2 was made with this cookie.
    pub(super) fn has_cookie(&self, cookie: &Mac) -> bool {
        equal(&mac(cookie, &[self.before_mac2]), self.mac2)
    }
}

/// What the first message says, encrypted.
#[derive(Clone, Debug)]
pub(super) struct InitiationPayload {
    pub(super) instance: Instance,
    pub(super) sequence: u32,
    pub(super) index: u32,
    pub(super) header_key: Key,
}

/// What the second message says, encrypted.
#[derive(Clone, Debug)]
pub(super) struct ResponsePayload {
    pub(super) instance: Instance,
    pub(super) index: u32,
    pub(super) header_key: Key,
}

/// No feature is known yet, of either side.
const FEATURES: [u8; 4] = [0; 4];

impl InitiationPayload {
    pub(super) fn encode(&self, padding: usize) -> zeroize::Zeroizing<Vec<u8>> {
        let (sequence, index) = (self.sequence.to_le_bytes(), self.index.to_le_bytes());
        pad(&[&self.instance, &sequence, &index, &FEATURES, &self.header_key[..]], padding)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<InitiationPayload> {
        let (instance, rest) = bytes.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (_features, rest) = rest.split_first_chunk::<4>()?;
        let (instance, sequence) = (*instance, u32::from_le_bytes(*sequence));
        let (index, header_key) = (u32::from_le_bytes(*index), Key::from(*rest.first_chunk()?));
        (index != 0).then_some(InitiationPayload { instance, sequence, index, header_key })
    }
}

impl ResponsePayload {
    pub(super) fn encode(&self, padding: usize) -> zeroize::Zeroizing<Vec<u8>> {
        let index = self.index.to_le_bytes();
        pad(&[&self.instance, &index, &FEATURES, &self.header_key[..]], padding)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<ResponsePayload> {
        let (instance, rest) = bytes.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (_features, rest) = rest.split_first_chunk::<4>()?;
        let (instance, index) = (*instance, u32::from_le_bytes(*index));
        let header_key = Key::from(*rest.first_chunk()?);
        (index != 0).then_some(ResponsePayload { instance, index, header_key })
    }
}

fn pad(parts: &[&[u8]], padding: usize) -> zeroize::Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>() + padding;
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(len));
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.resize(len, 0);
    bytes
}

/// Makes a datagram of the second Noise message, for who has given this header key and index.
pub(super) fn response(
    header_key: &Key,
    index: u32,
    salt: [u8; SALT_LEN],
    message: &[u8],
) -> Vec<u8> {
    let mut datagram = vec![0; data::HEADER_LEN];
    datagram.extend_from_slice(&salt);
    datagram.extend_from_slice(message);
    if let Some(masked) = datagram.get_mut(data::HEADER_LEN + SALT_LEN..) {
        stream(&response_key(header_key), &salt, masked);
    }
    data::write_header(header_key, index, 0, &mut datagram);
    datagram
}

/// Takes the mask off the Noise message of a response.
pub(super) fn unmask_response(header_key: &Key, datagram: &[u8]) -> Option<Vec<u8>> {
    if datagram.len() < RESPONSE_MIN {
        return None;
    }
    let (salt, masked) = datagram.get(data::HEADER_LEN..)?.split_first_chunk::<SALT_LEN>()?;
    let mut message = masked.to_vec();
    stream(&response_key(header_key), salt, &mut message);
    Some(message)
}

fn response_key(header_key: &Key) -> Key {
    keyed(header_key, &[b"smol-kcp 1 response"])
}
