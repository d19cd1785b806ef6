//! `smol-kcpd import kcptun`: kcptun's JSON file, or /etc/config/kcptun of OpenWrt, as a file of ours.

use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};

use super::super::command::{usage_error, Command};
use super::super::error::{ConfigError, Location};
use super::super::import::Import;
use super::files::{add_json, read};
use super::parameters::{Kind, Parameters, PARAMETERS};
use super::translation::{translate, Translation};
use super::uci::{sections, Section};
use crate::ends::Side;
use crate::KcptunKey;

/// Where keys are said to be where nobody says it.
const KEY_DIR: &str = "/etc/smol-kcp";

/// What the package of OpenWrt (20230207) has where it is told nothing.
const SMUX_VERSION_OF_OPENWRT: u64 = 1;

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
    let import = match is_json {
        true => import_json(&file, &text, key_dir)?,
        false => import_uci(&file, &text, key_dir)?,
    };
    Ok(Command::Import(import))
}

/// Puts a file of ours together.
struct Writer<'a> {
    text: String,
    keys: Vec<(String, KcptunKey)>,
    key_dir: Option<&'a Path>,
}

impl Writer<'_> {
    fn new<'a>(file: &str, key_dir: Option<&'a PathBuf>) -> Writer<'a> {
        let text = format!("# From {file}, by smol-kcpd import kcptun.\n");
        Writer { text, keys: Vec::new(), key_dir: key_dir.map(PathBuf::as_path) }
    }

    fn note(&mut self, note: &str) {
        self.text.push_str(&format!("# {note}\n"));
    }

    /// Writes a section; one that is not in use there is a comment here.
    fn section(
        &mut self,
        name: &str,
        translation: &Translation,
        is_used: bool,
        hint: Option<&str>,
    ) {
        self.text.push('\n');
        if !is_used {
            self.note("Not in use there:");
        }
        for note in &translation.notes {
            self.note(note);
        }
        let mark = if is_used { "" } else { "# " };
        self.text.push_str(&format!("{mark}[{name}]\n"));
        for (option, value) in &translation.values {
            let hint =
                hint.filter(|_| *option == "smux_version").map(|hint| format!("    # {hint}"));
            self.text.push_str(&format!("{mark}{option} = {value}{}\n", hint.unwrap_or_default()));
        }
        let Some(key) = &translation.key else { return };
        let dir = self.key_dir.unwrap_or(Path::new(KEY_DIR));
        let path = dir.join(format!("{name}.key")).display().to_string();
        let hint = match (self.key_dir, key.is_known_to_all()) {
            (_, true) => "    # kcptun's own, which everybody knows",
            (Some(_), _) => "",
            (None, _) => "    # to be written: the key alone, chmod 600 (--key-dir DIR does it)",
        };
        self.text.push_str(&format!("{mark}kcptun_key_file = {path}{hint}\n"));
        if self.key_dir.is_some() && is_used {
            self.keys.push((path, key.clone()));
        }
    }

    fn finish(self) -> Import {
        Import::new(self.text, self.keys)
    }
}

/// Reads kcptun's JSON file. Whose it is, is in it.
fn import_json(file: &str, text: &str, key_dir: Option<PathBuf>) -> Result<Import, ConfigError> {
    let members = super::json::members(text).unwrap_or_default();
    let has = |side| {
        let of_side =
            |key: &str| PARAMETERS.iter().any(|it| it.name == key && it.side == Some(side));
        members.iter().filter(|member| of_side(&member.key)).count()
    };
    // Samples for a server have `conn` and `autoexpire` of the client too.
    let is_server = members.iter().any(|member| matches!(&member.key[..], "target" | "listen"))
        && !members.iter().any(|member| matches!(&member.key[..], "remoteaddr" | "localaddr"));
    let side = match is_server || has(Side::Server) > has(Side::Client) {
        true => Side::Server,
        false => Side::Client,
    };
    let mut parameters = Parameters::new(side);
    add_json(&mut parameters, file, text)?;
    let translation = translate(&parameters, 2, false)?;
    let hint = "not said there: 1 if kcptun is older than 2025-11-21";
    let hint = parameters.get("smuxver").is_none().then_some(hint);
    check_key(&translation, file)?;
    let mut writer = Writer::new(file, key_dir.as_ref());
    writer.section(&side.to_string(), &translation, true, hint);
    Ok(writer.finish())
}

/// Reads /etc/config/kcptun: of the package, or of luci-app-kcptun.
fn import_uci(file: &str, text: &str, key_dir: Option<PathBuf>) -> Result<Import, ConfigError> {
    let place = |line| Location::File { file: file.to_string(), line };
    let sections = sections(text).map_err(|(line, what)| ConfigError::other(place(line), what))?;
    let mut writer = Writer::new(file, key_dir.as_ref());
    let (mut names, mut used) = (Vec::new(), 0);
    let chosen = chosen(&sections);
    for section in &sections {
        let side = match section.kind.as_str() {
            "client" | "servers" => Side::Client, // luci's: the servers that the client may use
            "server" => Side::Server,
            "general" => continue,
            other => {
                writer.note(&format!("A section of the type {other} means nothing here."));
                continue;
            }
        };
        let (parameters, is_disabled) = parameters_of(section, side, file)?;
        let translation = translate(&parameters, SMUX_VERSION_OF_OPENWRT, false)?;
        check_key(&translation, file)?;
        let name = unique(section.name.as_deref(), side, &mut names);
        let is_chosen =
            section.kind != "servers" || chosen.is_none() || chosen == section.name.as_deref();
        let hint = "what OpenWrt's kcptun has; 2 if the other side says smuxver 2";
        let hint = parameters.get("smuxver").is_none().then_some(hint);
        writer.section(&name, &translation, !is_disabled && is_chosen, hint);
        used += 1;
    }
    match used {
        0 => Err(ConfigError::of_file(file, "no section of kcptun: client, server or servers")),
        _ => Ok(writer.finish()),
    }
}

/// The section that luci's client uses.
fn chosen(sections: &[Section]) -> Option<&str> {
    let general = sections.iter().filter(|section| section.kind == "general");
    let mut options = general.flat_map(|section| &section.options);
    options.find(|(key, ..)| key == "server").map(|(_, value, _)| value.as_str())
}

/// What a section says, in the words of the JSON file, and whether it is disabled.
fn parameters_of(
    section: &Section,
    side: Side,
    file: &str,
) -> Result<(Parameters, bool), ConfigError> {
    let place = |line| Location::File { file: file.to_string(), line };
    let mut parameters = Parameters::new(side);
    let get = |names: &[&str]| {
        let mut options = section.options.iter();
        options.find(|(key, ..)| names.contains(&key.as_str())).map(|(_, value, _)| value.as_str())
    };
    let address = |hosts: &[&str], ports: &[&str]| {
        let (host, port) = (get(hosts).unwrap_or_default(), get(ports)?);
        let is_v6 = host.contains(':') && !host.starts_with('[');
        Some(if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    };
    const ADDRESSES: [&[&str]; 4] = [
        &["bind_address", "local_host", "listen_addr", "listen_host"],
        &["local_port", "listen_port", "listen"],
        &["server", "server_addr", "target"],
        &["server_port", "target_port"],
    ];
    let [near_hosts, near_ports, far_hosts, far_ports] = ADDRESSES;
    let names = match side {
        Side::Client => ["localaddr", "remoteaddr"],
        Side::Server => ["listen", "target"],
    };
    let found = [address(near_hosts, near_ports), address(far_hosts, far_ports)];
    for (name, value) in names.into_iter().zip(found) {
        if let Some(value) = value {
            parameters.add_key(name, value, Kind::Text, place(section.line))?;
        }
    }
    let mut is_disabled = false;
    for (key, value, line) in &section.options {
        match key.as_str() {
            "disabled" => is_disabled = is_true(value),
            "alias" | "gogc" | "syslog" => {} // of its script alone
            "user" => {}                      // ours has one of its own
            _ if ADDRESSES.iter().any(|names| names.contains(&key.as_str())) => {}
            _ => {
                let kind = PARAMETERS.iter().find(|it| it.name == key).map(|it| it.kind);
                let value = match kind {
                    Some(Kind::Switch) => is_true(value).to_string(),
                    _ => value.clone(),
                };
                parameters.add_key(key, value, kind.unwrap_or(Kind::Text), place(*line))?;
            }
        }
    }
    Ok((parameters, is_disabled))
}

/// As OpenWrt's scripts read it.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "on" | "true" | "yes" | "enabled")
}

/// A key that a file can hold.
fn check_key(translation: &Translation, file: &str) -> Result<(), ConfigError> {
    let bytes = translation.key.as_ref().map(KcptunKey::as_bytes).unwrap_or_default();
    let is_line = !bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    match is_line && (translation.key.is_none() || !bytes.is_empty()) {
        true => Ok(()),
        false => Err(ConfigError::of_file(file, "key: must be one line of text, and not empty")),
    }
}

/// A name for our section: theirs, or the kind of it, with a number if there are several.
fn unique(name: Option<&str>, side: Side, names: &mut Vec<String>) -> String {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let kind = side.to_string();
    let name = name.filter(|name| !name.is_empty() && name.len() <= 60 && name.chars().all(ok));
    let name = name.unwrap_or(&kind);
    let numbered = (2..).map(|number| format!("{name}{number}"));
    let mut candidates = std::iter::once(name.to_string()).chain(numbered);
    let free = candidates.find(|candidate| !names.contains(candidate)).unwrap_or_default();
    names.push(free.clone());
    free
}
