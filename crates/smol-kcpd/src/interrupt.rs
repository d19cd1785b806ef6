//! The end of a command by SIGINT or SIGTERM, instead of the end of the process.

use std::io;

use async_signal::{Signal, Signals};
use futures_lite::StreamExt;

/// Keeps the signals from ending the process, for as long as it lives.
#[derive(Debug)]
pub(super) struct Interrupt(Signals);

impl Interrupt {
    pub(super) fn new() -> io::Result<Interrupt> {
        Signals::new([Signal::Int, Signal::Term]).map(Interrupt)
    }

    /// Waits for the next signal.
    pub(super) async fn wait(&self) {
        let _ = (&self.0).next().await;
    }
}
