//! One vocabulary, three spellings: the command line, the file, and UCI, whose init script writes
//! the file.

mod builder;
mod command;
mod command_line;
mod entries;
mod error;
mod file;
mod keys;
mod list;
mod measure;
mod table;
mod values;

pub(crate) use builder::Side;
pub use command::{Command, ConfigFile};
pub use command_line::help;
pub use error::ConfigError;
pub use list::{options_as_json, options_as_text};
pub use table::{Group, Opt, Scope, ALIASES, OPTIONS};
#[cfg(test)]
mod tests;
