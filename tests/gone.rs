//! Peers that are not there, not there any more, or somebody else. When each is noticed is proved in virtual
//! time: `opening.rs`, `gone.rs` and `neighbours.rs` of the router's tests.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::relay::Relay;
use common::{cause, chat, ms, now, pattern, run, stream, ANY};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpError, KcpListener, KcpStream, UdpTransport};

#[test]
fn nobody_at_the_port_is_refused_and_not_waited_for() {
    run(async {
        let nobody = UdpSocket::bind(ANY).unwrap().local_addr().unwrap();
        // Longer than a test may take.
        let config = stream().with_connect_timeout(Some(Duration::from_secs(600)));
        let refused = KcpStream::connect(&config, nobody).await;
        assert!(matches!(refused, Err(KcpError::Refused)), "{refused:?}");
    });
}

#[test]
fn a_peer_that_swallows_everything_is_given_up_at_the_connect_timeout() {
    run(async {
        let silent = UdpSocket::bind(ANY).unwrap();
        let config = stream().with_connect_timeout(Some(ms(400)));
        let began = now();
        let connected = KcpStream::connect(&config, silent.local_addr().unwrap()).await;
        assert!(matches!(connected, Err(KcpError::TimedOut)), "{connected:?}");
        assert!(began.elapsed() >= ms(400), "{:?}", began.elapsed());
    });
}

#[test]
fn connecting_without_a_timeout_does_not_wait_and_the_data_follow() {
    run(async {
        let config = stream().with_connect_timeout(None);
        let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        chat(&mut KcpStream::connect(&config, addr).await.unwrap(), b"hello").await;

        let silent = UdpSocket::bind(ANY).unwrap();
        let addr = silent.local_addr().unwrap();
        KcpStream::connect(&config, addr).await.expect("nobody answers, and nobody waits");
    });
}

#[test]
fn a_restarted_server_resets_the_stream_at_its_next_datagram() {
    run(async {
        let transport = UdpTransport::bind(&stream(), ANY.parse().unwrap()).unwrap();
        let (listener, driver) = KcpListener::with_driver(stream(), transport).unwrap();
        let addr = listener.local_addr().unwrap();
        let process = smol::spawn(driver);
        let mut client = KcpStream::connect(&stream(), addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"hello").await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();

        // The whole process ends: nobody says good-bye.
        process.cancel().await;
        let reborn = KcpListener::bind(stream(), addr).await.unwrap();
        assert_eq!(reborn.local_addr().unwrap(), addr);

        client.write_all(b"are you the same?").await.unwrap();
        let error = client.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(matches!(cause(&error), KcpError::Reset));
        assert!(reborn.stats().resets_sent >= 1);
        assert_eq!(reborn.stats().accepted, 0, "no ghost");
    });
}

fn impatient() -> KcpConfig {
    KcpConfig {
        stall_timeout: ms(700),
        session_expire: Some(ms(900)),
        keep_alive: None,
        ..stream()
    }
}

#[test]
fn a_peer_gone_in_mid_transfer_is_noticed_by_both_sides() {
    run(async {
        let listener = KcpListener::bind(impatient(), ANY).await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap());
        let mut client = KcpStream::connect(&impatient(), relay.addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let endless = pattern(1 << 16);
        client.write_all(&endless).await.unwrap();
        server.read_exact(&mut [0; 1 << 16]).await.unwrap();

        relay.silence();
        let error = loop {
            match client.write_all(&endless).await {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);

        // The server waits for more, idle, and expires.
        let mut rest = Vec::new();
        let error = server.read_to_end(&mut rest).await.unwrap_err();
        assert!(matches!(cause(&error), KcpError::TimedOut));
    });
}

#[test]
fn an_idle_stream_whose_peer_is_gone_expires_and_says_so_to_reader_writer_and_closer() {
    run(async {
        let listener = KcpListener::bind(impatient(), ANY).await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap());
        let mut client = KcpStream::connect(&impatient(), relay.addr).await.unwrap();
        let _server = listener.accept().await.unwrap();
        relay.silence();
        assert!(matches!(client.recv(&mut [0; 9]).await, Err(KcpError::TimedOut)));
        assert!(matches!(client.send(b"x").await, Err(KcpError::TimedOut)));
        assert!(matches!(client.close().await, Err(KcpError::TimedOut)));
        assert!(matches!(client.flush().await, Err(KcpError::TimedOut)));
    });
}

#[test]
fn an_aborted_stream_is_reset_at_the_peer() {
    run(async {
        let (mut server, client) = common::connected(&stream()).await;
        client.abort();
        assert!(matches!(server.recv(&mut [0; 9]).await, Err(KcpError::Reset)));
    });
}
