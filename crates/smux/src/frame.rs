//! Frames: the eight bytes of a header, and the eight of a window update.

use std::fmt;

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 8;

/// Bytes behind the header of a window update.
pub const UPDATE_LEN: usize = 8;

/// A version of the protocol. Both ends must be set to the same: nothing negotiates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// One receive buffer for all streams: one that is not read stops the others when it has
    /// filled it.
    V1,
    /// A window for each stream. kcptun's default since November 2025.
    V2,
}

impl Version {
    /// Returns the number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }
}

/// Tells what a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// Opens a stream. Nothing answers it.
    Syn = 0,
    /// Says that the sender writes no more into a stream.
    Fin = 1,
    /// Carries bytes of a stream.
    Push = 2,
    /// Says that the sender is alive.
    Nop = 3,
    /// Says how much of a stream was read and how much more may come. Version 2 only.
    Update = 4,
}

impl Command {
    fn from_byte(byte: u8, version: Version) -> Option<Command> {
        Some(match byte {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Push,
            3 => Command::Nop,
            4 if version == Version::V2 => Command::Update,
            _ => return None,
        })
    }
}

/// Describes a frame: `version u8 | command u8 | length u16 | id u32`, little endian.
///
/// # Examples
///
/// ```
/// use smol_smux::frame::{Command, Header};
/// use smol_smux::Version;
///
/// let header = Header { command: Command::Push, length: 13, id: 3 };
/// let bytes = header.encode(Version::V1);
/// assert_eq!(bytes, [1, 2, 13, 0, 3, 0, 0, 0]);
/// assert_eq!(Header::decode(bytes, Version::V1), Ok(header));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub command: Command,
    /// Bytes that follow the header.
    pub length: u16,
    /// The stream; 0 in a [`Nop`](Command::Nop).
    pub id: u32,
}

impl Header {
    /// Describes a frame without a payload.
    pub const fn bare(command: Command, id: u32) -> Header {
        Header { command, length: 0, id }
    }

    /// Returns the bytes of the header.
    pub fn encode(self, version: Version) -> [u8; HEADER_LEN] {
        let [l0, l1] = self.length.to_le_bytes();
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        [version.number(), self.command as u8, l0, l1, i0, i1, i2, i3]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`ProtocolError`] for another version, an unknown command, or a length that the command
    /// does not have.
    pub fn decode(bytes: [u8; HEADER_LEN], version: Version) -> Result<Header, ProtocolError> {
        let [found, command, l0, l1, i0, i1, i2, i3] = bytes;
        if found != version.number() {
            return Err(ProtocolError::Version { expected: version.number(), found });
        }
        let length = u16::from_le_bytes([l0, l1]);
        let id = u32::from_le_bytes([i0, i1, i2, i3]);
        let Some(known) = Command::from_byte(command, version) else {
            return Err(ProtocolError::Command { command });
        };
        let fits = match known {
            Command::Push => true,
            Command::Update => usize::from(length) == UPDATE_LEN,
            Command::Syn | Command::Fin | Command::Nop => length == 0,
        };
        match fits {
            true => Ok(Header { command: known, length, id }),
            false => Err(ProtocolError::Length { command: known, length }),
        }
    }
}

/// What a window update says: `consumed u32 | window u32`, little endian.
///
/// # Examples
///
/// ```
/// use smol_smux::frame::Update;
///
/// let update = Update { consumed: 13, window: 2 << 20 };
/// assert_eq!(Update::decode(update.encode()), update);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Bytes of the stream that were read since it was opened, modulo 2^32.
    pub consumed: u32,
    /// Bytes beyond those that may be on their way or unread.
    pub window: u32,
}

impl Update {
    /// Returns the bytes behind the header.
    pub fn encode(self) -> [u8; UPDATE_LEN] {
        let [c0, c1, c2, c3] = self.consumed.to_le_bytes();
        let [w0, w1, w2, w3] = self.window.to_le_bytes();
        [c0, c1, c2, c3, w0, w1, w2, w3]
    }

    /// Reads the bytes behind the header. Any are valid.
    pub fn decode(bytes: [u8; UPDATE_LEN]) -> Update {
        let [c0, c1, c2, c3, w0, w1, w2, w3] = bytes;
        Update {
            consumed: u32::from_le_bytes([c0, c1, c2, c3]),
            window: u32::from_le_bytes([w0, w1, w2, w3]),
        }
    }
}

/// What a peer did against the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The first byte of a frame is not our version: the peer is set to another one, or what
    /// arrives is not smux.
    Version {
        /// The version of this side.
        expected: u8,
        /// The byte that came.
        found: u8,
    },
    /// A command that this version does not have.
    Command {
        /// The byte that came.
        command: u8,
    },
    /// A frame has a length that its command does not have.
    Length {
        /// The command.
        command: Command,
        /// The length that came.
        length: u16,
    },
    /// The peer opens a stream with a number of ours: both ends are clients, or both are servers.
    StreamId {
        /// That number.
        id: u32,
    },
    /// The peer says it has read more of a stream than was sent to it.
    Consumed {
        /// Number of the stream.
        id: u32,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::Version { expected, found } => {
                write!(f, "a frame of version {found}, expected is {expected}")
            }
            ProtocolError::Command { command } => write!(f, "unknown command {command}"),
            ProtocolError::Length { command, length } => {
                write!(f, "a frame {command:?} of {length} bytes")
            }
            ProtocolError::StreamId { id } => {
                write!(f, "the peer opens stream {id}, a number of this side: the same role twice")
            }
            ProtocolError::Consumed { id } => {
                write!(f, "the peer has read more of stream {id} than was sent")
            }
        }
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_both_versions_comes_back() {
        let all = [
            Header::bare(Command::Syn, 3),
            Header::bare(Command::Fin, u32::MAX),
            Header { command: Command::Push, length: u16::MAX, id: 0x0102_0304 },
            Header::bare(Command::Nop, 0),
            Header { command: Command::Update, length: 8, id: 2 },
        ];
        for header in all {
            assert_eq!(Header::decode(header.encode(Version::V2), Version::V2), Ok(header));
            let in_v1 = Header::decode(header.encode(Version::V1), Version::V1);
            assert_eq!(in_v1.is_ok(), header.command != Command::Update);
        }
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        let other = Header::decode([2, 0, 0, 0, 3, 0, 0, 0], Version::V1);
        assert_eq!(other, Err(ProtocolError::Version { expected: 1, found: 2 }));
        let unknown = Header::decode([2, 5, 0, 0, 3, 0, 0, 0], Version::V2);
        assert_eq!(unknown, Err(ProtocolError::Command { command: 5 }));
        for (byte, command) in [(0, Command::Syn), (1, Command::Fin), (3, Command::Nop)] {
            let long = Header::decode([1, byte, 1, 0, 3, 0, 0, 0], Version::V1);
            assert_eq!(long, Err(ProtocolError::Length { command, length: 1 }));
        }
        let short = Header::decode([2, 4, 7, 0, 3, 0, 0, 0], Version::V2);
        assert_eq!(short, Err(ProtocolError::Length { command: Command::Update, length: 7 }));
    }
}
