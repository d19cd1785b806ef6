//! Where keys, indices, salts and padding come from.

use zeroize::Zeroizing;

use super::keys::SecretKey;
use super::primitives::{stream, Key, KEY_LEN};

/// A generator of secret numbers, seeded by the system's randomness. Each draw replaces its key ("fast
/// key erasure", Bernstein 2017): who reads the memory later learns nothing about what was drawn before.
#[derive(Debug)]
pub(super) struct Generator {
    key: Key,
}

impl Generator {
    pub(super) fn new(seed: [u8; KEY_LEN]) -> Generator {
        Generator { key: Zeroizing::new(seed) }
    }

    /// Draws up to 32 bytes.
    pub(super) fn draw<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= KEY_LEN) };
        let mut block = Zeroizing::new([0; 2 * KEY_LEN]);
        stream(&self.key, &[0; 16], &mut block[..]);
        self.key.copy_from_slice(&block[..KEY_LEN]);
        let mut drawn = [0; N];
        drawn.copy_from_slice(&block[KEY_LEN..KEY_LEN + N]);
        drawn
    }

    /// Draws a secret key.
    pub(super) fn secret_key(&mut self) -> SecretKey {
        SecretKey::from_bytes(self.draw())
    }

    /// Draws a number.
    pub(super) fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.draw())
    }

    /// Draws how many bytes of padding a message gets, so that messages of one kind differ in length.
    pub(super) fn padding(&mut self) -> usize {
        self.number() as usize % 64
    }
}
