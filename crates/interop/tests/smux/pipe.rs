//! A pipe in memory whose ends are streams for futures-io and for tokio.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};
use tokio::io::ReadBuf;

#[derive(Debug, Default)]
struct Direction {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// One end of a pipe.
#[derive(Debug)]
pub struct End {
    read: Arc<Mutex<Direction>>,
    write: Arc<Mutex<Direction>>,
    room: usize,
}

/// Makes a pipe that holds `room` bytes in each direction.
pub fn pipe(room: usize) -> (End, End) {
    let (a, b) = <(Arc<Mutex<Direction>>, Arc<Mutex<Direction>>)>::default();
    let there = End { read: Arc::clone(&a), write: Arc::clone(&b), room };
    (End { read: b, write: a, room }, there)
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut direction = self.read.lock().unwrap();
        if direction.bytes.is_empty() && !direction.closed {
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = io::Read::read(&mut direction.bytes, buf)?;
        direction.wake();
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut direction = self.write.lock().unwrap();
        if direction.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = buf.len().min(self.room - direction.bytes.len());
        if n == 0 && !buf.is_empty() {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        direction.bytes.extend(&buf[..n]);
        direction.wake();
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut direction = self.write.lock().unwrap();
        direction.closed = true;
        direction.wake();
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = AsyncRead::poll_read(self, cx, buf.initialize_unfilled());
        read.map_ok(|n| buf.advance(n))
    }
}

impl tokio::io::AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(self, cx)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for direction in [&self.read, &self.write] {
            let mut direction = direction.lock().unwrap();
            direction.closed = true;
            direction.wake();
        }
    }
}
