//! `smol-kcpd kcptun-client`, `kcptun-server` and `import`, and the names by which the program is kcptun.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};
use zeroize::Zeroizing;

use super::super::builder::Side;
use super::super::command::{usage_error, Command};
use super::super::entries::OptionValues;
use super::super::error::{ConfigError, Location, Problem};
use super::arguments::{self, Arguments};
use super::import::{import_json, import_uci, Import};
use super::json;
use super::parameters::{Given, Parameters, PARAMETERS};
use super::translation::translate;
use crate::keys::Keyring;
use crate::{Configuration, Process};

/// Longest file that is read: kcptun's have two kilobytes.
const LONGEST: u64 = 64 * 1024;

/// What the last release of kcptun with code has, and those before 2025-11-21 and the package of OpenWrt.
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

/// Adds what a JSON file says.
///
/// # Errors
/// It is none, or what it says is of another kind.
pub(super) fn add_json(
    parameters: &mut Parameters,
    file: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let place = |line| Location::File { file: file.to_string(), line };
    let members = json::members(text).map_err(|error| {
        ConfigError::other(place(error.line), format!("no JSON: {}", error.what))
    })?;
    for member in members {
        match member.value {
            Some((kind, value)) => {
                parameters.add_key(&member.key, value, kind, place(member.line))?;
            }
            None if PARAMETERS.iter().any(|it| it.name == member.key) => {
                let what = Problem::Invalid {
                    value: "\u{2026}".into(),
                    why: "must be a text, a number, true or false".into(),
                };
                return Err(ConfigError::new(place(member.line), member.key, what));
            }
            None => parameters.unknown.push(member.key),
        }
    }
    Ok(())
}

/// `import kcptun FILE [--key-dir DIR]`
pub(in crate::options) fn import(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut words, mut key_dir) = (Vec::new(), None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("key-dir") if key_dir.is_none() => {
                key_dir = Some(PathBuf::from(parser.value().map_err(usage_error)?));
            }
            Value(word) if words.len() < 2 => words.push(word),
            arg => return Err(usage_error(arg.unexpected())),
        }
    }
    let (kind, path) = match &words[..] {
        [kind, path] => (kind, PathBuf::from(path)),
        _ => {
            return Err(usage_error("import needs to know of what, and a file: import kcptun FILE"))
        }
    };
    if kind != "kcptun" {
        let kind = kind.to_string_lossy();
        return Err(usage_error(format!("import {kind}: must be kcptun")));
    }
    let (file, text) = (path.display().to_string(), read(&path)?);
    // What is an object is JSON; UCI's lines begin with letters.
    let is_json = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    let import: Import = match is_json {
        true => import_json(&file, &text, key_dir)?,
        false => import_uci(&file, &text, key_dir)?,
    };
    Ok(Command::Import(import))
}

fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let file = path.display().to_string();
    let failed = |why: String| ConfigError::of_file(&file, &why);
    let opened = File::open(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let mut text = Zeroizing::new(String::new());
    let read = opened.take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| failed(format!("cannot be read: {error}")))?;
    match text.len() as u64 > LONGEST {
        true => Err(failed(format!("longer than {LONGEST} bytes: no file of kcptun's"))),
        false => Ok(text),
    }
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
        let others: String = parameter.flags.iter().map(|flag| spell(flag)).collect();
        text.push_str(&line(&format!("--{}{others}", parameter.name), parameter.help));
    }
    text.push_str(&line("-c FILE", "a JSON file with the same names, which overrides the flags"));
    text.push_str(&line("--help, -h; --version, -v", ""));
    let names = |fate: fn(&super::parameters::Fate) -> bool| {
        let names = PARAMETERS.iter().filter(|it| fate(&it.fate)).map(|it| it.name);
        names.collect::<Vec<_>>().join(", ")
    };
    use super::parameters::Fate;
    text.push_str(&format!(
        "\nAccepted, and of no meaning here: {}. Refused: {}.\n",
        names(|fate| *fate == Fate::Ignored),
        names(|fate| matches!(fate, Fate::Refused(_)))
    ));
    text
}
