//! The status in Prometheus' text format 0.0.4: docs/status.md lists what there is.

use super::{ProcessStatus, State, TunnelStatus};
use crate::figures::{decimal, path_rate, queue};
use crate::json::push_string;
use crate::peers::PeerStatus;
use crate::udp_stats::Dropped;

/// A family of samples: its name, type and help, and the value of one of those it is about.
type Family<T> = (&'static str, &'static str, &'static str, fn(&T) -> String);

/// What there is of each tunnel.
const TUNNEL: &[Family<TunnelStatus>] = &[
    ("tunnel_up", "gauge", "Whether the tunnel works as far as is known.", |it| {
        number(u8::from(matches!(it.state, State::Up | State::Idle)))
    }),
    ("tunnel_encrypted", "gauge", "Whether the tunnel is encrypted and authenticated.", |it| {
        number(u8::from(it.is_encrypted))
    }),
    ("connections", "gauge", "TCP connections and UDP sources open.", |it| {
        it.stats.open.to_string()
    }),
    ("connections_limit", "gauge", "TCP connections and UDP sources that may be open.", |it| {
        it.max_connections.to_string()
    }),
    ("connections_opened_total", "counter", "TCP connections and UDP sources accepted.", |it| {
        number(it.stats.opened)
    }),
    ("connections_failed_total", "counter", "TCP connections and UDP sources that failed.", |it| {
        number(it.stats.failed)
    }),
    ("streams", "gauge", "KCP streams on the wire.", |it| it.streams_total.to_string()),
    ("peers", "gauge", "Peers with streams.", |it| it.peers_total.to_string()),
    ("sent_bytes_total", "counter", "Bytes of UDP payload sent.", |it| {
        number(it.stats.endpoint.bytes_sent)
    }),
    ("received_bytes_total", "counter", "Bytes of UDP payload received.", |it| {
        number(it.stats.endpoint.bytes_received)
    }),
    ("sent_datagrams_total", "counter", "Datagrams sent.", |it| {
        number(it.stats.endpoint.datagrams_sent)
    }),
    ("received_datagrams_total", "counter", "Datagrams received.", |it| {
        number(it.stats.endpoint.datagrams_received)
    }),
    (
        "dropped_datagrams_total",
        "counter",
        "Datagrams dropped for want of room on this side.",
        |it| {
            let endpoint = &it.stats.endpoint;
            number(endpoint.transmit_dropped.saturating_add(endpoint.receive_dropped))
        },
    ),
    ("malformed_datagrams_total", "counter", "Datagrams that were not understood.", |it| {
        number(it.stats.endpoint.malformed)
    }),
    ("refused_streams_total", "counter", "Streams of peers refused for want of room.", |it| {
        number(it.stats.endpoint.refused)
    }),
    (
        "stalled_streams_total",
        "counter",
        "Streams of which nothing was acknowledged for long.",
        |it| number(it.stats.endpoint.stalled),
    ),
    ("moved_peers_total", "counter", "Times that a peer changed its address.", |it| {
        number(it.stats.endpoint.moved)
    }),
    ("transport_errors_total", "counter", "Errors of the UDP socket that ended nothing.", |it| {
        number(it.stats.endpoint.transport_errors)
    }),
    ("handshakes_total", "counter", "Handshakes that gave keys.", |it| {
        number(it.channels.map_or(0, |channels| channels.handshakes))
    }),
    ("refused_handshakes_total", "counter", "Handshakes of keys that are not allowed.", |it| {
        number(it.channels.map_or(0, |channels| channels.refused))
    }),
    (
        "strange_datagrams_total",
        "counter",
        "Datagrams of strangers, forged or replayed ones.",
        |it| {
            number(
                it.channels.map_or(0, |it| {
                    it.strangers.saturating_add(it.forged).saturating_add(it.replayed)
                }),
            )
        },
    ),
];

/// What there is of each tunnel that carries datagrams.
const UDP: &[Family<TunnelStatus>] = &[
    ("udp_sources", "gauge", "Sources of datagrams that are carried.", |it| {
        it.stats.udp.open.to_string()
    }),
    ("udp_sources_limit", "gauge", "Sources of datagrams that may be carried at once.", |it| {
        it.udp.as_ref().map_or(0, |(_, max)| *max).to_string()
    }),
    ("udp_sources_opened_total", "counter", "Sources of datagrams so far.", |it| {
        number(it.stats.udp.opened)
    }),
    ("udp_sources_failed_total", "counter", "Sources whose conversation or target failed.", |it| {
        number(it.stats.udp.failed)
    }),
    ("udp_sent_bytes_total", "counter", "Bytes of others' datagrams into the tunnel.", |it| {
        number(it.stats.udp.sent_bytes)
    }),
    (
        "udp_received_bytes_total",
        "counter",
        "Bytes of others' datagrams out of the tunnel.",
        |it| number(it.stats.udp.received_bytes),
    ),
    ("udp_sent_datagrams_total", "counter", "Datagrams of others into the tunnel.", |it| {
        number(it.stats.udp.sent)
    }),
    ("udp_received_datagrams_total", "counter", "Datagrams of others out of the tunnel.", |it| {
        number(it.stats.udp.received)
    }),
];

/// The family that has a sample for each reason.
const DROPPED: &str = "udp_dropped_datagrams_total";

/// What there is of each peer.
const PEER: &[Family<PeerStatus>] = &[
    ("peer_streams", "gauge", "KCP streams with the peer.", |it| it.streams.to_string()),
    ("peer_rate_bytes_per_second", "gauge", "What the path to the peer carries.", |it| {
        number(path_rate(&it.stats))
    }),
    ("peer_rtt_seconds", "gauge", "Smoothed round trip.", |it| seconds(it.stats.srtt.as_millis())),
    ("peer_min_rtt_seconds", "gauge", "Shortest round trip of late.", |it| {
        seconds(queue(&it.stats).0.into())
    }),
    ("peer_queue_seconds", "gauge", "What waits in the queue on the way to the peer.", |it| {
        seconds(queue(&it.stats).1.into())
    }),
    ("peer_acked_bytes_total", "counter", "Bytes of segments that the peer acknowledged.", |it| {
        number(it.stats.path.acked_bytes)
    }),
    ("peer_lost_bytes_total", "counter", "Bytes of segments lost on the way to the peer.", |it| {
        number(it.stats.path.lost_bytes)
    }),
    (
        "peer_arrived_datagrams_total",
        "counter",
        "Encrypted datagrams of the peer that came.",
        |it| number(it.stats.path.arrived),
    ),
    ("peer_missing_datagrams", "gauge", "Encrypted datagrams of the peer lost or late.", |it| {
        number(it.stats.path.missing)
    }),
    ("peer_in_flight_bytes", "gauge", "Bytes sent to the peer and not acknowledged.", |it| {
        number(it.stats.path.in_flight)
    }),
    ("peer_mtu_bytes", "gauge", "Largest datagram that segments are cut for.", |it| {
        it.stats.path.mtu.to_string()
    }),
];

fn number(value: impl Into<u64>) -> String {
    value.into().to_string()
}

fn seconds(millis: u128) -> String {
    decimal(millis, 1000, 3)
}

/// Writes what a process does.
pub(crate) fn as_metrics(status: &ProcessStatus) -> String {
    let mut text = String::new();
    let of_process = [
        (
            "uptime_seconds",
            "gauge",
            "Time since the process began.",
            seconds(status.uptime.as_millis()),
        ),
        ("memory_used_bytes", "gauge", "Memory held for streams.", status.memory_used.to_string()),
        (
            "memory_limit_bytes",
            "gauge",
            "Memory that streams may hold.",
            status.memory_budget.to_string(),
        ),
    ];
    push_head(&mut text, "build_info", "gauge", "Version of smol-kcpd.");
    push_sample(&mut text, "build_info", &[("version", env!("CARGO_PKG_VERSION"))], "1");
    for (name, kind, help, value) in of_process {
        push_head(&mut text, name, kind, help);
        push_sample(&mut text, name, &[], &value);
    }
    push_head(&mut text, "tunnel_state", "gauge", "1 for the state that the tunnel is in.");
    for tunnel in &status.tunnels {
        for state in [State::Up, State::Idle, State::Degraded, State::Down] {
            let is = if state == tunnel.state { "1" } else { "0" };
            let [name, role] = labels(tunnel);
            push_sample(&mut text, "tunnel_state", &[name, role, ("state", state.name())], is);
        }
    }
    for (name, kind, help, value) in TUNNEL {
        push_head(&mut text, name, kind, help);
        for tunnel in &status.tunnels {
            push_sample(&mut text, name, &labels(tunnel), &value(tunnel));
        }
    }
    let with_udp = || status.tunnels.iter().filter(|tunnel| tunnel.udp.is_some());
    for (name, kind, help, value) in UDP {
        push_head(&mut text, name, kind, help);
        for tunnel in with_udp() {
            push_sample(&mut text, name, &labels(tunnel), &value(tunnel));
        }
    }
    push_head(&mut text, DROPPED, "counter", "Datagrams of others that did not get on.");
    for tunnel in with_udp() {
        for (why, count) in Dropped::NAMES.iter().zip(tunnel.stats.udp.dropped) {
            let [name, role] = labels(tunnel);
            push_sample(&mut text, DROPPED, &[name, role, ("reason", why)], &number(count));
        }
    }
    for (name, kind, help, value) in PEER {
        push_head(&mut text, name, kind, help);
        for (tunnel, peer) in
            status.tunnels.iter().flat_map(|it| it.peers.iter().map(move |p| (it, p)))
        {
            let [tunnel, role] = labels(tunnel);
            let addr = peer.addr.map(|addr| addr.to_string()).unwrap_or_default();
            let known = ("peer", peer.name.as_deref().unwrap_or_default());
            push_sample(&mut text, name, &[tunnel, role, known, ("address", &addr)], &value(peer));
        }
    }
    text
}

fn labels(tunnel: &TunnelStatus) -> [(&'static str, &str); 2] {
    let role = if tunnel.is_client { "client" } else { "server" };
    [("tunnel", &tunnel.name), ("role", role)]
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

fn push_head(text: &mut String, name: &str, kind: &str, help: &str) {
    push(
        text,
        &["# HELP smol_kcpd_", name, " ", help, "\n# TYPE smol_kcpd_", name, " ", kind, "\n"],
    );
}

/// Writes a sample. Names of tunnels and peers are made of nothing that must be escaped, and JSON escapes as this format does.
fn push_sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    push(text, &["smol_kcpd_", name]);
    for (at, (label, value)) in labels.iter().enumerate() {
        push(text, &[if at == 0 { "{" } else { "," }, label, "="]);
        push_string(text, Some(value));
    }
    push(text, &[if labels.is_empty() { " " } else { "} " }, value, "\n"]);
}
