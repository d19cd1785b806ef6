//! kcptun's command line, as Go's programs read theirs: one hyphen is as good as two.

use std::ffi::OsString;
use std::path::PathBuf;

use super::super::command::usage_error;
use super::super::error::{ConfigError, Location};
use super::parameters::{Given, Kind, Parameters};
use crate::ends::Side;

/// What a command line says.
#[derive(Debug)]
pub(super) enum Arguments {
    Help,
    Version,
    Run {
        parameters: Parameters,
        /// The JSON file, which overrides the rest.
        file: Option<PathBuf>,
    },
}

/// Reads the arguments behind the name of the program, or behind the command.
pub(super) fn read(
    side: Side,
    args: impl Iterator<Item = OsString>,
) -> Result<Arguments, ConfigError> {
    let (mut parameters, mut file) = (Parameters::new(side), None);
    let mut args =
        args.map(|arg| arg.into_string().map_err(|arg| usage_error(format!("{arg:?} is no text"))));
    while let Some(arg) = args.next().transpose()? {
        let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(usage_error(format!("unexpected argument {arg:?}")));
        };
        let (name, mut value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (name, None),
        };
        match name {
            "h" | "help" => return Ok(Arguments::Help),
            "v" | "version" => return Ok(Arguments::Version),
            _ => {}
        }
        let parameter = if name == "c" { None } else { Some(parameters.flag(name)?) };
        if value.is_none() && parameter.is_some_and(|it| it.kind == Kind::Switch) {
            value = Some("true".into());
        }
        let value = match value {
            Some(value) => value,
            None => {
                let next = args.next().transpose()?;
                next.ok_or_else(|| usage_error(format!("--{name} needs a value")))?
            }
        };
        match parameter {
            Some(parameter) => {
                parameters.add(Given { parameter, value, place: Location::CommandLine });
            }
            None => file = Some(PathBuf::from(value)),
        }
    }
    Ok(Arguments::Run { parameters, file })
}
