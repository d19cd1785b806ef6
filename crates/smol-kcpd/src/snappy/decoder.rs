//! From chunks to content.

use snap::raw::{decompress_len, max_compress_len, Decoder};

use super::{
    checksum, SnappyError, CHECKSUM_LEN, COMPRESSED, CONTENT_MAX, HEADER_LEN, KEPT,
    STREAM_IDENTIFIER, UNCOMPRESSED,
};

/// The first of the types that are left out by who does not know them.
const SKIPPABLE: u8 = 0x80;

/// The type of the chunk that names the format, which may come again.
const IDENTIFIER: u8 = 0xff;

/// Decompresses a stream.
#[derive(Debug)]
pub(super) struct ChunkDecoder {
    raw: Decoder,
    /// The identifier has been read.
    began: bool,
    /// What has arrived of the chunk that is not there as a whole, header included.
    partial: Vec<u8>,
    /// Bytes to come of a chunk that is left out.
    skip: usize,
}

impl ChunkDecoder {
    pub(super) fn new() -> ChunkDecoder {
        ChunkDecoder { raw: Decoder::new(), began: false, partial: Vec::new(), skip: 0 }
    }

    /// Returns whether a chunk has begun that is not complete.
    pub(super) fn is_within_chunk(&self) -> bool {
        !self.partial.is_empty() || self.skip > 0
    }

    /// Takes bytes of `input` until a chunk is complete, and puts its content into `output`, which is empty. Returns how
    /// many bytes it took: all, unless there is content now.
    ///
    /// # Errors
    /// It is no such stream. Nothing can be read behind that.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<usize, SnappyError> {
        let mut left = input;
        while output.is_empty() && !left.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(left.len());
                self.skip -= skipped;
                left = &left[skipped..];
                continue;
            }
            let missing = HEADER_LEN.saturating_sub(self.partial.len());
            if missing > 0 {
                self.fill(&mut left, missing);
                if self.partial.len() == HEADER_LEN {
                    self.begin()?;
                }
                continue;
            }
            let len = self.chunk_len();
            // A chunk that is there as a whole needs no copy.
            if self.partial.len() == HEADER_LEN && left.len() >= len {
                let (chunk, rest) = left.split_at(len);
                left = rest;
                self.complete(self.partial[0], chunk, output)?;
                self.partial.clear();
                continue;
            }
            self.fill(&mut left, HEADER_LEN + len - self.partial.len());
            if self.partial.len() == HEADER_LEN + len {
                let mut whole = std::mem::take(&mut self.partial);
                self.complete(whole[0], &whole[HEADER_LEN..], output)?;
                if whole.capacity() <= KEPT {
                    whole.clear();
                    self.partial = whole;
                }
            }
        }
        Ok(input.len() - left.len())
    }

    fn fill(&mut self, left: &mut &[u8], missing: usize) {
        let (taken, rest) = left.split_at(missing.min(left.len()));
        self.partial.extend_from_slice(taken);
        *left = rest;
    }

    /// The length that the header in `partial` names.
    fn chunk_len(&self) -> usize {
        match self.partial[..] {
            [_, a, b, c, ..] => u32::from_le_bytes([a, b, c, 0]) as usize,
            _ => 0,
        }
    }

    /// Checks a header before any of its chunk is kept.
    fn begin(&mut self) -> Result<(), SnappyError> {
        let (kind, len) = (self.partial[0], self.chunk_len());
        if !self.began && self.partial != STREAM_IDENTIFIER[..HEADER_LEN] {
            return Err(SnappyError::Identifier);
        }
        let longest = match kind {
            COMPRESSED => max_compress_len(CONTENT_MAX),
            UNCOMPRESSED => CONTENT_MAX,
            IDENTIFIER => STREAM_IDENTIFIER.len() - HEADER_LEN - CHECKSUM_LEN,
            SKIPPABLE.. => {
                self.skip = len;
                self.partial.clear();
                return Ok(());
            }
            _ => return Err(SnappyError::Chunk(kind)),
        };
        match (CHECKSUM_LEN..=CHECKSUM_LEN + longest).contains(&len) {
            true => Ok(()),
            false => Err(SnappyError::Length(kind, len)),
        }
    }

    fn complete(
        &mut self,
        kind: u8,
        chunk: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), SnappyError> {
        if kind == IDENTIFIER {
            self.began = true;
            let is_named = *chunk == STREAM_IDENTIFIER[HEADER_LEN..];
            return if is_named { Ok(()) } else { Err(SnappyError::Identifier) };
        }
        let (expected, content) =
            chunk.split_first_chunk::<CHECKSUM_LEN>().ok_or(SnappyError::Content)?;
        if kind == UNCOMPRESSED {
            output.extend_from_slice(content);
        } else {
            let len = decompress_len(content).map_err(|_| SnappyError::Content)?;
            if len > CONTENT_MAX {
                return Err(SnappyError::Content);
            }
            output.resize(len, 0);
            let written = self.raw.decompress(content, output);
            output.truncate(written.map_err(|_| SnappyError::Content)?);
        }
        match checksum(output) == u32::from_le_bytes(*expected) {
            true => Ok(()),
            false => Err(SnappyError::Checksum),
        }
    }
}
