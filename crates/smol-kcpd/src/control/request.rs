//! What may be asked of a process, and how that is written on one line.

use std::cell::{Cell, RefCell};
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

/// Takes orders to the daemon, one at a time, and its answers back. Its channels carry nothing: those of that type
/// are in the program anyway.
#[derive(Debug)]
pub(crate) struct Mailbox {
    order: RefCell<Option<(u32, Request)>>,
    reply: RefCell<Option<(u32, Reply)>>,
    /// How many orders there were.
    number: Cell<u32>,
    ordered: (Sender<()>, Receiver<()>),
    replied: (Sender<()>, Receiver<()>),
}

impl Mailbox {
    pub(crate) fn new() -> Mailbox {
        let [ordered, replied] = [(); 2].map(|()| async_channel::bounded(1));
        Mailbox {
            order: RefCell::default(),
            reply: RefCell::default(),
            number: Cell::default(),
            ordered,
            replied,
        }
    }

    /// Asks the daemon to do something, and waits until it has.
    pub(super) async fn ask(&self, order: Request) -> Reply {
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        self.order.replace(Some((number, order)));
        let _ = self.ordered.0.try_send(()); // full: it is about to look
        while self.replied.1.recv().await.is_ok() {
            match self.reply.take() {
                Some((of, reply)) if of == number => return reply,
                _ => {} // to one who has gone
            }
        }
        Err("smol-kcpd is ending".into())
    }

    /// Waits for the next order, and its number.
    pub(crate) async fn next(&self) -> (u32, Request) {
        loop {
            let _ = self.ordered.1.recv().await; // both ends are here
            if let Some(order) = self.order.take() {
                return order;
            }
        }
    }

    pub(crate) fn answer(&self, number: u32, reply: Reply) {
        self.reply.replace(Some((number, reply)));
        let _ = self.replied.0.try_send(()); // full: who asked has gone
    }

    /// Answers nothing any more.
    pub(crate) fn close(&self) {
        self.replied.0.close();
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
