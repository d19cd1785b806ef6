//! The status as JSON: docs/status.md describes it.

use smol_kcp::StreamStats;

use super::{ProcessStatus, TunnelStatus};
use crate::figures::{path_rate, phase, queue, reason, REASONS};
use crate::json::Json;
use crate::peers::PeerStatus;
use crate::udp_stats::Dropped;

/// Writes what a process does as an object on one line.
pub(crate) fn as_json(status: &ProcessStatus) -> String {
    let mut json = Json::default();
    json.open("", '{');
    json.string("version", Some(env!("CARGO_PKG_VERSION")));
    json.number("pid", status.pid.into());
    json.number("uptime_ms", millis(status.uptime));
    json.string("log_level", Some(&status.log_level.to_string().to_lowercase()));
    json.open("memory", '{');
    json.numbers("used budget", &[status.memory_used as u64, status.memory_budget as u64]);
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
    json.string("listen", tunnel.listen.as_deref());
    json.string(if tunnel.is_client { "server" } else { "target" }, tunnel.remote.as_deref());
    json.string("carrier", Some(tunnel.carrier));
    json.boolean("encrypted", tunnel.is_encrypted);
    json.string("protection", Some(&tunnel.protection));
    let stats = &tunnel.stats;
    let (open, max) = (stats.open, tunnel.max_connections);
    push_places(json, "connections", open, max, [stats.opened, stats.failed]);
    if let Some((at, max)) = &tunnel.udp {
        let udp = &stats.udp;
        json.open("udp", '{');
        json.string("at", Some(at));
        json.numbers(
            "dropped bytes_sent bytes_received datagrams_sent datagrams_received",
            &[udp.dropped_total(), udp.sent_bytes, udp.received_bytes, udp.sent, udp.received],
        );
        push_places(json, "sources", udp.open, *max, [udp.opened, udp.failed]);
        json.open("dropped_for", '{');
        Dropped::NAMES.iter().zip(udp.dropped).for_each(|(why, count)| json.number(why, count));
        json.close('}');
        json.close('}');
    }
    let endpoint = &stats.endpoint;
    json.open("totals", '{');
    json.numbers(
        "bytes_sent bytes_received datagrams_sent datagrams_received dropped malformed \
         unknown refused evicted stalled moved transport_errors",
        &[
            endpoint.bytes_sent,
            endpoint.bytes_received,
            endpoint.datagrams_sent,
            endpoint.datagrams_received,
            endpoint.transmit_dropped.saturating_add(endpoint.receive_dropped),
            endpoint.malformed,
            endpoint.unknown,
            endpoint.refused,
            endpoint.evicted,
            endpoint.stalled,
            endpoint.moved,
            endpoint.transport_errors,
        ],
    );
    json.close('}');
    if let Some(channels) = &tunnel.channels {
        json.open("channels", '{');
        json.numbers(
            "handshakes unanswered refused strangers forged replayed over_limit",
            &[
                channels.handshakes,
                channels.unanswered,
                channels.refused,
                channels.strangers,
                channels.forged,
                channels.replayed.saturating_add(channels.replayed_initiations),
                channels.over_limit,
            ],
        );
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

fn push_places(json: &mut Json, key: &str, open: usize, max: usize, ever: [u64; 2]) {
    json.open(key, '{');
    json.numbers("open max opened failed", &[open as u64, max as u64, ever[0], ever[1]]);
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
    json.numbers(
        "rate_bps pace_bps rtt_ms min_rtt_ms queue_ms loss_ppm acked_bytes lost_bytes arrived \
         missing in_flight_bytes window_bytes mtu",
        &[
            path_rate(stats).saturating_mul(8),
            path.pace.saturating_mul(8),
            millis(stats.srtt),
            min_rtt.into(),
            queue.into(),
            path.loss_ppm.into(),
            path.acked_bytes,
            path.lost_bytes,
            path.arrived,
            path.missing,
            path.in_flight,
            path.window,
            path.mtu as u64,
        ],
    );
    json.close('}');
}

fn push_stream(json: &mut Json, conv: u32, stats: &StreamStats) {
    json.open("", '{');
    json.number("conv", conv.into());
    json.string("state", Some(&format!("{:?}", stats.state).to_lowercase()));
    json.string("waits_for", Some(reason(stats.waits_for)));
    json.numbers(
        "bytes_sent bytes_acked bytes_received segments_sent retransmits rtt_ms in_flight \
         send_queue receive_queue_bytes",
        &[
            stats.bytes_sent,
            stats.bytes_acked,
            stats.bytes_received,
            stats.segments_sent,
            stats.timeout_retransmits.saturating_add(stats.fast_retransmits),
            millis(stats.srtt),
            stats.in_flight as u64,
            stats.send_queue as u64,
            stats.receive_queue as u64,
        ],
    );
    json.close('}');
}
