//! The file: `key = value` lines, `#` comments, `[name]` begins a tunnel.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::draft::{effective, effective_process, Entries};
use super::error::{ConfigError, Place};
use crate::tunnel::{Configuration, Process, Role, Settings};

/// Longest file that is read: a thousand tunnels with every option.
const LONGEST: u64 = 1024 * 1024;

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// What the system says about the file, or what is wrong in it.
    pub fn read(path: &Path) -> Result<Configuration, ConfigError> {
        let file = path.display().to_string();
        let failed =
            |text: String| ConfigError::other(Place::File { file: file.clone(), line: 0 }, text);
        let mut text = String::new();
        let opened = File::open(path).and_then(|f| f.take(LONGEST + 1).read_to_string(&mut text));
        opened.map_err(|error| failed(format!("cannot be read: {error}")))?;
        if text.len() as u64 > LONGEST {
            return Err(failed(format!("longer than {LONGEST} bytes")));
        }
        Configuration::parse(&file, &text)
    }

    /// Reads the text of a file; errors call it `file`.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn parse(file: &str, text: &str) -> Result<Configuration, ConfigError> {
        let mut common = Entries::default();
        let mut sections: Vec<(String, Place, Entries)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let place = Place::File { file: file.to_string(), line: at + 1 };
            let line = without_comment(line);
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
                sections.push((name.to_string(), place, Entries::default()));
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                let text = format!("{line}: neither key = value nor [section]");
                return Err(ConfigError::other(place, text));
            };
            let entries = sections.last_mut().map_or(&mut common, |(.., entries)| entries);
            entries.add(place, key.trim(), value.trim())?;
        }
        assemble(file, &common, sections)
    }
}

fn assemble(
    file: &str,
    common: &Entries,
    sections: Vec<(String, Place, Entries)>,
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
        let settings = entries.over(&defaults).settings(&name, &place)?;
        if let Some(other) = tunnels.iter().find(|other| collide(other, &settings)) {
            let text = format!("[{name}] listens at {}, as [{}]", settings.listen, other.name);
            return Err(ConfigError::other(place, text));
        }
        tunnels.push(settings);
    }
    if tunnels.is_empty() {
        let place = Place::File { file: file.to_string(), line: 0 };
        return Err(ConfigError::other(place, "no tunnel: a section [name] is needed"));
    }
    Ok(Configuration { process, tunnels })
}

/// Would both want the same socket?
fn collide(a: &Settings, b: &Settings) -> bool {
    let is_server = |of: &Settings| matches!(of.role, Role::Server { .. });
    a.listen.is_same(&b.listen) && a.listen.port() != 0 && is_server(a) == is_server(b)
}

/// A `#` begins a comment at the beginning of a line or behind a blank.
fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|&at| line[..at].chars().next_back().is_none_or(char::is_whitespace));
    comment.map_or(line, |at| &line[..at]).trim()
}

fn is_name(name: &str) -> bool {
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
            writeln!(f, "\n[{}]", settings.name)?;
            for (name, value) in effective(settings) {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}
