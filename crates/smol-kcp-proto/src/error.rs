//! Causes of failure.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why an operation failed. Every variant is a cause; [`From<KcpError> for io::Error`] gives the
/// matching [`io::ErrorKind`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KcpError {
    /// The peer was silent for too long: no answer within
    /// [`connect_timeout`](crate::KcpConfig::connect_timeout), nothing acknowledged within
    /// [`stall_timeout`](crate::KcpConfig::stall_timeout), nothing heard within
    /// [`session_expire`](crate::KcpConfig::session_expire), or not all of it delivered within
    /// [`linger`](crate::KcpConfig::linger) of closing.
    TimedOut,
    /// The peer does not know this conversation (it was restarted, or it aborted the stream).
    Reset,
    /// The peer has no room for another conversation: its
    /// [`max_accepted`](crate::KcpConfig::max_accepted),
    /// [`max_sessions_per_prefix`](crate::KcpConfig::max_sessions_per_prefix) or
    /// [`max_sessions`](crate::KcpConfig::max_sessions) is reached, as its log says.
    NoRoom,
    /// This side closed the stream, its endpoint or its driver before.
    Closed,
    /// Nobody listens at the peer's address: its system said so by ICMP.
    Refused,
    /// A message is longer than one message may be
    /// ([`max_message`](crate::KcpConfig::max_message)). Bytes, written by
    /// `AsyncWrite`, may have any length.
    MessageTooLarge {
        /// Bytes in the refused message.
        len: usize,
        /// Bytes that are accepted.
        max: usize,
    },
    /// The buffer given to a receive is shorter than the message that waits. The message stays.
    BufferTooSmall {
        /// Bytes in the message.
        needed: usize,
        /// Bytes in the buffer.
        len: usize,
    },
    /// An operation that does not wait has nothing to do now.
    WouldBlock,
    /// No session can be added: `limit` of them exist.
    TooManySessions {
        /// [`max_sessions`](crate::KcpConfig::max_sessions).
        limit: usize,
    },
    /// The conversation number is in use, or rests after use, towards the same peer.
    ConvInUse {
        /// That number.
        conv: u32,
    },
    /// A field of the configuration has a value that is not accepted.
    Config {
        /// Name of the field, as in [`KcpConfig`](crate::KcpConfig).
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The socket or another transport failed, a name could not be resolved, or a file not written.
    Io(Arc<io::Error>),
}

impl fmt::Display for KcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KcpError::TimedOut => f.write_str("timed out: the peer was silent for too long"),
            KcpError::Reset => {
                f.write_str("reset by the peer: it was restarted, or has ended the stream")
            }
            KcpError::NoRoom => f.write_str("no room: the peer has as many streams as it takes"),
            KcpError::Closed => f.write_str("closed by this side before"),
            KcpError::Refused => {
                f.write_str("refused: nobody listens at the peer's address and port")
            }
            KcpError::MessageTooLarge { len, max } => {
                write!(f, "message of {len} bytes: must be at most {max}, or written as bytes")
            }
            KcpError::BufferTooSmall { needed, len } => {
                write!(
                    f,
                    "buffer of {len} bytes: must be at least {needed}, for the message that waits"
                )
            }
            KcpError::WouldBlock => f.write_str("not ready: it would have to wait"),
            KcpError::TooManySessions { limit } => {
                write!(f, "too many streams: max_sessions = {limit} is reached")
            }
            KcpError::ConvInUse { conv } => write!(
                f,
                "conversation number {conv} is in use, or rests after use, with this peer"
            ),
            KcpError::Config { field, value, accepted } => {
                write!(f, "configuration: {field} = {value}: must be {accepted}")
            }
            KcpError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KcpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KcpError::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Gives back the cause that an [`io::Error`] was made from, so that `?` loses nothing on its way through
/// the traits of `futures`; any other error is [`KcpError::Io`].
impl From<io::Error> for KcpError {
    fn from(error: io::Error) -> KcpError {
        error.downcast().unwrap_or_else(|error| KcpError::Io(Arc::new(error)))
    }
}

impl From<KcpError> for io::Error {
    fn from(error: KcpError) -> io::Error {
        let kind = match &error {
            KcpError::TimedOut => io::ErrorKind::TimedOut,
            KcpError::Reset => io::ErrorKind::ConnectionReset,
            KcpError::Closed => io::ErrorKind::NotConnected,
            KcpError::Refused | KcpError::NoRoom => io::ErrorKind::ConnectionRefused,
            KcpError::MessageTooLarge { .. }
            | KcpError::BufferTooSmall { .. }
            | KcpError::Config { .. } => io::ErrorKind::InvalidInput,
            KcpError::WouldBlock => io::ErrorKind::WouldBlock,
            KcpError::TooManySessions { .. } => io::ErrorKind::QuotaExceeded,
            KcpError::ConvInUse { .. } => io::ErrorKind::AddrInUse,
            KcpError::Io(inner) => inner.kind(),
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_keep_their_kind_and_their_source() {
        let broken = KcpError::from(io::Error::from(io::ErrorKind::NetworkUnreachable));
        assert!(std::error::Error::source(&broken).is_some());
        assert_eq!(io::Error::from(broken).kind(), io::ErrorKind::NetworkUnreachable);
        assert_eq!(io::Error::from(KcpError::Reset).kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_cause_comes_back_from_an_error_of_a_stream() {
        let error = io::Error::from(KcpError::BufferTooSmall { needed: 9, len: 4 });
        assert!(matches!(error.into(), KcpError::BufferTooSmall { needed: 9, len: 4 }));
        let error = io::Error::from(KcpError::from(io::Error::other("a disk")));
        let KcpError::Io(inner) = error.into() else { panic!("it was one of the system") };
        assert_eq!(inner.to_string(), "a disk");
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_accepted() {
        let error =
            KcpError::Config { field: "mtu", value: "20".into(), accepted: "50 to 65507".into() };
        assert_eq!(error.to_string(), "configuration: mtu = 20: must be 50 to 65507");
    }
}
