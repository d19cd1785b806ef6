//! How fast data may leave.

use std::fmt;
use std::str::FromStr;

use crate::limits::UDP_OVERHEAD;

/// Slowest and fastest rate that may be fixed, in bits a second.
const FIXED: std::ops::RangeInclusive<u64> = 8_000..=100_000_000_000;

/// How fast data leaves for a peer: one rate for each path, shared by all streams with that peer. It is this
/// side's, for what it sends; the other side has its own. Where [`nc`](crate::KcpNoDelayConfig::nc) is false,
/// ikcp.c's congestion window bounds each stream besides, whatever the rate.
///
/// # Examples
///
/// ```
/// use smol_kcp::Rate;
///
/// assert_eq!("50mbit".parse(), Ok(Rate::Fixed(50_000_000)));
/// assert_eq!("auto".parse(), Ok(Rate::default()));
/// assert_eq!(Rate::Fixed(400_000).to_string(), "400kbit");
/// assert!("fast".parse::<Rate>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rate {
    /// Finds out what the path carries, and leaves others their part of it.
    #[default]
    Auto,
    /// As `Auto`, but gives way to everybody else: for backups.
    Polite,
    /// So many bits a second, with the headers of IPv4 and UDP, 8 kbit to 100 Gbit, made up for what gets
    /// lost. When more than a fifth of it is lost, or less than nine tenths of it arrive for 5 s, the path
    /// does not carry that, and `Auto` takes over.
    Fixed(u64),
    /// No rate: only the windows of both sides bound what is in flight. On a line that nobody measured this loses most of what
    /// it sends.
    Off,
}

impl Rate {
    /// Returns whether it is one that may be chosen.
    pub(super) fn is_valid(self) -> bool {
        !matches!(self, Rate::Fixed(bits) if !FIXED.contains(&bits))
    }

    /// What may be chosen, for messages.
    pub(super) const ACCEPTED: &'static str =
        "auto, polite, off, or 8kbit to 100gbit (bits a second)";

    /// Returns a fixed rate in bytes of segments a second, where a datagram holds at most `mtu` of them, and the
    /// layers below add `overhead`.
    pub(crate) fn segment_bytes(bits: u64, mtu: u64, overhead: u64) -> u64 {
        (bits / 8).saturating_mul(mtu.max(1)) / (mtu + overhead + UDP_OVERHEAD)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match *self {
            Rate::Auto => return f.write_str("auto"),
            Rate::Polite => return f.write_str("polite"),
            Rate::Off => return f.write_str("off"),
            Rate::Fixed(bits) if bits > 0 && bits % 1_000_000_000 == 0 => {
                (bits / 1_000_000_000, "gbit")
            }
            Rate::Fixed(bits) if bits > 0 && bits % 1_000_000 == 0 => (bits / 1_000_000, "mbit"),
            Rate::Fixed(bits) if bits > 0 && bits % 1_000 == 0 => (bits / 1_000, "kbit"),
            Rate::Fixed(bits) => (bits, "bit"),
        };
        write!(f, "{count}{unit}")
    }
}

/// A text is no [`Rate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRateError {
    value: String,
}

impl fmt::Display for ParseRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate = {:?}: must be {}", self.value, Rate::ACCEPTED)
    }
}

impl std::error::Error for ParseRateError {}

impl FromStr for Rate {
    type Err = ParseRateError;

    /// Reads `auto`, `polite`, `off`, or a whole number with `bit`, `kbit`, `mbit` or `gbit`.
    fn from_str(text: &str) -> Result<Rate, ParseRateError> {
        let wrong = || ParseRateError { value: text.to_string() };
        match text {
            "auto" => return Ok(Rate::Auto),
            "polite" => return Ok(Rate::Polite),
            "off" => return Ok(Rate::Off),
            _ => {}
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let scale = match unit {
            "bit" => 1,
            "kbit" => 1_000,
            "mbit" => 1_000_000,
            "gbit" => 1_000_000_000,
            _ => return Err(wrong()),
        };
        let bits = count.parse::<u64>().ok().and_then(|count| count.checked_mul(scale));
        bits.map(Rate::Fixed).filter(|rate| rate.is_valid()).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["auto", "polite", "off", "50mbit", "1gbit", "400kbit", "123456bit"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()), Ok(text.to_string()));
        }
        for text in [
            "",
            "mbit",
            "50",
            "50mb",
            "-1mbit",
            "1.5mbit",
            "7kbit",
            "101gbit",
            "9999999999999999999gbit",
        ] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("8kbit"), "{error}");
        }
    }

    #[test]
    fn a_fixed_rate_counts_the_headers_below() {
        assert_eq!(Rate::segment_bytes(11_424_000, 1400, 0), 1_400_000);
        assert_eq!(Rate::segment_bytes(11_424_000, 1372, 28), 1_372_000);
    }
}
