//! A stock client's address changes, and its conversation goes on.

use futures_lite::future::zip;
use smol_kcp::{KcpListener, KcpStream};

use crate::relay::Relay;
use crate::support::{assert_same, config, messages, run_with_each_engine};
use crate::talk::{hear, say_all, Peer, Reader, Writer};
use crate::tokio_kcp_talks::theirs;

const TOTAL: usize = 1024 * 1024;

/// More than is ever in flight remains to be said after this.
const BEFORE: usize = 300_000;

/// A tokio_kcp client behind a relay, our stream that it opened, and the relay.
async fn behind_a_relay() -> (tokio_kcp::KcpStream, KcpStream, Relay, KcpListener) {
    let ours = config(true);
    let listener = KcpListener::bind(ours.clone(), "127.0.0.1:0").await.unwrap();
    let relay = Relay::to(listener.local_addr().unwrap()).await;
    let mut client = tokio_kcp::KcpStream::connect(&theirs(&ours), relay.addr).await.unwrap();
    assert_eq!(client.send(b"hello").await.unwrap(), 5);
    let (mut server, peer) = listener.accept().await.unwrap();
    assert!(peer != relay.addr, "the server sees the far side of the relay");
    let mut greeting = [0; 5];
    assert_eq!(server.recv(&mut greeting).await.unwrap(), 5);
    (client, server, relay, listener)
}

/// `from` says `TOTAL` bytes to `to`; the relay takes another port on the way, and `then` something
/// may happen.
async fn rebinding(
    from: &mut impl Writer,
    to: &mut impl Reader,
    relay: &Relay,
    then: impl AsyncFnOnce(),
) {
    let parts = messages(7, TOTAL);
    let hearing = async {
        let mut got = hear(to, true, BEFORE).await;
        let moved = relay.rebind().await;
        then().await;
        got.extend(hear(to, true, TOTAL - BEFORE).await);
        (got, moved)
    };
    let ((got, _), ()) = zip(hearing, say_all(from, &parts)).await;
    assert_same(true, &got, &parts);
}

#[test]
fn a_client_that_moves_while_it_sends_is_followed() {
    run_with_each_engine(|| async {
        let (client, server, relay, listener) = behind_a_relay().await;
        let (_reader, mut client) = client.halves();
        let (mut server, _writer) = server.halves();
        let before = server.peer_addr().unwrap();
        rebinding(&mut client, &mut server, &relay, async || {}).await;
        assert!(server.peer_addr().unwrap() != before);
        assert_eq!((server.stats().roamed, listener.stats().accepted), (1, 1));
    });
}

#[test]
fn a_client_that_moves_while_it_receives_is_followed() {
    run_with_each_engine(|| async {
        let (client, server, relay, listener) = behind_a_relay().await;
        let (mut client, mut writer) = client.halves();
        let (_reader, mut server) = server.halves();
        let before = server.peer_addr().unwrap();
        // A stock client only ever answers. Had everything in flight gone to the former port, nobody
        // would say anything to anybody.
        let word = async || writer.say(b"here").await;
        rebinding(&mut server, &mut client, &relay, word).await;
        assert!(server.peer_addr().unwrap() != before);
        assert_eq!((server.stats().roamed, listener.stats().accepted), (1, 1));
    });
}

#[test]
fn a_client_that_moves_again_and_again_is_followed_each_time() {
    run_with_each_engine(|| async {
        let (client, server, relay, _listener) = behind_a_relay().await;
        let (mut reader, mut writer) = client.halves();
        let (mut from_client, mut to_client) = server.halves();
        for round in 1..=3 {
            let moved = relay.rebind().await;
            writer.say(b"where am I?").await;
            assert_same(true, &hear(&mut from_client, true, 11).await, &[b"where am I?".to_vec()]);
            to_client.say(b"elsewhere").await;
            assert_same(true, &hear(&mut reader, true, 9).await, &[b"elsewhere".to_vec()]);
            assert_eq!((to_client.peer_addr().unwrap(), to_client.stats().roamed), (moved, round));
        }
    });
}
