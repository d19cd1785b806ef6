//! Streams: the ends that applications read and write.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::error::Error;
use crate::shared::{Direction, Shared};

/// One stream of a [`Session`](crate::Session).
///
/// `&Stream` reads and writes too, so that two tasks may share one, each with a direction; of two tasks that
/// wait for the same direction only the last is woken.
///
/// - **Reading** ends with 0 when the peer has finished. A stock peer says the same whether it has finished
///   writing or closed entirely; and one older than 2025 does not take what is written after it heard of our
///   end. So whoever waits for an answer after closing, or goes on writing after an end, limits the time.
/// - **Writing** takes at most one frame ahead of the transport, and in version 2 no more than the peer has
///   room for.
/// - **Flushing** waits until the transport has taken what was written. It does not flush the transport: the
///   driver does, whenever it has nothing more to write.
/// - **Closing** ends the writing side, behind what was written, and waits until that was taken. Reading goes on.
/// - **Dropping** closes; what arrives later is thrown away.
///
/// # Errors
/// Every operation fails with what ended the session, reading after all that had arrived. Writing fails with
/// [`Error::Closed`] after closing, with [`Error::PeerClosed`] when a peer of this crate has dropped the
/// stream without having read everything.
///
/// # Cancel safety
/// All operations: bytes are taken or given only by a call that returns their number.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// async fn ask(session: &smol_smux::Session) -> std::io::Result<Vec<u8>> {
///     let mut stream = session.open()?;
///     stream.write_all(b"question").await?;
///     stream.close().await?; // no more to say
///     let mut answer = Vec::new();
///     stream.read_to_end(&mut answer).await?;
///     Ok(answer)
/// }
/// ```
pub struct Stream {
    shared: Arc<Shared>,
    id: u32,
}

impl Stream {
    pub(crate) fn new(shared: &Arc<Shared>, id: u32) -> Stream {
        Stream { shared: Arc::clone(shared), id }
    }

    /// Returns the number of the stream: odd for those that the client has opened.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Reads bytes; see [`Stream`]. Gives 0 at the end, or for an empty `buf`.
    ///
    /// # Errors
    /// What ended the session.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.poll(cx, Direction::Read, |connection, id| connection.read(id, buf))
    }

    /// Writes bytes; see [`Stream`].
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::PeerClosed`], or what ended the session.
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.poll(cx, Direction::Write, |connection, id| connection.write(id, buf))
    }

    /// Waits until the transport has taken what was written.
    ///
    /// # Errors
    /// [`Error::PeerClosed`], or what ended the session.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, Direction::Write, |connection, id| connection.flush(id))
    }

    /// Ends the writing side, and waits until the transport has taken that. Again is fine.
    ///
    /// # Errors
    /// What ended the session before.
    pub fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, Direction::Write, |connection, id| {
            connection.finish(id);
            connection.flush(id)
        })
    }

    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        act: impl FnOnce(&mut crate::connection::Connection, u32) -> Result<Option<R>, Error>,
    ) -> Poll<Result<R, Error>> {
        self.shared.with(|state| match act(&mut state.connection, self.id).transpose() {
            Some(result) => Poll::Ready(result),
            None => {
                state.wait(self.id, direction, cx);
                Poll::Pending
            }
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.forget(self.id);
            state.connection.release(self.id);
        });
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).finish_non_exhaustive()
    }
}

macro_rules! is_a_stream {
    ($($end:ty),*) => {$(
        impl AsyncRead for $end {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Stream::poll_read(&self, cx, buf).map_err(io::Error::from)
            }
        }

        impl AsyncWrite for $end {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Stream::poll_write(&self, cx, buf).map_err(io::Error::from)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Stream::poll_flush(&self, cx).map_err(io::Error::from)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Stream::poll_close(&self, cx).map_err(io::Error::from)
            }
        }
    )*};
}

is_a_stream!(Stream, &Stream);
