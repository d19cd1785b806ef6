//! How values are written: durations, sizes, rates, yes and no. What is printed can be read again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{Client, HostPort};
use smol_kcp::secure::PublicKey;
use smol_kcp::Rate;

/// `true`, `yes`, `on`, `1` and their opposites.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number without sign.
pub(super) fn count<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Digits and the unit behind them.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(at);
    Some((digits.parse().ok()?, unit))
}

/// Units of time in milliseconds, the longest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// `500ms`, `30s`, `2m`, `1h`, `1d`; zero is also `0`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    if unit.is_empty() && number == 0 {
        return Some(Duration::ZERO);
    }
    let (_, millis) = TIMES.into_iter().find(|&(name, _)| name == unit)?;
    number.checked_mul(millis).map(Duration::from_millis)
}

/// In the longest unit that divides it.
pub(super) fn print_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".into();
    }
    let fits = TIMES.into_iter().find(|&(_, unit)| millis % unit == 0);
    let (name, unit) = fits.unwrap_or(("ms", 1));
    format!("{}{name}", millis / unit)
}

const SIZES: [(&str, usize); 3] = [("m", 1024 * 1024), ("k", 1024), ("", 1)];

/// Bytes: `4096`, `512k`, `4m`.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let (_, bytes) = SIZES.into_iter().find(|&(name, _)| name == unit)?;
    usize::try_from(number).ok()?.checked_mul(bytes)
}

/// In the largest unit that divides it.
pub(super) fn print_size(value: usize) -> String {
    let fits = SIZES.into_iter().find(|&(_, unit)| value != 0 && value % unit == 0);
    let (name, unit) = fits.unwrap_or(("", 1));
    format!("{}{name}", value / unit)
}

/// Bits per second: `800kbit`, `50mbit`, `1gbit`; what a rate may be fixed to.
pub(super) fn bandwidth(text: &str) -> Option<u64> {
    match text.parse() {
        Ok(Rate::Fixed(bits)) => Some(bits),
        _ => None,
    }
}

/// `none`, or what `read` understands.
pub(super) fn or_none<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        "none" => Some(None),
        _ => read(text).map(Some),
    }
}

pub(super) fn print_or_none<T>(value: Option<T>, print: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "none".into(), print)
}

/// The items of a list: blanks or commas are between them.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', ',']).filter(|item| !item.is_empty())
}

/// `None` if there are none.
pub(super) fn print_items(items: impl Iterator<Item = String>) -> Option<String> {
    Some(items.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

/// `alice=KEY`
pub(super) fn client(text: &str) -> Option<Client> {
    let (name, key) = text.split_once('=')?;
    is_client(name).then(|| Some(Client { name: name.into(), key: key.parse().ok()? }))?
}

/// `alice=127.0.0.1:22`
pub(super) fn client_target(text: &str) -> Option<(String, HostPort)> {
    let (name, target) = text.split_once('=')?;
    is_client(name).then(|| Some((name.to_string(), HostPort::parse(target)?)))?
}

/// What a client may be called: nothing else gets into logs.
pub(super) fn is_client(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(ok)
}

/// The name of a file, if it is not the secret itself.
pub(super) fn secret_file(text: &str) -> Option<String> {
    (!text.is_empty() && !is_secret(text)).then(|| text.to_string())
}

/// Might it be a secret? Then nobody is to read it in a message.
pub(super) fn is_secret(text: &str) -> bool {
    text.parse::<PublicKey>().is_ok() || text.starts_with("smol-kcp:")
}

/// What is missing behind a value, if that is all that is wrong with it: a unit, or a port. `unit` is
/// that of the table.
pub(super) fn missing_part(unit: &str, text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match unit {
        "TIME" if digits => Some(format!("a unit is missing: {text}s or {text}ms")),
        "RATE" if digits => Some(format!("a unit is missing: {text}mbit or {text}kbit")),
        "HOST:PORT" | "ADDR:PORT" => {
            let with_port = match text.parse() {
                Ok(IpAddr::V6(addr)) => format!("[{addr}]:29900"),
                _ => format!("{text}:29900"),
            };
            let fits = match unit {
                "HOST:PORT" => HostPort::parse(&with_port).is_some() && !digits,
                _ => with_port.parse::<SocketAddr>().is_ok(),
            };
            fits.then(|| format!("a port is missing: {with_port}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        for millis in [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let value = Duration::from_millis(millis);
            assert_eq!(duration(&print_duration(value)), Some(value));
        }
        for bytes in [0, 1, 1023, 1024, 1025, 1 << 20, (1 << 20) + 1024] {
            assert_eq!(size(&print_size(bytes)), Some(bytes));
        }
        assert_eq!(print_duration(Duration::from_secs(90)), "90s");
        assert_eq!(print_size(512 * 1024), "512k");
    }

    #[test]
    fn units_mean_what_they_say() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(size("4m"), Some(4 << 20));
        assert_eq!(bandwidth("800kbit"), Some(800_000));
        assert_eq!(bandwidth("1gbit"), Some(1_000_000_000));
        assert_eq!(or_none("none", duration), Some(None));
        assert_eq!(boolean("on"), Some(true));
        assert_eq!(boolean("no"), Some(false));
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = |unit, text| missing_part(unit, text).unwrap_or_default();
        assert_eq!(said("TIME", "25"), "a unit is missing: 25s or 25ms");
        assert_eq!(said("RATE", "50"), "a unit is missing: 50mbit or 50kbit");
        for (text, whole) in [("localhost", "localhost:29900"), ("::1", "[::1]:29900")] {
            assert_eq!(said("HOST:PORT", text), format!("a port is missing: {whole}"));
        }
        assert_eq!(said("ADDR:PORT", "0.0.0.0"), "a port is missing: 0.0.0.0:29900");
        for (unit, text) in [
            ("TIME", "7x"),
            ("SIZE", "5"),
            ("ADDR:PORT", "localhost"),
            ("HOST:PORT", "a b"),
            ("HOST:PORT", ""),
            ("HOST:PORT", "29900"),
        ] {
            assert_eq!(missing_part(unit, text), None, "{unit} {text}");
        }
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "s", "5", "-5s", "5 s", "1.5s", "5S", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in ["", "k", "4kb", "-1", "4K", "18446744073709551615m"] {
            assert_eq!(size(text), None, "{text}");
        }
        for text in ["", "50", "0mbit", "50Mbit", "99999999999999gbit", "auto", "off"] {
            assert_eq!(bandwidth(text), None, "{text}");
        }
        assert_eq!((boolean("TRUE"), boolean("")), (None, None));
        assert_eq!(
            (count::<u16>("65536"), count::<u16>("+1"), count::<u16>("")),
            (None, None, None)
        );
    }
}
