//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};

use super::builder::limits_of;
use super::command::{usage_error, value, Command};
use super::entries::{default_of, OptionValues};
use super::error::{ConfigError, Location};
use super::measure;
use super::table::{nearest, Group, Opt, OPTIONS};
use crate::{Configuration, Process};

impl Command {
    /// Reads the arguments, without the name of the program. A file that is named is read.
    ///
    /// # Errors
    /// What is wrong with them, or with the file.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ConfigError> {
        let mut parser = lexopt::Parser::from_args(args);
        let (mut command, mut file, mut entries) = (None, None, OptionValues::default());
        while let Some(arg) = parser.next().map_err(usage_error)? {
            match arg {
                Short('h') | Long("help") => return Ok(Command::Help),
                Short('V') | Long("version") => return Ok(Command::Version),
                Long("config") if file.is_none() => {
                    file = Some(PathBuf::from(parser.value().map_err(usage_error)?));
                }
                Long(name) => {
                    let name = name.replace('-', "_");
                    let value = value(&mut parser, &name)?;
                    entries.add(Location::CommandLine, &name, value)?;
                }
                Value(word) if command.is_none() && word == "help" => return Ok(Command::Help),
                Value(word) if command.is_none() => match with_own_options(&word) {
                    Some(_) if file.is_some() || !entries.is_empty() => {
                        let word = word.to_string_lossy();
                        return Err(usage_error(format!("options come behind {word}")));
                    }
                    Some(read) => return read(&mut parser),
                    None => command = Some(word),
                },
                Value(word)
                    if command.as_deref().is_some_and(|c| c == "check") && file.is_none() =>
                {
                    file = Some(PathBuf::from(word));
                }
                arg => return Err(usage_error(arg.unexpected())),
            }
        }
        let command = command.as_ref().map(|word| word.to_string_lossy());
        match (command.as_deref(), file) {
            (None, Some(file)) => run_file(file, &entries),
            (Some("check"), Some(file)) => Ok(Command::Check(file)),
            (Some("check"), None) => Err(usage_error("check needs a file")),
            (Some(role @ ("client" | "server")), None) => run_end(role, entries),
            (Some("client" | "server"), Some(_)) => {
                Err(usage_error("a client or server of the command line has no --config file"))
            }
            (Some(other), _) => Err(unknown_command(other)),
            (None, None) if entries.is_empty() => Err(usage_error(
                "a command is missing: client, server, check, ping, perf, options, help, or --config FILE",
            )),
            (None, None) => {
                Err(usage_error("a command is missing before the options: client or server"))
            }
        }
    }
}

/// Reads the options of one command.
type Reader = fn(&mut lexopt::Parser) -> Result<Command, ConfigError>;

/// Finds what reads the options of a command that has others than a tunnel.
fn with_own_options(word: &OsStr) -> Option<Reader> {
    match word.to_str()? {
        "ping" => Some(measure::ping),
        "perf" => Some(measure::perf),
        "options" => Some(options),
        _ => None,
    }
}

/// `options [--json]`
fn options(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let mut json = false;
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("json") => json = true,
            arg => return Err(usage_error(arg.unexpected())),
        }
    }
    Ok(Command::Options { json })
}

fn unknown_command(word: &str) -> ConfigError {
    let commands = ["client", "server", "check", "ping", "perf", "options", "help"];
    usage_error(match nearest(word, commands.into_iter()) {
        Some(nearest) => format!("unknown command {word}: is {nearest} meant?"),
        None => {
            format!("unknown command {word}: must be {}, or --config FILE", commands.join(", "))
        }
    })
}

fn run_end(role: &str, mut entries: OptionValues) -> Result<Command, ConfigError> {
    entries.add(Location::CommandLine, "role", role)?;
    let tunnel = entries.without_process();
    let settings = tunnel.settings("tunnel", &Location::CommandLine)?;
    let process = entries.process(Process::default())?;
    let configuration = Configuration { process, tunnels: vec![settings] };
    Ok(Command::Run { configuration, file: None })
}

fn run_file(file: PathBuf, entries: &OptionValues) -> Result<Command, ConfigError> {
    let mut configuration = Configuration::read(&file)?;
    if !entries.without_process().is_empty() {
        return Err(usage_error("options of tunnels belong into the --config file"));
    }
    configuration.process = entries.process(configuration.process)?;
    Ok(Command::Run { configuration, file: Some(file) })
}

const USAGE: &str = "\
usage:
  smol-kcpd server --listen '[::]:29900' --target 127.0.0.1:22 [options]
  smol-kcpd client --listen 127.0.0.1:2222 --server host:29900 [options]
  smol-kcpd --config FILE     every section of the file is a tunnel
  smol-kcpd check FILE        checks it and prints every effective value
  smol-kcpd ping HOST:PORT [-c 10] [-i 1] [-W 2]
                              the round trip to a KCP server, as ping(8); -c 0: until interrupted;
                              also --count 10 --every 1s --timeout 2s
  smol-kcpd perf HOST:PORT [--direction upload|download|both] [--time 10s] [--plot FILE.svg]
            [options]         what the path carries, over time too; the server needs perf = true;
                              rate is that of the upload, for a download it is the server's
  smol-kcpd options [--json]  every option: who may set it, what it accepts, its defaults here
  smol-kcpd help | --help | --version

Options have the same names and values in a file, with _ for -: send_window = 256.
Signals: SIGHUP reads the file again, SIGTERM ends within linger, SIGUSR1 logs statistics.
";

/// The help: how to call it, and every option with its default.
pub fn help() -> String {
    let mut text = USAGE.to_string();
    for (group, title) in [
        (Group::Tunnel, "The tunnel"),
        (Group::Kcp, "KCP"),
        (Group::Times, "Times (500ms, 30s, 2m, 1h)"),
        (Group::Limits, "Limits (sizes: 4096, 512k, 4m); defaults are those of the profile"),
        (Group::Process, "The process"),
    ] {
        text.push_str(&format!("\n{title}\n"));
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            if option.name == "role" {
                continue; // the command says it
            }
            let name = format!("--{} {}", option.name.replace('_', "-"), option.unit);
            let default = default_of(option, None);
            let default = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            text.push_str(&format!("  {name:<28} {}{default}\n", option.help));
        }
    }
    text.push_str("\nProfiles: connections at once, unless max_connections says; max_sessions\n");
    let profiles = Opt::find("profile").map(|option| option.accepted).unwrap_or_default();
    for profile in profiles.split(", ").flat_map(|names| names.split(" or ")) {
        if let Some((connections, sessions)) = limits_of(profile) {
            text.push_str(&format!("  {profile:<28} {connections:>3}; {sessions}\n"));
        }
    }
    text
}
