//! The halves of a stream, and `AsyncRead` and `AsyncWrite` of stream and halves.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::handle::Handle;
use super::stream::KcpStream;
use crate::{KcpError, StreamStats};

/// Reads from a [`KcpStream`]: see [`KcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf {
    handle: Arc<Handle>,
}

/// Writes to a [`KcpStream`]: see [`KcpStream::split`]. Its
/// [`AsyncWrite`](futures_lite::AsyncWrite) splits what is longer than one message. Dropped, it
/// closes its side in the background, and the reading half goes on.
#[derive(Debug)]
pub struct WriteHalf {
    handle: Arc<Handle>,
    /// Dropping this half closes its side.
    open: bool,
}

pub(super) fn split(stream: KcpStream) -> (ReadHalf, WriteHalf) {
    let handle = stream.handle;
    (ReadHalf { handle: Arc::clone(&handle) }, WriteHalf { handle, open: true })
}

impl ReadHalf {
    /// Does as [`KcpStream::recv`].
    ///
    /// # Errors
    /// As for [`KcpStream::recv`].
    ///
    /// # Cancel safety
    /// As for [`KcpStream::recv`].
    pub async fn recv(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        poll_fn(|cx| self.handle.poll_read(cx, buf, true)).await
    }

    /// Does as [`KcpStream::try_recv`].
    ///
    /// # Errors
    /// As for [`KcpStream::try_recv`].
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        self.handle.try_read(buf)
    }

    /// Returns the same as [`KcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.handle.peer_addr()
    }

    /// Returns the same as [`KcpStream::stats`].
    pub fn stats(&self) -> StreamStats {
        self.handle.stats()
    }

    /// Joins the halves of one stream again.
    ///
    /// # Errors
    /// Halves of two streams are given back.
    pub fn reunite(self, write: WriteHalf) -> Result<KcpStream, (ReadHalf, WriteHalf)> {
        if !Arc::ptr_eq(&self.handle, &write.handle) {
            return Err((self, write));
        }
        Ok(KcpStream { handle: write.into_handle() })
    }
}

impl WriteHalf {
    /// Does as [`KcpStream::send`].
    ///
    /// # Errors
    /// As for [`KcpStream::send`].
    ///
    /// # Cancel safety
    /// As for [`KcpStream::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<usize, KcpError> {
        poll_fn(|cx| self.handle.poll_write(cx, message)).await
    }

    /// Does as [`KcpStream::try_send`].
    ///
    /// # Errors
    /// As for [`KcpStream::try_send`].
    pub fn try_send(&mut self, message: &[u8]) -> Result<usize, KcpError> {
        self.handle.try_write(message)
    }

    /// Does as [`KcpStream::close`].
    ///
    /// # Errors
    /// As for [`KcpStream::close`].
    ///
    /// # Cancel safety
    /// As for [`KcpStream::close`].
    pub async fn close(&mut self) -> Result<(), KcpError> {
        poll_fn(|cx| self.handle.poll_close(cx)).await
    }

    /// Returns the same as [`KcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.handle.peer_addr()
    }

    /// Returns the same as [`KcpStream::stats`].
    pub fn stats(&self) -> StreamStats {
        self.handle.stats()
    }

    /// Returns the handle without closing the writing side.
    fn into_handle(mut self) -> Arc<Handle> {
        self.open = false;
        Arc::clone(&self.handle)
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        if self.open {
            self.handle.start_close();
        }
    }
}

macro_rules! reads {
    ($($half:ty),*) => {$(
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                if buf.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                self.handle.poll_read(cx, buf, false).map_err(io::Error::from)
            }
        }
    )*};
}

/// Writes what fits into one message. `write_all` and `copy` go on with the rest, as they do with
/// every writer that takes a part.
fn poll_write_part(
    handle: &Handle,
    cx: &mut Context<'_>,
    buf: &[u8],
) -> Poll<Result<usize, KcpError>> {
    match handle.poll_write(cx, buf) {
        Poll::Ready(Err(KcpError::MessageTooLarge { max, .. })) => {
            handle.poll_write(cx, buf.get(..max).unwrap_or(buf))
        }
        written => written,
    }
}

macro_rules! writes {
    ($($half:ty),*) => {$(
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                poll_write_part(&self.handle, cx, buf).map_err(io::Error::from)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.handle.flush().map_err(io::Error::from))
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.handle.poll_close(cx).map_err(io::Error::from)
            }
        }
    )*};
}

reads!(KcpStream, ReadHalf);
writes!(KcpStream, WriteHalf);
