//! The primitives of the encrypted mode, by the names that docs/security.md gives them. Nothing panics: what cannot be
//! for the arguments that are given here ends in zeros.

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac, Digest};
use chacha20::cipher::array::Array;
use chacha20::cipher::{KeyIvInit, StreamCipherCore};
use chacha20::{ChaChaCore, R20};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::ChaCha20Poly1305;
use curve25519_dalek::constants::X25519_BASEPOINT;
use curve25519_dalek::montgomery::MontgomeryPoint;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a key, a hash and a public key.
pub const KEY_LEN: usize = 32;
/// Bytes of an authentication tag, a mac and a cookie.
pub const TAG_LEN: usize = 16;

/// Secret bytes that erase themselves.
pub type Key = Zeroizing<[u8; KEY_LEN]>;

/// Bytes that BLAKE2s takes at once (RFC 7693).
const BLOCK_LEN: usize = 64;

/// Hashes the parts one after the other.
pub fn hash(parts: &[&[u8]]) -> [u8; KEY_LEN] {
    let mut hasher = Blake2s256::new();
    parts.iter().for_each(|part| Digest::update(&mut hasher, part));
    hasher.finalize().0
}

/// Makes a key from a key.
pub fn keyed(key: &[u8; KEY_LEN], parts: &[&[u8]]) -> Key {
    let mut mac = blake2::Blake2sMac256::new(&Array(*key));
    parts.iter().for_each(|part| Update::update(&mut mac, part));
    Zeroizing::new(mac.finalize_fixed().0)
}

/// Authenticates the parts one after the other. No key is longer than 32 bytes here.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; TAG_LEN] {
    let key = key.get(..KEY_LEN).unwrap_or(key);
    let Ok(mut mac) = Blake2sMac::<U16>::new_from_slice(key) else { return [0; TAG_LEN] };
    parts.iter().for_each(|part| Update::update(&mut mac, part));
    mac.finalize_fixed().0
}

/// Returns whether two values are equal, in the same time whether they are or not.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// HMAC (RFC 2104) with BLAKE2s, for keys of at most a block.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut pad = Zeroizing::new([0; BLOCK_LEN]);
    pad.iter_mut().zip(key).for_each(|(pad, key)| *pad = *key);
    let mut flip = |with: u8| pad.iter_mut().for_each(|byte| *byte ^= with);
    flip(0x36);
    let mut inner = Blake2s256::new_with_prefix(*pad);
    parts.iter().for_each(|part| Digest::update(&mut inner, part));
    let mut flip = |with: u8| pad.iter_mut().for_each(|byte| *byte ^= with);
    flip(0x36 ^ 0x5c);
    let outer = Blake2s256::new_with_prefix(*pad).chain_update(inner.finalize());
    Zeroizing::new(outer.finalize().0)
}

/// Noise's HKDF with `N` outputs, 2 or 3 (revision 34, 4.3).
pub fn hkdf<const N: usize>(chaining_key: &[u8; KEY_LEN], input: &[u8]) -> [Key; N] {
    let secret = hmac(chaining_key, &[input]);
    let mut last: Option<Key> = None;
    let mut number = 0;
    core::array::from_fn(|_| {
        number += 1;
        let before: &[u8] = last.as_ref().map_or(&[], |key| &key[..]);
        let key = hmac(&secret[..], &[before, &[number]]);
        last = Some(key.clone());
        key
    })
}

/// XORs `data` with the key stream that `sample` chooses (RFC 9001, 5.4.4).
pub fn stream(key: &[u8; KEY_LEN], sample: &[u8; 16], data: &mut [u8]) {
    let [c0, c1, c2, c3, nonce @ ..] = *sample;
    let first = u32::from_le_bytes([c0, c1, c2, c3]);
    let mut core = ChaChaCore::<R20, chacha20::variants::Ietf>::new(&Array(*key), &Array(nonce));
    let mut block = Zeroizing::new([0; BLOCK_LEN]);
    for (number, chunk) in (0u32..).zip(data.chunks_mut(BLOCK_LEN)) {
        // Set for each block: the wrapper of the crate refuses what the counter's end divides.
        core.set_block_pos(first.wrapping_add(number));
        let mut keystream = Array([0; BLOCK_LEN]);
        core.write_keystream_block(&mut keystream);
        block.copy_from_slice(&keystream);
        chunk.iter_mut().zip(block.iter()).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Encrypts `data` in place and returns the tag. Nothing here is as long as the cipher's limit of 256 GB.
pub fn seal(key: &[u8; KEY_LEN], number: u64, ad: &[u8], data: &mut [u8]) -> [u8; TAG_LEN] {
    let cipher = ChaCha20Poly1305::new(&Array(*key));
    match cipher.encrypt_inout_detached(&nonce(number), ad, data.into()) {
        Ok(tag) => tag.0,
        Err(_) => [0; TAG_LEN],
    }
}

/// Decrypts `data` in place; `false`, and `data` as it was, if it or the tag is not authentic.
pub fn open(
    key: &[u8; KEY_LEN],
    number: u64,
    ad: &[u8],
    data: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> bool {
    let cipher = ChaCha20Poly1305::new(&Array(*key));
    cipher.decrypt_inout_detached(&nonce(number), ad, data.into(), &Array(*tag)).is_ok()
}

/// Noise's nonce for ChaChaPoly (revision 34, 12.3).
fn nonce(number: u64) -> chacha20poly1305::Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    Array(nonce)
}

/// Computes the public key of a secret one.
pub fn public_key(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    X25519_BASEPOINT.mul_clamped(*secret).to_bytes()
}

/// X25519; `None` where the result is 0, which it is for a point of small order whatever the secret
/// (RFC 7748, 6.1).
pub fn dh(secret: &[u8; KEY_LEN], public: &[u8; KEY_LEN]) -> Option<Key> {
    let shared = Zeroizing::new(MontgomeryPoint(*public).mul_clamped(*secret).to_bytes());
    (!equal(&shared[..], &[0; KEY_LEN])).then_some(shared)
}
