//! From the words that both sides know to the bytes that the ciphers take.

use std::fmt;

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::PACKET_MAX;

/// Bytes that all ciphers take their keys from, each a part of them from the beginning.
const KEY_LEN: usize = 32;
/// kcptun's; the same for everybody, so that a guessed key can be looked up.
const SALT: &[u8] = b"kcp-go";
const ROUNDS: u32 = 4096;

/// kcp-go's for the row of `xor`.
const XOR_SALT: &[u8] = b"sH3CIVoF#rWLtJo6";
const XOR_ROUNDS: u32 = 32;

/// A key as kcptun derives it from a text. Erased when it is dropped, never shown.
#[derive(Clone)]
pub struct DerivedKey(Zeroizing<[u8; KEY_LEN]>);

/// Derives the key from the text that both sides know: 4,096 rounds of HMAC-SHA1 for each of two blocks.
///
/// That takes 2 ms on a PC and a good part of a second on a slow router, so it is done once, where nobody
/// waits for it, and not by [`PacketCipher::new`](super::PacketCipher::new).
///
/// ```
/// # use smol_kcp_crypto::kcp_go::derive_key;
/// let key = derive_key(b"it's a secrect"); // kcptun's default, as it is spelt there
/// assert_eq!(key.as_bytes()[..4], [0x25, 0xd7, 0xd7, 0xbd]);
/// ```
pub fn derive_key(secret: &[u8]) -> DerivedKey {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    pbkdf2_hmac::<Sha1>(secret, SALT, ROUNDS, &mut key[..]);
    DerivedKey(key)
}

impl DerivedKey {
    /// Takes a key that was derived before.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> DerivedKey {
        DerivedKey(Zeroizing::new(bytes))
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Makes the row of bytes that `xor` lays over each packet.
    pub(super) fn xor_row(&self) -> Zeroizing<Vec<u8>> {
        let mut row = Zeroizing::new(vec![0; PACKET_MAX]);
        pbkdf2_hmac::<Sha1>(&self.0[..], XOR_SALT, XOR_ROUNDS, &mut row);
        row
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey")
    }
}
