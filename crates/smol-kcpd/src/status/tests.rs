//! What is written of a process that never was: docs/status.md shows both, and this is what keeps it true.

use std::time::Duration;

use smol_kcp::secure::SecureStats;
use smol_kcp::{EndpointStats, Phase, StreamState, StreamStats, WaitsFor};

use super::*;
use crate::udp_stats::UdpStats;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tunnel(name: &str, is_client: bool) -> TunnelStatus {
    TunnelStatus {
        name: name.into(),
        is_client,
        state: State::Idle,
        problems: Vec::new(),
        listen: Some("127.0.0.1:2222".into()),
        remote: Some("router.example:29900".into()),
        udp: None,
        carrier: "kcp",
        is_encrypted: true,
        protection: "encrypted".into(),
        max_connections: 512,
        stats: TunnelStats::default(),
        channels: None,
        peers: Vec::new(),
        peers_total: 0,
        streams: Vec::new(),
        streams_total: 0,
    }
}

fn stream() -> StreamStats {
    let mut stats = StreamStats::default();
    stats.state = StreamState::Established;
    stats.waits_for = WaitsFor::Path;
    (stats.bytes_sent, stats.bytes_acked, stats.bytes_received) = (1_200_000, 1_100_000, 34_000);
    (stats.segments_sent, stats.fast_retransmits, stats.timeout_retransmits) = (900, 11, 1);
    (stats.in_flight, stats.send_queue, stats.receive_queue) = (70, 3, 512);
    stats.srtt = Duration::from_millis(61);
    let path = &mut stats.path;
    path.phase = Some(Phase::Cruise);
    (path.bandwidth, path.pace, path.loss_ppm) = (1_250_000, 1_300_000, 10_000);
    (path.min_rtt_ms, path.queue_ms, path.mtu) = (40, 21, 1400);
    (path.acked_bytes, path.lost_bytes, path.arrived, path.missing) = (990_000, 10_000, 999, 1);
    (path.in_flight, path.window) = (98_000, 120_000);
    stats
}

fn endpoint() -> EndpointStats {
    let mut endpoint = EndpointStats::default();
    (endpoint.bytes_sent, endpoint.bytes_received) = (1_300_000, 70_000);
    (endpoint.datagrams_sent, endpoint.datagrams_received) = (1000, 950);
    (endpoint.transmit_dropped, endpoint.receive_dropped, endpoint.malformed) = (1, 2, 4);
    (endpoint.refused, endpoint.moved) = (5, 1);
    endpoint
}

fn example() -> ProcessStatus {
    let mut near = tunnel("ssh", true);
    near.state = State::Up;
    let mut udp = UdpStats::default();
    (udp.open, udp.opened, udp.failed, udp.dropped) = (1, 3, 1, [4, 2, 1, 0, 0]);
    (udp.sent, udp.sent_bytes, udp.received, udp.received_bytes) = (800, 96_000, 700, 810_000);
    near.stats = TunnelStats { open: 2, opened: 12, failed: 2, udp, endpoint: endpoint() };
    near.udp = Some(("127.0.0.1:51820".into(), 256));
    let mut channels = SecureStats::default();
    (channels.handshakes, channels.replayed, channels.replayed_initiations) = (3, 1, 1);
    near.channels = Some(channels);
    near.peers.push(PeerStatus {
        name: None,
        addr: Some("203.0.113.5:29900".parse().unwrap()),
        streams: 1,
        waiting: [1, 0, 0, 0],
        stats: stream(),
    });
    near.streams.push((0xabc, stream()));
    (near.peers_total, near.streams_total) = (1, 1);

    let mut far = tunnel("web", false);
    far.state = State::Degraded;
    (far.listen, far.remote) = (Some("[::]:29901".into()), Some("[::1]:80".into()));
    far.protection = "encrypted for 2 clients".into();
    let refused = "target [::1]:80: Connection refused (os error 111)";
    far.problems.push((Concern::Target, seconds(187), refused.into()));
    far.peers.push(PeerStatus {
        name: Some("alice".into()),
        addr: Some("[2001:db8::7]:40000".parse().unwrap()),
        streams: 3,
        waiting: [0, 0, 1, 2],
        stats: StreamStats::default(),
    });
    (far.peers_total, far.streams_total) = (1, 3);
    ProcessStatus {
        pid: 4711,
        uptime: seconds(11_520),
        log_level: log::LevelFilter::Info,
        memory_used: 4_100_000,
        memory_budget: 128_000_000,
        tunnels: vec![near, far],
    }
}

/// The block of the document behind these words.
fn document(language: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/status.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, block) = text.split_once(&format!("```{language}\n")).unwrap();
    // Its version may be that of the last release.
    block.split_once("```").unwrap().0.replace("0.1.0", env!("CARGO_PKG_VERSION"))
}

#[test]
fn the_json_is_that_of_the_document() {
    let document = document("json");
    let lines: String = document.lines().map(str::trim_start).collect();
    let written = as_json(&example());
    assert_eq!(format!("{{\"schema\":1,\"processes\":[{written}]}}"), lines, "\n{written}");
}

#[test]
fn the_table_is_that_of_the_document_and_as_wide_as_a_terminal() {
    let written = as_table(&example());
    assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
    assert_eq!(written, document("text"));
}

#[test]
fn the_longest_names_fit_too() {
    let mut status = example();
    let tunnel = &mut status.tunnels[1];
    tunnel.name = "n".repeat(64);
    tunnel.remote = Some(format!("{}:65535", "h".repeat(253)));
    tunnel.protection = format!("as kcptun: {}", "x".repeat(90));
    tunnel.peers[0].name = Some("p".repeat(64).into());
    let ip = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535".parse();
    tunnel.peers[0].addr = Some(ip.unwrap());
    tunnel.peers[0].streams = 1_048_576;
    let stats = &mut tunnel.peers[0].stats;
    stats.delivery_rate = u64::from(u32::MAX);
    stats.srtt = seconds(60);
    let (path, share) = (&mut stats.path, u64::from(u32::MAX));
    (path.lost_bytes, path.missing, path.mtu) = (share, share, 65_507);
    let written = as_table(&status);
    assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
}

/// The families of a text of metrics.
#[cfg(feature = "metrics")]
fn families(text: &str) -> Vec<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE smol_kcpd_"));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[cfg(feature = "metrics")]
#[test]
fn every_metric_is_in_the_document_and_the_dashboard_uses_no_other() {
    let written = as_metrics(&example());
    let families = families(&written);
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let read = |name: &str| std::fs::read_to_string(format!("{tree}{name}")).unwrap();
    let document = read("status.md");
    for family in &families {
        assert!(document.contains(&format!("`{family}`")), "{family}");
    }
    let dashboard = read("grafana.json");
    let mut used = 0;
    for (at, _) in dashboard.match_indices("smol_kcpd_") {
        let name = dashboard[at + "smol_kcpd_".len()..]
            .split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let name = name.into_iter().next().unwrap();
        assert!(families.contains(&name), "{name}");
        used += 1;
    }
    assert!(used > 10, "{used}");
}

#[cfg(feature = "metrics")]
#[test]
fn samples_have_base_units_and_their_labels() {
    let written = as_metrics(&example());
    for line in [
        "smol_kcpd_uptime_seconds 11520.000",
        "smol_kcpd_tunnel_state{tunnel=\"web\",role=\"server\",state=\"degraded\"} 1",
        "smol_kcpd_tunnel_up{tunnel=\"web\",role=\"server\"} 0",
        "smol_kcpd_sent_bytes_total{tunnel=\"ssh\",role=\"client\"} 1300000",
        "smol_kcpd_udp_sources{tunnel=\"ssh\",role=\"client\"} 1",
        "smol_kcpd_udp_sources_limit{tunnel=\"ssh\",role=\"client\"} 256",
        "smol_kcpd_udp_received_bytes_total{tunnel=\"ssh\",role=\"client\"} 810000",
        "smol_kcpd_udp_dropped_datagrams_total{tunnel=\"ssh\",role=\"client\",reason=\"length\"} 2",
        "smol_kcpd_peer_rtt_seconds{tunnel=\"ssh\",role=\"client\",peer=\"\",address=\"203.0.113.5:29900\"} 0.061",
        "smol_kcpd_peer_streams{tunnel=\"web\",role=\"server\",peer=\"alice\",address=\"[2001:db8::7]:40000\"} 3",
    ] {
        assert!(written.lines().any(|written| written == line), "{line}\n{written}");
    }
    assert!(!written.contains("udp_sources{tunnel=\"web\""), "it carries none: {written}");
}
