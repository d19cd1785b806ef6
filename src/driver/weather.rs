//! Errors of the transport that do not end it.

use std::io;

use crate::shared::State;
use crate::KcpError;
use smol_kcp_proto::time::Time;

/// What has gone wrong and is not reported yet.
#[derive(Debug, Default)]
pub(super) struct Weather {
    errors: u64,
    /// Nobody listens at the peer's address.
    refused: bool,
}

impl Weather {
    /// Sorts an error of the transport.
    ///
    /// # Errors
    /// The end of the transport.
    pub fn add(&mut self, error: io::Error) -> Result<(), KcpError> {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => return Err(error.into()),
            io::ErrorKind::ConnectionRefused => self.refused = true,
            _ => log::trace!("transport: {error}"),
        }
        self.errors += 1;
        Ok(())
    }

    pub fn report(&self, state: &mut State, now: Time) {
        state.counters.transport_errors += self.errors;
        if self.refused {
            state.router.handle_refused(now);
        }
    }
}
