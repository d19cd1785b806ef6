//! The relay between a source or a target of datagrams and their conversation.

use std::future::{poll_fn, Future};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_io::{Async, Timer};
use futures_lite::Stream;

use super::target::{Target, BATCH};
use crate::clients::ClientCounters;
use crate::context::TunnelContext;
use crate::relay::RelayError;
use crate::runtime::now;
use crate::udp_stats::Dropped;
use smol_kcp::{KcpError, KcpStream};

/// Who speaks UDP here.
pub(super) enum Near {
    /// The target, on a socket of its own.
    Target(Target),
    /// One of the sources that share a socket.
    Source {
        socket: Rc<Async<UdpSocket>>,
        addr: SocketAddr,
        datagrams: Pin<Box<Receiver<Vec<u8>>>>,
    },
}

impl Near {
    pub(super) fn source(
        socket: Rc<Async<UdpSocket>>,
        addr: SocketAddr,
        datagrams: Receiver<Vec<u8>>,
    ) -> Near {
        Near::Source { socket, addr, datagrams: Box::pin(datagrams) }
    }

    /// Hands `take` the next datagram; ready with `false` if none will come.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        take: impl FnOnce(&[u8]),
    ) -> Poll<bool> {
        match self {
            Near::Target(target) => target.poll_next(cx, buf, take),
            Near::Source { datagrams, .. } => match ready!(datagrams.as_mut().poll_next(cx)) {
                Some(datagram) => {
                    take(&datagram);
                    Poll::Ready(true)
                }
                None => Poll::Ready(false),
            },
        }
    }

    /// Returns whether it left: a socket that is full has no room for it.
    fn send(&mut self, datagram: &[u8]) -> bool {
        match self {
            Near::Target(target) => target.send(datagram),
            Near::Source { socket, addr, .. } => socket.get_ref().send_to(datagram, *addr).is_ok(),
        }
    }

    /// Returns how many datagrams wait.
    fn waiting(&self) -> usize {
        match self {
            Near::Target(_) => 0,
            Near::Source { datagrams, .. } => datagrams.len(),
        }
    }
}

/// What one relay has carried, into the tunnel and out of it, and could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    into: u64,
    out: u64,
    dropped: u64,
}

/// Counts a source as open for as long as it lives.
pub(super) struct OpenSource {
    context: Rc<TunnelContext>,
    failed: bool,
}

impl OpenSource {
    pub(super) fn new(context: &Rc<TunnelContext>) -> OpenSource {
        context.udp.source(true, false);
        OpenSource { context: Rc::clone(context), failed: false }
    }

    /// Notes that it has failed, and `left` datagrams of it with it.
    pub(super) fn fail(&mut self, left: usize) {
        self.failed = true;
        self.context.udp.dropped(Dropped::Server, left as u64);
    }
}

impl Drop for OpenSource {
    fn drop(&mut self) {
        self.context.udp.source(false, self.failed);
    }
}

/// Carries datagrams until the conversation or the source has ended, or nothing has come from either for
/// `timeout`. The conversation delivers what it has taken.
pub(super) fn relay(
    mut open: OpenSource,
    mut near: Near,
    mut stream: KcpStream,
    timeout: Duration,
    counters: Option<Rc<ClientCounters>>,
) -> impl Future<Output = Result<Carried, RelayError>> {
    let context = Rc::clone(&open.context);
    let scratch = context.runtime.datagram_scratch();
    let mut carried = Carried::default();
    let gives_up =
        context.settings().kcp.datagrams.as_ref().is_some_and(|of| of.lifetime.is_some());
    let mut given_up = 0;
    let (mut heard, mut timer) = (now(), Timer::after(timeout));
    poll_fn(move |cx| {
        let before = carried;
        let buf = &mut *scratch.borrow_mut();
        let mut is_over = false;
        for turn in 0..=BATCH {
            if turn == BATCH {
                cx.waker().wake_by_ref();
                break;
            }
            let mut sent = Ok(0);
            match near.poll_next(cx, buf, |datagram| sent = send(&mut stream, datagram)) {
                Poll::Ready(true) => match sent {
                    Ok(n) => {
                        carried.into += 1;
                        context.udp.sent(n);
                        counters.iter().for_each(|counters| counters.sent(n));
                    }
                    Err(error @ (KcpError::WouldBlock | KcpError::MessageTooLarge { .. })) => {
                        carried.dropped += 1;
                        let is_full = matches!(error, KcpError::WouldBlock);
                        let why = if is_full { Dropped::Room } else { Dropped::Length };
                        context.udp.dropped(why, 1);
                    }
                    Err(error) => {
                        open.fail(near.waiting());
                        return Poll::Ready(Err(RelayError::of(&stream, error.into())));
                    }
                },
                Poll::Ready(false) => {
                    is_over = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        for turn in 0..=BATCH {
            if turn == BATCH {
                cx.waker().wake_by_ref();
                break;
            }
            match stream.poll_recv(cx, buf) {
                Poll::Ready(Ok(0)) => {
                    is_over = true;
                    break;
                }
                Poll::Ready(Ok(n)) => {
                    counters.iter().for_each(|counters| counters.received(n));
                    if near.send(buf.get(..n).unwrap_or_default()) {
                        carried.out += 1;
                        context.udp.received(n);
                    } else {
                        carried.dropped += 1;
                        context.udp.dropped(Dropped::Socket, 1);
                    }
                }
                Poll::Ready(Err(error)) => {
                    open.fail(near.waiting());
                    return Poll::Ready(Err(RelayError::of(&stream, error.into())));
                }
                Poll::Pending => break,
            }
        }
        if gives_up {
            let late = stream.stats().given_up;
            context.udp.dropped(Dropped::Late, late.saturating_sub(given_up));
            given_up = late;
        }
        if is_over {
            return Poll::Ready(Ok(carried));
        }
        if carried != before {
            heard = now();
        }
        // It is set anew when it has run out, and not for each datagram.
        while Pin::new(&mut timer).poll(cx).is_ready() {
            let silent = silence(heard);
            if silent >= timeout {
                return Poll::Ready(Ok(carried));
            }
            timer = Timer::after(timeout - silent);
        }
        Poll::Pending
    })
}

fn silence(heard: Instant) -> Duration {
    now().saturating_duration_since(heard)
}

/// An empty datagram cannot be told from one that was given up, and is not carried.
fn send(stream: &mut KcpStream, datagram: &[u8]) -> Result<usize, KcpError> {
    match datagram {
        [] => Err(KcpError::MessageTooLarge { len: 0, max: 0 }),
        _ => stream.try_send(datagram),
    }
}
