//! How a tunnel stops.

use std::io::ErrorKind;

use futures_lite::future;
use smol::net::TcpStream;

use crate::support::*;

#[test]
fn a_draining_client_accepts_no_more_and_waits_for_what_is_open() {
    run(|runtime, _| async move {
        let (server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let mut tcp = talking(at).await;
        let draining = async {
            client.drain(ms(60_000)).await;
        };
        let carrying = async {
            until(|| std::net::TcpStream::connect(at).is_err()).await;
            chat(&mut tcp, b"still there").await.expect("it is carried on");
            drop(tcp);
        };
        future::zip(draining, carrying).await;
        until(|| server.stats().open == 0).await;
        assert_eq!(server.stats().failed, 0, "an end like any other");
    });
}

#[test]
fn what_is_open_after_the_limit_is_reset_on_both_sides() {
    run(|runtime, _| async move {
        let (server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let mut tcp = talking(at).await;
        client.drain(ms(100)).await;
        assert_eq!(ending(&mut tcp).await, ErrorKind::ConnectionReset);
        until(|| server.stats().failed == 1).await;
    });
}

#[test]
fn a_draining_server_lets_its_streams_end() {
    run(|runtime, _| async move {
        let (server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let mut tcp = talking(at).await;
        let carrying = async {
            chat(&mut tcp, b"still there").await.expect("it is carried on");
            drop(tcp);
        };
        future::zip(server.drain(ms(60_000)), carrying).await;
        until(|| client.stats().open == 0).await;
        assert_eq!(client.stats().failed, 0);
    });
}

#[test]
fn a_dropped_tunnel_resets_what_it_carries() {
    run(|runtime, _| async move {
        let (_server, client, at) = tunnel(&runtime, echo_server().await, stream());
        let mut tcp = talking(at).await;
        drop(client);
        assert_eq!(ending(&mut tcp).await, ErrorKind::ConnectionReset);
        assert!(TcpStream::connect(at).await.is_err());
    });
}
