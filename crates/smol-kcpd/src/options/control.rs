//! The command lines that ask running processes.

use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};

use super::command::{usage_error, Command};
use super::error::ConfigError;
use super::file::is_name;
use super::values::count;
use crate::control::{ControlCommand, Form, Request};

/// `status [--json] [--watch] [--streams N] [--control PATH]`, and `reload`, `stop TUNNEL` and `log-level LEVEL`
/// `[--control PATH]`
pub(super) fn control(parser: &mut lexopt::Parser, command: &str) -> Result<Command, ConfigError> {
    let is_status = command == "status";
    let (mut form, mut streams, mut watch) = (Form::Table, 0, false);
    let (mut word, mut at) = (None, None);
    while let Some(arg) = parser.next().map_err(usage_error)? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("json") if is_status => form = Form::Json,
            Long("watch") if is_status => watch = true,
            Long("streams") if is_status => {
                let read = value(parser)?;
                let refused = || usage_error("--streams: must be a whole number");
                streams = count(&read).ok_or_else(refused)?;
            }
            Long("control") => at = Some(PathBuf::from(value(parser)?)),
            Value(given) if word.is_none() => word = given.to_str().map(String::from),
            arg => return Err(usage_error(arg.unexpected())),
        }
    }
    let (request, needed) = match (command, &word) {
        ("status", None) => (Some(Request::Status { form, streams }), ""),
        ("reload", None) => (Some(Request::Reload), ""),
        ("stop", word) => {
            let name = word.clone().filter(|name| is_name(name));
            (name.map(Request::Stop), "the name of a tunnel")
        }
        ("log-level", word) => {
            let level = word.as_deref().and_then(crate::logging::level);
            (level.map(Request::LogLevel), "a level: error, warn, info, debug or trace")
        }
        _ => (None, "nothing behind it"),
    };
    let request = request.ok_or_else(|| usage_error(format!("{command} needs {needed}")))?;
    Ok(Command::Control(ControlCommand { request, at, watch }))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, ConfigError> {
    let value = parser.value().map_err(usage_error)?;
    value.into_string().map_err(|value| usage_error(format!("{value:?} is no text")))
}
