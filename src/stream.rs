//! Streams: one conversation with a peer.

use std::fmt;
use std::future::{poll_fn, Future};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::driver::Driver;
use super::endpoint::KcpEndpoint;
use super::handle::Handle;
use super::shared::Shared;
use super::transport::Transport;
use crate::{KcpConfig, KcpError, StreamStats};
use smol_kcp_proto::router::Key;

/// Carries a reliable conversation with one peer.
///
/// [`AsyncRead`](futures_lite::AsyncRead) and [`AsyncWrite`](futures_lite::AsyncWrite) carry bytes;
/// [`send`](KcpStream::send) and [`recv`](KcpStream::recv) carry messages, unless the configuration
/// says [`stream`](KcpConfig::stream), where they carry bytes too. Without it, each write of bytes
/// is a message: what is longer than [`max_message`](KcpConfig::max_message) is taken in parts, so
/// that `write_all` and `copy` deliver every byte, and the other side, which reads bytes, sees no
/// difference.
///
/// Dropped, the stream is closed in the background: what was written is delivered within
/// [`linger`](KcpConfig::linger). A program that ends takes its background with it:
/// [`close`](KcpStream::close) before.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use smol_kcp::{KcpConfig, KcpStream};
///
/// # async fn run() -> std::io::Result<()> {
/// let config = KcpConfig { stream: true, ..KcpConfig::wan() };
/// let mut stream = KcpStream::connect(&config, "server.example:4000").await?;
/// stream.write_all(b"hello").await?;
/// stream.close().await?; // everything has arrived; reading goes on
/// let mut answer = Vec::new();
/// stream.read_to_end(&mut answer).await?;
/// # Ok(())
/// # }
/// ```
pub struct KcpStream {
    pub(super) handle: Arc<Handle>,
}

impl KcpStream {
    /// Connects to `peer` over any transport and spawns nothing: the first future waits for the
    /// connection while the caller polls the second, the [`Driver`], which goes on afterwards.
    ///
    /// # Errors
    /// As for [`KcpEndpoint::with_driver`]; the future's as for
    /// [`KcpEndpoint::connect_to`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use smol_kcp::{KcpConfig, KcpStream, UdpTransport};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let (config, peer) = (KcpConfig::lan(), "192.0.2.1:4000".parse()?);
    /// let transport = UdpTransport::connect(&config, peer)?;
    /// let (connect, driver) = KcpStream::connect_with_driver(&config, transport, peer)?;
    /// let executor = smol::LocalExecutor::new();
    /// executor.spawn(driver).detach();
    /// let stream = executor.run(connect).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_with_driver(
        config: &KcpConfig,
        transport: impl Transport,
        peer: SocketAddr,
    ) -> Result<(impl Future<Output = Result<KcpStream, KcpError>> + Send, Driver), KcpError> {
        let (endpoint, driver) = KcpEndpoint::with_driver(config.clone(), transport)?;
        Ok((async move { endpoint.open(peer, None).await }, driver))
    }

    pub(super) fn from_key(shared: &Arc<Shared>, key: Key) -> KcpStream {
        KcpStream { handle: Arc::new(Handle::new(Arc::clone(shared), key)) }
    }

    /// Sends one message, or in stream mode as many bytes as there is room for; waits for room.
    /// Returns the number of bytes taken, in message mode all of them. An empty message is not
    /// sent: it could not be told from the end.
    ///
    /// # Errors
    /// [`KcpError::MessageTooLarge`], which `AsyncWrite` cuts instead; [`KcpError::Closed`] after a
    /// close; what ended the stream.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing has been taken.
    pub async fn send(&mut self, message: &[u8]) -> Result<usize, KcpError> {
        poll_fn(|cx| self.poll_send(cx, message)).await
    }

    /// Receives the next message, or in stream mode bytes, into `buf`; `Ok(0)`: the peer has closed
    /// and everything has been read.
    ///
    /// # Errors
    /// [`KcpError::BufferTooSmall`]: the message stays, and the error says how much it needs. What
    /// ended the stream, once everything that had arrived has been read.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing has been read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(mut stream: smol_kcp::KcpStream) -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::KcpError;
    ///
    /// stream.send(b"a message").await?;
    /// let mut buf = vec![0; 1500];
    /// loop {
    ///     match stream.recv(&mut buf).await {
    ///         Ok(0) => break, // the peer has closed
    ///         Ok(n) => println!("{} bytes", buf[..n].len()),
    ///         Err(KcpError::BufferTooSmall { needed, .. }) => buf.resize(needed, 0),
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        poll_fn(|cx| self.poll_recv(cx, buf)).await
    }

    /// Looks at what the next read begins with, as much as fits into `buf`, and leaves it; waits until
    /// there is something. In message mode it shows one message at most, and of a message that is
    /// longer than `buf` the beginning. `Ok(0)`: the peer has closed and everything has been read, or
    /// `buf` is empty.
    ///
    /// # Errors
    /// What ended the stream, once everything that had arrived has been read.
    ///
    /// # Cancel safety
    /// It takes nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(mut stream: smol_kcp::KcpStream) -> Result<(), smol_kcp::KcpError> {
    /// let mut first = [0];
    /// match stream.peek(&mut first).await? {
    ///     0 => println!("the peer has closed"),
    ///     _ if first[0] == 0x16 => println!("TLS"), // whoever reads the stream gets this byte too
    ///     _ => println!("plain"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn peek(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        poll_fn(|cx| self.poll_peek(cx, buf)).await
    }

    /// Does as [`send`](KcpStream::send), for hand-written futures.
    ///
    /// # Errors
    /// Those of [`send`](KcpStream::send).
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &[u8],
    ) -> Poll<Result<usize, KcpError>> {
        self.handle.poll_write(cx, message)
    }

    /// Does as [`recv`](KcpStream::recv), for hand-written futures.
    ///
    /// # Errors
    /// Those of [`recv`](KcpStream::recv).
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, KcpError>> {
        self.handle.poll_read(cx, buf, true)
    }

    /// Does as [`peek`](KcpStream::peek), for hand-written futures.
    ///
    /// # Errors
    /// Those of [`peek`](KcpStream::peek).
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, KcpError>> {
        self.handle.poll_peek(cx, buf)
    }

    /// Does as [`send`](KcpStream::send), without waiting.
    ///
    /// # Errors
    /// [`KcpError::WouldBlock`] without room, and those of [`send`](KcpStream::send).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn run(mut stream: smol_kcp::KcpStream) -> Result<(), smol_kcp::KcpError> {
    /// use smol_kcp::KcpError;
    ///
    /// match stream.try_send(b"where I am now") {
    ///     Ok(_) => {}
    ///     Err(KcpError::WouldBlock) => {} // the line is full: the next position will do
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_send(&mut self, message: &[u8]) -> Result<usize, KcpError> {
        self.handle.try_write(message)
    }

    /// Does as [`recv`](KcpStream::recv), without waiting.
    ///
    /// # Errors
    /// [`KcpError::WouldBlock`] when nothing is there, and those of [`recv`](KcpStream::recv).
    pub fn try_recv(&mut self, buf: &mut [u8]) -> Result<usize, KcpError> {
        self.handle.try_read(buf)
    }

    /// Sends small writes that wait to share a datagram (without
    /// [`flush_write`](KcpConfig::flush_write)). It does not wait until they arrive:
    /// [`close`](KcpStream::close) does.
    ///
    /// # Errors
    /// What ended the stream.
    ///
    /// # Cancel safety
    /// It never waits.
    pub async fn flush(&mut self) -> Result<(), KcpError> {
        self.handle.flush()
    }

    /// Closes the writing side and waits until the peer has acknowledged everything. Reading goes
    /// on until the peer closes too.
    ///
    /// # Errors
    /// What ended the stream before everything was acknowledged.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the closing goes on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(mut stream: smol_kcp::KcpStream) -> std::io::Result<()> {
    /// use futures_lite::AsyncReadExt;
    ///
    /// stream.send(b"the whole question").await?;
    /// stream.close().await?; // it has arrived
    /// let mut answer = Vec::new();
    /// stream.read_to_end(&mut answer).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&mut self) -> Result<(), KcpError> {
        poll_fn(|cx| self.handle.poll_close(cx)).await
    }

    /// Closes one side or both without waiting, as `TcpStream::shutdown` does.
    ///
    /// - `Write`: no more is written; what was written is delivered, then the peer reads the end.
    ///   [`close`](KcpStream::close) does the same and waits until the peer has everything.
    /// - `Read`: reading gives `Ok(0)` from now on, to a task that waits too. What has come unread, and
    ///   what the peer goes on sending, is acknowledged and dropped; the peer is not told.
    ///
    /// # Errors
    /// What ended the stream before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(mut stream: smol_kcp::KcpStream) -> std::io::Result<()> {
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use std::net::Shutdown;
    ///
    /// stream.write_all(b"the whole question").await?;
    /// stream.shutdown(Shutdown::Write)?;
    /// let mut answer = Vec::new();
    /// stream.read_to_end(&mut answer).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> Result<(), KcpError> {
        self.handle.shutdown(how)
    }

    /// Ends both directions at once; what is on its way is lost. A peer of this crate gets
    /// [`KcpError::Reset`], others notice the silence.
    pub fn abort(self) {
        self.handle.abort();
    }

    /// Returns the conversation number; 0 while the peer has not allocated one.
    pub fn conv(&self) -> u32 {
        self.handle.conv()
    }

    /// Returns the key of the peer, which the handshake has proved; `None` in the clear, and once the stream
    /// has ended.
    #[cfg(feature = "secure")]
    pub fn peer_key(&self) -> Option<crate::secure::PublicKey> {
        self.handle.peer_key()
    }

    /// Returns what the peer is called in the [configuration](crate::secure::SecurePeer::name), where
    /// [`peer_key`](KcpStream::peer_key) is known.
    #[cfg(feature = "secure")]
    pub fn peer_name(&self) -> Option<std::sync::Arc<str>> {
        self.handle.peer_name()
    }

    /// Returns the present address of the peer, which may change.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.handle.peer_addr()
    }

    /// Returns the address of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.handle.local_addr()
    }

    /// Returns the counters of the stream and the measurements of its path.
    pub fn stats(&self) -> StreamStats {
        self.handle.stats()
    }

    /// Returns the peer's address, unless the stream has failed.
    pub(super) fn connected_peer(&self) -> Option<SocketAddr> {
        self.handle.connected_peer()
    }
}

impl fmt::Debug for KcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
