//! Errors of the transport that do not end it.

use std::io;

use crate::KcpError;

/// Errors that are not reported yet.
#[derive(Debug, Default)]
pub(super) struct TransientErrors {
    pub(super) count: u64,
    /// Nobody listens at the peer's address.
    pub(super) refused: bool,
}

impl TransientErrors {
    /// Counts an error of the transport.
    ///
    /// # Errors
    /// The error itself, if the transport has ended.
    pub(super) fn add(&mut self, error: io::Error) -> Result<(), KcpError> {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => return Err(error.into()),
            io::ErrorKind::ConnectionRefused => self.refused = true,
            _ => log::trace!("transport: {error}"),
        }
        self.count += 1;
        Ok(())
    }
}
