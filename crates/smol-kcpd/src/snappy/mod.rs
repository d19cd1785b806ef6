//! Snappy's framing around a stream of bytes, as kcptun compresses what it sends.
//!
//! The [format](https://github.com/google/snappy/blob/main/framing_format.txt): a chunk that names it, then chunks of
//! up to 65,536 bytes of content, compressed or, where that would save little, as they are, each with a CRC-32C.
//!
//! Every write becomes a chunk of its own, so that nothing waits for company: whoever writes much at a time compresses
//! better. What is held is bounded: one chunk in each direction, and nothing while nothing is on its way.

mod decoder;
mod encoder;
mod error;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use error::SnappyError;
pub(super) use stream::SnappyStream;

/// What a stream begins with: a chunk of the type 0xff.
const STREAM_IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";

/// Type and length, before each chunk.
const HEADER_LEN: usize = 4;

/// The checksum, before the content of a chunk.
const CHECKSUM_LEN: usize = 4;

/// The most content of a chunk, uncompressed.
const CONTENT_MAX: usize = 65_536;

/// Memory that is kept between two chunks; what a larger one took is given back.
const KEPT: usize = 32 * 1024;

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;

/// Returns the checksum of content as a chunk has it: masked, since a CRC over data with CRCs in it is weak.
fn checksum(content: &[u8]) -> u32 {
    crc32c::crc32c(content).rotate_right(15).wrapping_add(0xa282_ead8)
}
