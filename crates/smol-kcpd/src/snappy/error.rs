//! What may be wrong with a compressed stream.

use std::fmt;
use std::io;

/// Why what a peer sends is no compressed stream: mostly that it does not compress. Nothing can be read behind that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnappyError {
    /// It does not begin as such a stream does.
    Identifier,
    /// A chunk of a type that must be understood, and is not known.
    Chunk(u8),
    /// A chunk of that type, with a length that it cannot have.
    Length(u8, usize),
    /// What does not come apart again, or is longer than a chunk may be.
    Content,
    /// Another checksum than the content has.
    Checksum,
    /// The end, in the midst of a chunk.
    Truncated,
}

impl fmt::Display for SnappyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not compressed as kcptun does it (do both sides have the same nocomp?): ")?;
        match self {
            SnappyError::Identifier => f.write_str("it does not begin with snappy's name"),
            SnappyError::Chunk(kind) => write!(f, "a chunk of the unknown type {kind:#04x}"),
            SnappyError::Length(kind, len) => {
                write!(f, "a chunk of the type {kind:#04x} with {len} bytes")
            }
            SnappyError::Content => f.write_str("a chunk that cannot be decompressed"),
            SnappyError::Checksum => f.write_str("a chunk with a wrong checksum"),
            SnappyError::Truncated => f.write_str("it ends in the midst of a chunk"),
        }
    }
}

impl std::error::Error for SnappyError {}

impl From<SnappyError> for io::Error {
    fn from(error: SnappyError) -> io::Error {
        let kind = match error {
            SnappyError::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
