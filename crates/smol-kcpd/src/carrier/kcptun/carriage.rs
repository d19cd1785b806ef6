//! The byte stream below smux: a KCP stream, compressed or not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use smol_kcp::KcpStream;

use crate::snappy::SnappyStream;

#[derive(Debug)]
pub(super) enum Carriage {
    Plain(KcpStream),
    Compressed(Box<SnappyStream<KcpStream>>),
}

impl Carriage {
    pub(super) fn new(stream: KcpStream, compression: bool) -> Carriage {
        match compression {
            true => Carriage::Compressed(Box::new(SnappyStream::new(stream))),
            false => Carriage::Plain(stream),
        }
    }

    /// Ends it at once; what is on its way is lost.
    pub(super) fn abort(self) {
        match self {
            Carriage::Plain(stream) => stream.abort(),
            Carriage::Compressed(stream) => stream.into_inner().abort(),
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Carriage::Plain($stream) => $call,
            Carriage::Compressed($stream) => $call,
        }
    };
}

impl AsyncRead for Carriage {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Carriage {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_close(cx))
    }
}
