//! Statistics, captures and bad networks tell and do what they are to.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{chat, ms, pattern, read_pattern, run, stream, until, ANY};
use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{
    KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream, LinkConfig, MemoryTransport,
    NetemConfig, Probability, StreamStats,
};

#[test]
fn statistics_tell_the_truth() {
    const LEN: usize = 123_456;
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let endpoint = KcpEndpoint::bind(stream(), ANY).await.unwrap();
        let mut client = endpoint.connect_with_conv(4711, addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let writing = async {
            client.write_all(&pattern(LEN)).await.unwrap();
            client.close().await.unwrap();
        };
        future::zip(writing, read_pattern(&mut server)).await;

        let (here, there) = (client.stats(), server.stats());
        assert_eq!((here.bytes_sent, here.bytes_received), (LEN as u64, 0));
        assert_eq!((there.bytes_sent, there.bytes_received), (0, LEN as u64));
        assert_eq!((here.in_flight, here.send_queue, there.receive_queue), (0, 0, 0));
        let mss = stream().mtu - 24;
        assert!(here.segments_sent >= LEN.div_ceil(mss) as u64, "{here:?}");
        assert!(here.wire_bytes_sent > LEN as u64);
        // The send window may have grown with what the path holds.
        assert!(here.send_window >= 512 && here.receive_window == 512, "{here:?}");
        assert!(here.rto >= here.srtt && here.rto > ms(0), "{here:?}");
        // A segment that was sent again in vain is acknowledged twice; nothing else is amiss.
        let amiss = |stats: &StreamStats| stats.rejected.total() - stats.rejected.ack;
        assert_eq!((amiss(&here), amiss(&there)), (0, 0), "{here:?} {there:?}");

        for (endpoint, conv_peer, stats) in [
            (endpoint.clone(), addr, here),
            (listener.endpoint(), endpoint.local_addr().unwrap(), there),
        ] {
            let sessions = endpoint.sessions();
            assert_eq!(sessions.len(), 1);
            assert_eq!((sessions[0].conv, sessions[0].peer), (4711, conv_peer));
            assert_eq!(sessions[0].stats.bytes_sent, stats.bytes_sent);
            assert_eq!(sessions[0].stats.bytes_received, stats.bytes_received);
            let whole = endpoint.stats();
            assert_eq!((whole.sessions, whole.unconfirmed, whole.time_wait), (1, 0, 0));
            assert!(whole.driver_polls > 0 && whole.driver_arrivals > 0);
            assert!(whole.send_buffer > 0 && whole.recv_buffer > 0, "{whole:?}");
            assert_eq!((whole.malformed, whole.unknown, whole.resets_sent), (0, 0, 0));
            assert_eq!((whole.transmit_dropped, whole.receive_dropped), (0, 0));
        }
        assert_eq!((endpoint.stats().connected, endpoint.stats().accepted), (1, 0));
        assert_eq!((listener.stats().connected, listener.stats().accepted), (0, 1));

        drop((client, server));
        let (here, there) = (|| endpoint.stats(), || listener.stats());
        until(|| here().sessions == 0 && there().sessions == 0).await;
        assert!(endpoint.sessions().is_empty());
        assert_eq!((here().time_wait, there().time_wait), (1, 1));
        // What one has sent, the other has received.
        until(|| here().datagrams_sent == there().datagrams_received).await;
        until(|| there().datagrams_sent == here().datagrams_received).await;
        assert_eq!(here().bytes_sent, there().bytes_received);
        assert_eq!(there().bytes_sent, here().bytes_received);
    });
}

#[test]
fn what_a_transport_drops_is_counted() {
    run(async {
        let (here, _there) = MemoryTransport::pair();
        let (endpoint, driver) = KcpEndpoint::with_driver(stream(), here).unwrap();
        let _driving = smol::spawn(driver);
        let nobody = endpoint.connect("192.0.2.9:9");
        let waiting = future::or(async { drop(nobody.await) }, async {
            until(|| endpoint.stats().receive_dropped > 0).await;
        });
        waiting.await;
        assert_eq!((endpoint.stats().send_buffer, endpoint.stats().recv_buffer), (0, 0));
    });
}

/// A datagram of a capture: source and destination port, and the payload.
type Record = (u16, u16, Vec<u8>);

/// The records of a capture of IPv4 datagrams; a part of one at the end fails.
fn records(file: &[u8]) -> Vec<Record> {
    assert_eq!(file[..4], 0xa1b2_c3d4u32.to_le_bytes(), "the magic number");
    assert_eq!(file[20..24], 101u32.to_le_bytes(), "LINKTYPE_RAW");
    let (mut rest, mut records) = (&file[24..], Vec::new());
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (len, original) = (word(8), word(12));
        assert_eq!(len, original, "nothing is cut");
        let packet = &rest[16..16 + len];
        assert_eq!((packet[0], packet[9]), (0x45, 17), "IPv4 and UDP");
        let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        records.push((port(20), port(22), packet[28..].to_vec()));
        rest = &rest[16 + len..];
    }
    records
}

/// A file for this run.
fn capture(name: &str) -> PathBuf {
    let name = format!("{name}-{}.pcap", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_capture_can_be_read_while_the_endpoint_lives() {
    let path = capture("alive");
    let config = KcpConfig { pcap: Some(path.clone()), ..stream() };
    run(async {
        let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
        let endpoint = KcpEndpoint::bind(config, ANY).await.unwrap();
        let mut client = endpoint.connect(addr).await.unwrap();
        chat(&mut client, b"a word to be found").await;
        let count =
            || (endpoint.stats().datagrams_sent + endpoint.stats().datagrams_received) as usize;
        let read = || records(&std::fs::read(&path).unwrap());
        until(|| read().len() == count()).await;

        let (here, there) = (endpoint.local_addr().unwrap().port(), addr.port());
        let records = read();
        assert!(records.iter().all(|r| [(here, there), (there, here)].contains(&(r.0, r.1))));
        let conv = client.conv().to_le_bytes();
        assert!(records.iter().all(|(_, _, payload)| payload[..4] == conv));
        assert_eq!((records[0].0, records[0].2[4..6].to_vec()), (here, vec![83, 1]), "HELLO");
        let found = |from: u16| {
            let from_there = |r: &&Record| r.0 == from;
            let says = |r: &Record| r.2.windows(18).any(|part| part == b"a word to be found");
            records.iter().filter(from_there).any(says)
        };
        assert!(found(here) && found(there));
    });
    std::fs::remove_file(path).unwrap();
}

/// The part of the next test that runs in a process of its own.
const CHILD: &str = "SMOL_KCP_TEST_CAPTURE";

#[test]
fn a_capture_is_whole_after_a_process_that_just_exits() {
    if let Ok(path) = std::env::var(CHILD) {
        let config = KcpConfig { pcap: Some(path.into()), ..stream() };
        run(async {
            let addr = common::echo(KcpListener::bind(stream(), ANY).await.unwrap());
            let mut client = KcpStream::connect(&config, addr).await.unwrap();
            chat(&mut client, b"the last word").await;
            std::process::exit(0);
        });
    }
    let path = capture("exit");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_capture_is_whole_after_a_process_that_just_exits"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let records = records(&std::fs::read(&path).unwrap());
    let words = records.iter().filter(|r| r.2.windows(13).any(|part| part == b"the last word"));
    assert!(words.count() >= 2, "there and back");
    std::fs::remove_file(path).unwrap();
}

fn netem(send: LinkConfig, receive: LinkConfig) -> KcpConfig {
    KcpConfig { netem: Some(NetemConfig { seed: 3, send, receive }), ..stream() }
}

fn perfect() -> LinkConfig {
    LinkConfig::default()
}

fn dead() -> LinkConfig {
    LinkConfig { loss: Probability::ALWAYS, ..perfect() }
}

#[test]
fn each_direction_has_conditions_of_its_own() {
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let path = capture("lost");
        let mute = KcpConfig {
            connect_timeout: Some(ms(300)),
            pcap: Some(path.clone()),
            ..netem(dead(), perfect())
        };
        let connected = KcpStream::connect(&mute, addr).await;
        assert!(matches!(connected, Err(KcpError::TimedOut)), "{connected:?}");
        assert_eq!(listener.stats().datagrams_received, 0);
        // The capture shows what was sent, although it was lost.
        until(|| !records(&std::fs::read(&path).unwrap()).is_empty()).await;
        std::fs::remove_file(path).unwrap();

        let deaf = netem(perfect(), dead()).with_connect_timeout(Some(ms(300)));
        let connected = KcpStream::connect(&deaf, addr).await;
        assert!(matches!(connected, Err(KcpError::TimedOut)), "{connected:?}");
        until(|| listener.stats().datagrams_received > 0).await; // it was heard
        assert_eq!(listener.stats().accepted, 0, "who hears nothing proves nothing");
    });
}

#[test]
fn delays_of_both_directions_add_up_and_copies_are_told() {
    let slow = LinkConfig { delay: ms(40), duplicate: Probability::ALWAYS, ..perfect() };
    run(async {
        let listener = KcpListener::bind(stream(), ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = KcpStream::connect(&netem(slow.clone(), slow), addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let began = common::now();
        client.write_all(b"hello").await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
        server.write_all(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        assert!(began.elapsed() >= ms(80), "{:?}", began.elapsed());
        assert!(client.stats().srtt >= ms(75), "{:?}", client.stats().srtt);
        assert!(server.stats().duplicates > 0);
        client.write_all(&pattern(20_000)).await.unwrap();
        drop(client);
        assert_eq!(read_pattern(&mut server).await, 20_000, "what netem holds still leaves");
    });
}

#[test]
fn the_driver_says_why_it_had_a_turn() {
    run(async {
        // Nobody answers there: HELLO is repeated when it is due, and nothing arrives.
        let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let config = KcpConfig { connect_timeout: Some(ms(600)), ..stream() };
        let endpoint = KcpEndpoint::bind(config, ANY).await.unwrap();
        let failed = endpoint.connect(deaf.local_addr().unwrap()).await.unwrap_err();
        assert!(matches!(failed, KcpError::TimedOut), "{failed}");
        let stats = endpoint.stats();
        assert_eq!(stats.driver_arrivals, 0);
        assert!(stats.driver_deadlines >= 2, "{stats:?}");
    });
}
