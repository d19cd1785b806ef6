//! The command lines of `ping` and `perf`. Their own options are no options of a tunnel.

use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};

use super::command_line::{value, wrong, Command};
use super::draft::Entries;
use super::error::{ConfigError, Place, Problem};
use super::table::{Group, Opt};
use super::values::{count, duration};
use crate::tunnel::perf::{Direction, Perf, MAX_TIME};
use crate::tunnel::ping::Ping;
use crate::tunnel::HostPort;

const SERVER: &str = "a name or address and a port, such as router.example:29900";

/// `ping HOST:PORT [--count N] [--every TIME] [--timeout TIME]`
pub(super) fn ping(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut server, mut number, mut every, mut timeout) = (None, None, None, None);
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) => once(&mut server, "server", SERVER, &text(word)?, HostPort::parse)?,
            Long("count") => {
                let accepted = "a whole number; 0: until it is interrupted";
                once(&mut number, "count", accepted, &of(parser)?, count::<u32>)?;
            }
            Long("every") => {
                let read = |text: &str| within(text, 10, 3_600_000);
                once(&mut every, "every", "10ms to 1h", &of(parser)?, read)?;
            }
            Long("timeout") => {
                let read = |text: &str| within(text, 10, 3_600_000);
                once(&mut timeout, "timeout", "10ms to 1h", &of(parser)?, read)?;
            }
            arg => return Err(wrong(arg.unexpected())),
        }
    }
    Ok(Command::Ping(Ping {
        server: server.ok_or_else(|| wrong("ping needs a server, HOST:PORT"))?,
        count: Some(number.unwrap_or(10)).filter(|&number| number > 0),
        every: every.unwrap_or(Duration::from_secs(1)),
        timeout: timeout.unwrap_or(Duration::from_secs(2)),
    }))
}

/// `perf HOST:PORT [--direction WHICH] [--time TIME] [options of a client]`
pub(super) fn perf(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut server, mut directions, mut time) = (None, None, None);
    let mut entries = Entries::default();
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) => once(&mut server, "server", SERVER, &text(word)?, HostPort::parse)?,
            Long("direction") => {
                let accepted = "upload, download or both";
                once(&mut directions, "direction", accepted, &of(parser)?, which)?;
            }
            Long("time") => {
                let read = |text: &str| within(text, 1_000, MAX_TIME.as_millis());
                once(&mut time, "time", "1s to 60s", &of(parser)?, read)?;
            }
            Long(name) => {
                let name = name.replace('-', "_");
                let value = value(parser, &name)?;
                if !is_of_streams(&name) {
                    let accepted = format!("nothing: perf has no {name}");
                    return Err(refused(&name, &value, accepted));
                }
                entries.add(Place::CommandLine, &name, value)?;
            }
            arg => return Err(wrong(arg.unexpected())),
        }
    }
    let server: HostPort = server.ok_or_else(|| wrong("perf needs a server, HOST:PORT"))?;
    // What is measured are the streams of a client, which listens nowhere.
    for (name, value) in
        [("role", "client"), ("listen", "127.0.0.1:1"), ("server", &server.to_string())]
    {
        entries.add(Place::CommandLine, name, value)?;
    }
    Ok(Command::Perf(Perf {
        kcp: entries.settings("perf", &Place::CommandLine)?.kcp,
        server,
        directions: directions.unwrap_or_else(|| vec![Direction::Upload, Direction::Download]),
        time: time.unwrap_or(Duration::from_secs(10)),
    }))
}

/// Does the option, if there is one of that name, say something about streams?
fn is_of_streams(name: &str) -> bool {
    let others = ["max_connections", "target_timeout", "stats_interval", "perf"];
    Opt::find(name).is_none_or(|option| {
        let about = matches!(option.group, Group::Kcp | Group::Times | Group::Limits);
        about && !others.contains(&name)
    })
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

fn text(word: std::ffi::OsString) -> Result<String, ConfigError> {
    word.into_string().map_err(|word| wrong(format!("{word:?} is no text")))
}

/// The value of the option that was read last.
fn of(parser: &mut lexopt::Parser) -> Result<String, ConfigError> {
    text(parser.value().map_err(wrong)?)
}

/// Reads a value that is given at most once.
fn once<T>(
    place: &mut Option<T>,
    name: &str,
    accepted: &str,
    text: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), ConfigError> {
    if place.is_some() {
        return Err(ConfigError::new(Place::CommandLine, name, Problem::Repeated));
    }
    *place = Some(read(text).ok_or_else(|| refused(name, text, accepted))?);
    Ok(())
}

fn refused(name: &str, value: &str, accepted: impl Into<String>) -> ConfigError {
    let problem = Problem::Refused { value: value.into(), accepted: accepted.into() };
    ConfigError::new(Place::CommandLine, name, problem)
}
