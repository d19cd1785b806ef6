//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};

use super::builder::limits_of;
use super::command::{usage_error, value, Command, ConfigFile};
use super::control::control;
use super::entries::{default_of, OptionValues};
use super::error::{ConfigError, Location};
use super::keys::{invite, keygen, pubkey};
use super::measure;
use super::table::{nearest, Group, Opt};
use crate::keys::Keyring;
use crate::{Configuration, Process};

impl Command {
    /// Reads the arguments of a program that is called by `program`: a build with the feature `kcptun` takes the place of
    /// kcptun's client or server where it has their name.
    ///
    /// # Errors
    /// As for [`parse`](Command::parse).
    pub fn parse_as(
        program: Option<OsString>,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Command, ConfigError> {
        #[cfg(feature = "kcptun")]
        if let Some(side) = program.as_deref().and_then(super::kcptun::called_as) {
            let mut parser = lexopt::Parser::from_args(args);
            return match side {
                crate::ends::Side::Client => super::kcptun::client(&mut parser),
                crate::ends::Side::Server => super::kcptun::server(&mut parser),
            };
        }
        drop(program);
        Command::parse(args)
    }

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
            (None, Some(path)) => run_file(path, entries),
            (Some("check"), Some(path)) => {
                Ok(Command::Check(ConfigFile { path, insecure: entries.take_insecure()? }))
            }
            (Some("check"), None) => Err(usage_error("check needs a file")),
            (Some(role @ ("client" | "server")), None) => run_end(role, entries),
            (Some("client" | "server"), Some(_)) => {
                Err(usage_error("a client or server of the command line has no --config file"))
            }
            (Some(other), _) => Err(unknown_command(other)),
            (None, None) if entries.is_empty() => Err(usage_error(format!(
                "a command is missing: {}, or --config FILE",
                COMMANDS.join(", ")
            ))),
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
        "keygen" => Some(keygen),
        "pubkey" => Some(pubkey),
        "invite" => Some(invite),
        "options" => Some(options),
        "status" => Some(|parser| control(parser, "status")),
        "reload" => Some(|parser| control(parser, "reload")),
        "stop" => Some(|parser| control(parser, "stop")),
        "log-level" => Some(|parser| control(parser, "log-level")),
        #[cfg(feature = "kcptun")]
        "kcptun-client" => Some(super::kcptun::client),
        #[cfg(feature = "kcptun")]
        "kcptun-server" => Some(super::kcptun::server),
        #[cfg(feature = "kcptun")]
        "import" => Some(super::kcptun::import),
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

const COMMANDS: &[&str] = &[
    "client",
    "server",
    "keygen",
    "pubkey",
    "invite",
    "check",
    "ping",
    "perf",
    "options",
    "status",
    "reload",
    "stop",
    "log-level",
    #[cfg(feature = "kcptun")]
    "kcptun-client",
    #[cfg(feature = "kcptun")]
    "kcptun-server",
    #[cfg(feature = "kcptun")]
    "import",
    "help",
];

fn unknown_command(word: &str) -> ConfigError {
    usage_error(match nearest(word, COMMANDS.iter().copied()) {
        Some(nearest) => format!("unknown command {word}: is {nearest} meant?"),
        None => {
            format!("unknown command {word}: must be {}, or --config FILE", COMMANDS.join(", "))
        }
    })
}

fn run_end(role: &str, mut entries: OptionValues) -> Result<Command, ConfigError> {
    entries.add(Location::CommandLine, "role", role)?;
    let tunnel = entries.without_process();
    let settings = tunnel.settings("tunnel", &Location::CommandLine, &Keyring::new(false))?;
    let process = entries.process(Process::default())?;
    let configuration = Configuration { process, tunnels: vec![settings] };
    Ok(Command::Run { configuration, file: None })
}

fn run_file(path: PathBuf, mut entries: OptionValues) -> Result<Command, ConfigError> {
    let file = ConfigFile { path, insecure: entries.take_insecure()? };
    let mut configuration = file.read()?;
    if !entries.without_process().is_empty() {
        return Err(usage_error("options of tunnels belong into the --config file"));
    }
    configuration.process = entries.process(configuration.process)?;
    Ok(Command::Run { configuration, file: Some(file) })
}

const USAGE: &str = "\
usage:
  smol-kcpd keygen            a secret key and its public key; --secret-file FILE: the secret goes there
  smol-kcpd keygen --shared   one secret for both sides; --shared-secret-file FILE: it goes there
  smol-kcpd pubkey            the public key of the secret one on stdin, or in --secret-file FILE
  smol-kcpd server --listen '[::]:29900' --target 127.0.0.1:22 [keys] [options]
      keys: --shared-secret-file both.key
            --secret-file server.key --allow alice=KEY [--allow bob=KEY]
  smol-kcpd client --listen 127.0.0.1:2222 [keys] [options]
      keys: --server host:29900 --shared-secret-file both.key
            --server host:29900 --secret-file me.key --server-key KEY
            --invite-file FILE, or --invite 'smol-kcp://host:29900/#...'
  smol-kcpd invite --server host:29900 --shared-secret-file both.key
  smol-kcpd invite --server host:29900 --secret-file server.key [--name alice]
                              an invitation for a client, and what allows it at the server
  smol-kcpd --config FILE     every section of the file is a tunnel
  smol-kcpd check FILE        checks it and prints every effective value
  smol-kcpd ping HOST:PORT [keys] [-c 10] [-i 1] [-W 2]
                              the round trip to a KCP server, as ping(8); -c 0: until interrupted;
                              also --count 10 --every 1s --timeout 2s
  smol-kcpd perf HOST:PORT [keys] [--direction upload|download|both] [--time 10s]
            [--plot FILE.svg] [options]
                              what the path carries, over time too; the server needs perf = true;
                              rate is that of the upload, for a download it is the server's
  smol-kcpd status [--json] [--watch] [--streams N] [--control PATH]
                              what the running daemons do, and what is wrong and since when
  smol-kcpd reload | stop TUNNEL | log-level LEVEL [--control PATH]
                              reads the file again; ends a tunnel until then; changes what is logged
  smol-kcpd options [--json]  every option: who may set it, what it accepts, its defaults here
  smol-kcpd help | --help | --version

Without keys nothing starts, unless --insecure says that it may: a tunnel that anybody on the way
can read and forge. Beside --config it is for every section that has no keys.
Files with secrets are for their owner only (chmod 600). Instead of a file, the environment may
have the secret: SMOL_KCPD_SECRET, SMOL_KCPD_SHARED_SECRET, SMOL_KCPD_PSK, SMOL_KCPD_INVITE.

Options have the same names and values in a file, with _ for -: send_window = 256.
Signals: SIGHUP reads the file again, SIGTERM ends within linger, SIGUSR1 logs statistics.
";

/// What a build for kcptun's place has beside that.
#[cfg(feature = "kcptun")]
const KCPTUN_USAGE: &str = "
In kcptun's place, unchanged at the other end; compatible, and not secure:
  smol-kcpd kcptun-client | kcptun-server [kcptun's flags]   also where the program is called so; --help
  smol-kcpd import kcptun FILE [--key-dir DIR]
                              kcptun's JSON, or /etc/config/kcptun, as a file of ours; keys go to DIR
";
#[cfg(not(feature = "kcptun"))]
const KCPTUN_USAGE: &str = "";

/// The help: how to call it, and every option with its default.
pub fn help() -> String {
    let mut text = [USAGE, KCPTUN_USAGE].concat();
    for (group, title) in [
        (Group::Tunnel, "The tunnel"),
        (Group::Keys, "Keys"),
        (Group::Kcp, "KCP"),
        (Group::Times, "Times (500ms, 30s, 2m, 1h)"),
        (Group::Limits, "Limits (sizes: 4096, 512k, 4m); defaults are those of the profile"),
        (Group::Kcptun, "In kcptun's place (a section of a file; on the command line: smol-kcpd kcptun-client --help)"),
        (Group::Process, "The process"),
    ] {
        let options = Opt::all().filter(|option| option.group == group);
        if options.clone().next().is_none() {
            continue; // not in this build
        }
        text.push_str(&format!("\n{title}\n"));
        for option in options {
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

#[cfg(test)]
mod tests;
