//! Addresses that change under a conversation.

mod common;

use std::net::UdpSocket;

use common::relay::Relay;
use common::{pattern, read_pattern, run, stream, until, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpListener, KcpStream, UdpTransport};

const MIB: usize = 1024 * 1024;

/// Room for many round trips within one transfer.
fn narrow() -> KcpConfig {
    stream().with_wnd_size((32, 128)).with_send_budget(64 * 1024)
}

#[test]
fn a_nat_that_forgets_in_mid_transfer_interrupts_neither_direction() {
    run(async {
        let listener = KcpListener::bind(narrow(), ANY).await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap());
        let client = KcpStream::connect(&narrow(), relay.addr).await.unwrap();
        let (server, before) = listener.accept().await.unwrap();
        let ((mut from_server, mut to_server), (mut from_client, mut to_client)) =
            (client.into_split(), server.into_split());
        let upward = async {
            for part in pattern(MIB).chunks(1000) {
                to_server.write_all(part).await.unwrap();
                if to_server.stats().bytes_sent == 500_000 {
                    relay.rebind();
                }
            }
            to_server.close().await.unwrap();
        };
        let downward = async {
            to_client.write_all(&pattern(MIB)).await.unwrap();
            to_client.close().await.unwrap();
        };
        let reading = future::zip(read_pattern(&mut from_client), read_pattern(&mut from_server));
        let (_, lengths) = future::zip(future::zip(upward, downward), reading).await;
        assert_eq!(lengths, (MIB as u64, MIB as u64));
        assert_eq!(from_client.stats().roamed, 1);
        assert_ne!(from_client.peer_addr().unwrap(), before);
        assert_eq!(from_server.stats().roamed, 0);
    });
}

#[test]
fn a_client_whose_port_is_dead_takes_another_by_itself() {
    run(async {
        let listener = KcpListener::bind(narrow(), ANY).await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap());
        let mut client = KcpStream::connect(&narrow(), relay.addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let port = client.local_addr().unwrap().port();
        client.write_all(&pattern(1000)).await.unwrap();
        server.read_exact(&mut [0; 1000]).await.unwrap();

        relay.deafen();
        let writing = async {
            client.write_all(&pattern(MIB)).await.unwrap();
            client.close().await.unwrap();
        };
        let (_, len) = future::zip(writing, read_pattern(&mut server)).await;
        assert_eq!(len, MIB as u64);
        assert_ne!(client.local_addr().unwrap().port(), port);
        assert_eq!(server.stats().roamed, 1);
        server.write_all(b"back").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
    });
}

#[test]
fn an_endpoint_tells_how_long_it_has_looked_for_an_answer() {
    run(async {
        let listener = KcpListener::bind(narrow(), ANY).await.unwrap();
        let relay = Relay::to(listener.local_addr().unwrap());
        let transport = UdpTransport::connect(&narrow(), relay.addr).unwrap();
        let (endpoint, driver) = KcpEndpoint::with_driver(narrow(), transport).unwrap();
        let _driver = smol::spawn(driver);
        let mut client = endpoint.connect(relay.addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        assert_eq!(endpoint.silent_for(), None);

        relay.silence();
        client.write_all(b"?").await.unwrap();
        until(|| endpoint.silent_for().is_some()).await;
        let first = endpoint.silent_for();
        until(|| endpoint.silent_for() > first).await;
        relay.resume();
        server.read_exact(&mut [0]).await.unwrap();
        server.write_all(b"!").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        assert_eq!(endpoint.silent_for(), None);
    });
}

/// A segment of the conversation `conv` as the client could send it next.
fn segment(conv: u32, cmd: u8, frg: u8, sn: u32, una: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = conv.to_le_bytes().to_vec();
    segment.extend([cmd, frg]);
    segment.extend(128u16.to_le_bytes());
    for word in [7, sn, una, payload.len() as u32] {
        segment.extend(word.to_le_bytes());
    }
    segment.extend(payload);
    segment
}

#[test]
fn a_spoofed_datagram_from_elsewhere_moves_nothing() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = KcpStream::connect(&stream(), addr).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        client.write_all(b"one").await.unwrap();
        server.read_exact(&mut [0; 3]).await.unwrap();

        // The conversation's number, the next segment, a plausible `una`; and a forged answer to a
        // question that this address has not seen.
        let spoofer = UdpSocket::bind(ANY).unwrap();
        spoofer.set_nonblocking(true).unwrap();
        let conv = client.conv();
        let before = listener.stats().datagrams_received;
        let forged = [
            segment(conv, 81, 0, 1, 0, b"two, but forged"),
            segment(conv, 84, 0, 12345, 0, b""),
            segment(conv, 83, 4, 1, 0, b""),
            segment(conv, 83, 2, 1, 0, b""),
            segment(conv, 84, 3, 0, 0, b""),
        ];
        for datagram in &forged {
            spoofer.send_to(datagram, addr).unwrap();
        }
        until(|| listener.stats().datagrams_received >= before + forged.len() as u64).await;

        // It gets what anybody gets who takes an unknown number: resets and a question for a proof, none
        // longer than what provoked it.
        let mut asked = Vec::new();
        let mut buf = [0; 2048];
        until(|| {
            asked.extend(spoofer.recv(&mut buf));
            !asked.is_empty()
        })
        .await;
        asked.extend(std::iter::from_fn(|| spoofer.recv(&mut buf).ok()));
        assert!(asked.len() <= forged.len() && asked.iter().all(|&len| len == 24), "{asked:?}");

        for word in [b"two", b"six"] {
            client.write_all(word).await.unwrap();
            let mut heard = [0; 3];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, word);
            server.write_all(word).await.unwrap();
            client.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, word);
        }
        assert_eq!(server.peer_addr().unwrap(), peer);
        assert_eq!(server.stats().roamed, 0);
        assert_eq!(listener.stats().accepted, 1);
        let nothing_more = future::poll_once(server.read(&mut buf)).await;
        assert!(nothing_more.is_none());
        assert!(spoofer.recv(&mut buf).is_err(), "nothing else went there");
    });
}
