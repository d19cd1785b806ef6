//! One vocabulary, three spellings: the command line, the file, and UCI, whose init script writes
//! the file.

mod builder;
mod command;
mod command_line;
mod control;
mod entries;
mod error;
mod file;
#[cfg(feature = "kcptun")]
mod import;
#[cfg(feature = "kcptun")]
mod kcptun;
mod keys;
mod list;
mod measure;
mod table;
mod values;

pub use command::{Command, ConfigFile};
pub use command_line::help;
pub use error::ConfigError;
#[cfg(feature = "kcptun")]
pub use import::Import;
pub use list::{options_as_json, options_as_text};
pub use table::{Group, Opt, Scope, ALIASES, KCPTUN_OPTIONS, OPTIONS};
#[cfg(test)]
mod tests;
