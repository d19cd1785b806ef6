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
use smol_kcp_proto::router::Key;

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
    incoming: Pin<Box<Receiver<Key>>>,
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
        KcpListener { shared: Arc::clone(shared), incoming: Box::pin(shared.incoming.1.clone()) }
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
            let key = self.incoming.recv().await.ok();
            if let Some(accepted) = accepted(&self.shared, key) {
                return accepted;
            }
        }
    }

    /// Does as [`accept`](KcpListener::accept), for hand-written futures: for the task that polled last.
    /// Once it was `Pending`, poll it until it is ready, or drop the listener: a stream that comes wakes
    /// one of those that wait, and this one meanwhile counts as one.
    ///
    /// # Errors
    /// Those of [`accept`](KcpListener::accept).
    ///
    /// # Examples
    ///
    /// A server that does other work in between:
    ///
    /// ```no_run
    /// # async fn run(mut listener: smol_kcp::KcpListener) -> Result<(), smol_kcp::KcpError> {
    /// use std::future::poll_fn;
    /// use std::task::Poll;
    ///
    /// let mut streams = Vec::new();
    /// poll_fn(|cx| loop {
    ///     match listener.poll_accept(cx) {
    ///         Poll::Ready(accepted) => streams.push(accepted?.0),
    ///         Poll::Pending => return Poll::<Result<(), smol_kcp::KcpError>>::Pending,
    ///     }
    /// })
    /// .await
    /// # }
    /// ```
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(KcpStream, SocketAddr), KcpError>> {
        poll_accept(&self.shared, self.incoming.as_mut(), cx)
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
        Incoming { listener: self, incoming: self.incoming.clone(), ended: false }
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

/// Returns a stream with its peer, or what ended the driver if there is no key; `None`: the stream has
/// failed while it waited to be accepted.
fn accepted(
    shared: &Arc<Shared>,
    key: Option<Key>,
) -> Option<Result<(KcpStream, SocketAddr), KcpError>> {
    let Some(key) = key else {
        let ended = shared.lock().ended.clone();
        return Some(Err(ended.unwrap_or(KcpError::Closed)));
    };
    let stream = KcpStream::from_key(shared, key);
    shared.accepted();
    let peer = stream.connected_peer()?;
    Some(Ok((stream, peer)))
}

fn poll_accept(
    shared: &Arc<Shared>,
    mut incoming: Pin<&mut Receiver<Key>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(KcpStream, SocketAddr), KcpError>> {
    loop {
        let key = ready!(incoming.as_mut().poll_next(cx));
        if let Some(accepted) = accepted(shared, key) {
            return Poll::Ready(accepted);
        }
    }
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
    incoming: Pin<Box<Receiver<Key>>>,
    ended: bool,
}

impl Stream for Incoming<'_> {
    type Item = Result<KcpStream, KcpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let accepted = ready!(poll_accept(&this.listener.shared, this.incoming.as_mut(), cx));
        this.ended = accepted.is_err();
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish()
    }
}
