//! What a command line asks for, and what its readers share.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{ConfigError, Location};
use super::table::Opt;
use super::values::boolean;
use crate::control::ControlCommand;
use crate::keys::{KeyCommand, Keyring};
use crate::perf::Perf;
use crate::{Configuration, Ping};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Tunnels to run; with the file that they came from, to be read again.
    Run {
        /// What to run.
        configuration: Configuration,
        /// Where it came from.
        file: Option<ConfigFile>,
    },
    /// The round trip to a server.
    Ping(Box<Ping>),
    /// A measurement against a server.
    Perf(Box<Perf>),
    /// A file to check and to print.
    Check(ConfigFile),
    /// Something to ask running processes.
    Control(ControlCommand),
    /// Keys to make.
    Keys(KeyCommand),
    /// The table of options, as JSON or to be read.
    Options {
        /// As JSON.
        json: bool,
    },
    /// One end in kcptun's place, described in kcptun's words.
    #[cfg(feature = "kcptun")]
    Kcptun {
        /// What to run.
        configuration: Configuration,
        /// What is otherwise than was said, for the log.
        notes: Vec<String>,
    },
    /// A file of kcptun's as one of ours.
    #[cfg(feature = "kcptun")]
    Import(super::import::Import),
    /// A text to print.
    #[cfg(feature = "kcptun")]
    Text(String),
    /// The help.
    Help,
    /// The version.
    Version,
}

/// A file of tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// The command line says `--insecure`: tunnels of the file without keys are wanted so.
    pub insecure: bool,
}

impl ConfigFile {
    /// Reads it.
    ///
    /// # Errors
    /// What the system says about the file, or what is wrong in it.
    pub fn read(&self) -> Result<Configuration, ConfigError> {
        Configuration::read(&self.path, &Keyring::new(self.insecure))
    }
}

/// The value of an option; a switch needs none.
pub(super) fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, ConfigError> {
    let text = |value: OsString| {
        value.into_string().map_err(|value| usage_error(format!("{value:?} is no text")))
    };
    let Some(option) = Opt::find(name) else {
        return Ok(String::new()); // said by who adds it
    };
    if !option.is_switch() {
        return text(parser.value().map_err(usage_error)?);
    }
    if let Some(value) = parser.optional_value() {
        return text(value);
    }
    let next = parser.try_raw_args().and_then(|mut args| {
        args.next_if(|arg| arg.to_str().is_some_and(|arg| boolean(arg).is_some()))
    });
    next.map_or(Ok("true".into()), text)
}

pub(super) fn usage_error(text: impl ToString) -> ConfigError {
    ConfigError::other(Location::CommandLine, text.to_string())
}
