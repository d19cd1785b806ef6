//! Causes of failure.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::frame::ProtocolError;

/// Why an operation failed. Every variant is a cause; [`From<Error> for io::Error`] gives the
/// matching [`io::ErrorKind`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was heard from the peer for [`keep_alive_timeout`](crate::Config::keep_alive_timeout).
    TimedOut,
    /// The peer has ended the transport.
    TransportClosed,
    /// This side closed the session or the stream, or dropped its driver, before.
    Closed,
    /// The peer has closed the stream entirely: what is written would be thrown away.
    PeerClosed,
    /// No stream can be added: `limit` of them exist.
    TooManyStreams {
        /// [`max_streams`](crate::Config::max_streams).
        limit: usize,
    },
    /// All numbers of this side are used up, after two thousand million streams: a new session has
    /// new ones.
    StreamIdsExhausted,
    /// The peer does not speak smux of this version. The session has ended.
    Protocol(ProtocolError),
    /// A field of the configuration has a value that is not accepted.
    Config {
        /// Name of the field, as in [`Config`](crate::Config).
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The transport failed.
    Io(Arc<io::Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TimedOut => f.write_str("timed out: the peer was silent for too long"),
            Error::TransportClosed => f.write_str("the transport has ended"),
            Error::Closed => f.write_str("closed by this side before"),
            Error::PeerClosed => f.write_str("closed by the peer: nobody reads there any more"),
            Error::TooManyStreams { limit } => {
                write!(f, "too many streams: max_streams = {limit} is reached")
            }
            Error::StreamIdsExhausted => {
                f.write_str("no stream number is left: a new session is needed")
            }
            Error::Protocol(error) => write!(f, "not the smux that was agreed on: {error}"),
            Error::Config { field, value, accepted } => {
                write!(f, "configuration: {field} = {value}: must be {accepted}")
            }
            Error::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(&**error),
            Error::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Error {
        Error::Protocol(error)
    }
}

/// Gives back the cause that an [`io::Error`] was made from, so that `?` loses nothing on its way through
/// the traits of `futures`; any other error is [`Error::Io`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        error.downcast().unwrap_or_else(|error| Error::Io(Arc::new(error)))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::TransportClosed => io::ErrorKind::ConnectionAborted,
            Error::Closed => io::ErrorKind::NotConnected,
            Error::PeerClosed => io::ErrorKind::BrokenPipe,
            Error::TooManyStreams { .. } | Error::StreamIdsExhausted => {
                io::ErrorKind::QuotaExceeded
            }
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            Error::Config { .. } => io::ErrorKind::InvalidInput,
            Error::Io(inner) => inner.kind(),
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_comes_back_from_an_error_of_a_stream() {
        let error = io::Error::from(Error::TooManyStreams { limit: 7 });
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(matches!(error.into(), Error::TooManyStreams { limit: 7 }));
        let wrong = Error::from(ProtocolError::Command { command: 9 });
        assert!(std::error::Error::source(&wrong).is_some());
        let back: Error = io::Error::from(wrong).into();
        assert!(matches!(back, Error::Protocol(ProtocolError::Command { command: 9 })));
    }

    #[test]
    fn an_error_of_the_transport_keeps_its_kind() {
        let error = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionReset);
    }
}
