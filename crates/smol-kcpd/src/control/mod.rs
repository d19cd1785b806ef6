//! How others control a running process: by a Unix socket that its owner alone may use. docs/status.md describes it.

mod command;
#[cfg(unix)]
mod listener;
mod request;
#[cfg(unix)]
mod sockets;

#[cfg(feature = "http")]
pub(super) use command::document;
pub use command::ControlCommand;
#[cfg(unix)]
pub(super) use listener::ControlListener;
pub(super) use request::{Form, Mailbox, Reply, Request};
