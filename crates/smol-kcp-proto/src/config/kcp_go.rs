//! How an endpoint wraps its datagrams for peers that are kcp-go's, kcptun among them: docs/kcptun.md.

use super::check::{refused, within};
use super::KcpConfig;
use crate::error::KcpError;
use crate::layer::crypto::kcp_go::{PacketCipher, PACKET_MAX};
use crate::layer::fec::{self, FecConfig, FecMode};
use crate::limits::MTU_MIN;

/// The layers below KCP of a kcp-go session: a cipher around each datagram, and parity behind each group of them.
///
/// **Compatible, and not secure**: see [`Cipher`](crate::layer::crypto::kcp_go::Cipher). Between two ends of ours
/// there are [keys](crate::KcpConfig) for that.
///
/// Both sides must have the same cipher and the same key. Parity is each side's own choice: what the peer sends is
/// found out.
///
/// # Examples
///
/// ```
/// use smol_kcp::kcp_go::{derive_key, Cipher, KcpGoConfig, PacketCipher};
/// use smol_kcp::KcpConfig;
///
/// // Slow on a router, and so not done by whoever takes the configuration: once, in a thread of the caller's choice.
/// let key = derive_key(b"it's a secrect");
/// let crypt = PacketCipher::new(Cipher::Aes, &key);
///
/// let kcp_go = KcpGoConfig::new(crypt).with_fec("10+3".parse()?);
/// assert_eq!(kcp_go.overhead(), 28);
/// let config = KcpConfig { mtu: 1350, stream: true, kcp_go: Some(kcp_go), ..KcpConfig::default() };
/// config.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KcpGoConfig {
    /// Seals and opens each datagram. A clone costs nothing, and shares the expanded key.
    pub crypt: PacketCipher,
    /// How much parity is sent. What is received may have any other ratio, or none. Default: off.
    pub fec: FecMode,
}

impl KcpGoConfig {
    /// Begins with a cipher, and no parity.
    pub fn new(crypt: PacketCipher) -> KcpGoConfig {
        KcpGoConfig { crypt, fec: FecMode::default() }
    }

    /// Sets how much parity is sent.
    pub fn with_fec(self, fec: FecConfig) -> KcpGoConfig {
        self.with_fec_mode(fec.into())
    }

    /// Sets who says how much parity is sent.
    pub fn with_fec_mode(self, fec: FecMode) -> KcpGoConfig {
        KcpGoConfig { fec, ..self }
    }

    /// Returns how many bytes of each datagram are not KCP's.
    pub fn overhead(&self) -> usize {
        self.crypt.overhead() + if self.fec.ratio().is_off() { 0 } else { fec::HEADROOM }
    }

    /// Checks every field, and the lengths of datagrams, as [`KcpConfig::check`](crate::KcpConfig::check) does.
    pub(super) fn check(&self, config: &KcpConfig) -> Result<(), KcpError> {
        self.fec.check()?;
        #[cfg(feature = "secure")]
        if config.secure.is_some() {
            let accepted = "none where secure is set: a datagram is wrapped one way or the other";
            return Err(refused("kcp_go", self.crypt.cipher(), accepted.into()));
        }
        within("mtu", config.mtu, MTU_MIN + self.overhead()..=PACKET_MAX)?;
        match config.max_mtu.filter(|&max| max > PACKET_MAX) {
            Some(max) => Err(refused("max_mtu", max, format!("at most {PACKET_MAX}, or none"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::crypto::kcp_go::{Cipher, DerivedKey};

    fn config(cipher: Cipher, fec: &str, mtu: usize) -> KcpConfig {
        let crypt = PacketCipher::new(cipher, &DerivedKey::from_bytes([7; 32]));
        let kcp_go = KcpGoConfig::new(crypt).with_fec(fec.parse().unwrap());
        KcpConfig { mtu, kcp_go: Some(kcp_go), ..KcpConfig::default() }
    }

    #[test]
    fn the_layers_leave_room_for_a_datagram_of_kcp() {
        let cases = [
            (Cipher::Null, "off", 50),
            (Cipher::Aes, "off", 70),
            (Cipher::Aes, "10+3", 78),
            (Cipher::Aes128Gcm, "1+1", 86),
        ];
        for (cipher, fec, least) in cases {
            assert!(config(cipher, fec, least).check().is_ok());
            let error = config(cipher, fec, least - 1).check().unwrap_err().to_string();
            let accepted = if least == 50 { 65_507 } else { 1500 };
            assert!(error.ends_with(&format!("must be {least} to {accepted}")), "{error}");
            assert!(config(cipher, fec, 1500).check().is_ok());
            assert!(config(cipher, fec, 1501).check().is_err(), "kcp-go reads no more");
        }
        let longer = config(Cipher::Aes, "off", 1350);
        assert!(longer.clone().with_max_mtu(Some(1500)).check().is_ok());
        let error = longer.with_max_mtu(Some(1501)).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration: max_mtu = 1501: must be at most 1500, or none"
        );
    }

    #[test]
    fn keys_and_kcp_go_exclude_each_other_and_a_ratio_is_one() {
        let mut both = config(Cipher::Salsa20, "off", 1350);
        both.secure = Some(crate::SecureConfig::default());
        let error = both.check().unwrap_err().to_string();
        assert!(error.starts_with("configuration: kcp_go = salsa20: must be none where secure is"));
        let mut odd = config(Cipher::Aes, "off", 1350);
        odd.kcp_go.as_mut().unwrap().fec = FecMode::Fixed(FecConfig { data: 10, parity: 0 });
        assert!(odd.check().unwrap_err().to_string().contains("fec = 10+0"));
    }

    #[test]
    fn clones_are_equal_and_another_key_is_not() {
        let one = config(Cipher::Xor, "10+3", 1350);
        assert_eq!(one.clone(), one);
        assert_ne!(config(Cipher::Xor, "10+3", 1350), one, "nobody looks at keys");
        assert_ne!(config(Cipher::Aes128Gcm, "off", 1350), config(Cipher::Aes128Gcm, "off", 1350));
        assert_eq!(config(Cipher::Null, "off", 1350), config(Cipher::Null, "off", 1350));
    }
}
