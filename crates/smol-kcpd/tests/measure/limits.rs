//! What strangers say to the measuring server, and what other programs say to the client.

use std::future::pending;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpError, KcpListener, KcpStream};
use smol_kcpd::perf::{measure, Direction, PerfError};
use smol_kcpd::perf_conv;

use crate::common::{cause, echo, ms, run, stream, until, ANY};
use crate::perf::{local, Server};

const UPLOAD: [u8; 8] = [b'P', b'E', b'R', b'F', 1, 1, 100, 0];

/// The words of the protocol's first version, spelled out.
fn request(change: impl FnOnce(&mut [u8; 8])) -> [u8; 8] {
    let mut request = UPLOAD;
    change(&mut request);
    request
}

#[test]
fn a_malformed_request_is_refused_with_its_reason_and_the_stream_ends() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        let wrong = [
            (request(|bytes| bytes[0] = b'p'), 3), // not a request
            (request(|bytes| bytes[5] = 3), 3),    // no such direction
            (request(|bytes| bytes[6] = 99), 3),   // 99 ms: too short
            (request(|bytes| bytes[7] = 255), 3),  // 65 s: too long
            (request(|bytes| bytes[4] = 2), 2),    // another version
            ([0; 8], 3),
            ([255; 8], 3),
        ];
        for (request, status) in wrong {
            let mut stranger =
                KcpStream::connect_with_conv(&stream(), perf_conv(), server.addr).await.unwrap();
            stranger.write_all(&request).await.unwrap();
            let mut answer = Vec::new();
            stranger.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, [b'p', b'e', b'r', b'f', 1, status, 0, 0], "{request:?}");
        }
        until(|| server.ended.borrow().len() == wrong.len()).await;
        assert!(server.ended.borrow().iter().all(Result::is_ok));
        server
            .measure(&stream(), Direction::Upload, ms(100))
            .await
            .expect("nobody holds the place");
    });
}

#[test]
fn half_a_request_is_reset() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        let mut stranger =
            KcpStream::connect_with_conv(&stream(), perf_conv(), server.addr).await.unwrap();
        stranger.write_all(&UPLOAD[..7]).await.unwrap();
        stranger.close().await.unwrap();
        let error = stranger.read(&mut [0; 8]).await.unwrap_err();
        assert!(matches!(cause(&error), KcpError::Reset), "{error:?}");
        assert!(matches!(server.ended.borrow()[0], Err(KcpError::Closed)));
    });
}

#[test]
fn the_report_follows_the_server_s_time_whatever_the_client_goes_on_to_send() {
    local(async |ex| {
        let server = Server::start(ex, stream()).await;
        let mut stranger =
            KcpStream::connect_with_conv(&stream(), perf_conv(), server.addr).await.unwrap();
        stranger.write_all(&UPLOAD).await.unwrap();
        stranger.write_all(&[7; 5000]).await.unwrap();
        let mut answer = [0; 24];
        let read = stranger.read_exact(&mut answer).await;
        assert!(read.is_ok(), "{answer:?} {:?}", server.ended.borrow());
        assert_eq!(answer[..8], [b'p', b'e', b'r', b'f', 1, 0, 0, 0]);
        let word = |at: usize| u64::from_le_bytes(answer[at..at + 8].try_into().unwrap());
        assert_eq!((word(8), word(16)), (5000, 100_000), "bytes, microseconds");
        // Nobody reads the rest; that ends the stream, and not the server.
        let flood = async { while stranger.write_all(&[7; 5000]).await.is_ok() {} };
        let config = stream();
        let measured = server.measure(&config, Direction::Download, ms(100));
        futures_lite::future::or(async { assert!(measured.await.is_ok()) }, async {
            flood.await;
            pending().await
        })
        .await;
    });
}

async fn against(listener: KcpListener, answer: impl AsyncFn(KcpStream)) -> PerfError {
    let addr = listener.local_addr().unwrap();
    let time = ms(100);
    let config = stream();
    let client = measure(&config, addr, Direction::Upload, time, |_| {}, pending());
    let server = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream).await;
        }
    };
    futures_lite::future::or(client, server).await.unwrap_err()
}

#[test]
fn a_server_that_does_not_measure_is_told_from_one_that_is_another_program() {
    run(async {
        let bind = async || KcpListener::bind(stream(), ANY).await.unwrap();
        let off = against(bind().await, async |stream| stream.abort()).await;
        assert!(matches!(off, PerfError::Off), "{off:?}");
        assert!(off.to_string().contains("option perf is off"), "{off}");

        let closes = against(bind().await, async |mut stream| {
            let _ = stream.close().await;
        });
        let closes = closes.await;
        assert!(matches!(closes, PerfError::Foreign), "{closes:?}");

        let greets = against(bind().await, async |mut stream| {
            let _ = stream.write_all(b"SSH-2.0-dropbear\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let greets = greets.await;
        assert!(matches!(greets, PerfError::Foreign), "{greets:?}");

        let addr = echo(bind().await);
        let config = stream();
        let time = ms(100);
        let echoed = measure(&config, addr, Direction::Download, time, |_| {}, pending());
        let echoed = echoed.await.unwrap_err();
        assert!(matches!(echoed, PerfError::Foreign), "{echoed:?}");

        let newer = against(bind().await, async |mut stream| {
            let _ = stream.write_all(b"perf\x02\x02\0\0").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let newer = newer.await;
        assert!(matches!(newer, PerfError::Version(2)), "{newer:?}");
        assert!(
            newer.to_string().contains("version 2") && newer.to_string().ends_with("version 1")
        );
    });
}

#[test]
fn where_nobody_listens_or_answers_that_is_said() {
    run(async {
        let free = std::net::UdpSocket::bind(ANY).unwrap();
        let addr = free.local_addr().unwrap();
        let config = stream().with_connect_timeout(Some(ms(200)));
        let time = Duration::from_secs(1);
        let silent = measure(&config, addr, Direction::Upload, time, |_| {}, pending()).await;
        assert!(matches!(silent, Err(PerfError::Unreachable(KcpError::TimedOut))), "{silent:?}");
        drop(free);
        let closed = measure(&stream(), addr, Direction::Upload, time, |_| {}, pending()).await;
        assert!(matches!(closed, Err(PerfError::Unreachable(KcpError::Refused))), "{closed:?}");
    });
}
