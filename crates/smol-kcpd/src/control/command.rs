//! The commands that ask running processes.

use std::io::{self, Write};
use std::path::PathBuf;

#[cfg(unix)]
use std::{
    io::{IsTerminal, Read},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::request::Request;
#[cfg(unix)]
use super::{request::Form, sockets};

/// The version of the JSON. Members may come without another one; none goes or means another thing.
#[cfg(any(unix, feature = "http"))]
const SCHEMA: u64 = 1;

/// Time for a process to answer.
#[cfg(unix)]
const TIME: Duration = Duration::from_secs(10);

/// Time between two looks of `--watch`.
#[cfg(unix)]
const LOOKS: Duration = Duration::from_secs(1);

/// Asks something of running processes: `smol-kcpd status`, `reload`, `stop` and `log-level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCommand {
    #[cfg_attr(not(unix), allow(dead_code))]
    pub(crate) request: Request,
    /// The socket; `None`: those of all processes that are found.
    pub(crate) at: Option<PathBuf>,
    /// To look again each second.
    pub(crate) watch: bool,
}

#[cfg(not(unix))]
impl ControlCommand {
    /// Fails: processes are controlled by Unix sockets.
    ///
    /// # Errors
    /// Always.
    pub fn run(&self, _: &mut impl Write) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not available on this system"))
    }
}

#[cfg(unix)]
impl ControlCommand {
    /// Asks, and prints the answers.
    ///
    /// # Errors
    /// No process is found, it refuses, or `out` cannot be written to.
    pub fn run(&self, out: &mut impl Write) -> io::Result<()> {
        let clears = self.watch && io::stdout().is_terminal();
        loop {
            // One that is gone may come back while somebody watches.
            let text = match self.look() {
                Err(error) if !self.watch => return Err(error),
                Err(error) if self.is_json() => document(&[], Some(&error.to_string())),
                Err(error) => format!("{error}\n"),
                Ok(text) => text,
            };
            if clears && !self.is_json() {
                out.write_all(b"\x1b[H\x1b[2J")?;
            }
            out.write_all(text.as_bytes())?;
            out.flush()?;
            if !self.watch {
                return Ok(());
            }
            std::thread::sleep(LOOKS);
            if !clears && !self.is_json() {
                out.write_all(b"\n")?;
            }
        }
    }

    fn is_json(&self) -> bool {
        matches!(self.request, Request::Status { form: Form::Json, .. })
    }

    fn look(&self) -> io::Result<String> {
        let found = match &self.at {
            Some(path) => vec![(path.clone(), UnixStream::connect(path))],
            None => sockets::find(),
        };
        let is_status = matches!(self.request, Request::Status { .. });
        if found.is_empty() {
            let text = "no smol-kcpd with a control socket was found: name it with --control PATH";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        if found.len() > 1 && !is_status {
            let paths = found.iter().map(|(path, _)| path.display().to_string());
            let paths = paths.collect::<Vec<_>>().join(" or ");
            let text = format!("several processes run: which is meant? --control {paths}");
            return Err(io::Error::other(text));
        }
        let (mut answers, mut errors) = (Vec::new(), Vec::new());
        for (path, stream) in found {
            match stream.and_then(|stream| ask(stream, &self.request)) {
                Ok(answer) => answers.push(answer),
                Err(error) => errors.push(format!("{}: {error}", path.display())),
            }
        }
        // One of several may just have ended, or be another user's.
        if answers.is_empty() {
            return Err(io::Error::other(errors.join("; ")));
        }
        if self.is_json() {
            return Ok(document(&answers, None));
        }
        answers.extend(errors.into_iter().map(|error| error + "\n"));
        Ok(answers.join("\n"))
    }
}

/// Writes the answers of processes as one document on one line.
#[cfg(any(unix, feature = "http"))]
pub(crate) fn document(processes: &[String], error: Option<&str>) -> String {
    let mut text = format!("{{\"schema\":{SCHEMA},\"processes\":[{}]", processes.join(","));
    if error.is_some() {
        text.push_str(",\"error\":");
        crate::json::push_string(&mut text, error);
    }
    text.push_str("}\n");
    text
}

#[cfg(unix)]
fn ask(mut stream: UnixStream, request: &Request) -> io::Result<String> {
    stream.set_read_timeout(Some(TIME))?;
    stream.set_write_timeout(Some(TIME))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once('\n') {
        Some(("ok", text)) => Ok(text.into()),
        Some(("error", text)) => Err(io::Error::other(text.trim_end())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not the answer of a smol-kcpd")),
    }
}
