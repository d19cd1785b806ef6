//! tokio_kcp at the other end: how conversations end with a peer that knows no end.

use std::time::Duration;

use futures_lite::future::zip;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream, UdpTransport};

use crate::support::{assert_same, config, lossy, messages, run_with_each_engine};
use crate::talk::{hear, Peer, Writer};
use crate::tokio_kcp_talks::{their_listener, theirs};

const TOTAL: usize = 300_000;

/// Our client says `TOTAL` bytes and ends as `end` does; all of it arrives, then our side has
/// nothing left to do: its driver ends, its socket is closed.
async fn our_client_ends(ours: KcpConfig, end: impl AsyncFnOnce(KcpStream)) {
    let (mut listener, addr) = their_listener(&ours).await;
    let parts = messages(3, TOTAL);
    let client = async {
        let transport = UdpTransport::connect(&ours, addr).unwrap();
        let (connect, driver) = KcpStream::connect_with_driver(&ours, transport, addr).unwrap();
        let driver = smol::spawn(driver);
        let mut stream = connect.await.unwrap();
        for part in &parts {
            stream.write_all(part).await.unwrap();
        }
        end(stream).await;
        driver.await.unwrap();
    };
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut reader, writer) = stream.halves();
        (hear(&mut reader, ours.stream, TOTAL).await, reader, writer)
    };
    let ((), (got, _, _)) = zip(client, server).await;
    assert_same(ours.stream, &got, &parts);
}

/// The same with our listener's side of the conversation.
async fn our_server_ends(ours: KcpConfig, end: impl AsyncFnOnce(KcpStream)) {
    let transport = UdpTransport::bind(&ours, "127.0.0.1:0".parse().unwrap()).unwrap();
    let (listener, driver) = KcpListener::with_driver(ours.clone(), transport).unwrap();
    let driver = smol::spawn(driver);
    let parts = messages(4, TOTAL);
    let addr = listener.local_addr().unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut question = [0; 16];
        assert_eq!(stream.recv(&mut question).await.unwrap(), 1);
        for part in &parts {
            stream.write_all(part).await.unwrap();
        }
        end(stream).await;
        driver.await.unwrap();
    };
    let client = async {
        let client = tokio_kcp::KcpStream::connect(&theirs(&ours), addr).await.unwrap();
        let (mut reader, mut writer) = client.halves();
        writer.say(b"?").await;
        (hear(&mut reader, ours.stream, TOTAL).await, reader, writer)
    };
    let ((), (got, _, _)) = zip(server, client).await;
    assert_same(ours.stream, &got, &parts);
}

#[test]
fn everything_arrives_before_our_close_ends_in_silence() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            for loss in [0, 5] {
                let ours = lossy(config(stream), loss, 11);
                let close = async |mut stream: KcpStream| stream.close().await.unwrap();
                our_client_ends(ours.clone(), close).await;
                our_server_ends(ours, close).await;
            }
        }
    });
}

#[test]
fn everything_arrives_after_our_drop() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            for loss in [0, 5] {
                let ours = lossy(config(stream), loss, 12);
                our_client_ends(ours.clone(), async |stream| drop(stream)).await;
                our_server_ends(ours, async |stream| drop(stream)).await;
            }
        }
    });
}

/// Quick to give up on the silent, but not on who has to share a busy machine.
fn impatient() -> KcpConfig {
    KcpConfig {
        keep_alive: Some(Duration::from_millis(300)),
        session_expire: Some(Duration::from_millis(1500)),
        stall_timeout: Duration::from_millis(1000),
        ..config(true)
    }
}

/// Their client's first word is on its way to our listener, which stays open.
async fn their_hello(ours: &KcpConfig) -> (KcpListener, tokio_kcp::KcpStream, KcpStream) {
    let listener = KcpListener::bind(ours.clone(), "127.0.0.1:0").await.unwrap();
    let their = theirs(ours);
    let mut client =
        tokio_kcp::KcpStream::connect(&their, listener.local_addr().unwrap()).await.unwrap();
    client.send(b"hello").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (listener, client, stream)
}

#[track_caller]
fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, KcpError>) {
    assert!(matches!(result, Err(KcpError::TimedOut)), "{result:?}");
}

#[test]
fn their_client_drops_and_our_idle_stream_expires() {
    run_with_each_engine(|| async {
        let ours = impatient();
        let (_listener, client, mut stream) = their_hello(&ours).await;
        let mut buf = [0; 16];
        assert_eq!(stream.recv(&mut buf).await.unwrap(), 5);
        drop(client);
        assert_timed_out(stream.recv(&mut buf).await);
        assert_timed_out(stream.send(b"anybody?").await);
    });
}

#[test]
fn their_client_drops_and_our_busy_stream_finds_the_link_dead() {
    run_with_each_engine(|| async {
        let ours = KcpConfig { keep_alive: None, session_expire: None, ..impatient() };
        let (_listener, client, mut stream) = their_hello(&ours).await;
        drop(client);
        let cause = loop {
            match stream.send(&[7; 10_000]).await {
                Ok(_) => {}
                Err(cause) => break cause,
            }
        };
        assert_timed_out::<()>(Err(cause));
        // What had arrived before is not lost.
        let mut buf = [0; 5];
        stream.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"hello");
    });
}

#[test]
fn their_listener_goes_and_our_client_ends() {
    run_with_each_engine(|| async {
        for busy in [false, true] {
            let ours = impatient();
            let (mut listener, addr) = their_listener(&ours).await;
            let mut stream = KcpStream::connect(&ours, addr).await.unwrap();
            stream.send(b"hello").await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            let mut buf = [0; 16];
            assert_eq!(server.recv(&mut buf).await.unwrap(), 5);
            drop((server, listener));
            if busy {
                stream.send(&[7; 10_000]).await.unwrap();
            }
            assert_timed_out(stream.recv(&mut buf).await);
        }
    });
}

#[test]
fn a_successor_that_knows_nothing_of_us_does_not_keep_us_alive() {
    run_with_each_engine(|| async {
        let ours = impatient();
        let (mut listener, addr) = their_listener(&ours).await;
        let mut stream = KcpStream::connect(&ours, addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut buf = [0; 16];
        stream.send(b"hello").await.unwrap();
        assert_eq!(server.recv(&mut buf).await.unwrap(), 5);
        server.send(b"hi").await.unwrap();
        assert_eq!(stream.recv(&mut buf).await.unwrap(), 2);
        // Their listener takes our next datagram, whatever it is, for a new conversation, and that
        // answers our probes for as long as we send any.
        drop(server);
        let (end, _successor) = zip(stream.recv(&mut buf), listener.accept()).await;
        assert_timed_out(end);
    });
}
