//! `smol-kcpd kcptun-client` and `kcptun-server`, and the names by which the program is kcptun.

use std::ffi::OsStr;
use std::path::Path;

use super::super::command::{usage_error, Command};
use super::super::entries::OptionValues;
use super::super::error::{ConfigError, Location};
use super::arguments::{self, Arguments};
use super::files::{add_json, read};
use super::parameters::{Fate, Given, PARAMETERS};
use super::translation::translate;
use crate::ends::Side;
use crate::keys::Keyring;
use crate::{Configuration, Process};

/// What the last release of kcptun with code has where it is not told.
const SMUX_VERSION: u64 = 2;

/// Returns whose place the program takes when it is called so: as kcptun's packages name theirs, or its releases
/// (`client_linux_mipsle`).
pub(in crate::options) fn called_as(program: &OsStr) -> Option<Side> {
    let name = Path::new(program).file_stem()?.to_str()?;
    match name {
        "kcptun-client" => Some(Side::Client),
        "kcptun-server" => Some(Side::Server),
        _ if name.starts_with("client_linux_") => Some(Side::Client),
        _ if name.starts_with("server_linux_") => Some(Side::Server),
        _ => None,
    }
}

pub(in crate::options) fn client(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    run(Side::Client, parser)
}

pub(in crate::options) fn server(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    run(Side::Server, parser)
}

/// `kcptun-client` and `kcptun-server`, with kcptun's own flags.
fn run(side: Side, parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let args = parser.raw_args().map_err(usage_error)?;
    let (mut parameters, file) = match arguments::read(side, args)? {
        Arguments::Help => return Ok(Command::Text(help(side))),
        Arguments::Version => return Ok(Command::Version),
        Arguments::Run { parameters, file } => (parameters, file),
    };
    let keyring = Keyring::new(false);
    if let (None, Some(key)) = (parameters.get("key"), (keyring.environment)("KCPTUN_KEY")) {
        let parameter = parameters.flag("key")?;
        let (value, place) = (key.as_str().to_string(), Location::CommandLine);
        parameters.add(Given { parameter, value, place });
    }
    if let Some(file) = file {
        let text = read(&file)?;
        add_json(&mut parameters, &file.display().to_string(), &text)?;
    }
    let mut translation = translate(&parameters, SMUX_VERSION, true)?;
    let mut values = OptionValues::default();
    for (name, value) in translation.values.drain(..) {
        values.add(Location::CommandLine, name, value)?;
    }
    let mut keyring = keyring;
    keyring.kcptun_key = translation.key;
    let name = format!("kcptun-{side}");
    let settings = values.settings(&name, &Location::CommandLine, &keyring)?;
    let configuration = Configuration { process: Process::default(), tunnels: vec![settings] };
    Ok(Command::Kcptun { configuration, notes: translation.notes })
}

fn help(side: Side) -> String {
    let mut text = format!(
        "smol-kcpd in the place of kcptun's {side}: its flags, with one hyphen or two, its file and its\n\
         environment. Compatible with kcptun, and not secure: docs/kcptun.md.\n\n\
         usage: smol-kcpd kcptun-{side} [flags], or kcptun-{side} [flags] where the program is called so\n\n"
    );
    let line = |flags: &str, help: &str| format!("  {flags:<28} {help}\n");
    for parameter in PARAMETERS.iter().filter(|it| it.side.is_none_or(|of| of == side)) {
        if parameter.help.is_empty() {
            continue;
        }
        let spell = |flag: &&str| match flag.len() {
            1 => format!(", -{flag}"),
            _ => format!(", --{flag}"),
        };
        let others: String = parameter.flags.iter().map(spell).collect();
        text.push_str(&line(&format!("--{}{others}", parameter.name), parameter.help));
    }
    text.push_str(&line("-c FILE", "a JSON file with the same names, which overrides the flags"));
    text.push_str(&line("--help, -h; --version, -v", ""));
    let names = |fate: fn(&Fate) -> bool| {
        let names = PARAMETERS.iter().filter(|it| fate(&it.fate)).map(|it| it.name);
        names.collect::<Vec<_>>().join(", ")
    };
    text.push_str(&format!(
        "\nAccepted, and of no meaning here: {}. Refused: {}.\n",
        names(|fate| *fate == Fate::Ignored),
        names(|fate| matches!(fate, Fate::Refused(_)))
    ));
    text
}
