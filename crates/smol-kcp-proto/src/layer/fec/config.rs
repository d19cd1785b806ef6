//! How much parity there is.

use std::fmt;
use std::str::FromStr;

use crate::error::KcpError;

/// Datagrams of a group together: the field has so many elements.
const TOTAL_MAX: u16 = 256;

/// How many datagrams of parity follow how many of data. As many of a group as there is parity may get lost, and the
/// rest tells what they said, without a round trip.
///
/// It is this side's, for what it sends: the other side finds out, and may have another or none. It costs
/// `parity` / `data` of the line, whatever gets lost. Default: [off](FecConfig::OFF).
///
/// # Examples
///
/// ```
/// use smol_kcp_proto::layer::fec::FecConfig;
///
/// assert_eq!("10+3".parse(), Ok(FecConfig { data: 10, parity: 3 }));
/// assert_eq!(FecConfig::balanced().to_string(), "4+2");
/// assert_eq!("off".parse(), Ok(FecConfig::default()));
/// let error = "10+0".parse::<FecConfig>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "fec = \"10+0\": must be off, or data+parity, 1 or more of each and at most 256 together"
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FecConfig {
    /// Datagrams of data in a group, 1 to 255; 0 with 0 of parity: off.
    pub data: u8,
    /// Datagrams of parity in a group, 1 to 255.
    pub parity: u8,
}

impl FecConfig {
    /// No parity.
    pub const OFF: FecConfig = FecConfig { data: 0, parity: 0 };

    /// What may be chosen, for messages.
    const ACCEPTED: &'static str =
        "off, or data+parity, 1 or more of each and at most 256 together";

    /// 2+1: what got lost is there as soon as the next two datagrams are. For thin streams of what must not be late.
    pub const fn low_latency() -> FecConfig {
        FecConfig { data: 2, parity: 1 }
    }

    /// 4+2: two in six may get lost.
    pub const fn balanced() -> FecConfig {
        FecConfig { data: 4, parity: 2 }
    }

    /// 8+4: as much parity as 4+2, and bursts of four may get lost.
    pub const fn high_protection() -> FecConfig {
        FecConfig { data: 8, parity: 4 }
    }

    /// 10+2: a fifth more datagrams, for lines on which few get lost.
    pub const fn bandwidth_efficient() -> FecConfig {
        FecConfig { data: 10, parity: 2 }
    }

    /// Returns whether there is no parity.
    pub const fn is_off(self) -> bool {
        self.data == 0 && self.parity == 0
    }

    /// Returns how many datagrams a group has.
    pub(super) const fn total(self) -> u16 {
        self.data as u16 + self.parity as u16
    }

    /// Returns whether there is parity, and how much of it is possible.
    pub(super) const fn is_ratio(self) -> bool {
        self.data > 0 && self.parity > 0 && self.total() <= TOTAL_MAX
    }

    /// Returns how much of what a line carries is not parity.
    #[cfg(feature = "kcptun")]
    pub(crate) fn part(self, bytes: u64) -> u64 {
        if self.is_off() {
            return bytes;
        }
        let total = u64::from(self.total().max(1));
        bytes / total * u64::from(self.data) + bytes % total * u64::from(self.data) / total
    }

    /// Checks both fields.
    ///
    /// # Errors
    /// [`KcpError::Config`] with what is accepted.
    pub fn check(self) -> Result<(), KcpError> {
        if self.is_off() || self.is_ratio() {
            return Ok(());
        }
        Err(KcpError::Config {
            field: "fec",
            value: self.to_string(),
            accepted: FecConfig::ACCEPTED.to_string(),
        })
    }
}

impl fmt::Display for FecConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.write_str("off");
        }
        write!(f, "{}+{}", self.data, self.parity)
    }
}

/// Who says how much parity is sent.
///
/// ```
/// use smol_kcp_proto::layer::fec::{FecConfig, FecMode};
///
/// assert_eq!("auto".parse(), Ok(FecMode::Auto));
/// assert_eq!("10+3".parse(), Ok(FecMode::Fixed(FecConfig { data: 10, parity: 3 })));
/// assert_eq!(FecMode::default().to_string(), "off");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FecMode {
    /// As much as this, whatever gets lost.
    Fixed(FecConfig),
    /// [`AUTO`](FecMode::AUTO) where it is of use: while a hundredth or more of what is sent gets lost on a path that is not
    /// full, behind what leaves at a time after a rest, up to 256 KiB. Bulk and single small datagrams have none:
    /// repeating costs the former less of the line, and copies help the latter more.
    Auto,
}

impl FecMode {
    /// What [`Auto`](FecMode::Auto) sends: a fifth more.
    pub const AUTO: FecConfig = FecConfig::bandwidth_efficient();

    /// Returns how much parity there may be.
    pub const fn ratio(self) -> FecConfig {
        match self {
            FecMode::Fixed(config) => config,
            FecMode::Auto => FecMode::AUTO,
        }
    }

    /// Checks the ratio.
    ///
    /// # Errors
    /// Those of [`FecConfig::check`].
    pub fn check(self) -> Result<(), KcpError> {
        self.ratio().check()
    }
}

impl Default for FecMode {
    fn default() -> FecMode {
        FecMode::Fixed(FecConfig::OFF)
    }
}

impl From<FecConfig> for FecMode {
    fn from(config: FecConfig) -> FecMode {
        FecMode::Fixed(config)
    }
}

impl fmt::Display for FecMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FecMode::Fixed(config) => config.fmt(f),
            FecMode::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for FecMode {
    type Err = ParseFecError;

    /// Reads `auto`, or what [`FecConfig`] reads.
    fn from_str(text: &str) -> Result<FecMode, ParseFecError> {
        match text {
            "auto" => Ok(FecMode::Auto),
            _ => text.parse().map(FecMode::Fixed),
        }
    }
}

/// A text is no [`FecConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFecError {
    value: String,
}

impl fmt::Display for ParseFecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fec = {:?}: must be {}", self.value, FecConfig::ACCEPTED)
    }
}

impl std::error::Error for ParseFecError {}

impl FromStr for FecConfig {
    type Err = ParseFecError;

    /// Reads `off`, or two numbers with a `+` between them.
    fn from_str(text: &str) -> Result<FecConfig, ParseFecError> {
        if text == "off" {
            return Ok(FecConfig::OFF);
        }
        // `parse` would take a sign.
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        text.split_once('+')
            .and_then(|(data, parity)| Some((number(data)?, number(parity)?)))
            .map(|(data, parity)| FecConfig { data, parity })
            .filter(|config| config.is_ratio())
            .ok_or_else(|| ParseFecError { value: text.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        let presets = [
            FecConfig::low_latency(),
            FecConfig::balanced(),
            FecConfig::high_protection(),
            FecConfig::bandwidth_efficient(),
            FecConfig::OFF,
            FecConfig { data: 255, parity: 1 },
        ];
        let texts = presets.map(|config| config.to_string());
        assert_eq!(texts, ["2+1", "4+2", "8+4", "10+2", "off", "255+1"]);
        for (config, text) in presets.iter().zip(&texts) {
            assert_eq!(text.parse(), Ok(*config));
            assert!(config.check().is_ok());
        }
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        for text in [
            "", "+", "10", "10+", "+3", "0+0", "0+3", "10+0", "10++3", "+10+3", "128+129", "256+1",
            "1 + 1",
        ] {
            let error = text.parse::<FecConfig>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
        let error = FecConfig { data: 10, parity: 0 }.check().unwrap_err();
        assert!(error.to_string().starts_with("configuration: fec = 10+0: must be off, or "));
        assert!(FecConfig { data: 255, parity: 2 }.check().is_err());
    }
}
