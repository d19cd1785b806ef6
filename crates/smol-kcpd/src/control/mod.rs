//! How others control a running process: by a Unix socket that its owner alone may use. docs/status.md describes it.

mod command;
#[cfg(unix)]
mod listener;
mod request;
#[cfg(unix)]
mod sockets;

pub use command::ControlCommand;
#[cfg(unix)]
pub(super) use listener::ControlListener;
pub(super) use request::{Ask, Asker, Form, Reply, Request};

use std::path::PathBuf;

/// Where the control socket of a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// In the first folder that there is and that may be written to: `$RUNTIME_DIRECTORY`, `/var/run`,
    /// `$XDG_RUNTIME_DIR`.
    #[default]
    Auto,
    /// There is none.
    Off,
    /// There.
    At(PathBuf),
}
