//! What is wrong with the options of keys.

use super::super::error::{ConfigError, Location, Problem};
use super::OptionValues;
use crate::ends::Side;
use crate::keys::{KeyFault, ENVIRONMENT};

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
