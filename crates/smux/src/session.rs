//! Sessions: the handles by which streams are opened and accepted.

use std::fmt;
use std::future::{poll_fn, Future};
use std::sync::Arc;
use std::task::Poll;

use futures_io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::connection::{Connection, Role, Stats};
use crate::driver::Driver;
use crate::error::Error;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::timer::Timer;

/// A handle to one end of a session. Clones are handles to the same.
///
/// It goes on as long as a handle or a stream lives, or bytes of a dropped stream are on their way. When the last
/// handle is dropped, streams of the peer that wait to be accepted are closed, and so is each that comes.
///
/// # Examples
///
/// Both ends, over a pipe; any executor may poll the drivers:
///
/// ```
/// use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
/// use smol_smux::{Config, Session};
/// # mod pipe { include!("../tests/common/pipe.rs"); }
/// # use pipe::pipe;
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = pipe(4096);
/// let (client, driver) = Session::client(here, Config::default())?;
/// let (server, servant) = Session::server(there, Config::default())?;
/// let work = async {
///     let mut stream = client.open()?;
///     stream.write_all(b"hello").await?;
///     let mut taken = server.accept().await?;
///     let mut buf = [0; 5];
///     taken.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"hello");
///     std::io::Result::Ok(())
/// };
/// let drivers = async {
///     future::zip(driver, servant).await;
///     std::future::pending().await
/// };
/// future::block_on(future::or(work, drivers))
/// # }
/// ```
pub struct Session {
    shared: Arc<Shared>,
}

impl Session {
    /// Makes the end that opens streams 3, 5, 7 and so on. The other end is a [`server`](Session::server); both
    /// may open and accept.
    ///
    /// Nothing is spawned: the caller polls the [`Driver`], a future, on any executor.
    ///
    /// # Errors
    /// [`Error::Config`].
    #[cfg(feature = "async-io")]
    pub fn client<T>(transport: T, config: Config) -> Result<(Session, Driver<T>), Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let timer = crate::timer::SystemTimer::new();
        Session::with_timer(Role::Client, transport, config, timer)
    }

    /// Makes the end that opens streams 2, 4, 6 and so on; the rest is as for [`client`](Session::client).
    ///
    /// # Errors
    /// [`Error::Config`].
    #[cfg(feature = "async-io")]
    pub fn server<T>(transport: T, config: Config) -> Result<(Session, Driver<T>), Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let timer = crate::timer::SystemTimer::new();
        Session::with_timer(Role::Server, transport, config, timer)
    }

    /// Makes either end, with a timer of the caller's.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn with_timer<T>(
        role: Role,
        transport: T,
        config: Config,
        timer: impl Timer + 'static,
    ) -> Result<(Session, Driver<T>), Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let connection = Connection::new(role, config, timer.now())?;
        let shared = Arc::new(Shared::new(connection));
        let driver = Driver::new(Arc::clone(&shared), transport, Box::new(timer));
        Ok((Session { shared }, driver))
    }

    /// Opens a stream. It may be written to at once: the protocol has no answer to wait for.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`], [`Error::StreamIdsExhausted`], [`Error::Closed`] after
    /// [`close`](Session::close), or what ended the session.
    pub fn open(&self) -> Result<Stream, Error> {
        let id = self.shared.with(|state| state.connection.open())?;
        Ok(Stream::new(&self.shared, id))
    }

    /// Waits for a stream that the peer opens. Several tasks may wait: each stream goes to one of them.
    ///
    /// # Errors
    /// [`Error::Closed`] after [`close`](Session::close); what ended the session.
    ///
    /// # Cancel safety
    /// A dropped future has taken no stream.
    pub async fn accept(&self) -> Result<Stream, Error> {
        let id = poll_fn(|cx| {
            self.shared.with(|state| {
                if let Some(id) = state.connection.accept() {
                    return Poll::Ready(Ok(id));
                }
                if let Some(error) = state.connection.ended() {
                    return Poll::Ready(Err(error.clone()));
                }
                if state.connection.is_closing() {
                    return Poll::Ready(Err(Error::Closed));
                }
                state.wait_incoming(cx);
                Poll::Pending
            })
        })
        .await?;
        Ok(Stream::new(&self.shared, id))
    }

    /// Closes the session in order: no stream is opened or accepted any more, and the writing sides of all are
    /// closed behind what was written. When all streams are dropped and everything is sent, the driver
    /// closes the transport and is done.
    ///
    /// The protocol has no sign for it: the peer learns of it by the end of the transport.
    pub fn close(&self) {
        self.shared.with(|state| state.connection.close());
    }

    /// Ends the session at once: every stream fails with [`Error::Closed`], nothing is sent any more, and the
    /// driver closes the transport without waiting for it.
    pub fn abort(&self) {
        self.shared.with(|state| state.connection.fail(Error::Closed));
    }

    /// Waits for the end of the session, and returns its cause; [`Error::Closed`] if this side ended it.
    ///
    /// # Cancel safety
    /// Nothing depends on it.
    pub fn closed(&self) -> impl Future<Output = Error> + Send + '_ {
        poll_fn(|cx| {
            self.shared.with(|state| match state.connection.ended() {
                Some(error) => Poll::Ready(error.clone()),
                None => {
                    state.wait_end(cx);
                    Poll::Pending
                }
            })
        })
    }

    /// Returns whether no stream can be opened any more: the session has ended, or will.
    pub fn is_closed(&self) -> bool {
        self.shared
            .with(|state| state.connection.ended().is_some() || state.connection.is_closing())
    }

    /// Returns the counters of the session.
    pub fn stats(&self) -> Stats {
        self.shared.with(|state| state.connection.stats())
    }
}

impl Clone for Session {
    fn clone(&self) -> Session {
        self.shared.with(|state| state.handles += 1);
        Session { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.handles -= 1;
            if state.handles == 0 {
                state.connection.set_accepting(false);
                state.connection.call_attention();
            }
        });
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
