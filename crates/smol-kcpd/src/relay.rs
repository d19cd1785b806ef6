//! The relay between a TCP connection and a KCP stream.

use std::cell::RefCell;
use std::fmt;
use std::future::{poll_fn, Future};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use super::clients::ClientCounters;
use super::figures::PathLine;
use super::runtime::Runtime;
use smol_kcp::{HeldMemory, KcpStream, MemoryBudget};

/// Limits the reads of a direction in one poll, so that other tasks run in between.
const READS: usize = 16;

/// Resets a TCP connection when dropped, so that a failure is not taken for an end.
#[derive(Debug)]
pub(super) struct Tcp(Option<Async<TcpStream>>);

impl Tcp {
    /// Wraps a connection. Small writes leave at once, as in the KCP stream, and keepalive notices a
    /// host that has vanished.
    pub(super) fn new(stream: Async<TcpStream>) -> Tcp {
        let socket = SockRef::from(stream.get_ref());
        if let Err(error) = socket.set_tcp_nodelay(true).and(socket.set_keepalive(true)) {
            log::debug!("TCP options: {error}");
        }
        Tcp(Some(stream))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            let _ = SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Resets a KCP stream when dropped.
#[derive(Debug)]
pub(super) struct Kcp {
    stream: Option<KcpStream>,
    /// Those of whom it is with, where that is known.
    counters: Option<Rc<ClientCounters>>,
}

impl Kcp {
    pub(super) fn new(stream: KcpStream, counters: Option<Rc<ClientCounters>>) -> Kcp {
        Kcp { stream: Some(stream), counters }
    }

    /// Lets go of the stream, which delivers its rest.
    fn end(&mut self) {
        self.stream.take().iter().for_each(log_end);
    }
}

impl Drop for Kcp {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            log_end(&stream);
            stream.abort();
        }
    }
}

/// Says in the log what a stream has carried and what its path does.
fn log_end(stream: &KcpStream) {
    if log::log_enabled!(log::Level::Debug) {
        let stats = stream.stats();
        log::debug!(
            "stream {:08x} has ended: {} bytes sent, {} received, {} of {} segments again; path: {}",
            stream.conv(),
            stats.bytes_sent,
            stats.bytes_received,
            stats.timeout_retransmits.saturating_add(stats.fast_retransmits),
            stats.segments_sent,
            PathLine(&stats),
        );
    }
}

/// Reports the side on which a relay failed, and the cause.
#[derive(Debug)]
pub(super) enum RelayError {
    Tcp(io::Error),
    Kcp(io::Error),
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayError::Tcp(error) => write!(f, "TCP: {error}"),
            RelayError::Kcp(error) => write!(f, "KCP: {error}"),
        }
    }
}

/// Carries bytes until both directions have ended. The end of one direction is passed on and leaves
/// the other open. Dropped before that, or after a failure, both sides are reset.
///
/// What the other side does not take at once is held, and nothing more is read until it is taken: a
/// direction holds at most one read, and nothing while idle.
pub(super) fn relay(
    runtime: &Runtime,
    mut tcp: Tcp,
    mut kcp: Kcp,
) -> impl Future<Output = Result<(), RelayError>> {
    let scratch = runtime.scratch();
    let runtime = runtime.clone();
    let (mut up, mut down) = (HalfRelay::default(), HalfRelay::default());
    poll_fn(move |cx| {
        let (Some(tcp_stream), Some(kcp_stream)) = (&tcp.0, &mut kcp.stream) else {
            return Poll::Ready(Ok(())); // polled after the end
        };
        let counters = kcp.counters.as_deref();
        let mut relay = Relay {
            tcp: tcp_stream,
            kcp: kcp_stream,
            counters,
            scratch: &scratch,
            runtime: &runtime,
        };
        let upward = relay.upward(cx, &mut up)?;
        let downward = relay.downward(cx, &mut down)?;
        if upward.is_ready() && downward.is_ready() {
            tcp.0 = None;
            kcp.end();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
}

/// Holds the state of one direction.
#[derive(Debug, Default)]
struct HalfRelay {
    /// Bytes that were read and not yet all taken; no memory without any.
    rest: Vec<u8>,
    /// The number of them that has been taken.
    taken: usize,
    /// The charge of `rest` to the memory budget.
    held: Option<HeldMemory>,
    state: HalfState,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum HalfState {
    #[default]
    Open,
    /// The source has ended.
    Closing,
    /// The end was passed on.
    Closed,
}

impl HalfRelay {
    /// Passes held bytes to `write`.
    fn drain(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        while self.taken < self.rest.len() {
            self.taken += ready!(write(&self.rest[self.taken..]))?;
        }
        (self.rest, self.taken, self.held) = (Vec::new(), 0, None);
        Poll::Ready(Ok(()))
    }

    /// Passes bytes to `write`, and holds those that it does not take.
    fn pass(
        &mut self,
        mut bytes: &[u8],
        budget: &MemoryBudget,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            match write(bytes)? {
                Poll::Ready(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Poll::Pending => {
                    self.held = Some(budget.hold(bytes.len()));
                    self.rest = bytes.to_vec();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

struct Relay<'a> {
    tcp: &'a Async<TcpStream>,
    kcp: &'a mut KcpStream,
    counters: Option<&'a ClientCounters>,
    scratch: &'a Rc<RefCell<Vec<u8>>>,
    runtime: &'a Runtime,
}

impl Relay<'_> {
    /// Carries from TCP to KCP; ready when the peer has acknowledged the end.
    fn upward(
        &mut self,
        cx: &mut Context<'_>,
        half: &mut HalfRelay,
    ) -> Poll<Result<(), RelayError>> {
        let Relay { tcp, kcp, counters, scratch, runtime } = self;
        let mut tcp = *tcp;
        let budget = runtime.memory_budget();
        let scratch = &mut *scratch.borrow_mut();
        let write = |cx: &mut Context<'_>, kcp: &mut KcpStream, bytes: &[u8]| {
            let written = ready!(Pin::new(kcp).poll_write(cx, bytes))?;
            counters.iter().for_each(|counters| counters.sent(written));
            Poll::Ready(Ok(written))
        };
        ready!(half.drain(|bytes| write(cx, kcp, bytes))).map_err(RelayError::Kcp)?;
        for _ in 0..READS {
            match half.state {
                HalfState::Open => {
                    let part = &mut scratch[..runtime.read_size()];
                    let n = ready!(Pin::new(&mut tcp).poll_read(cx, part));
                    match n.map_err(RelayError::Tcp)? {
                        0 => half.state = HalfState::Closing,
                        n => {
                            ready!(half.pass(&scratch[..n], budget, |bytes| write(cx, kcp, bytes)))
                                .map_err(RelayError::Kcp)?
                        }
                    }
                }
                HalfState::Closing => {
                    ready!(Pin::new(&mut **kcp).poll_close(cx)).map_err(RelayError::Kcp)?;
                    half.state = HalfState::Closed;
                }
                HalfState::Closed => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Carries from KCP to TCP; ready when the end was passed on.
    fn downward(
        &mut self,
        cx: &mut Context<'_>,
        half: &mut HalfRelay,
    ) -> Poll<Result<(), RelayError>> {
        let Relay { tcp, kcp, counters, scratch, runtime } = self;
        let tcp = *tcp;
        let budget = runtime.memory_budget();
        let scratch = &mut *scratch.borrow_mut();
        let write = |cx: &mut Context<'_>, bytes: &[u8]| {
            let mut tcp = tcp;
            Pin::new(&mut tcp).poll_write(cx, bytes)
        };
        ready!(half.drain(|bytes| write(cx, bytes))).map_err(RelayError::Tcp)?;
        for _ in 0..READS {
            match half.state {
                HalfState::Open => {
                    let part = &mut scratch[..runtime.read_size()];
                    let n = ready!(Pin::new(&mut **kcp).poll_read(cx, part));
                    match n.map_err(RelayError::Kcp)? {
                        0 => half.state = HalfState::Closing,
                        n => {
                            counters.iter().for_each(|counters| counters.received(n));
                            ready!(half.pass(&scratch[..n], budget, |bytes| write(cx, bytes)))
                                .map_err(RelayError::Tcp)?;
                        }
                    }
                }
                HalfState::Closing => {
                    tcp.get_ref().shutdown(Shutdown::Write).map_err(RelayError::Tcp)?;
                    half.state = HalfState::Closed;
                }
                HalfState::Closed => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
