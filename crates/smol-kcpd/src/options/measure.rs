//! The command lines of `ping` and `perf`. Their own options are no options of a tunnel.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};

use super::command::{usage_error, value, Command};
use super::entries::OptionValues;
use super::error::{ConfigError, Location};
use super::table::{nearest, Group, Opt};
use super::values::{count, duration, missing_part};
use crate::keys::Keyring;
use crate::perf::{Direction, Perf, MAX_TIME};
use crate::ping::Ping;
use crate::HostPort;
use smol_kcp::KcpConfig;

const SERVER: &str = "a name or address and a port, such as router.example:29900";

/// What is accepted where ping(8) takes seconds.
const SECONDS: &str = "seconds such as 1 or 0.2, or a time such as 200ms, of 10ms to 1h";

/// Is it an option that tells keys, or that there are none?
fn is_of_keys(name: &str) -> bool {
    Opt::find(name).is_some_and(|it| it.group == Group::Keys && it.scope.names().contains(&"perf"))
}

/// `ping HOST:PORT [keys of a client] [--count N] [--every TIME] [--timeout TIME]`, or `-c`, `-i` and `-W` as in ping(8)
pub(super) fn ping(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut server, mut number, mut every, mut timeout) = (None, None, None, None);
    let mut entries = OptionValues::default();
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) => host(&mut server, &text(word)?)?,
            Short('c') | Long("count") => {
                let must = "a whole number; 0: until it is interrupted";
                once(&mut number, "--count", must, &of(parser)?, count::<u32>)?;
            }
            Short('i') => once(&mut every, "-i", SECONDS, &of(parser)?, seconds)?,
            Short('W') => once(&mut timeout, "-W", SECONDS, &of(parser)?, seconds)?,
            Long("every") => once(&mut every, "--every", "10ms to 1h", &of(parser)?, a_while)?,
            Long("timeout") => {
                once(&mut timeout, "--timeout", "10ms to 1h", &of(parser)?, a_while)?
            }
            Long(name) if is_of_keys(&name.replace('-', "_")) => {
                let name = name.replace('-', "_");
                let value = value(parser, &name)?;
                entries.add(Location::CommandLine, &name, value)?;
            }
            arg => return Err(unexpected(arg, &["count", "every", "timeout", "help"])),
        }
    }
    let (kcp, server) = who(&entries, server, "ping needs a server, HOST:PORT")?;
    Ok(Command::Ping(Box::new(Ping {
        server,
        kcp,
        count: Some(number.unwrap_or(10)).filter(|&number| number > 0),
        every: every.unwrap_or(Duration::from_secs(1)),
        timeout: timeout.unwrap_or(Duration::from_secs(2)),
    })))
}

/// Finds whom to measure, and how to speak with it: an invitation tells both.
fn who(
    entries: &OptionValues,
    server: Option<HostPort>,
    needed: &str,
) -> Result<(KcpConfig, HostPort), ConfigError> {
    let invited = ["invite", "invite_file"].iter().any(|name| entries.get(name).is_some());
    let (kcp, named) = match entries.streams(&Location::CommandLine, &Keyring::new(false)) {
        Err(_) if server.is_none() && !invited => return Err(usage_error(needed)),
        read => read?,
    };
    Ok((kcp, server.or(named).ok_or_else(|| usage_error(needed))?))
}

/// `perf HOST:PORT [--direction WHICH] [--time TIME] [--plot FILE] [options of a client]`
pub(super) fn perf(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut server, mut directions, mut time, mut plot) = (None, None, None, None);
    let mut entries = OptionValues::default();
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) => host(&mut server, &text(word)?)?,
            Long("direction") => {
                let must = "upload, download or both";
                once(&mut directions, "--direction", must, &of(parser)?, which)?;
            }
            Long("time") => {
                let read = |text: &str| within(text, 1_000, MAX_TIME.as_millis());
                once(&mut time, "--time", "1s to 60s", &of(parser)?, read)?;
            }
            Long("plot") if plot.is_none() => {
                plot = Some(PathBuf::from(parser.value().map_err(usage_error)?));
            }
            Long("plot") => return Err(usage_error("--plot is given twice")),
            Long(name) => {
                let name = name.replace('-', "_");
                let value = value(parser, &name)?;
                let foreign = |option: &Opt| !option.scope.names().contains(&"perf");
                if Opt::find(&name).is_some_and(foreign) {
                    return Err(usage_error(format!(
                        "--{} is no option of perf",
                        name.replace('_', "-")
                    )));
                }
                entries.add(Location::CommandLine, &name, value)?;
            }
            arg => return Err(unexpected(arg, &[])),
        }
    }
    let (kcp, server) = who(&entries, server, "perf needs a server, HOST:PORT")?;
    Ok(Command::Perf(Box::new(Perf {
        server,
        kcp,
        directions: directions.unwrap_or_else(|| vec![Direction::Upload, Direction::Download]),
        time: time.unwrap_or(Duration::from_secs(10)),
        plot,
    })))
}

fn which(text: &str) -> Option<Vec<Direction>> {
    match text {
        "upload" => Some(vec![Direction::Upload]),
        "download" => Some(vec![Direction::Download]),
        "both" => Some(vec![Direction::Upload, Direction::Download]),
        _ => None,
    }
}

fn within(text: &str, min: u128, max: u128) -> Option<Duration> {
    duration(text).filter(|time| (min..=max).contains(&time.as_millis()))
}

fn a_while(text: &str) -> Option<Duration> {
    within(text, 10, 3_600_000)
}

/// Seconds, to the millisecond, or a time with its unit.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let (Some(whole), true) = (count::<u64>(whole), part.len() <= 3) else { return a_while(text) };
    let millis = if part.is_empty() { 0 } else { count::<u64>(&format!("{part:0<3}"))? };
    a_while(&format!("{}ms", whole.checked_mul(1000)?.checked_add(millis)?))
}

pub(super) fn text(word: std::ffi::OsString) -> Result<String, ConfigError> {
    word.into_string().map_err(|word| usage_error(format!("{word:?} is no text")))
}

/// The value of the option that was read last.
pub(super) fn of(parser: &mut lexopt::Parser) -> Result<String, ConfigError> {
    text(parser.value().map_err(usage_error)?)
}

/// Reads the one word that is no option.
fn host(place: &mut Option<HostPort>, text: &str) -> Result<(), ConfigError> {
    if place.is_some() {
        return Err(usage_error(format!("{text}: one server is enough")));
    }
    let server = HostPort::parse(text).ok_or_else(|| match missing_part("HOST:PORT", text) {
        Some(why) => usage_error(format!("{text}: {why}")),
        None => usage_error(format!("{text}: must be {SERVER}")),
    })?;
    *place = Some(server);
    Ok(())
}

/// Reads a value that is given at most once.
fn once<T>(
    place: &mut Option<T>,
    name: &str,
    must: &str,
    text: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), ConfigError> {
    if place.is_some() {
        return Err(usage_error(format!("{name} is given twice")));
    }
    let time = if must.starts_with(|c: char| c.is_ascii_digit()) { "TIME" } else { "" };
    let value = read(text).ok_or_else(|| match missing_part(time, text) {
        Some(why) => usage_error(format!("{name} {text}: {why}")),
        None => usage_error(format!("{name} {text}: must be {must}")),
    })?;
    *place = Some(value);
    Ok(())
}

pub(super) fn unexpected(arg: lexopt::Arg<'_>, own: &[&str]) -> ConfigError {
    let Long(name) = arg else { return usage_error(arg.unexpected()) };
    let meant = nearest(name, own.iter().copied());
    let meant = meant.map(|meant| format!(": is --{meant} meant?")).unwrap_or_default();
    usage_error(format!("unknown option --{name}{meant}"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use smol_kcp::{KcpConfig, Rate};

    fn command(line: &str) -> Result<Command, ConfigError> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn ping_has_defaults_and_options_of_its_own() {
        let ping = |line: &str| match command(line).unwrap() {
            Command::Ping(ping) => *ping,
            other => panic!("{other:?}"),
        };
        let default = ping("ping router.example:29900 --insecure");
        assert_eq!(default.server.to_string(), "router.example:29900");
        assert_eq!(default.count, Some(10));
        assert_eq!(
            (default.every, default.timeout),
            (Duration::from_secs(1), Duration::from_secs(2))
        );
        let other = ping("ping --count=0 [::1]:9 --insecure --every 100ms --timeout 1m");
        assert_eq!(other.count, None);
        assert_eq!((other.every.as_millis(), other.timeout.as_secs()), (100, 60));
        let seconds = ping("ping a:1 --insecure -c 3 -i 0.2 -W 1.5");
        assert_eq!((seconds.count, seconds.every.as_millis()), (Some(3), 200));
        assert_eq!(seconds.timeout.as_millis(), 1500);
        assert_eq!(ping("ping a:1 --insecure -i 200ms -c3").every.as_millis(), 200);
        assert_eq!(ping("ping a:1 --insecure -i2").every.as_secs(), 2);
        assert_eq!(command("ping --help"), Ok(Command::Help));
    }

    #[test]
    fn perf_takes_what_a_client_says_about_its_streams() {
        let perf = |line: &str| match command(line).unwrap() {
            Command::Perf(perf) => *perf,
            other => panic!("{other:?}"),
        };
        let default = perf("perf router.example:29900 --insecure");
        let datagrams = Some(crate::UdpSettings::conversations(None));
        assert_eq!(default.kcp, KcpConfig { stream: true, datagrams, ..KcpConfig::wan() });
        assert_eq!((default.directions.len(), default.time.as_secs()), (2, 10));
        let line =
            "perf 192.0.2.1:9 --insecure --direction download --time 60s --profile lan --send-window 99 --nc";
        let other = perf(line);
        assert_eq!(other.kcp.wnd_size, (99, KcpConfig::lan().wnd_size.1));
        assert_eq!((other.directions.len(), other.time.as_secs()), (1, 60));
        let drawn = perf("perf a:1 --insecure --rate polite --plot a.svg");
        assert_eq!((drawn.kcp.rate, drawn.plot), (Rate::Polite, Some("a.svg".into())));
    }

    #[test]
    fn what_is_wrong_with_a_ping_or_a_measurement_is_named() {
        let wrong = [
            ("ping", "ping needs a server, HOST:PORT"),
            ("ping localhost", "localhost: a port is missing: localhost:29900"),
            (
                "ping no:where",
                "no:where: must be a name or address and a port, such as router.example:29900",
            ),
            ("ping a:1 --insecure b:2", "b:2: one server is enough"),
            (
                "ping a:1 --insecure --count -1",
                "--count -1: must be a whole number; 0: until it is interrupted",
            ),
            ("ping a:1 --insecure --every 1ms", "--every 1ms: must be 10ms to 1h"),
            ("ping a:1 --insecure --timeout 5", "--timeout 5: a unit is missing: 5s or 5ms"),
            (
                "ping a:1 --insecure -i 0",
                "-i 0: must be seconds such as 1 or 0.2, or a time such as 200ms, of 10ms to 1h",
            ),
            ("ping a:1 --insecure --count 1 -c 2", "--count is given twice"),
            ("ping a:1 --insecure --timeot 2s", "unknown option --timeot: is --timeout meant?"),
            ("ping a:1 --profile lan", "unknown option --profile"),
            ("ping a:1 --insecure --size 9", "unknown option --size"),
            ("--mtu 1200 ping a:1", "options come behind ping"),
            ("perf", "perf needs a server, HOST:PORT"),
            (
                "perf a:1 --insecure --direction up",
                "--direction up: must be upload, download or both",
            ),
            ("perf a:1 --insecure --time 61s", "--time 61s: must be 1s to 60s"),
            ("perf a:1 --insecure --plot a.svg --plot b.svg", "--plot is given twice"),
            ("perf a:1 --insecure --listen 127.0.0.1:1", "--listen is no option of perf"),
            ("perf a:1 --insecure --perf", "--perf is no option of perf"),
            ("perf a:1 --insecure --max-connections 3", "--max-connections is no option of perf"),
            ("perf a:1 --insecure --backlog 9", "--backlog is no option of perf"),
            ("perf a:1 --insecure --user nobody", "--user is no option of perf"),
            (
                "perf a:1 --insecure --sendwindow 9",
                "unknown option --sendwindow: is --send-window meant?",
            ),
            ("perf a:1 --insecure --mtu 20", "--mtu 20: must be 50 to 65507"),
        ];
        for (line, text) in wrong {
            let said = command(line).expect_err(line).to_string();
            assert_eq!(said, text, "{line}");
        }
    }
}
