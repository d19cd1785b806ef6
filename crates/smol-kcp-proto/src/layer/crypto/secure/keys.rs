//! Long-lived keys, and how they are written.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::base64;
use super::primitives::{self, equal, hmac, Key, KEY_LEN};

/// The public key of a party: what it is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

/// A secret key of X25519. Erased when it is dropped, never shown.
#[derive(Clone)]
pub struct SecretKey(Key);

/// A secret of both parties that is mixed into the handshake; all zeros: none.
#[derive(Clone)]
pub struct PresharedKey(Key);

/// One secret for both sides, from which the keys of the server and the preshared key derive.
#[derive(Clone)]
pub struct SharedSecret(Key);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseKeyError;

/// A secret key with its public one.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) secret: SecretKey,
    pub(super) public: PublicKey,
}

impl PublicKey {
    /// Takes the bytes for a key: any 32 are one.
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl SecretKey {
    /// Takes the bytes, which come from the system's randomness, for a key. They are clamped where they are
    /// used (RFC 7748, 5).
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> SecretKey {
        SecretKey(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Computes the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(primitives::public_key(&self.0))
    }

    /// Writes the key down, in memory that is erased.
    pub fn to_text(&self) -> Zeroizing<String> {
        base64::encode(&self.0[..])
    }

    /// X25519 with another's public key.
    pub(super) fn dh(&self, public: &PublicKey) -> Option<Key> {
        primitives::dh(&self.0, &public.0)
    }
}

impl PresharedKey {
    /// Stands for "none was agreed on".
    pub fn none() -> PresharedKey {
        PresharedKey(Key::default())
    }

    /// Takes the bytes for a key.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> PresharedKey {
        PresharedKey(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Returns whether there is none.
    pub fn is_none(&self) -> bool {
        equal(&self.0[..], &[0; KEY_LEN])
    }

    /// Writes the key down, in memory that is erased.
    pub fn to_text(&self) -> Zeroizing<String> {
        base64::encode(&self.0[..])
    }
}

impl SharedSecret {
    /// Takes the bytes, which come from the system's randomness, for a secret.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> SharedSecret {
        SharedSecret(Zeroizing::new(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Derives the static key of the server (HKDF, RFC 5869).
    pub fn server_key(&self) -> SecretKey {
        SecretKey(self.derive(b"server static"))
    }

    /// Derives the preshared key (HKDF, RFC 5869).
    pub fn preshared_key(&self) -> PresharedKey {
        PresharedKey(self.derive(b"preshared key"))
    }

    /// Writes the secret down, in memory that is erased.
    pub fn to_text(&self) -> Zeroizing<String> {
        base64::encode(&self.0[..])
    }

    fn derive(&self, info: &[u8]) -> Key {
        let pseudorandom = hmac(b"smol-kcp 1 shared secret", &[&self.0[..]]);
        hmac(&pseudorandom[..], &[info, &[1]])
    }
}

impl Identity {
    /// Computes the public key and keeps both.
    pub fn new(secret: SecretKey) -> Identity {
        Identity { public: secret.public_key(), secret }
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    /// Shows the beginning, which is enough to tell keys apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:.8}…)", &*base64::encode(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<PublicKey, ParseKeyError> {
        Ok(PublicKey(*parse(text)?))
    }
}

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 44 characters of base64, as `wg genkey` prints them")
    }
}

impl std::error::Error for ParseKeyError {}

fn parse(text: &str) -> Result<Key, ParseKeyError> {
    let bytes = base64::decode(text.trim()).ok_or(ParseKeyError)?;
    let mut key = Key::default();
    if bytes.len() != key.len() {
        return Err(ParseKeyError);
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// What all secrets have: a text that makes them, and a name instead of a content for logs.
macro_rules! secret {
    ($($name:ident)*) => {$(
        impl FromStr for $name {
            type Err = ParseKeyError;

            fn from_str(text: &str) -> Result<$name, ParseKeyError> {
                parse(text).map($name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                equal(&self.0[..], &other.0[..])
            }
        }

        impl Eq for $name {}
    )*};
}

secret!(SecretKey PresharedKey SharedSecret);
