//! From content to chunks.

use snap::raw::{max_compress_len, Encoder};

use super::{
    checksum, CHECKSUM_LEN, COMPRESSED, CONTENT_MAX, HEADER_LEN, STREAM_IDENTIFIER, UNCOMPRESSED,
};

/// Compresses a stream.
#[derive(Debug)]
pub(super) struct ChunkEncoder {
    raw: Encoder,
    /// The identifier has been written.
    began: bool,
}

impl ChunkEncoder {
    pub(super) fn new() -> ChunkEncoder {
        ChunkEncoder { raw: Encoder::new(), began: false }
    }

    /// Appends chunks with the first bytes of `content` to `output`, and returns how many bytes these are: all, unless they
    /// are more than one chunk holds.
    pub(super) fn encode(&mut self, content: &[u8], output: &mut Vec<u8>) -> usize {
        let content = &content[..content.len().min(CONTENT_MAX)];
        if content.is_empty() {
            return 0;
        }
        if !self.began {
            output.extend_from_slice(&STREAM_IDENTIFIER);
            self.began = true;
        }
        let at = output.len();
        let front = at + HEADER_LEN + CHECKSUM_LEN;
        output.resize(front + max_compress_len(content.len()), 0);
        // It fails for want of room only, which is there; the content goes as it is then.
        let compressed = self.raw.compress(content, &mut output[front..]).unwrap_or(usize::MAX);
        // What saves less than an eighth is not worth the other side's work, as in snappy's own writers.
        let (kind, len) = match compressed >= content.len() - content.len() / 8 {
            true => {
                output[front..front + content.len()].copy_from_slice(content);
                (UNCOMPRESSED, content.len())
            }
            false => (COMPRESSED, compressed),
        };
        output.truncate(front + len);
        let [a, b, c, _] = ((len + CHECKSUM_LEN) as u32).to_le_bytes();
        output[at..at + HEADER_LEN].copy_from_slice(&[kind, a, b, c]);
        output[at + HEADER_LEN..front].copy_from_slice(&checksum(content).to_le_bytes());
        content.len()
    }
}
