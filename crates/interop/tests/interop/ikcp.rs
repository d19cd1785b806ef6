//! ikcp.c at the other end of a real socket.

use std::time::Duration;

use futures_lite::future::zip;
use smol_kcp::{KcpConfig, KcpListener, KcpStream};

use crate::ikcp_peer::{Event, Ikcp, Manner};
use crate::support::{assert_same, config, lossy, messages, pattern, run_with_each_engine};
use crate::talk::{hear, say_all};

/// Bytes of a full segment at the MTU of both sides.
const MSS: usize = 1376;

/// Ours and an ikcp.c that are connected, whoever began.
async fn connected(ours: &KcpConfig, we_open: bool, manner: Manner) -> (KcpStream, Ikcp) {
    if we_open {
        let ikcp = Ikcp::listen(manner);
        return (KcpStream::connect(ours, ikcp.addr).await.unwrap(), ikcp);
    }
    assert!(!manner.says.is_empty(), "who opens speaks first");
    let listener = KcpListener::bind(ours.clone(), "127.0.0.1:0").await.unwrap();
    let ikcp = Ikcp::connect(0x1234_5678, listener.local_addr().unwrap(), manner);
    let (stream, peer) = listener.accept().await.unwrap();
    assert_eq!((stream.conv(), peer), (0x1234_5678, ikcp.addr));
    (stream, ikcp)
}

/// Both say `parts` at the same time, then our side closes.
async fn exchange(ours: &KcpConfig, we_open: bool, parts: Vec<Vec<u8>>) {
    let total = parts.iter().map(Vec::len).sum();
    let manner = Manner { stream: ours.stream, says: parts.clone(), ..Manner::default() };
    let (stream, ikcp) = connected(ours, we_open, manner).await;
    let (mut reader, mut writer) = stream.into_split();
    let saying = async {
        say_all(&mut writer, &parts).await;
        writer.close().await.unwrap();
    };
    let hearing = zip(hear(&mut reader, ours.stream, total), ikcp.hears(total));
    let ((ours_got, theirs_got), ()) = zip(hearing, saying).await;
    assert_same(ours.stream, &ours_got, &parts);
    assert_same(ours.stream, &theirs_got, &parts);
    ikcp.stop();
}

/// Messages of all sizes, to the longest that there is.
fn all_sizes() -> Vec<Vec<u8>> {
    let mut parts = messages(5, 100_000);
    parts.push(pattern(6, 127 * MSS));
    parts.push(pattern(7, 1));
    parts.push(pattern(8, 127 * MSS));
    parts
}

#[test]
fn ikcp_opens_a_stream() {
    run_with_each_engine(|| async {
        for loss in [0, 10] {
            exchange(&lossy(config(true), loss, 21), false, messages(9, 300_000)).await;
        }
    });
}

#[test]
fn ikcp_opens_and_sends_messages() {
    run_with_each_engine(|| async {
        for loss in [0, 10] {
            exchange(&lossy(config(false), loss, 22), false, all_sizes()).await;
        }
    });
}

#[test]
fn we_open_a_stream_to_ikcp() {
    run_with_each_engine(|| async {
        for loss in [0, 10] {
            exchange(&lossy(config(true), loss, 23), true, messages(9, 300_000)).await;
        }
    });
}

#[test]
fn we_open_and_send_messages_to_ikcp() {
    run_with_each_engine(|| async {
        for loss in [0, 10] {
            exchange(&lossy(config(false), loss, 24), true, all_sizes()).await;
        }
    });
}

#[test]
fn ikcp_may_stop_reading_for_longer_than_a_dead_link_and_then_go_on() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            let ours = KcpConfig { stall_timeout: Duration::from_millis(600), ..config(stream) };
            let manner = Manner { stream, paused: true, ..Manner::default() };
            let (stream, ikcp) = connected(&ours, true, manner).await;
            let (_reader, mut writer) = stream.into_split();
            let parts = messages(31, 700_000);
            let sending = async {
                ikcp.sees(|event| matches!(event, Event::OwnWindowClosed)).await;
                // Asked at most every third of a dead link.
                for _ in 0..5 {
                    ikcp.sees(|event| matches!(event, Event::Asked)).await;
                }
                ikcp.read();
                ikcp.hears(700_000).await
            };
            let saying = async {
                say_all(&mut writer, &parts).await;
                writer.close().await.unwrap();
            };
            let (got, ()) = zip(sending, saying).await;
            assert_same(ours.stream, &got, &parts);
            ikcp.stop();
        }
    });
}

#[test]
fn ikcp_waits_for_our_slow_reader_and_is_told_when_to_go_on() {
    run_with_each_engine(|| async {
        for stream in [true, false] {
            let parts = messages(32, 700_000);
            let ours = KcpConfig { recv_budget: 64 * 1024, ..config(stream) };
            let manner = Manner { stream, says: parts.clone(), ..Manner::default() };
            let (stream, ikcp) = connected(&ours, false, manner).await;
            ikcp.sees(|event| matches!(event, Event::PeerWindowClosed)).await;
            let held = stream.stats();
            assert!(held.receive_queue < 64 * 1024 + 30_000, "{held:?}");
            let (mut reader, _writer) = stream.into_split();
            let got = hear(&mut reader, ours.stream, 700_000).await;
            assert_same(ours.stream, &got, &parts);
            let report = ikcp.stop();
            assert_eq!(report.probes, 0, "it need not have asked");
        }
    });
}
