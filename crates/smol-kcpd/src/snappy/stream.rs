//! A stream of bytes that is compressed on its way.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::decoder::ChunkDecoder;
use super::encoder::ChunkEncoder;
use super::{SnappyError, KEPT};

/// Bytes that are read at a time, and of content that a gathered write takes.
const READ: usize = KEPT / 2;

/// Bytes that are held, and how many of them have gone on.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    at: usize,
}

impl Held {
    fn left(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn advance(&mut self, n: usize) {
        self.at += n;
        if self.is_empty() {
            self.at = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
    }
}

/// Compresses what is written and decompresses what is read.
///
/// A write is taken as a whole, up to a chunk, once the chunk before it has gone on; it goes on at once as far as the
/// stream below takes it, and the rest with the next write, flush or close.
///
/// # Errors
/// Those of the stream below; [`SnappyError`] for what is no compressed stream, after which nothing is read any more.
///
/// # Cancel safety
/// Bytes are taken or given only by a call that returns their number.
#[derive(Debug)]
pub(crate) struct SnappyStream<T> {
    inner: T,
    encoder: ChunkEncoder,
    decoder: ChunkDecoder,
    /// Chunks on their way out.
    output: Held,
    /// Memory for one read, from the first on.
    input: Vec<u8>,
    /// The part of it that is not yet looked at.
    unread: Range<usize>,
    /// Content for the reader.
    content: Held,
    failed: Option<SnappyError>,
    /// The slices of one gathered write.
    gathered: Vec<u8>,
}

impl<T> SnappyStream<T> {
    pub(crate) fn new(inner: T) -> SnappyStream<T> {
        SnappyStream {
            inner,
            encoder: ChunkEncoder::new(),
            decoder: ChunkDecoder::new(),
            output: Held::default(),
            input: Vec::new(),
            unread: 0..0,
            content: Held::default(),
            failed: None,
            gathered: Vec::new(),
        }
    }

    /// Gives the stream below back. What is held is lost.
    pub(crate) fn into_inner(self) -> T {
        self.inner
    }

    /// Decodes from what was read until there is content, or nothing left.
    fn decode(&mut self) -> Result<(), SnappyError> {
        let input = &self.input[self.unread.clone()];
        let decoded = self.decoder.decode(input, &mut self.content.bytes);
        let taken = decoded.inspect_err(|&error| {
            self.content = Held::default();
            self.failed = Some(error);
        })?;
        self.unread.start += taken;
        Ok(())
    }
}

impl<T: AsyncWrite + Unpin> SnappyStream<T> {
    /// Hands chunks on until none is left.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, self.output.left()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes content, and hands on what goes.
    fn take(&mut self, cx: &mut Context<'_>, content: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let taken = self.encoder.encode(content, &mut self.output.bytes);
        // It is taken: an error comes with the next call.
        let _ = self.poll_drain(cx);
        Poll::Ready(Ok(taken))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for SnappyStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        content: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(cx, content)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        // Before the copy: a caller that waits calls again.
        ready!(this.poll_drain(cx))?;
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return this.take(cx, only);
        }
        // One chunk for many short frames: they compress together, and share the header.
        let mut gathered = std::mem::take(&mut this.gathered);
        gathered.clear();
        for slice in slices {
            let room = READ.saturating_sub(gathered.len());
            gathered.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let taken = this.take(cx, &gathered);
        this.gathered = gathered;
        taken
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for SnappyStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if !this.content.is_empty() {
                let left = this.content.left();
                let n = left.len().min(buf.len());
                buf[..n].copy_from_slice(&left[..n]);
                this.content.advance(n);
                return Poll::Ready(Ok(n));
            }
            if let Some(error) = this.failed {
                return Poll::Ready(Err(error.into()));
            }
            if !this.unread.is_empty() {
                this.decode()?;
                continue;
            }
            this.input.resize(READ, 0);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut this.input))? {
                0 if this.decoder.is_within_chunk() => {
                    return Poll::Ready(Err(SnappyError::Truncated.into()));
                }
                0 => return Poll::Ready(Ok(0)),
                n => this.unread = 0..n,
            }
        }
    }
}
