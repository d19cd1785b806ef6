//! The status as JSON: docs/status.md describes it.

use smol_kcp::StreamStats;

use super::{ProcessStatus, TunnelStatus};
use crate::figures::{path_rate, phase, queue, reason, REASONS};
use crate::json::Json;
use crate::peers::PeerStatus;

/// Writes what a process does as an object on one line.
pub(crate) fn as_json(status: &ProcessStatus) -> String {
    let mut json = Json::default();
    json.open("", '{');
    json.string("version", Some(env!("CARGO_PKG_VERSION")));
    json.number("pid", status.pid.into());
    json.number("uptime_ms", millis(status.uptime));
    json.string("log_level", Some(&status.log_level.to_string().to_lowercase()));
    json.open("memory", '{');
    json.numbers(&[("used", status.memory_used as u64), ("budget", status.memory_budget as u64)]);
    json.close('}');
    json.open("tunnels", '[');
    for tunnel in &status.tunnels {
        push_tunnel(&mut json, tunnel);
    }
    json.close(']');
    json.close('}');
    json.text
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn push_tunnel(json: &mut Json, tunnel: &TunnelStatus) {
    json.open("", '{');
    json.string("name", Some(&tunnel.name));
    json.string("role", Some(if tunnel.is_client { "client" } else { "server" }));
    json.string("state", Some(tunnel.state.name()));
    json.open("problems", '[');
    for (concern, time, why) in &tunnel.problems {
        json.open("", '{');
        json.string("about", Some(concern.name()));
        json.number("for_ms", millis(*time));
        json.string("why", Some(why));
        json.close('}');
    }
    json.close(']');
    json.string("listen", Some(&tunnel.listen));
    json.string(if tunnel.is_client { "server" } else { "target" }, Some(&tunnel.remote));
    json.string("carrier", Some(tunnel.carrier));
    json.boolean("encrypted", tunnel.is_encrypted);
    json.string("protection", Some(&tunnel.protection));
    let stats = &tunnel.stats;
    json.open("connections", '{');
    json.numbers(&[
        ("open", stats.open as u64),
        ("max", tunnel.max_connections as u64),
        ("opened", stats.opened),
        ("failed", stats.failed),
    ]);
    json.close('}');
    let endpoint = &stats.endpoint;
    json.open("totals", '{');
    json.numbers(&[
        ("bytes_sent", endpoint.bytes_sent),
        ("bytes_received", endpoint.bytes_received),
        ("datagrams_sent", endpoint.datagrams_sent),
        ("datagrams_received", endpoint.datagrams_received),
        ("dropped", endpoint.transmit_dropped.saturating_add(endpoint.receive_dropped)),
        ("malformed", endpoint.malformed),
        ("unknown", endpoint.unknown),
        ("refused", endpoint.refused),
        ("evicted", endpoint.evicted),
        ("stalled", endpoint.stalled),
        ("moved", endpoint.moved),
        ("transport_errors", endpoint.transport_errors),
    ]);
    json.close('}');
    if let Some(channels) = &tunnel.channels {
        json.open("channels", '{');
        json.numbers(&[
            ("handshakes", channels.handshakes),
            ("unanswered", channels.unanswered),
            ("refused", channels.refused),
            ("strangers", channels.strangers),
            ("forged", channels.forged),
            ("replayed", channels.replayed.saturating_add(channels.replayed_initiations)),
            ("over_limit", channels.over_limit),
        ]);
        json.close('}');
    }
    json.number("peers_total", tunnel.peers_total as u64);
    json.open("peers", '[');
    for peer in &tunnel.peers {
        push_peer(json, peer);
    }
    json.close(']');
    json.number("streams_total", tunnel.streams_total as u64);
    json.open("streams", '[');
    for (conv, stats) in &tunnel.streams {
        push_stream(json, *conv, stats);
    }
    json.close(']');
    json.close('}');
}

fn push_peer(json: &mut Json, peer: &PeerStatus) {
    let (stats, path) = (&peer.stats, &peer.stats.path);
    let (min_rtt, queue) = queue(stats);
    json.open("", '{');
    json.string("name", peer.name.as_deref());
    json.string("address", peer.addr.map(|addr| addr.to_string()).as_deref());
    json.number("streams", peer.streams as u64);
    json.open("waiting_for", '{');
    for (reason, count) in REASONS.iter().zip(peer.waiting) {
        json.number(reason, count as u64);
    }
    json.close('}');
    json.string("phase", Some(&phase(path.phase)));
    json.numbers(&[
        ("rate_bps", path_rate(stats).saturating_mul(8)),
        ("pace_bps", path.pace.saturating_mul(8)),
        ("rtt_ms", millis(stats.srtt)),
        ("min_rtt_ms", min_rtt.into()),
        ("queue_ms", queue.into()),
        ("loss_ppm", path.loss_ppm.into()),
        ("acked_bytes", path.acked_bytes),
        ("lost_bytes", path.lost_bytes),
        ("arrived", path.arrived),
        ("missing", path.missing),
        ("in_flight_bytes", path.in_flight),
        ("window_bytes", path.window),
        ("mtu", path.mtu as u64),
    ]);
    json.close('}');
}

fn push_stream(json: &mut Json, conv: u32, stats: &StreamStats) {
    json.open("", '{');
    json.number("conv", conv.into());
    json.string("state", Some(&format!("{:?}", stats.state).to_lowercase()));
    json.string("waits_for", Some(reason(stats.waits_for)));
    json.numbers(&[
        ("bytes_sent", stats.bytes_sent),
        ("bytes_acked", stats.bytes_acked),
        ("bytes_received", stats.bytes_received),
        ("segments_sent", stats.segments_sent),
        ("retransmits", stats.timeout_retransmits.saturating_add(stats.fast_retransmits)),
        ("rtt_ms", millis(stats.srtt)),
        ("in_flight", stats.in_flight as u64),
        ("send_queue", stats.send_queue as u64),
        ("receive_queue_bytes", stats.receive_queue as u64),
    ]);
    json.close('}');
}
