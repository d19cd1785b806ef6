//! One side closed, and readers that take their time.

mod common;

use common::{chat, connected, ms, pattern, read_pattern, run, stream, until, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::Timer;
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream};

#[test]
fn a_request_that_is_closed_gets_a_long_reply() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        client.write_all(b"GET /").await.unwrap();
        client.close().await.unwrap();
        let serving = async {
            let mut request = Vec::new();
            server.read_to_end(&mut request).await.unwrap();
            assert_eq!(request, b"GET /");
            server.write_all(&pattern(100_000)).await.unwrap();
            server.close().await.unwrap();
        };
        let (_, len) = future::zip(serving, read_pattern(&mut client)).await;
        assert_eq!(len, 100_000);
    });
}

#[test]
fn both_sides_may_close_at_once() {
    run(async {
        let (mut server, mut client) = connected(&stream()).await;
        client.write_all(&pattern(50_000)).await.unwrap();
        server.write_all(&pattern(60_000)).await.unwrap();
        let (here, there) = future::zip(client.close(), server.close()).await;
        here.unwrap();
        there.unwrap();
        assert_eq!(read_pattern(&mut server).await, 50_000);
        assert_eq!(read_pattern(&mut client).await, 60_000);
    });
}

#[test]
fn a_writer_whose_peer_has_left_learns_it() {
    run(async {
        let (server, mut client) = connected(&stream()).await;
        drop(server);
        let error = loop {
            if let Err(error) = client.write_all(&pattern(1000)).await {
                break error;
            }
            Timer::after(ms(1)).await;
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn closing_a_stream_whose_peer_does_not_read_ends_with_the_linger_of_its_drop() {
    let config = KcpConfig { linger: ms(300), recv_budget: 2000, ..stream() };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let client = KcpEndpoint::bind(config.clone(), ANY).await.unwrap();
        let mut stream = client.connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stalled, _) = listener.accept().await.unwrap();
        // More than the peer has room for.
        stream.write_all(&pattern(1_000_000)).await.unwrap();
        drop(stream);
        until(|| client.stats().sessions == 0).await;
        // The peer gets what had arrived, and then the truth.
        let mut heard = Vec::new();
        let error = stalled.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(!heard.is_empty() && heard[..] == pattern(1_000_000)[..heard.len()]);
    });
}

#[test]
fn a_slow_reader_stalls_its_own_stream_only_and_its_memory_is_bounded() {
    let config = KcpConfig {
        send_budget: 64 * 1024,
        recv_budget: 32 * 1024,
        wnd_size: (64, 128),
        ..stream()
    };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = KcpEndpoint::bind(config.clone(), ANY).await.unwrap();
        let mut pushing = endpoint.connect(addr).await.unwrap();
        let (mut slow, _) = listener.accept().await.unwrap();
        let mut chatting = endpoint.connect(addr).await.unwrap();
        let (lively, _) = listener.accept().await.unwrap();
        smol::spawn(async move {
            let (mut read, mut write) = lively.into_split();
            let _ = futures_lite::io::copy(&mut read, &mut write).await;
            let _ = write.close().await;
        })
        .detach();

        let data = pattern(3_000_000);
        let pushing = smol::spawn(async move {
            pushing.write_all(&data).await.unwrap();
            pushing.close().await.unwrap();
        });
        // One segment may lie on top of the budget; a window waits beneath.
        let budget = config.recv_budget + config.mtu;
        until(|| slow.stats().receive_queue >= config.recv_budget).await;
        let mut stalled = 0;
        for _ in 0..200 {
            chat(&mut chatting, &pattern(2000)).await;
            let stats = slow.stats();
            assert!(stats.receive_queue <= budget, "{stats:?}");
            stalled = stats.wire_bytes_received;
        }
        let most = config.recv_budget + 130 * config.mtu + 100_000;
        assert!(stalled < most as u64, "the sender does not go on: {stalled}");
        assert!(!pushing.is_finished());

        // A little at a time, then all.
        let mut heard = vec![0; 10_000];
        for _ in 0..10 {
            slow.read_exact(&mut heard[..1000]).await.unwrap();
            assert!(slow.stats().receive_queue <= budget);
        }
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 2_990_000);
        assert!(rest == pattern(3_000_000)[10_000..]);
        pushing.await;
    });
}

#[test]
fn a_slow_reader_is_not_taken_for_a_dead_one() {
    let config = KcpConfig { recv_budget: 4000, stall_timeout: ms(1500), ..stream() };
    let data = pattern(2_000_000);
    run(async {
        let (mut server, mut client) = connected(&config).await;
        let writing = smol::spawn(async move {
            client.write_all(&data).await?;
            client.close().await?;
            std::io::Result::Ok(())
        });
        until(|| server.stats().receive_queue >= 4000).await;
        Timer::after(ms(3500)).await; // longer than the dead link: the point of this test
        assert_eq!(read_pattern(&mut server).await, 2_000_000);
        writing.await.unwrap();
    });
}

#[test]
fn many_streams_of_one_endpoint_share_it() {
    run(async {
        let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let tasks: Vec<_> = (0..20usize)
            .map(|stream| {
                let endpoint = endpoint.clone();
                smol::spawn(async move {
                    let stream_of_bytes = endpoint.connect(addr).await.unwrap();
                    let (mut read, mut write) = stream_of_bytes.into_split();
                    let len = 100_000 + stream * 1000;
                    let writing = async {
                        write.write_all(&pattern(len)).await.unwrap();
                        write.close().await.unwrap();
                    };
                    let (_, back) = future::zip(writing, read_pattern(&mut read)).await;
                    assert_eq!(back, len as u64);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        until(|| endpoint.stats().sessions == 0).await;
    });
}

#[test]
fn a_conversation_number_is_taken_once() {
    run(async {
        let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let mut first = endpoint.connect_with_conv(77, addr).await.unwrap();
        assert_eq!(first.conv(), 77);
        let second = endpoint.connect_with_conv(77, addr).await;
        assert!(matches!(second, Err(KcpError::ConvInUse { conv: 77 })), "{second:?}");
        chat(&mut first, b"undisturbed").await;

        // From another socket it is another conversation; and 0 asks the peer for a number.
        let mut other = KcpStream::connect_with_conv(&stream(), 77, addr).await.unwrap();
        chat(&mut other, b"the same number").await;
        let mut asked = KcpStream::connect_with_conv(&stream(), 0, addr).await.unwrap();
        chat(&mut asked, b"which number?").await;
        assert_ne!(asked.conv(), 0);
    });
}
