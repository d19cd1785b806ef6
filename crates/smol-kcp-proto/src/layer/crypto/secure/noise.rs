//! Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (Noise Protocol Framework, revision 34), the one pattern that is used.
//!
//! A message that fails changes nothing, so that a forged one does not end a handshake.

use zeroize::Zeroizing;

use super::keys::{Identity, PresharedKey, PublicKey, SecretKey};
use super::primitives::{hash, hkdf, open, seal, Key, KEY_LEN, TAG_LEN};

const NAME: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/// Bytes of the first message beside its payload: e, and s and payload with their tags.
pub(super) const FIRST_LEN: usize = 2 * KEY_LEN + 2 * TAG_LEN;
/// Bytes of the second message beside its payload: e, and the payload's tag.
pub(super) const SECOND_LEN: usize = KEY_LEN + TAG_LEN;

/// The keys that a handshake ends with.
#[derive(Debug)]
pub(super) struct Split {
    /// From the initiator to the responder.
    pub(super) forth: Key,
    /// From the responder to the initiator.
    pub(super) back: Key,
    /// The hash of all that was said.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) transcript: [u8; KEY_LEN],
}

/// SymmetricState and CipherState in one (revision 34, 5.1 and 5.2): both begin a key with nonce 0.
#[derive(Clone, Debug)]
struct Symmetric {
    chaining_key: Key,
    hash: [u8; KEY_LEN],
    key: Key,
    nonce: u64,
}

impl Symmetric {
    /// Begins, up to and with the responder's static key, which both know (`<- s`).
    fn new(prologue: &[u8], responder: &PublicKey) -> Symmetric {
        // The name is longer than a hash, and so hashed.
        let name = hash(&[NAME]);
        let mut symmetric = Symmetric {
            chaining_key: Zeroizing::new(name),
            hash: name,
            key: Key::default(),
            nonce: 0,
        };
        symmetric.mix_hash(prologue);
        symmetric.mix_hash(responder.as_bytes());
        symmetric
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = hash(&[&self.hash, data]);
    }

    fn mix_key(&mut self, input: &[u8]) {
        let [chaining_key, key] = hkdf(&self.chaining_key, input);
        (self.chaining_key, self.key, self.nonce) = (chaining_key, key, 0);
    }

    /// The token `e`: in a pattern with a psk it is mixed into the key too (9.2).
    fn mix_ephemeral(&mut self, public: &PublicKey) {
        self.mix_hash(public.as_bytes());
        self.mix_key(public.as_bytes());
    }

    /// The token `psk`: MixKeyAndHash.
    fn mix_psk(&mut self, psk: &PresharedKey) {
        let [chaining_key, mixed, key] = hkdf(&self.chaining_key, psk.as_bytes());
        self.mix_hash(&mixed[..]);
        (self.chaining_key, self.key, self.nonce) = (chaining_key, key, 0);
    }

    /// A token of two letters.
    fn mix_dh(&mut self, secret: &SecretKey, public: &PublicKey) -> Option<()> {
        let shared = secret.dh(public)?;
        self.mix_key(&shared[..]);
        Some(())
    }

    fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(plain);
        let data = out.get_mut(at..).unwrap_or_default();
        let tag = seal(&self.key, self.nonce, &self.hash, data);
        out.extend_from_slice(&tag);
        self.nonce += 1;
        self.mix_hash(out.get(at..).unwrap_or_default());
    }

    fn decrypt(&mut self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (data, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let mut data = Zeroizing::new(data.to_vec());
        if !open(&self.key, self.nonce, &self.hash, &mut data, tag) {
            return None;
        }
        self.nonce += 1;
        self.mix_hash(sealed);
        Some(data)
    }

    fn split(self) -> Split {
        let [forth, back] = hkdf(&self.chaining_key, &[]);
        Split { forth, back, transcript: self.hash }
    }
}

/// An initiator that waits for the second message.
#[derive(Debug)]
pub(super) struct Initiator {
    symmetric: Symmetric,
    ephemeral: SecretKey,
}

impl Initiator {
    /// Writes the first message; `None` if the responder's key is no key.
    pub(super) fn new(
        own: &Identity,
        responder: &PublicKey,
        ephemeral: SecretKey,
        prologue: &[u8],
        payload: &[u8],
    ) -> Option<(Initiator, Vec<u8>)> {
        let mut symmetric = Symmetric::new(prologue, responder);
        let mut message = Vec::with_capacity(FIRST_LEN + payload.len());
        let public = ephemeral.public_key();
        message.extend_from_slice(public.as_bytes());
        symmetric.mix_ephemeral(&public);
        symmetric.mix_dh(&ephemeral, responder)?; // es
        symmetric.encrypt(own.public.as_bytes(), &mut message);
        symmetric.mix_dh(&own.secret, responder)?; // ss
        symmetric.encrypt(payload, &mut message);
        Some((Initiator { symmetric, ephemeral }, message))
    }

    /// Reads the second message, and returns its payload. On failure another may be read.
    pub(super) fn read(
        &self,
        own: &Identity,
        psk: &PresharedKey,
        message: &[u8],
    ) -> Option<(Zeroizing<Vec<u8>>, Split)> {
        let (ephemeral, sealed) = message.split_first_chunk::<KEY_LEN>()?;
        let ephemeral = PublicKey::from_bytes(*ephemeral);
        let mut symmetric = self.symmetric.clone();
        symmetric.mix_ephemeral(&ephemeral);
        symmetric.mix_dh(&self.ephemeral, &ephemeral)?; // ee
        symmetric.mix_dh(&own.secret, &ephemeral)?; // se
        symmetric.mix_psk(psk);
        let payload = symmetric.decrypt(sealed)?;
        Some((payload, symmetric.split()))
    }
}

/// A responder that knows who says it writes, which is not proved yet.
#[derive(Debug)]
pub(super) struct Responder<'a> {
    symmetric: Symmetric,
    ephemeral: PublicKey,
    initiator: PublicKey,
    sealed: &'a [u8],
}

impl<'a> Responder<'a> {
    /// Reads the first message as far as the initiator's static key: one X25519.
    pub(super) fn read(
        own: &Identity,
        prologue: &[u8],
        message: &'a [u8],
    ) -> Option<Responder<'a>> {
        let (ephemeral, rest) = message.split_first_chunk::<KEY_LEN>()?;
        let ephemeral = PublicKey::from_bytes(*ephemeral);
        let (key, sealed) = rest.split_first_chunk::<{ KEY_LEN + TAG_LEN }>()?;
        let mut symmetric = Symmetric::new(prologue, &own.public);
        symmetric.mix_ephemeral(&ephemeral);
        symmetric.mix_dh(&own.secret, &ephemeral)?; // es
        let initiator = symmetric.decrypt(key)?;
        let initiator = PublicKey::from_bytes(initiator.as_slice().try_into().ok()?);
        Some(Responder { symmetric, ephemeral, initiator, sealed })
    }

    /// Returns who says it writes.
    pub(super) fn initiator(&self) -> &PublicKey {
        &self.initiator
    }

    /// Reads the payload, which proves that the initiator has the secret key: another X25519.
    pub(super) fn payload(&mut self, own: &Identity) -> Option<Zeroizing<Vec<u8>>> {
        self.symmetric.mix_dh(&own.secret, &self.initiator)?; // ss
        self.symmetric.decrypt(self.sealed)
    }

    /// Writes the second message, after the payload was read.
    pub(super) fn write(
        mut self,
        ephemeral: &SecretKey,
        psk: &PresharedKey,
        payload: &[u8],
    ) -> Option<(Vec<u8>, Split)> {
        let mut message = Vec::with_capacity(SECOND_LEN + payload.len());
        let public = ephemeral.public_key();
        message.extend_from_slice(public.as_bytes());
        self.symmetric.mix_ephemeral(&public);
        self.symmetric.mix_dh(ephemeral, &self.ephemeral)?; // ee
        self.symmetric.mix_dh(ephemeral, &self.initiator)?; // se
        self.symmetric.mix_psk(psk);
        self.symmetric.encrypt(payload, &mut message);
        Some((message, self.symmetric.split()))
    }
}
