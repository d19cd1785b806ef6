//! The command lines of `keygen`, `pubkey` and `invite`.

use lexopt::Arg::{Long, Short};

use super::command::{usage_error, Command};
use super::error::ConfigError;
use super::measure::{of, unexpected};
use super::values::{is_client, secret_file};
use crate::keys::KeyCommand;
use crate::HostPort;

/// What the commands may be told.
#[derive(Default)]
struct KeyArgs {
    server: Option<HostPort>,
    name: Option<String>,
    secret_file: Option<String>,
    psk_file: Option<String>,
    shared_secret_file: Option<String>,
    shared: bool,
    help: bool,
}

impl KeyArgs {
    /// Reads those options that `own` names.
    fn read(parser: &mut lexopt::Parser, own: &[&str]) -> Result<KeyArgs, ConfigError> {
        let mut args = KeyArgs::default();
        while let Some(arg) = parser.next().map_err(usage_error)? {
            let name = match arg {
                Short('h') | Long("help") => {
                    args.help = true;
                    break;
                }
                Long(name) if own.contains(&name) => name.to_string(),
                arg => return Err(unexpected(arg, own)),
            };
            match name.as_str() {
                "shared" => args.shared = true,
                "server" => once(&mut args.server, &name, server(&of(parser)?)?)?,
                "name" => once(&mut args.name, &name, client_name(of(parser)?)?)?,
                "secret-file" => once(&mut args.secret_file, &name, file(&name, parser)?)?,
                "psk-file" => once(&mut args.psk_file, &name, file(&name, parser)?)?,
                _ => once(&mut args.shared_secret_file, &name, file(&name, parser)?)?,
            }
        }
        Ok(args)
    }
}

fn server(text: &str) -> Result<HostPort, ConfigError> {
    let must = "must be a name or address and a port, such as router.example:29900";
    HostPort::parse(text).ok_or_else(|| usage_error(format!("--server {text}: {must}")))
}

fn client_name(text: String) -> Result<String, ConfigError> {
    match is_client(&text) {
        true => Ok(text),
        false => {
            let must = "must be of letters, digits, -, _ and ., 64 at most";
            Err(usage_error(format!("--name {text}: {must}")))
        }
    }
}

/// Reads the name of a file, and makes sure that it is not what belongs into it.
fn file(name: &str, parser: &mut lexopt::Parser) -> Result<String, ConfigError> {
    let must = || usage_error(format!("--{name}: must be the name of a file, not what is in it"));
    secret_file(&of(parser)?).ok_or_else(must)
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), ConfigError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(usage_error(format!("--{name} is given twice"))),
    }
}

/// `keygen [--secret-file FILE | --shared | --shared-secret-file FILE]`
pub(super) fn keygen(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let args = KeyArgs::read(parser, &["secret-file", "shared", "shared-secret-file"])?;
    let shared = args.shared || args.shared_secret_file.is_some();
    match (args.secret_file, shared) {
        _ if args.help => Ok(Command::Help),
        (Some(_), true) => {
            Err(usage_error("--secret-file: one secret is made at a time, this or a shared one"))
        }
        (secret_file, false) => Ok(Command::Keys(KeyCommand::Keygen { secret_file })),
        (None, true) => {
            let shared_secret_file = args.shared_secret_file;
            Ok(Command::Keys(KeyCommand::KeygenShared { shared_secret_file }))
        }
    }
}

/// `pubkey [--secret-file FILE]`
pub(super) fn pubkey(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let KeyArgs { secret_file, help, .. } = KeyArgs::read(parser, &["secret-file"])?;
    match help {
        true => Ok(Command::Help),
        false => Ok(Command::Keys(KeyCommand::Pubkey { secret_file })),
    }
}

/// `invite --server HOST:PORT (--secret-file FILE [--psk-file FILE] [--name NAME] | --shared-secret-file FILE)`
pub(super) fn invite(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let own = ["server", "name", "secret-file", "psk-file", "shared-secret-file"];
    let KeyArgs { server, name, secret_file, psk_file, shared_secret_file, help, .. } =
        KeyArgs::read(parser, &own)?;
    if help {
        return Ok(Command::Help);
    }
    let server =
        server.ok_or_else(|| usage_error("invite needs the server: --server HOST:PORT"))?;
    match (secret_file, shared_secret_file) {
        (Some(secret_file), None) => {
            let name = name.unwrap_or_else(|| "client".into());
            Ok(Command::Keys(KeyCommand::Invite { server, secret_file, psk_file, name }))
        }
        (None, Some(shared_secret_file)) if psk_file.is_none() && name.is_none() => {
            Ok(Command::Keys(KeyCommand::InviteShared { server, shared_secret_file }))
        }
        (_, Some(_)) => Err(usage_error(
            "--shared-secret-file stands for all keys, of everybody: not together with --secret-file, \
             --psk-file or --name",
        )),
        (None, None) => Err(usage_error(
            "invite needs the key of the server: its --secret-file or --shared-secret-file (smol-kcpd \
             keygen makes one)",
        )),
    }
}
