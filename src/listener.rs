//! Listeners: the streams that peers open.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use async_channel::Receiver;
use futures_lite::Stream;

use super::driver::Driver;
use super::endpoint::{sessions, KcpEndpoint, SessionInfo};
use super::shared::Shared;
use super::stream::KcpStream;
use super::transport::Transport;
use crate::{EndpointStats, KcpConfig, KcpError};

/// Accepts the streams that peers open on a socket.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use smol_kcp::{KcpConfig, KcpListener};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = KcpListener::bind(KcpConfig::wan(), "[::]:4000").await?;
/// loop {
///     let (mut stream, peer) = listener.accept().await?;
///     smol::spawn(async move {
///         let mut buf = vec![0; 2048];
///         while let Ok(n @ 1..) = stream.read(&mut buf).await {
///             if stream.write_all(&buf[..n]).await.is_err() {
///                 break;
///             }
///         }
///         log::info!("{peer} has left");
///     })
///     .detach();
/// }
/// # }
/// ```
pub struct KcpListener {
    shared: Arc<Shared>,
    incoming: Receiver<KcpStream>,
}

impl KcpListener {
    /// Listens on any transport and spawns nothing: the caller polls the [`Driver`].
    ///
    /// # Errors
    /// As for [`KcpEndpoint::with_driver`].
    pub fn with_driver(
        config: KcpConfig,
        transport: impl Transport,
    ) -> Result<(KcpListener, Driver), KcpError> {
        let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
        Ok((endpoint.listen(), driver))
    }

    pub(super) fn from_shared(shared: &Arc<Shared>) -> KcpListener {
        {
            let mut state = shared.lock();
            state.handles += 1;
            state.listeners += 1;
            let open = !state.closed;
            state.router.set_accepting(open);
        }
        KcpListener { shared: Arc::clone(shared), incoming: shared.incoming.1.clone() }
    }

    /// Waits for the next stream that a peer has opened. Returns it with the peer's address.
    ///
    /// # Errors
    /// What ended the driver: [`KcpError::Io`] or [`KcpError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it is done, no stream is lost.
    pub async fn accept(&self) -> Result<(KcpStream, SocketAddr), KcpError> {
        loop {
            match self.incoming.recv().await {
                Ok(stream) => {
                    self.shared.accepted();
                    if let Some(accepted) = if_connected(stream) {
                        return Ok(accepted);
                    }
                }
                Err(_) => return Err(self.ended()),
            }
        }
    }

    /// Returns the streams that peers open, one after the other. The last item is the error that
    /// ended the driver.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(listener: smol_kcp::KcpListener) -> Result<(), smol_kcp::KcpError> {
    /// use futures_lite::StreamExt;
    ///
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("{} is here", stream?.peer_addr()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self, incoming: Box::pin(self.incoming.clone()), ended: false }
    }

    fn ended(&self) -> KcpError {
        self.shared.lock().ended.clone().unwrap_or(KcpError::Closed)
    }

    /// Returns a handle to the endpoint, for opening streams over the same socket.
    pub fn endpoint(&self) -> KcpEndpoint {
        KcpEndpoint::from_shared(Arc::clone(&self.shared))
    }

    /// Returns the address of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.shared.lock().local_addr)
    }

    /// Returns the counters of the endpoint.
    pub fn stats(&self) -> EndpointStats {
        self.shared.stats()
    }

    /// Lists the conversations that are on the wire now, ordered by number.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        sessions(&self.shared)
    }
}

/// Returns a stream with its peer, unless it has failed while it waited to be accepted.
fn if_connected(stream: KcpStream) -> Option<(KcpStream, SocketAddr)> {
    let peer = stream.connected_peer()?;
    Some((stream, peer))
}

impl Drop for KcpListener {
    fn drop(&mut self) {
        let last = self.shared.with(|state, now| {
            state.handles -= 1;
            state.listeners -= 1;
            if state.listeners == 0 {
                state.router.set_accepting(false);
                state.router.refuse_incoming(now);
            }
            state.listeners == 0
        });
        if last {
            self.shared.reject_incoming();
        }
    }
}

impl fmt::Debug for KcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpListener").field("local_addr", &self.shared.lock().local_addr).finish()
    }
}

/// Yields the streams that peers open: see [`KcpListener::incoming`].
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    listener: &'a KcpListener,
    incoming: Pin<Box<Receiver<KcpStream>>>,
    ended: bool,
}

impl Stream for Incoming<'_> {
    type Item = Result<KcpStream, KcpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.incoming.as_mut().poll_next(cx)) {
                Some(stream) => {
                    self.listener.shared.accepted();
                    if let Some((stream, _)) = if_connected(stream) {
                        return Poll::Ready(Some(Ok(stream)));
                    }
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(self.listener.ended())));
                }
            }
        }
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish()
    }
}
