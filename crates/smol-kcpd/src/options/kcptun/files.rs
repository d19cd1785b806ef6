//! kcptun's files: how they are read, and what the JSON one says.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::super::error::{ConfigError, Location, Problem};
use super::json;
use super::parameters::{Parameters, PARAMETERS};

/// Longest file that is read: kcptun's have two kilobytes.
const LONGEST: u64 = 64 * 1024;

/// Reads a file, which has a key in it.
///
/// # Errors
/// What the system says; it is too long, or no text.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
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
