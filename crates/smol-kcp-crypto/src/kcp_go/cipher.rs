//! The ciphers by the names that kcptun gives them.

use std::fmt;
use std::str::FromStr;

/// What kcptun calls `crypt`. Both sides must have the same one, and the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cipher {
    /// Nothing at all, not even a checksum. In the clear.
    Null,
    /// Nonce and checksum as with a cipher, but no cipher. In the clear.
    None,
    /// One fixed row of bytes over each packet: two packets XORed are two texts XORed.
    Xor,
    /// AES-256 in CFB mode, kcptun's default.
    Aes,
    /// AES-128 in CFB mode.
    Aes128,
    /// AES-192 in CFB mode.
    Aes192,
    /// Blowfish in CFB mode.
    #[cfg(feature = "kcptun-ciphers")]
    Blowfish,
    /// Twofish in CFB mode.
    #[cfg(feature = "kcptun-ciphers")]
    Twofish,
    /// CAST-128 in CFB mode.
    #[cfg(feature = "kcptun-ciphers")]
    Cast5,
    /// Triple DES in CFB mode.
    #[cfg(feature = "kcptun-ciphers")]
    TripleDes,
    /// TEA of eight cycles, a quarter of what its authors ask for, in CFB mode.
    Tea,
    /// XTEA in CFB mode.
    Xtea,
    /// SM4 in CFB mode.
    #[cfg(feature = "kcptun-ciphers")]
    Sm4,
    /// Salsa20: without instructions for AES the fastest.
    Salsa20,
    /// AES-128-GCM, of kcptun 20251210 and later: the only one that notices who changes a packet.
    Aes128Gcm,
}

/// All names, also those that a build may lack.
const NAMES: &str = "null, none, xor, aes, aes-128, aes-192, blowfish, twofish, cast5, 3des, tea, \
                     xtea, sm4, salsa20, aes-128-gcm";

impl Cipher {
    /// Every cipher that was compiled in.
    pub const ALL: &'static [Cipher] = &[
        Cipher::Null,
        Cipher::None,
        Cipher::Xor,
        Cipher::Aes,
        Cipher::Aes128,
        Cipher::Aes192,
        #[cfg(feature = "kcptun-ciphers")]
        Cipher::Blowfish,
        #[cfg(feature = "kcptun-ciphers")]
        Cipher::Twofish,
        #[cfg(feature = "kcptun-ciphers")]
        Cipher::Cast5,
        #[cfg(feature = "kcptun-ciphers")]
        Cipher::TripleDes,
        Cipher::Tea,
        Cipher::Xtea,
        #[cfg(feature = "kcptun-ciphers")]
        Cipher::Sm4,
        Cipher::Salsa20,
        Cipher::Aes128Gcm,
    ];

    /// Returns its name, and how many bytes of the derived key are its own.
    const fn row(self) -> (&'static str, usize) {
        match self {
            Cipher::Null => ("null", 0),
            Cipher::None => ("none", 0),
            Cipher::Xor => ("xor", 32),
            Cipher::Aes => ("aes", 32),
            Cipher::Aes128 => ("aes-128", 16),
            Cipher::Aes192 => ("aes-192", 24),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Blowfish => ("blowfish", 32),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Twofish => ("twofish", 32),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Cast5 => ("cast5", 16),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::TripleDes => ("3des", 24),
            Cipher::Tea => ("tea", 16),
            Cipher::Xtea => ("xtea", 16),
            #[cfg(feature = "kcptun-ciphers")]
            Cipher::Sm4 => ("sm4", 16),
            Cipher::Salsa20 => ("salsa20", 32),
            Cipher::Aes128Gcm => ("aes-128-gcm", 16),
        }
    }

    /// Returns kcptun's name of it.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Finds the cipher of a name. kcptun takes AES-256 for a name that it does not know; here that is an
    /// error.
    ///
    /// # Errors
    /// The name is none of kcptun's, or this build lacks the cipher.
    pub fn from_name(name: &str) -> Result<Cipher, UnknownCipher> {
        let found = Cipher::ALL.iter().find(|cipher| cipher.name() == name);
        found.copied().ok_or_else(|| UnknownCipher { name: name.to_string() })
    }

    /// Returns whether it needs a key.
    pub const fn needs_key(self) -> bool {
        self.key_len() > 0
    }

    /// Returns whether who does not have the key cannot read.
    ///
    /// `xor` hides nothing from who has two packets, or knows what one says.
    pub const fn hides(self) -> bool {
        !matches!(self, Cipher::Null | Cipher::None | Cipher::Xor)
    }

    /// Returns whether a packet that was changed on its way is refused, whoever changed it. A packet that was
    /// recorded and sent again never is.
    pub const fn authenticates(self) -> bool {
        matches!(self, Cipher::Aes128Gcm)
    }

    pub(super) const fn key_len(self) -> usize {
        self.row().1
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Cipher {
    type Err = UnknownCipher;

    /// Does what [`Cipher::from_name`] does.
    fn from_str(name: &str) -> Result<Cipher, UnknownCipher> {
        Cipher::from_name(name)
    }
}

/// A name is none of a [`Cipher`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCipher {
    name: String,
}

impl UnknownCipher {
    /// Returns whether it is one of kcptun's that this build lacks.
    pub fn is_left_out(&self) -> bool {
        NAMES.split(", ").any(|name| name == self.name) && Cipher::from_name(&self.name).is_err()
    }
}

impl fmt::Display for UnknownCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.is_left_out() { "this build lacks it: " } else { "" };
        write!(f, "crypt = {:?}: {which}must be one of ", self.name)?;
        for (at, cipher) in Cipher::ALL.iter().enumerate() {
            write!(f, "{}{cipher}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownCipher {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_cipher_and_back() {
        for &cipher in Cipher::ALL {
            assert_eq!(cipher.name().parse(), Ok(cipher));
        }
        // The tests have them all.
        let names: Vec<&str> = Cipher::ALL.iter().map(|cipher| cipher.name()).collect();
        assert_eq!(names.join(", "), NAMES);
        assert_eq!(format!("{:>6}|", Cipher::TripleDes), "  3des|");
    }

    #[test]
    fn another_name_is_refused_with_those_that_are_accepted() {
        for name in ["", "AES", "aes256", "rot13", "aes-128-gcm ", "null, none"] {
            let error = Cipher::from_name(name).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("crypt = {name:?}: must be one of null, ")),
                "{text}"
            );
            assert!(text.ends_with("salsa20, aes-128-gcm") && !error.is_left_out(), "{text}");
        }
    }
}
