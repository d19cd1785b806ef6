//! The command lines that ask running processes.

use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};

use super::command::{usage_error, Command};
use super::error::ConfigError;
use super::values::count;
use crate::control::{ControlCommand, Form, Request};

/// Streams that the JSON lists of each tunnel, unless told otherwise.
const STREAMS: usize = 0;

/// `status [--json] [--watch] [--streams N] [--control PATH]`
pub(super) fn status(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let (mut form, mut streams, mut watch, mut at) = (Form::Table, STREAMS, false, None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("json") => form = Form::Json,
            Long("watch") => watch = true,
            Long("streams") => {
                let text = parser.value().map_err(usage_error)?;
                let read = text.to_str().and_then(count);
                let refused = || usage_error("--streams: must be a whole number");
                streams = read.ok_or_else(refused)?;
            }
            Long("control") => at = Some(PathBuf::from(parser.value().map_err(usage_error)?)),
            arg => return Err(usage_error(arg.unexpected())),
        }
    }
    let request = Request::Status { form, streams };
    Ok(Command::Control(ControlCommand { request, at, watch }))
}

/// `reload [--control PATH]`
pub(super) fn reload(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    with_word(parser, None, |_| Some(Request::Reload))
}

/// `stop TUNNEL [--control PATH]`
pub(super) fn stop(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let name = |word: &str| super::file::is_name(word).then(|| Request::Stop(word.into()));
    with_word(parser, Some("stop needs the name of a tunnel"), name)
}

/// `log-level LEVEL [--control PATH]`
pub(super) fn level(parser: &mut lexopt::Parser) -> Result<Command, ConfigError> {
    let needed = "log-level needs a level: error, warn, info, debug or trace";
    with_word(parser, Some(needed), |word| crate::logging::level(word).map(Request::LogLevel))
}

/// Reads a command with one word behind it; `needed` says which, if there is one.
fn with_word(
    parser: &mut lexopt::Parser,
    needed: Option<&str>,
    read: impl Fn(&str) -> Option<Request>,
) -> Result<Command, ConfigError> {
    let (mut word, mut at) = (None, None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("control") => at = Some(PathBuf::from(parser.value().map_err(usage_error)?)),
            Value(value) if word.is_none() && needed.is_some() => word = Some(value),
            arg => return Err(usage_error(arg.unexpected())),
        }
    }
    let text = word.as_ref().map_or(Some(""), |word| word.to_str());
    let request = text.filter(|_| word.is_some() == needed.is_some()).and_then(read);
    let request = request.ok_or_else(|| usage_error(needed.unwrap_or_default()))?;
    Ok(Command::Control(ControlCommand { request, at, watch: false }))
}
