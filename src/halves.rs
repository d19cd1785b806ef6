//! The halves of a stream, borrowed and owned, and `AsyncRead` and `AsyncWrite` of stream and halves.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::handle::Handle;
use super::stream::KcpStream;
use crate::{KcpError, StreamStats};

/// Reads from a [`KcpStream`] that it borrows: see [`KcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    handle: &'a Handle,
}

/// Writes to a [`KcpStream`] that it borrows: see [`KcpStream::split`]. Its
/// [`AsyncWrite`](futures_lite::AsyncWrite) splits what is longer than one message.
#[derive(Debug)]
pub struct WriteHalf<'a> {
    handle: &'a Handle,
}

/// Reads from a [`KcpStream`], in a task of its own if need be: see [`KcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    handle: Arc<Handle>,
}

/// Writes to a [`KcpStream`], in a task of its own if need be: see [`KcpStream::into_split`]. Its
/// [`AsyncWrite`](futures_lite::AsyncWrite) splits what is longer than one message. Dropped, it
/// closes its side in the background, and the reading half goes on.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    handle: Arc<Handle>,
    /// Dropping this half closes its side.
    open: bool,
}

impl KcpStream {
    /// Borrows the stream as two halves that one task may use at the same time. Dropping them changes
    /// nothing: the stream goes on, and is closed as a whole.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(mut stream: smol_kcp::KcpStream) -> std::io::Result<()> {
    /// use futures_lite::io::copy;
    ///
    /// let (read, write) = stream.split();
    /// copy(read, write).await?; // an echo
    /// stream.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf { handle: &self.handle }, WriteHalf { handle: &self.handle })
    }

    /// Takes the stream apart into two halves that different tasks may own. Dropping the writing half
    /// closes its side, as [`shutdown`](KcpStream::shutdown)`(Write)` does, and the reading half goes
    /// on; dropping the reading half changes nothing until the writing half is gone too, and the stream
    /// with it: a task that only writes must read or shut down what the peer sends, or the peer's writer
    /// waits. [`reunite`](OwnedReadHalf::reunite) puts them together again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(stream: smol_kcp::KcpStream) -> std::io::Result<()> {
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (mut read, mut write) = stream.into_split();
    /// let question = smol::spawn(async move { write.write_all(b"what is it?").await }); // and closes
    /// let mut answer = Vec::new();
    /// read.read_to_end(&mut answer).await?;
    /// question.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let handle = self.handle;
        (OwnedReadHalf { handle: Arc::clone(&handle) }, OwnedWriteHalf { handle, open: true })
    }
}

macro_rules! reading_half {
    ($half:ty) => {
        impl $half {
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

            /// Does as [`KcpStream::peek`].
            ///
            /// # Errors
            /// As for [`KcpStream::peek`].
            ///
            /// # Cancel safety
            /// As for [`KcpStream::peek`].
            pub async fn peek(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
                poll_fn(|cx| self.handle.poll_peek(cx, buf)).await
            }
        }
    };
}

macro_rules! writing_half {
    ($half:ty) => {
        impl $half {
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
        }
    };
}

macro_rules! half {
    ($($half:ty),*) => {$(
        impl $half {
            /// Returns the same as [`KcpStream::peer_addr`].
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.handle.peer_addr()
            }

            /// Returns the same as [`KcpStream::local_addr`].
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.handle.local_addr()
            }

            /// Returns the same as [`KcpStream::stats`].
            pub fn stats(&self) -> StreamStats {
                self.handle.stats()
            }
        }
    )*};
}

reading_half!(ReadHalf<'_>);
reading_half!(OwnedReadHalf);
writing_half!(WriteHalf<'_>);
writing_half!(OwnedWriteHalf);
half!(ReadHalf<'_>, WriteHalf<'_>, OwnedReadHalf, OwnedWriteHalf);

impl OwnedReadHalf {
    /// Joins the halves of one stream again.
    ///
    /// # Errors
    /// Halves of two streams are given back.
    pub fn reunite(
        self,
        write: OwnedWriteHalf,
    ) -> Result<KcpStream, (OwnedReadHalf, OwnedWriteHalf)> {
        if !Arc::ptr_eq(&self.handle, &write.handle) {
            return Err((self, write));
        }
        Ok(KcpStream { handle: write.into_handle() })
    }
}

impl OwnedWriteHalf {
    /// Returns the handle without closing the writing side.
    fn into_handle(mut self) -> Arc<Handle> {
        self.open = false;
        Arc::clone(&self.handle)
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.open {
            // A stream that has failed needs no closing.
            let _ = self.handle.shutdown(Shutdown::Write);
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

macro_rules! writes {
    ($($half:ty),*) => {$(
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.handle.poll_write_part(cx, buf).map_err(io::Error::from)
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

reads!(KcpStream, ReadHalf<'_>, OwnedReadHalf);
writes!(KcpStream, WriteHalf<'_>, OwnedWriteHalf);
