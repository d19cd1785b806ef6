//! What may be asked of a process, and how that is written on one line.

use std::fmt;

use async_channel::{Receiver, Sender};

use crate::logging::level;

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Table,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// What the process does, with so many streams of each tunnel.
    Status { form: Form, streams: usize },
    /// To read the file again.
    Reload,
    /// To end a tunnel.
    Stop(String),
    /// To log from that level on.
    LogLevel(log::LevelFilter),
}

impl Request {
    /// Reads a line; `None`: it asks nothing.
    pub(super) fn parse(line: &str) -> Option<Request> {
        let mut words = line.split(' ');
        let request = match (words.next()?, words.next(), words.next()) {
            ("status", Some(form), Some(streams)) => Request::Status {
                form: match form {
                    "json" => Form::Json,
                    "table" => Form::Table,
                    _ => return None,
                },
                streams: streams.parse().ok()?,
            },
            ("reload", None, None) => Request::Reload,
            ("stop", Some(tunnel), None) => Request::Stop(tunnel.into()),
            ("log-level", Some(name), None) => Request::LogLevel(level(name)?),
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Status { form: Form::Json, streams } => write!(f, "status json {streams}"),
            Request::Status { form: Form::Table, streams } => write!(f, "status table {streams}"),
            Request::Reload => f.write_str("reload"),
            Request::Stop(tunnel) => write!(f, "stop {tunnel}"),
            Request::LogLevel(level) => write!(f, "log-level {}", level.as_str().to_lowercase()),
        }
    }
}

/// What is answered: a text, or what is wrong.
pub(crate) type Reply = Result<String, String>;

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) reply: Sender<Reply>,
}

/// Asks the daemon in the same process. Clones ask the same.
#[derive(Clone, Debug)]
pub(crate) struct Asker(Sender<Ask>);

impl Asker {
    /// Makes one, and what the daemon hears it by.
    pub(crate) fn new() -> (Asker, Receiver<Ask>) {
        let (sender, receiver) = async_channel::bounded(1);
        (Asker(sender), receiver)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, request: Request) -> Reply {
        let (reply, answer) = async_channel::bounded(1);
        let ending = || Err("smol-kcpd is ending".into());
        if self.0.send(Ask { request, reply }).await.is_err() {
            return ending();
        }
        answer.recv().await.unwrap_or_else(|_| ending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for line in ["status json 0", "status table 1000", "reload", "stop ssh", "log-level warn"] {
            let read = Request::parse(line).unwrap();
            assert_eq!(read.to_string(), line);
        }
        for line in [
            "",
            "status",
            "status xml 1",
            "status json -1",
            "reload now",
            "stop",
            "stop a b",
            "log-level off",
        ] {
            assert_eq!(Request::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(line in ".{0,64}") {
            if let Some(read) = Request::parse(&line) {
                prop_assert_eq!(Request::parse(&read.to_string()), Some(read));
            }
        }
    }
}
