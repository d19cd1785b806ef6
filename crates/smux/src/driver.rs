//! The future behind each session: reads the transport, keeps the time, writes the transport, wakes tasks.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

use crate::connection::Output;
use crate::error::Error;
use crate::shared::Shared;
use crate::timer::Timer;

/// Bytes that one read takes at most.
const READ: usize = 16 * 1024;

/// Bytes that wait for the transport above which streams keep theirs: what comes last, and is first in
/// another stream, is behind no more than these. Two frames of the default size.
const QUEUE: usize = 16 * 1024;

/// Buffers that one vectored write gets: more than [`QUEUE`] has in frames of the default size.
const SLICES: usize = 8;

/// Limits the turns of one poll, so that other tasks of the executor run in between.
const TURNS: usize = 16;

/// Does all the work of a session: reads and writes its transport, gives signs of life and notices their
/// absence.
///
/// Returns `Ok(())` when the session was closed or its last handle dropped, all streams are gone and
/// everything is sent; after [`abort`](crate::Session::abort); and when the peer has ended the transport after it
/// had finished all streams and nothing waited to be sent. The transport is closed then, or dropped with
/// the driver.
///
/// Dropped before that, every stream and every `accept` of the session fails with [`Error::Closed`].
///
/// # Errors
/// [`Error::TimedOut`], [`Error::TransportClosed`], [`Error::Protocol`] or [`Error::Io`], whatever ended the
/// session; every stream fails with the same.
#[must_use = "a session does nothing unless its driver is polled"]
pub struct Driver<T> {
    shared: Arc<Shared>,
    transport: T,
    timer: Box<dyn Timer>,
    /// What the timer is set to. It may be too early: a deadline that moves with each packet is not set anew
    /// with each.
    armed: Option<Duration>,
    /// What the timer should be set to.
    deadline: Option<Duration>,
    output: Output,
    /// Memory for one read, from the first on.
    input: Vec<u8>,
    /// Bytes of `input` to act on.
    read: usize,
    /// The session wants to have the transport read.
    reads: bool,
    /// Something was written since the transport was flushed.
    unflushed: bool,
    /// All is said: only closing the transport is left.
    closes: bool,
}

/// What the driver does after a turn.
enum Turn {
    /// Closes the transport and waits for that.
    Done,
    /// Closes the transport, if that takes no time.
    Abort,
    /// Runs another turn at once.
    More,
    /// Waits to be woken by the transport, the timer or a handle.
    Idle,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    pub(crate) fn new(shared: Arc<Shared>, transport: T, timer: Box<dyn Timer>) -> Driver<T> {
        Driver {
            shared,
            transport,
            timer,
            armed: None,
            deadline: None,
            output: Output::new(),
            input: Vec::new(),
            read: 0,
            reads: true,
            unflushed: false,
            closes: false,
        }
    }

    /// Runs one turn: reads, acts on what was read and on the time, writes, wakes tasks.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, Error> {
        self.poll_recv(cx)?;
        let received = std::mem::take(&mut self.read);
        let now = self.timer.now();
        let shared = Arc::clone(&self.shared);
        let read_before = self.reads;
        // One lock for the whole turn.
        let done = shared.drive(|state| {
            let connection = &mut state.connection;
            // What has arrived counts before the time does: after a sleep of the machine both are there.
            if received > 0 {
                connection.handle_input(now, &self.input[..received])?;
            }
            if connection.ended().is_some() {
                return Ok(Some(Turn::Abort));
            }
            connection.handle_timeout(now)?;
            connection.poll_output(now, QUEUE, &mut self.output);
            self.reads = connection.wants_input();
            self.deadline = connection.poll_timeout();
            connection.take_attention(); // paid just now
            let over = state.handles == 0 || connection.is_closing();
            let done = over && connection.is_idle() && self.output.is_empty();
            // From here on a handle with something new wakes the driver.
            state.set_driver(cx);
            Ok::<_, Error>(done.then_some(Turn::Done))
        })?;
        if let Some(done) = done {
            return Ok(done);
        }
        let written = self.send(cx)?;
        let late = self.poll_timer(cx);
        let resumed = self.reads && !read_before;
        // After a write there is room for more, and somebody may wait for what has left.
        Ok(if received > 0 || resumed || written || late { Turn::More } else { Turn::Idle })
    }

    /// Reads the transport once, if the session has room for it.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if !self.reads {
            return Ok(());
        }
        self.input.resize(READ, 0); // once
        match Pin::new(&mut self.transport).poll_read(cx, &mut self.input) {
            Poll::Ready(Ok(0)) => Err(Error::TransportClosed),
            Poll::Ready(Ok(n)) => {
                self.read = n.min(READ);
                Ok(())
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Writes what waits, as far as the transport takes it, and flushes it when nothing is left. Returns
    /// whether it took something.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let before = self.output.len();
        while !self.output.is_empty() {
            let transport = Pin::new(&mut self.transport);
            let taken = if self.output.is_scattered() {
                let mut slices = [io::IoSlice::new(&[]); SLICES];
                let used = self.output.fill_slices(&mut slices);
                transport.poll_write_vectored(cx, &slices[..used])
            } else {
                transport.poll_write(cx, self.output.front())
            };
            match taken {
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(Ok(n)) => {
                    self.output.advance(n);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        // Streams that go on writing do not wait for it.
        if self.unflushed && self.output.is_empty() {
            match Pin::new(&mut self.transport).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {}
            }
        }
        Ok(self.output.len() < before)
    }

    /// Sets the timer, if the deadline is earlier than it is set to. Returns whether it has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let armed = self.armed.map_or(deadline, |armed| armed.min(deadline));
        self.armed = Some(armed);
        let passed = self.timer.poll_until(cx, armed).is_ready();
        if passed {
            self.armed = None;
        }
        passed
    }

    /// Ends the session with what a turn has failed of. Returns how the driver ends.
    fn end(&mut self, error: Error) -> Result<(), Error> {
        self.shared.drive(|state| {
            let connection = &mut state.connection;
            let harmless = matches!(error, Error::TransportClosed)
                && connection.is_between_frames()
                && connection.is_settled();
            connection.fail(error.clone());
            match harmless {
                true => Ok(()),
                false => Err(error),
            }
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let driver = self.get_mut();
        for _ in 0..TURNS {
            if driver.closes {
                let closed = Pin::new(&mut driver.transport).poll_close(cx);
                return closed.map_err(Error::from);
            }
            match driver.turn(cx) {
                Ok(Turn::More) => {}
                Ok(Turn::Idle) => return Poll::Pending,
                Ok(Turn::Abort) => {
                    let _ = Pin::new(&mut driver.transport).poll_close(cx);
                    return Poll::Ready(Ok(()));
                }
                Ok(Turn::Done) => {
                    driver.closes = true;
                    driver.shared.drive(|state| state.connection.fail(Error::Closed));
                }
                Err(error) => return Poll::Ready(driver.end(error)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.shared.drive(|state| state.connection.fail(Error::Closed));
    }
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("armed", &self.armed).finish_non_exhaustive()
    }
}
