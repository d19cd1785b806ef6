//! Bytes one way over one connection, until the receiver has all.

use std::net::SocketAddr;

use super::{say, Args};
use crate::peer::Peer;
use crate::runtime::Bytes;
use crate::usage::Mark;

/// Bytes of one write and of one read.
const CHUNK: usize = 64 * 1024;

const DONE: u8 = b'!';

pub(super) async fn server<P: Peer>(mut listener: P::Listener, args: &Args) {
    let total: usize = args.need("bytes");
    let mut stream = P::accept(&mut listener).await.expect("accept");
    let mark = Mark::now();
    let mut buf = vec![0; CHUNK];
    let (mut got, mut answered) = (0, 0);
    while got < total {
        let n = stream.read(&mut buf).await.expect("read");
        assert!(n > 0, "the end after {got} bytes");
        got += n;
        if let Some(credit) = P::CREDIT {
            while got - answered >= credit.every && got < total {
                answered += credit.every;
                stream.write(b"+").await.expect("write");
            }
        }
    }
    let span = mark.span();
    stream.write(&[DONE]).await.expect("write");
    say("cpu", span.cpu_seconds);
    // Until the client has taken the last byte, and we are told to end.
    super::on_end(|| ());
    let _ = stream.read(&mut buf).await;
    std::future::pending().await
}

pub(super) async fn client<P: Peer>(addr: SocketAddr, args: &Args) {
    let total: usize = args.need("bytes");
    let mut stream = P::connect(args.options(), addr).await.expect("connect");
    args.set_buffers();
    let chunk = vec![0x5a; CHUNK];
    let mut buf = vec![0; CHUNK];
    let mark = Mark::now();
    let (mut sent, mut answered) = (0, 0);
    let mut done = false;
    while sent < total {
        if let Some(credit) = P::CREDIT {
            while sent - answered + CHUNK > credit.ahead {
                let n = stream.read(&mut buf).await.expect("read");
                assert!(n > 0, "the end after {answered} bytes");
                answered += n * credit.every;
            }
        }
        let n = CHUNK.min(total - sent);
        stream.write(&chunk[..n]).await.expect("write");
        sent += n;
    }
    while !done {
        let n = stream.read(&mut buf).await.expect("read");
        assert!(n > 0, "the end instead of an answer");
        done = buf[..n].contains(&DONE);
    }
    let span = mark.span();
    say("seconds", span.seconds);
    say("cpu", span.cpu_seconds);
    P::report(&stream);
}
