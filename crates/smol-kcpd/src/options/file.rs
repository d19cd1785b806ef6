//! The file: `key = value` lines, `#` comments, `[name]` begins a tunnel.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::entries::{effective, effective_process, OptionValues};
use super::error::{ConfigError, Location};
use crate::keys::Keyring;
use crate::{Configuration, HostPort, Process, Role, Settings};

/// Longest file that is read: a thousand tunnels with every option.
const LONGEST: u64 = 1024 * 1024;

impl Configuration {
    /// Reads a file, with the keys that it names.
    pub(super) fn read(path: &Path, keyring: &Keyring) -> Result<Configuration, ConfigError> {
        let file = path.display().to_string();
        let opened = File::open(path);
        let opened = opened.map_err(|error| failed(&file, format!("cannot be read: {error}")))?;
        Configuration::read_from(&opened, &file, keyring)
    }

    /// Reads what follows in an open file; errors call it `file`.
    pub(crate) fn read_from(
        mut opened: &File,
        file: &str,
        keyring: &Keyring,
    ) -> Result<Configuration, ConfigError> {
        let mut bytes = Vec::new();
        let read = opened.by_ref().take(LONGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed(file, format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > LONGEST {
            return Err(failed(file, format!("longer than {LONGEST} bytes")));
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| failed(file, "not a text in UTF-8".into()))?;
        Configuration::parse_with(file, &text, keyring)
    }

    /// Reads the text of a file, with the keys that it names; errors call it `file`.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn parse(file: &str, text: &str) -> Result<Configuration, ConfigError> {
        Configuration::parse_with(file, text, &Keyring::new(false))
    }

    pub(super) fn parse_with(
        file: &str,
        text: &str,
        keyring: &Keyring,
    ) -> Result<Configuration, ConfigError> {
        let mut common = OptionValues::default();
        let mut sections: Vec<(String, Location, OptionValues)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let place = Location::File { file: file.to_string(), line: at + 1 };
            // A mark of the encoding, which some editors write, also where files were put together.
            let line = without_comment(line.trim_start_matches('\u{feff}'));
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').map(str::trim).filter(|name| is_name(name));
                let Some(name) = name else {
                    let text = format!("{line}: a section is [name], of letters, digits, - and _");
                    return Err(ConfigError::other(place, text));
                };
                if sections.iter().any(|(other, ..)| other == name) {
                    return Err(ConfigError::other(place, format!("[{name}] is there twice")));
                }
                sections.push((name.to_string(), place, OptionValues::default()));
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                let text = format!("{line}: neither key = value nor [section]");
                return Err(ConfigError::other(place, text));
            };
            let entries = sections.last_mut().map_or(&mut common, |(.., entries)| entries);
            entries.add(place, key.trim(), value.trim())?;
        }
        assemble(file, &common, sections, keyring)
    }
}

fn failed(file: &str, text: String) -> ConfigError {
    ConfigError::of_file(file, &text)
}

fn assemble(
    file: &str,
    common: &OptionValues,
    sections: Vec<(String, Location, OptionValues)>,
    keyring: &Keyring,
) -> Result<Configuration, ConfigError> {
    let process = common.process(Process::default())?;
    let defaults = common.without_process();
    let mut tunnels: Vec<Settings> = Vec::new();
    for (name, place, entries) in sections {
        if let Some(entry) = entries.process_entry() {
            let text =
                format!("{} belongs to the process: before the first section", entry.option.name);
            return Err(ConfigError::other(entry.place.clone(), text));
        }
        let settings = entries.over(&defaults).settings(&name, &place, keyring)?;
        for other in &tunnels {
            if let Some(at) = collision(other, &settings) {
                let text = format!("[{name}] listens at {at}, as [{}]", other.name);
                return Err(ConfigError::other(place, text));
            }
        }
        tunnels.push(settings);
    }
    if tunnels.is_empty() {
        let place = Location::File { file: file.to_string(), line: 0 };
        return Err(ConfigError::other(place, "no tunnel: a section [name] is needed"));
    }
    Ok(Configuration { process, tunnels })
}

/// Returns the address of a socket that both would want.
fn collision<'a>(a: &Settings, b: &'a Settings) -> Option<&'a HostPort> {
    let (ours, theirs) = (sockets(a), sockets(b));
    let same = |a: &HostPort, b: &HostPort| a.is_same(b) && a.port() != 0;
    let is_taken = |(b_is_udp, b): &(bool, &HostPort)| {
        ours.iter().flatten().any(|(is_udp, a)| is_udp == b_is_udp && same(a, b))
    };
    theirs.into_iter().flatten().find(is_taken).map(|(_, at)| at)
}

/// Where a tunnel listens, and whether for UDP.
fn sockets(of: &Settings) -> [Option<(bool, &HostPort)>; 2] {
    let is_server = matches!(of.role, Role::Server { .. });
    let udp = of.udp.as_ref().filter(|_| !is_server).map(|udp| (true, &udp.at));
    [of.listen.as_ref().map(|at| (is_server, at)), udp]
}

/// A `#` begins a comment at the beginning of a line or behind a blank.
fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|&at| line[..at].chars().next_back().is_none_or(char::is_whitespace));
    comment.map_or(line, |at| &line[..at]).trim()
}

pub(super) fn is_name(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= 64 && name.chars().all(ok)
}

/// As a file, with the effective value of every option: read again, it is the same.
impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in effective_process(&self.process) {
            writeln!(f, "{name} = {value}")?;
        }
        for settings in &self.tunnels {
            let (open, streams) = (settings.max_connections, settings.kcp.max_sessions);
            writeln!(
                f,
                "\n[{}] # at most {open} connections at once, {streams} streams",
                settings.name
            )?;
            for (name, value) in effective(settings) {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}
