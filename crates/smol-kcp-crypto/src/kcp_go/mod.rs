//! Packets as kcp-go wraps them, for peers that are kcptun: docs/kcptun.md.
//!
//! **Compatible, and not secure.** All ciphers but `aes-128-gcm` only have a checksum: who changes a packet on
//! its way can do so in ways that go unnoticed. No cipher notices a packet that was recorded and is sent
//! again: two recorded packets open as many connections at a server as somebody likes. The key is one text for
//! everybody and for ever. Between two ends of ours the secure mode of docs/security.md has none of that.
//!
//! | cipher | what travels |
//! |---|---|
//! | `null` | the content |
//! | `aes-128-gcm` | nonce (12), encrypted content, tag (16) |
//! | all others | nonce (16), CRC-32 of the content (4, little endian), content; all of it encrypted |
//!
//! `none` is one of the others, with a cipher that does nothing. Everything happens in the caller's buffer, and
//! the randomness of the nonce is an argument:
//!
//! ```
//! use smol_kcp_crypto::kcp_go::*;
//!
//! let key = derive_key(b"it's a secrect");
//! let crypt = PacketCipher::new(Cipher::from_name("aes").unwrap(), &key);
//!
//! let mut buf = [0; 64];
//! let at = crypt.headroom();
//! buf[at..][..5].copy_from_slice(b"hello");
//! let len = crypt.seal(&mut buf, 5, &[7; NONCE_LEN]).unwrap();
//! assert_eq!(len, 5 + crypt.overhead());
//!
//! let content = crypt.open(&mut buf[..len]).unwrap();
//! assert_eq!(&buf[content], b"hello");
//! ```

mod cipher;
mod key;
mod salsa20;
mod scramble;
mod tea;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use ::cipher::array::Array;
use ::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::AeadInOut;
use aes_gcm::Aes128Gcm;

pub use self::cipher::{Cipher, UnknownCipher};
pub use self::key::{derive_key, DerivedKey};

use self::salsa20::Salsa20;
use self::scramble::{Cfb, Clear, Scramble, XorRow};
use self::tea::{Tea, Xtea};

/// The longest packet: kcp-go reads no longer ones, and its `xor` has no more bytes to lay over them.
pub const PACKET_MAX: usize = 1500;
/// Random bytes for each packet. `aes-128-gcm` takes the first twelve, `null` none.
pub const NONCE_LEN: usize = 16;
/// The most that any cipher needs before the content.
pub const HEADROOM: usize = HEADER_LEN;
/// The most that any cipher needs behind the content.
pub const TAILROOM: usize = TAG_LEN;

/// Nonce and checksum.
const HEADER_LEN: usize = NONCE_LEN + 4;
const GCM_NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

impl Cipher {
    /// Returns how many bytes stand before the content.
    pub const fn headroom(self) -> usize {
        match self {
            Cipher::Null => 0,
            Cipher::Aes128Gcm => GCM_NONCE_LEN,
            _ => HEADER_LEN,
        }
    }

    /// Returns how many bytes stand behind the content.
    pub const fn tailroom(self) -> usize {
        match self {
            Cipher::Aes128Gcm => TAG_LEN,
            _ => 0,
        }
    }

    /// Returns by how much a packet grows.
    pub const fn overhead(self) -> usize {
        self.headroom() + self.tailroom()
    }
}

/// A cipher with its key, which seals and opens packets. It keeps nothing of them. Clones share the expanded key, and
/// only they are equal.
#[derive(Clone)]
pub struct PacketCipher {
    cipher: Cipher,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Null,
    Checked(Arc<dyn Scramble>),
    Gcm(Arc<Aes128Gcm>),
    /// Neither seals nor opens: the cipher did not take its key. The lengths of keys are ours, so this never is.
    Refuses,
}

impl PacketCipher {
    /// Expands the key. For `xor` that takes a third of the time of [`derive_key`], for all others none.
    pub fn new(cipher: Cipher, key: &DerivedKey) -> PacketCipher {
        let whole = key.as_bytes();
        let key = whole.get(..cipher.key_len()).unwrap_or(whole);
        let engine = match cipher {
            Cipher::Null => Engine::Null,
            Cipher::None => checked(Clear),
            Cipher::Xor => checked(XorRow(DerivedKey::from_bytes(*whole).xor_row())),
            Cipher::Aes => cfb::<aes::Aes256Enc>(key),
            Cipher::Aes128 => cfb::<aes::Aes128Enc>(key),
            Cipher::Aes192 => cfb::<aes::Aes192Enc>(key),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Blowfish => cfb::<blowfish::Blowfish>(key),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Twofish => cfb::<twofish::Twofish>(key),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Cast5 => cfb::<cast5::Cast5>(key),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::TripleDes => cfb::<des::TdesEde3>(key),
            // What Go calls 16 rounds.
            Cipher::Tea => cfb::<Tea<8>>(key),
            Cipher::Xtea => cfb::<Xtea>(key),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Sm4 => cfb::<sm4::Sm4>(key),
            Cipher::Salsa20 => checked(Salsa20::new(whole)),
            Cipher::Aes128Gcm => match Aes128Gcm::new_from_slice(key) {
                Ok(cipher) => Engine::Gcm(Arc::new(cipher)),
                Err(_) => Engine::Refuses,
            },
        };
        PacketCipher { cipher, engine }
    }

    /// Returns which cipher it is.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Returns how many bytes stand before the content.
    pub fn headroom(&self) -> usize {
        self.cipher.headroom()
    }

    /// Returns by how much a packet grows.
    pub fn overhead(&self) -> usize {
        self.cipher.overhead()
    }

    /// Seals `len` bytes of content that lie behind the headroom in `buf`, and returns how many bytes of `buf`
    /// are the packet, from its beginning. `nonce` is random, and another one for each packet: with
    /// `aes-128-gcm` two packets under one nonce give the key away.
    ///
    /// `None` if `buf` has no room for it, or it would be longer than [`PACKET_MAX`].
    pub fn seal(&self, buf: &mut [u8], len: usize, nonce: &[u8; NONCE_LEN]) -> Option<usize> {
        let total = len.checked_add(self.overhead()).filter(|&total| total <= PACKET_MAX)?;
        let packet = buf.get_mut(..total)?;
        match &self.engine {
            Engine::Null => {}
            Engine::Checked(scramble) => {
                let (header, content) = packet.split_first_chunk_mut::<HEADER_LEN>()?;
                let (nonce_at, checksum_at) = header.split_first_chunk_mut::<NONCE_LEN>()?;
                *nonce_at = *nonce;
                checksum_at.copy_from_slice(&crc32fast::hash(content).to_le_bytes());
                scramble.encrypt(packet);
            }
            Engine::Gcm(cipher) => {
                let (nonce_at, rest) = packet.split_first_chunk_mut::<GCM_NONCE_LEN>()?;
                let (content, tag_at) = rest.split_last_chunk_mut::<TAG_LEN>()?;
                nonce_at.copy_from_slice(nonce.get(..GCM_NONCE_LEN)?);
                let nonce = Array(*nonce_at);
                let tag = cipher.encrypt_inout_detached(&nonce, &[], content.into()).ok()?;
                *tag_at = tag.0;
            }
            Engine::Refuses => return None,
        }
        Some(total)
    }

    /// Opens a packet in place, and returns where in it the content lies. `None`: it is too short or too long,
    /// its checksum or its tag is wrong; what it then holds is of no use.
    pub fn open(&self, packet: &mut [u8]) -> Option<Range<usize>> {
        if packet.len() > PACKET_MAX {
            return None;
        }
        let end = packet.len().checked_sub(self.cipher.tailroom())?;
        match &self.engine {
            Engine::Null => {}
            Engine::Checked(scramble) => {
                // A packet without a header is no work.
                packet.get(..HEADER_LEN)?;
                scramble.decrypt(packet);
                let (header, content) = packet.split_first_chunk::<HEADER_LEN>()?;
                let checksum = u32::from_le_bytes(*header.last_chunk()?);
                (checksum == crc32fast::hash(content)).then_some(())?;
            }
            Engine::Gcm(cipher) => {
                let (nonce, rest) = packet.split_first_chunk_mut::<GCM_NONCE_LEN>()?;
                let (content, tag) = rest.split_last_chunk_mut::<TAG_LEN>()?;
                let (nonce, tag) = (Array(*nonce), Array(*tag));
                cipher.decrypt_inout_detached(&nonce, &[], content.into(), &tag).ok()?;
            }
            Engine::Refuses => return None,
        }
        Some(self.headroom()..end)
    }
}

fn checked(scramble: impl Scramble + 'static) -> Engine {
    Engine::Checked(Arc::new(scramble))
}

fn cfb<C>(key: &[u8]) -> Engine
where
    C: BlockCipherEncrypt + KeyInit + Send + Sync + 'static,
    ::cipher::Block<C>: Send + Sync,
{
    C::new_from_slice(key).map_or(Engine::Refuses, |cipher| checked(Cfb::new(cipher)))
}

impl PartialEq for PacketCipher {
    fn eq(&self, other: &PacketCipher) -> bool {
        let same = match (&self.engine, &other.engine) {
            (Engine::Checked(a), Engine::Checked(b)) => {
                ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
            }
            (Engine::Gcm(a), Engine::Gcm(b)) => Arc::ptr_eq(a, b),
            (Engine::Null, Engine::Null) | (Engine::Refuses, Engine::Refuses) => true,
            _ => false,
        };
        same && self.cipher == other.cipher
    }
}

impl fmt::Debug for PacketCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PacketCipher").field(&self.cipher).finish()
    }
}
