//! More newcomers than there is room for.

mod common;

use std::net::UdpSocket;

use common::{chat, ms, run, stream, until, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream};

/// The first datagram of a stock client: a PUSH with number 0 and nothing acknowledged.
fn first_words(conv: u32) -> Vec<u8> {
    let mut segment = conv.to_le_bytes().to_vec();
    segment.extend([81, 0, 128, 0]);
    for word in [conv, 0, 0, 4] {
        segment.extend(word.to_le_bytes());
    }
    segment.extend(b"spam");
    segment
}

#[test]
fn ten_thousand_forged_newcomers_neither_fill_the_server_nor_disturb_who_is_there() {
    const FORGED: u32 = 10_000;
    let config = KcpConfig { max_unconfirmed: 64, ..stream() };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = listener.endpoint();
        common::echo(listener);
        let mut client = KcpStream::connect(&config, addr).await.unwrap();
        chat(&mut client, b"before").await;

        // As many numbers as datagrams, from a few sockets that never answer.
        let sockets: Vec<_> = (0..10).map(|_| UdpSocket::bind(ANY).unwrap()).collect();
        for at in 0..FORGED {
            let socket = &sockets[at as usize % sockets.len()];
            socket.send_to(&first_words(1_000_000 + at), addr).unwrap();
            if at % 50 == 0 {
                chat(&mut client, b"throughout").await;
                let stats = endpoint.stats();
                assert!(stats.unconfirmed <= 32 && stats.sessions <= 34, "{stats:?}");
                // And a genuine newcomer gets in.
                let mut newcomer = KcpStream::connect(&config, addr).await.unwrap();
                chat(&mut newcomer, b"me too").await;
                newcomer.abort();
            }
        }
        let stats = endpoint.stats();
        assert!(stats.stateless > u64::from(FORGED) / 2, "{stats:?}");
        assert_eq!(stats.accepted, 1 + u64::from(FORGED) / 50, "{stats:?}");
        chat(&mut client, b"after").await;
    });
}

#[test]
fn a_burst_beyond_the_backlog_waits_and_nobody_is_reset() {
    const BURST: usize = 300;
    let config = KcpConfig { backlog: 3, ..stream() };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let endpoint = KcpEndpoint::bind(config.clone(), ANY).await.unwrap();
        let mut clients = Vec::new();
        for word in 0..BURST {
            let mut client = endpoint.connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(&word.to_le_bytes()).await.unwrap();
            clients.push(client);
        }
        until(|| listener.stats().accepted == BURST as u64).await;
        for _ in 0..BURST {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut word = [0; std::mem::size_of::<usize>()];
            server.read_exact(&mut word).await.unwrap();
            server.write_all(&word).await.unwrap();
            server.close().await.unwrap();
        }
        for (word, client) in clients.iter_mut().enumerate() {
            let mut echo = Vec::new();
            client.read_to_end(&mut echo).await.unwrap();
            assert_eq!(echo, word.to_le_bytes());
        }
        assert_eq!(listener.stats().refused, 0);
    });
}

#[test]
fn the_limit_of_sessions_holds_for_both_sides() {
    let share = Some(2);
    let config =
        KcpConfig { max_sessions: 2, max_sessions_per_prefix: share, linger: ms(200), ..stream() };
    run(async {
        let listener = KcpListener::bind(config.clone(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = KcpEndpoint::bind(config.clone(), ANY).await.unwrap();
        let mut streams = Vec::new();
        for word in [b"a", b"b"] {
            let mut client = endpoint.connect(addr).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            // Confirmed, so that nobody has to make room.
            client.write_all(word).await.unwrap();
            server.read_exact(&mut [0]).await.unwrap();
            server.write_all(word).await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            until(|| listener.stats().unconfirmed == 0).await;
            streams.push((client, server));
        }
        let third = endpoint.connect(addr).await;
        assert!(matches!(third, Err(KcpError::TooManySessions { limit: 2 })), "{third:?}");

        // The server answers a HELLO in any case, and says no to who proves its address.
        let refused = match KcpStream::connect(&config, addr).await {
            Ok(mut elsewhere) => elsewhere.read(&mut [0]).await.unwrap_err(),
            Err(told_already) => told_already.into(),
        };
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(listener.stats().refused, 1);

        streams.pop();
        until(|| listener.stats().sessions == 1 && endpoint.stats().sessions == 1).await;
        let connecting = endpoint.connect(addr);
        let (accepted, connected) = future::zip(listener.accept(), connecting).await;
        accepted.unwrap();
        connected.unwrap();
    });
}

#[test]
fn noise_is_counted_and_nothing_else() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let noise = UdpSocket::bind(ANY).unwrap();
        let mut unknown = first_words(9);
        unknown[4] = 80;
        let mut too_long = first_words(9);
        too_long[20] = 200;
        for datagram in [&b""[..], b"GET / HTTP/1.1", &[0; 23], &unknown, &too_long] {
            noise.send_to(datagram, listener.local_addr().unwrap()).unwrap();
        }
        noise.send_to(&[7; 9000], listener.local_addr().unwrap()).unwrap();
        until(|| listener.stats().malformed == 5).await;
        until(|| listener.stats().receive_dropped == 1).await;
        assert_eq!(listener.stats().accepted, 0);
        assert_eq!(listener.stats().datagrams_sent, 0);
    });
}
