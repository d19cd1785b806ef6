// A pipe in memory, both directions: what the tests run sessions over. Included by path, also in docs.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};

#[derive(Debug, Default)]
struct Direction {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
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

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
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
        wake(&mut direction.writer);
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
        wake(&mut direction.reader);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut direction = self.write.lock().unwrap();
        direction.closed = true;
        wake(&mut direction.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for direction in [&self.read, &self.write] {
            let mut direction = direction.lock().unwrap();
            direction.closed = true;
            wake(&mut direction.reader);
            wake(&mut direction.writer);
        }
    }
}
