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

    /// Returns the connection, until it has ended.
    #[cfg(feature = "kcptun")]
    pub(super) fn stream(&self) -> Option<&Async<TcpStream>> {
        self.0.as_ref()
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            let _ = SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Resets a KCP stream when dropped. A stream of smux, in which there is no reset, is closed.
#[derive(Debug)]
pub(super) struct Kcp {
    stream: Option<FarStream>,
    /// Those of whom it is with, where that is known.
    counters: Option<Rc<ClientCounters>>,
    #[cfg(feature = "kcptun")]
    close_wait: Option<CloseWait>,
}

/// The far side of a relay.
#[derive(Debug)]
enum FarStream {
    Kcp(KcpStream),
    #[cfg(feature = "kcptun")]
    Smux(smol_smux::Stream),
}

macro_rules! delegate {
    ($far:expr, $stream:ident => $call:expr) => {
        match $far {
            FarStream::Kcp($stream) => $call,
            #[cfg(feature = "kcptun")]
            FarStream::Smux($stream) => $call,
        }
    };
}

impl FarStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => AsyncWrite::poll_write(Pin::new(stream), cx, buf))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => AsyncWrite::poll_close(Pin::new(stream), cx))
    }

    /// Says in the log how it ended.
    fn log_end(&self) {
        match self {
            FarStream::Kcp(stream) => log_end(stream),
            #[cfg(feature = "kcptun")]
            FarStream::Smux(stream) => log::debug!("stream {} has ended", stream.id()),
        }
    }
}

impl Kcp {
    pub(super) fn new(stream: KcpStream, counters: Option<Rc<ClientCounters>>) -> Kcp {
        Kcp {
            stream: Some(FarStream::Kcp(stream)),
            counters,
            #[cfg(feature = "kcptun")]
            close_wait: None,
        }
    }

    /// Takes a stream of smux instead. A peer that closes it says no more than one that has finished writing: once one
    /// direction has ended, the other is given up after a silence of `close_wait`.
    #[cfg(feature = "kcptun")]
    pub(super) fn smux(stream: smol_smux::Stream, close_wait: Duration) -> Kcp {
        let close_wait = Some(CloseWait { limit: close_wait, passed: None, timer: None });
        Kcp { stream: Some(FarStream::Smux(stream)), counters: None, close_wait }
    }

    /// Lets go of the stream, which delivers its rest.
    fn end(&mut self) {
        self.stream.take().iter().for_each(FarStream::log_end);
    }
}

/// The silence of the direction that is left.
#[cfg(feature = "kcptun")]
#[derive(Debug)]
struct CloseWait {
    limit: Duration,
    /// What had passed when the timer was set.
    passed: Option<u64>,
    timer: Option<async_io::Timer>,
}

#[cfg(feature = "kcptun")]
impl CloseWait {
    /// Returns whether it has lasted too long. `passed` are the bytes that have passed in all.
    fn is_over(&mut self, cx: &mut Context<'_>, passed: u64) -> bool {
        if self.passed != Some(passed) {
            self.passed = Some(passed);
            self.timer = Some(async_io::Timer::after(self.limit));
        }
        self.timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready())
    }
}

impl Drop for Kcp {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.log_end();
            match stream {
                FarStream::Kcp(stream) => stream.abort(),
                #[cfg(feature = "kcptun")]
                FarStream::Smux(_) => {}
            }
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
    /// The peer has reset the stream before it sent anything.
    Unheard,
}

impl RelayError {
    /// What the failure of a stream means.
    pub(super) fn of(stream: &KcpStream, error: io::Error) -> RelayError {
        match error.kind() {
            io::ErrorKind::ConnectionReset if stream.stats().bytes_received == 0 => {
                RelayError::Unheard
            }
            _ => RelayError::Kcp(error),
        }
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayError::Tcp(error) => write!(f, "TCP: {error}"),
            RelayError::Kcp(error) => write!(f, "KCP: {error}"),
            RelayError::Unheard => f.write_str("KCP: reset before anything came"),
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
        let mut both = || Ok((relay.upward(cx, &mut up)?, relay.downward(cx, &mut down)?));
        let (upward, downward) = match (both(), &kcp.stream) {
            (Ok(both), _) => both,
            (Err(RelayError::Kcp(error)), Some(FarStream::Kcp(stream))) => {
                return Poll::Ready(Err(RelayError::of(stream, error)));
            }
            (Err(error), _) => return Poll::Ready(Err(error)),
        };
        if upward.is_ready() && downward.is_ready() {
            tcp.0 = None;
            kcp.end();
            return Poll::Ready(Ok(()));
        }
        #[cfg(feature = "kcptun")]
        if let (true, Some(wait)) = (upward.is_ready() || downward.is_ready(), &mut kcp.close_wait)
        {
            if wait.is_over(cx, up.passed.wrapping_add(down.passed)) {
                tcp.0 = None;
                kcp.end();
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    })
}

/// Holds the state of one direction.
#[derive(Debug, Default)]
struct HalfRelay {
    /// Bytes that were read and not yet all taken. Without any its memory is kept for the next ones, until the source has
    /// nothing more.
    rest: Vec<u8>,
    /// The number of them that has been taken.
    taken: usize,
    /// The charge of the memory of `rest` to the memory budget.
    held: Option<HeldMemory>,
    state: HalfState,
    /// Bytes that were taken so far.
    #[cfg(feature = "kcptun")]
    passed: u64,
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
    #[cfg_attr(not(feature = "kcptun"), allow(clippy::unused_self, unused_variables))]
    fn count(&mut self, n: usize) {
        #[cfg(feature = "kcptun")]
        {
            self.passed = self.passed.wrapping_add(n as u64);
        }
    }

    /// Passes held bytes to `write`.
    fn drain(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        while self.taken < self.rest.len() {
            let n = ready!(write(&self.rest[self.taken..]))?;
            self.taken += n;
            self.count(n);
        }
        self.rest.clear();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }

    /// Gives the memory back, which holds nothing any more, unless there are more bytes.
    fn or_release(&mut self, read: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if !matches!(read, Poll::Ready(Ok(1..))) {
            (self.rest, self.held) = (Vec::new(), None);
        }
        read
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
                Poll::Ready(n) => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    self.count(n);
                }
                Poll::Pending => {
                    self.held = None;
                    self.rest.extend_from_slice(bytes);
                    self.held = Some(budget.hold(self.rest.capacity()));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

struct Relay<'a> {
    tcp: &'a Async<TcpStream>,
    kcp: &'a mut FarStream,
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
        let write = |cx: &mut Context<'_>, kcp: &mut FarStream, bytes: &[u8]| {
            let written = ready!(kcp.poll_write(cx, bytes))?;
            counters.iter().for_each(|counters| counters.sent(written));
            Poll::Ready(Ok(written))
        };
        ready!(half.drain(|bytes| write(cx, kcp, bytes))).map_err(RelayError::Kcp)?;
        for _ in 0..READS {
            match half.state {
                HalfState::Open => {
                    let part = &mut scratch[..runtime.read_size()];
                    let read = Pin::new(&mut tcp).poll_read(cx, part);
                    match ready!(half.or_release(read)).map_err(RelayError::Tcp)? {
                        0 => half.state = HalfState::Closing,
                        n => {
                            ready!(half.pass(&scratch[..n], budget, |bytes| write(cx, kcp, bytes)))
                                .map_err(RelayError::Kcp)?
                        }
                    }
                }
                HalfState::Closing => {
                    ready!(kcp.poll_close(cx)).map_err(RelayError::Kcp)?;
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
                    let read = kcp.poll_read(cx, part);
                    match ready!(half.or_release(read)).map_err(RelayError::Kcp)? {
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
