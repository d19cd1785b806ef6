//! What is wrong with a configuration, and where.

use std::fmt;

use super::table::Opt;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// On the command line.
    CommandLine,
    /// In a file; line 0 is the whole of it.
    File { file: String, line: usize },
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Unknown {
        nearest: Option<&'static str>,
    },
    Repeated,
    Missing,
    /// Either this one or the other is needed.
    MissingBoth(&'static str),
    /// What it must be instead.
    Refused {
        value: String,
        accepted: String,
    },
    /// What is wrong with it, in other words.
    Invalid {
        value: String,
        why: String,
    },
    /// A whole sentence.
    Other(String),
}

/// A configuration that is not accepted: says where, which key, which value, and what would be
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    place: Location,
    key: String,
    problem: Problem,
}

impl ConfigError {
    pub(crate) fn new(place: Location, key: impl Into<String>, problem: Problem) -> ConfigError {
        ConfigError { place, key: key.into(), problem }
    }

    pub(crate) fn of_file(file: &str, text: &str) -> ConfigError {
        ConfigError::other(Location::File { file: file.to_string(), line: 0 }, text)
    }

    pub(crate) fn other(place: Location, text: impl Into<String>) -> ConfigError {
        ConfigError::new(place, "", Problem::Other(text.into()))
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spell = |name: &str| match self.place {
            Location::CommandLine => format!("--{}", name.replace('_', "-")),
            Location::File { .. } => name.to_string(),
        };
        let equals = match &self.place {
            Location::CommandLine => " ",
            Location::File { file, line } => {
                match line {
                    0 => write!(f, "{file}: ")?,
                    line => write!(f, "{file}:{line}: ")?,
                }
                " = "
            }
        };
        // Options that are spoken of, in the spelling of this place.
        let words = |text: &str| match self.place {
            Location::CommandLine => Opt::all().fold(text.to_string(), |text, option| {
                let spelled = spell(option.name);
                let text = text.replace(&format!("{} = ", option.name), &format!("{spelled} "));
                text.replace(&format!("`{}`", option.name), &spelled)
            }),
            Location::File { .. } => text.to_string(),
        };
        let key = spell(&self.key);
        match &self.problem {
            Problem::Unknown { nearest: None } => write!(f, "unknown option {key}"),
            Problem::Unknown { nearest: Some(nearest) } => {
                write!(f, "unknown option {key}: is {} meant?", spell(nearest))
            }
            Problem::Repeated => write!(f, "{key} is given twice"),
            Problem::Missing => write!(f, "{key} is missing"),
            Problem::MissingBoth(other) => write!(f, "{key} or {} is missing", spell(other)),
            Problem::Refused { value, accepted } => {
                write!(f, "{key}{equals}{value}: must be {}", words(accepted))
            }
            Problem::Invalid { value, why } => write!(f, "{key}{equals}{value}: {}", words(why)),
            Problem::Other(text) => f.write_str(&words(text)),
        }
    }
}
