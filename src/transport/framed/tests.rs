use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::task::Waker;

use async_io::Async;
use futures_lite::future::{self, block_on};

use super::*;

/// A duplex pipe of `room` bytes each way that moves `chunk` bytes at a time and shows what was
/// written only after a flush.
#[derive(Debug)]
struct Pipe {
    chunk: usize,
    inward: Arc<Mutex<Half>>,
    outward: Arc<Mutex<Half>>,
}

#[derive(Debug, Default)]
struct Half {
    bytes: VecDeque<u8>,
    flushed: usize,
    room: usize,
    closed: bool,
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Half {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

fn pipes(chunk: usize, room: usize) -> (Pipe, Pipe) {
    let half = || Arc::new(Mutex::new(Half { room, ..Half::default() }));
    let (one, two) = (half(), half());
    let first = Pipe { chunk, inward: one.clone(), outward: two.clone() };
    (first, Pipe { chunk, inward: two, outward: one })
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut half = self.outward.lock().unwrap();
        half.closed = true;
        half.wake();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut half = self.inward.lock().unwrap();
        if half.flushed == 0 && !half.closed {
            half.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = buf.len().min(self.chunk).min(half.flushed);
        for (to, from) in buf.iter_mut().zip(half.bytes.drain(..len)) {
            *to = from;
        }
        half.flushed -= len;
        half.wake();
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut half = self.outward.lock().unwrap();
        if half.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let len = buf.len().min(self.chunk).min(half.room - half.bytes.len());
        if len == 0 {
            // A full pipe flows without a flush, as a BufWriter does.
            half.flushed = half.bytes.len();
            half.wake();
            half.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        half.bytes.extend(&buf[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut half = self.outward.lock().unwrap();
        half.flushed = half.bytes.len();
        half.wake();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

fn addrs() -> [SocketAddr; 2] {
    [([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into()]
}

fn framed<S>(first: S, second: S) -> (FramedTransport<S>, FramedTransport<S>) {
    let [a, b] = addrs();
    let config = KcpConfig::default();
    (FramedTransport::new(&config, first, a, b), FramedTransport::new(&config, second, b, a))
}

fn batch(to: SocketAddr, datagrams: &[Vec<u8>]) -> Datagrams {
    let mut batch = Datagrams::new(datagrams.len());
    assert!(datagrams.iter().all(|datagram| batch.push(Datagram::new(to, datagram))));
    batch
}

async fn send(by: &mut impl Transport, batch: &mut Datagrams) -> io::Result<()> {
    poll_fn(|cx| by.poll_send(cx, batch)).await
}

/// Receives `count` datagrams, which must come from `from`, in batches of at most 3.
async fn recv(by: &mut impl Transport, count: usize, from: SocketAddr) -> io::Result<Vec<Vec<u8>>> {
    let mut got = Vec::new();
    while got.len() < count {
        let mut batch = Datagrams::new(3);
        poll_fn(|cx| by.poll_recv(cx, &mut batch)).await?;
        assert!(!batch.is_empty() && batch.iter().all(|datagram| datagram.peer == from));
        got.extend(batch.iter().map(|datagram| datagram.payload.to_vec()));
    }
    Ok(got)
}

/// Lengths at every edge: one byte, around a length byte's carry, the longest.
fn various() -> Vec<Vec<u8>> {
    let lens = [1, 2, 255, 256, 257, 1400, 2047, 3, 1024, 2046, 2047, 2047, 2047, 1];
    lens.iter().enumerate().map(|(i, &len)| vec![i as u8; len]).collect()
}

#[test]
fn datagrams_survive_any_cutting_of_the_stream() {
    let [a, b] = addrs();
    for chunk in [1, 2, 3, 7, 4096] {
        // The pipe holds less than one datagram, so both sides have to wait for each other.
        let (pipe, other) = pipes(chunk, 1000);
        let (mut here, mut there) = framed(pipe, other);
        let mut out = batch(b, &various());
        let (sent, got) =
            block_on(future::zip(send(&mut here, &mut out), recv(&mut there, various().len(), a)));
        sent.unwrap();
        assert!(out.is_empty());
        assert_eq!(got.unwrap(), various(), "chunks of {chunk}");
    }
}

#[test]
fn a_full_stream_holds_the_sender_back() {
    let (pipe, other) = pipes(4096, 10_000);
    let (mut here, mut there) = framed(pipe, other);
    let [a, b] = addrs();
    let all: Vec<Vec<u8>> = (0..100).map(|i| vec![i; 1000]).collect();
    let mut out = batch(b, &all);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(here.poll_send(&mut cx, &mut out).is_pending());
    // The pipe's 10 kB, one gathering of 8 kB and a frame on top: 20 datagrams at most.
    assert!((80..100).contains(&out.len()), "{} left", out.len());
    let (sent, got) =
        block_on(future::zip(send(&mut here, &mut out), recv(&mut there, all.len(), a)));
    sent.unwrap();
    assert_eq!(got.unwrap(), all);
}

#[test]
fn a_side_that_only_receives_still_sees_its_last_datagrams_out() {
    let (pipe, other) = pipes(4096, 1000);
    let (mut here, mut there) = framed(pipe, other);
    let [a, b] = addrs();
    let mut out = batch(b, &[vec![7; 1500]]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(here.poll_send(&mut cx, &mut out).is_pending());
    assert!(out.is_empty(), "taken, and not yet gone");
    let listens = async {
        let mut nothing = Datagrams::new(1);
        poll_fn(|cx| here.poll_recv(cx, &mut nothing)).await.unwrap();
        panic!("nobody sends to this side");
    };
    let got = block_on(future::or(recv(&mut there, 1, a), listens));
    assert_eq!(got.unwrap(), [vec![7; 1500]]);
}

#[test]
fn an_impossible_length_ends_the_transport_after_what_came_before() {
    for (prefix, len) in [([0, 0], 0), ([8, 0], 2048), ([255, 255], 65535)] {
        let (pipe, other) = pipes(4096, 1000);
        let (mut here, _) = framed(pipe, pipes(1, 1).0);
        {
            let mut half = other.outward.lock().unwrap();
            half.bytes.extend([0, 2, b'o', b'k'].iter().chain(&prefix).chain(b"?"));
            half.flushed = half.bytes.len();
        }
        let [_, b] = addrs();
        assert_eq!(block_on(recv(&mut here, 1, b)).unwrap(), [b"ok".to_vec()]);
        for _ in 0..2 {
            let error = block_on(recv(&mut here, 1, b)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<FrameLengthError>());
            assert_eq!(cause, Some(&FrameLengthError { len, max: 2047 }));
        }
        let mut out = batch(b, &[vec![1], vec![2]]);
        let error = block_on(send(&mut here, &mut out)).unwrap_err();
        assert_eq!((error.kind(), out.len()), (io::ErrorKind::BrokenPipe, 1));
    }
}

#[test]
fn the_end_of_the_stream_is_told_after_the_last_datagram() {
    let [a, b] = addrs();
    for rest in [&[][..], &[0], &[0, 5, b'c', b'u', b't']] {
        let (pipe, other) = pipes(4096, 1000);
        let (mut here, mut there) = framed(pipe, other);
        block_on(send(&mut here, &mut batch(b, &[b"last".to_vec()]))).unwrap();
        {
            let mut half = here.stream.outward.lock().unwrap();
            half.bytes.extend(rest);
            half.flushed = half.bytes.len();
        }
        drop(here);
        assert_eq!(block_on(recv(&mut there, 1, a)).unwrap(), [b"last".to_vec()]);
        for _ in 0..2 {
            let error = block_on(recv(&mut there, 1, a)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

#[test]
fn a_broken_stream_ends_the_transport_and_names_the_cause() {
    let (pipe, _other) = pipes(4096, 1000);
    pipe.outward.lock().unwrap().broken = true;
    let (mut here, _) = framed(pipe, pipes(1, 1).0);
    let [_, b] = addrs();
    let error = block_on(send(&mut here, &mut batch(b, &[vec![1]]))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Arc<io::Error>>());
    assert_eq!(cause.unwrap().kind(), io::ErrorKind::ConnectionReset);
    let error = block_on(recv(&mut here, 1, b)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn what_cannot_be_carried_is_refused_alone_and_what_is_for_others_is_dropped() {
    let (pipe, other) = pipes(4096, 10_000);
    let (mut here, mut there) = framed(pipe, other);
    let [a, b] = addrs();
    let mut out = batch(b, &[vec![1], vec![], vec![2; 2048], vec![3]]);
    for len in [0, 2048] {
        let error = block_on(send(&mut here, &mut out)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<FrameLengthError>());
        assert_eq!(cause, Some(&FrameLengthError { len, max: 2047 }));
    }
    block_on(send(&mut here, &mut out)).unwrap();
    block_on(send(&mut here, &mut batch(a, &[b"to itself".to_vec()]))).unwrap();
    assert_eq!(here.dropped(), 1);
    assert_eq!(block_on(recv(&mut there, 2, a)).unwrap(), [vec![1], vec![3]]);
}

#[test]
fn it_works_over_tcp_in_both_directions_at_once() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let (mut here, mut there) = framed(Async::new(client).unwrap(), Async::new(server).unwrap());
    let [a, b] = addrs();
    let (mut out, mut back) = (batch(b, &various()), batch(a, &various()));
    block_on(async {
        send(&mut here, &mut out).await.unwrap();
        send(&mut there, &mut back).await.unwrap();
        assert_eq!(recv(&mut there, various().len(), a).await.unwrap(), various());
        assert_eq!(recv(&mut here, various().len(), b).await.unwrap(), various());
    });
}
