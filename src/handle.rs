//! The handle to a session: every call takes the lock, acts, and wakes the tasks concerned.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::{EndpointState, Shared};
use crate::{KcpError, StreamStats};
use smol_kcp_proto::router::Key;

/// Holds one session for a stream and its halves; dropped with the last of them, it releases the
/// session.
pub(super) struct Handle {
    shared: Arc<Shared>,
    key: Key,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>, key: Key) -> Handle {
        Handle { shared, key }
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, KcpError>> {
        self.shared.with(|state, now| match state.router.write(now, self.key, buf) {
            Ok(Some(n)) => Poll::Ready(Ok(n)),
            Ok(None) => {
                state.wait_writable(self.key, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
    }

    pub(super) fn try_write(&self, buf: &[u8]) -> Result<usize, KcpError> {
        self.shared
            .with(|state, now| state.router.write(now, self.key, buf))?
            .ok_or(KcpError::WouldBlock)
    }

    /// Writes what fits into one message. `write_all` and `copy` go on with the rest, as they do with
    /// every writer that takes a part.
    pub(super) fn poll_write_part(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, KcpError>> {
        match self.poll_write(cx, buf) {
            Poll::Ready(Err(KcpError::MessageTooLarge { max, .. })) => {
                self.poll_write(cx, buf.get(..max).unwrap_or(buf))
            }
            written => written,
        }
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        whole: bool,
    ) -> Poll<Result<usize, KcpError>> {
        self.shared.change(|state| match self.read(state, buf, whole) {
            Ok(Some(n)) => Poll::Ready(Ok(n)),
            Ok(None) => {
                state.wait_readable(self.key, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
    }

    fn read(
        &self,
        state: &mut EndpointState,
        buf: &mut [u8],
        whole: bool,
    ) -> Result<Option<usize>, KcpError> {
        state.router.read(|| self.shared.clock.now(), self.key, buf, whole)
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> Result<usize, KcpError> {
        self.shared.change(|state| self.read(state, buf, true))?.ok_or(KcpError::WouldBlock)
    }

    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, KcpError>> {
        self.shared.change(|state| match state.router.peek(self.key, buf) {
            Ok(Some(n)) => Poll::Ready(Ok(n)),
            Ok(None) => {
                state.wait_readable(self.key, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
    }

    pub(super) fn flush(&self) -> Result<(), KcpError> {
        self.shared.with(|state, now| state.router.flush_writes(now, self.key))
    }

    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Result<(), KcpError>> {
        self.shared.with(|state, now| {
            state.router.close(now, self.key);
            match state.router.is_delivered(self.key) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => {
                    state.wait_writable(self.key, cx);
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            }
        })
    }

    /// Closes one side or both without waiting.
    pub(super) fn shutdown(&self, how: Shutdown) -> Result<(), KcpError> {
        self.shared.with(|state, now| {
            let open = state.router.is_connected(self.key).map(drop);
            if how != Shutdown::Write {
                state.router.close_read(now, self.key);
            }
            if how != Shutdown::Read {
                state.router.close(now, self.key);
            }
            open
        })
    }

    pub(super) fn abort(&self) {
        self.shared.with(|state, now| state.router.abort(now, self.key));
    }

    pub(super) fn conv(&self) -> u32 {
        self.shared.lock().router.conv(self.key)
    }

    #[cfg(feature = "secure")]
    pub(super) fn peer_key(&self) -> Option<crate::secure::PublicKey> {
        self.shared.lock().router.peer_key(self.key)
    }

    #[cfg(feature = "secure")]
    pub(super) fn peer_name(&self) -> Option<Arc<str>> {
        self.shared.lock().router.peer_name(self.key)
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        let state = self.shared.lock();
        state.router.peer(self.key).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Returns the peer's address, unless the session has failed.
    pub(super) fn connected_peer(&self) -> Option<SocketAddr> {
        let state = self.shared.lock();
        state.router.is_connected(self.key).ok()?;
        state.router.peer(self.key)
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.shared.lock().local_addr)
    }

    pub(super) fn stats(&self) -> StreamStats {
        self.shared.lock().router.session_stats(self.key)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state, now| {
            state.forget_wakers(self.key);
            state.router.release(now, self.key);
        });
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpStream")
            .field("conv", &self.conv())
            .field("peer_addr", &self.peer_addr().ok())
            .field("local_addr", &self.shared.lock().local_addr)
            .finish()
    }
}
