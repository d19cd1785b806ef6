//! kcptun's key: a text.

use std::fmt;

use zeroize::Zeroizing;

/// The text from which kcptun derives its keys. Erased when it is dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct KcptunKey(Zeroizing<String>);

impl KcptunKey {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> KcptunKey {
        KcptunKey(Zeroizing::new(text.into()))
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns whether it is the one that kcptun has where nobody names another: everybody knows it.
    pub fn is_known_to_all(&self) -> bool {
        *self == KcptunKey::default()
    }
}

impl Default for KcptunKey {
    /// Takes kcptun's, as it is spelt there.
    fn default() -> KcptunKey {
        KcptunKey::new("it's a secrect")
    }
}

impl fmt::Debug for KcptunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KcptunKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = KcptunKey::new("sesame");
        assert!(!format!("{key:?}").contains("sesame") && !key.is_known_to_all());
        assert!(KcptunKey::default().is_known_to_all());
    }
}
