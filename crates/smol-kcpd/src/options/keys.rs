//! Keys, as options have them: what is wrong with them, and the command lines of `keygen`, `pubkey` and
//! `invite`.

use lexopt::Arg::{Long, Short};

use super::builder::Side;
use super::command::{usage_error, Command};
use super::entries::OptionValues;
use super::error::{ConfigError, Location, Problem};
use super::measure::{of, unexpected};
use super::values::{is_client, is_secret};
use crate::keys::{KeyCommand, KeyFault, ENVIRONMENT};
use crate::HostPort;

/// Secrets that somebody may want to write where an option is.
const SECRETS: [&str; 3] = ["secret", "shared_secret", "psk"];

/// Says why a secret is no option; and why an invitation, which has one, belongs into no file that others may
/// read.
pub(super) fn refuse_secret(place: &Location, name: &str) -> Result<(), ConfigError> {
    let is_file = matches!(place, Location::File { .. });
    let is_secret = SECRETS.contains(&name) || name == "invite" && is_file;
    if !is_secret {
        return Ok(());
    }
    let file = format!("{name}_file");
    let of_file = |(_, option): &&(&str, &str)| *option == file;
    let variable = ENVIRONMENT.iter().find(of_file).map_or("", |(variable, _)| variable);
    let text = match place {
        Location::CommandLine => format!(
            "--{}: what is on the command line everybody on this machine can read: a secret belongs into a \
             file, `{file}`, or into the environment, {variable}",
            name.replace('_', "-")
        ),
        Location::File { .. } => {
            format!("{name} is secret: it belongs into a file of its own, {file} = NAME")
        }
    };
    Err(ConfigError::other(place.clone(), text))
}

/// Says what is wrong with the keys of one end, and where.
pub(super) fn as_error(
    entries: &OptionValues,
    fault: KeyFault,
    side: Side,
    place: &Location,
) -> ConfigError {
    let missing = |option| ConfigError::new(place.clone(), option, Problem::Missing);
    match fault {
        KeyFault::Missing(option) => missing(option),
        KeyFault::Option(option, why) => match entries.get(option) {
            Some(entry) => entry.invalid(why),
            None => missing(option),
        },
        KeyFault::Item(option, item, why) => {
            let entry = entries.get_item(option, &item);
            let place = entry.map_or_else(|| place.clone(), |entry| entry.place.clone());
            ConfigError::new(place, option, Problem::Invalid { value: item, why })
        }
        KeyFault::NoKeys => ConfigError::other(place.clone(), no_keys(side)),
        KeyFault::Other(text) => ConfigError::other(place.clone(), text),
    }
}

/// Names both ways out.
fn no_keys(side: Side) -> String {
    let keys = match side {
        Side::Client => "`invite_file`, `shared_secret_file`, or `secret_file` with `server_key`",
        Side::Server => "`shared_secret_file`, or `secret_file` with `allow`",
    };
    format!(
        "no keys: {keys} encrypts (smol-kcpd keygen makes keys); `insecure` does without, and lets who sees \
         the packets read and forge them"
    )
}

/// `keygen [--secret-file FILE | --shared | --shared-secret-file FILE]`
pub(super) fn keygen(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut secret, mut shared, mut shared_file) = (None, false, None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("secret-file") => file(&mut secret, "secret-file", parser)?,
            Long("shared") => shared = true,
            Long("shared-secret-file") => file(&mut shared_file, "shared-secret-file", parser)?,
            arg => return Err(unexpected(arg, &["secret-file", "shared", "shared-secret-file"])),
        }
    }
    Ok(Command::Keys(match (secret, shared || shared_file.is_some()) {
        (Some(_), true) => {
            return Err(usage_error(
                "--secret-file: one secret is made at a time, this or a shared one",
            ))
        }
        (secret_file, false) => KeyCommand::Keygen { secret_file },
        (None, true) => KeyCommand::KeygenShared { shared_secret_file: shared_file },
    }))
}

/// `pubkey [--secret-file FILE]`
pub(super) fn pubkey(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let mut secret_file = None;
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("secret-file") => file(&mut secret_file, "secret-file", parser)?,
            arg => return Err(unexpected(arg, &["secret-file"])),
        }
    }
    Ok(Command::Keys(KeyCommand::Pubkey { secret_file }))
}

/// `invite --server HOST:PORT (--secret-file FILE [--psk-file FILE] [--name NAME] | --shared-secret-file FILE)`
pub(super) fn invite(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut server, mut name) = (None, None);
    let (mut secret, mut psk, mut shared) = (None, None, None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("server") => {
                let text = of(parser)?;
                let must = "must be a name or address and a port, such as router.example:29900";
                let wrong = || usage_error(format!("--server {text}: {must}"));
                once(&mut server, "server", HostPort::parse(&text).ok_or_else(wrong)?)?;
            }
            Long("name") => {
                let text = of(parser)?;
                if !is_client(&text) {
                    let must = "must be of letters, digits, -, _ and ., 64 at most";
                    return Err(usage_error(format!("--name {text}: {must}")));
                }
                once(&mut name, "name", text)?;
            }
            Long("secret-file") => file(&mut secret, "secret-file", parser)?,
            Long("psk-file") => file(&mut psk, "psk-file", parser)?,
            Long("shared-secret-file") => file(&mut shared, "shared-secret-file", parser)?,
            arg => {
                let own = ["server", "name", "secret-file", "psk-file", "shared-secret-file"];
                return Err(unexpected(arg, &own));
            }
        }
    }
    let server =
        server.ok_or_else(|| usage_error("invite needs the server: --server HOST:PORT"))?;
    Ok(Command::Keys(match (secret, shared) {
        (Some(secret_file), None) => {
            let name = name.unwrap_or_else(|| "client".into());
            KeyCommand::Invite { server, secret_file, psk_file: psk, name }
        }
        (None, Some(shared_secret_file)) if psk.is_none() && name.is_none() => {
            KeyCommand::InviteShared { server, shared_secret_file }
        }
        (_, Some(_)) => {
            let alone = "stands for all keys, of everybody: not together with --secret-file, --psk-file or --name";
            return Err(usage_error(format!("--shared-secret-file {alone}")));
        }
        (None, None) => {
            let needs =
                "invite needs the key of the server: its --secret-file or --shared-secret-file";
            return Err(usage_error(format!("{needs} (smol-kcpd keygen makes one)")));
        }
    }))
}

/// Reads the name of a file, and makes sure that it is not what belongs into it.
fn file(
    place: &mut Option<String>,
    name: &str,
    parser: &mut lexopt::Parser,
) -> Result<(), ConfigError> {
    let path = of(parser)?;
    if path.is_empty() || is_secret(&path) {
        return Err(usage_error(format!(
            "--{name}: must be the name of a file, not what is in it"
        )));
    }
    once(place, name, path)
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), ConfigError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(usage_error(format!("--{name} is given twice"))),
    }
}
