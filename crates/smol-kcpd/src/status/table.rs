//! The status for people: words and a table, in 80 columns.

use std::time::Duration;

use super::{ProcessStatus, TunnelStatus};
use crate::figures::{bits_of, bytes, bytes_of, decimal, path_rate, queue, reason};

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Columns for the name of a peer; a longer one has a line of its own.
const PEER: usize = 17;

/// Writes what a process does.
pub(crate) fn as_table(status: &ProcessStatus) -> String {
    let mut text = String::new();
    let memory = bytes_of(status.memory_used as u64, status.memory_budget as u64);
    let (version, pid) = (env!("CARGO_PKG_VERSION"), status.pid);
    let uptime = time(status.uptime);
    wrap(
        &mut text,
        "",
        &format!("smol-kcpd {version}, process {pid}, up for {uptime}, {memory} of memory used"),
    );
    for tunnel in &status.tunnels {
        text.push('\n');
        push_tunnel(&mut text, tunnel);
    }
    if status.tunnels.is_empty() {
        text.push_str("no tunnel: each was stopped\n");
    }
    text
}

fn push_tunnel(text: &mut String, tunnel: &TunnelStatus) {
    let stats = &tunnel.stats;
    let (name, state) = (&tunnel.name, tunnel.state.name().to_uppercase());
    let (open, max, opened, failed) =
        (stats.open, tunnel.max_connections, stats.opened, stats.failed);
    wrap(
        text,
        "",
        &format!(
            "{name}: {state}, {open} of {max} connections open, {opened} so far, {failed} failed"
        ),
    );
    for (_, since, why) in &tunnel.problems {
        wrap(text, "  ! ", &format!("{why}, for {}", time(*since)));
    }
    let [role, listens, leads] = match tunnel.is_client {
        true => ["client:", " TCP ", " to server "],
        false => ["server:", " UDP ", " to target "],
    };
    let mut ends = String::from(role);
    for (kind, end) in [(listens, &tunnel.listen), (leads, &tunnel.remote)] {
        if let Some(end) = end {
            ends.push_str(kind);
            ends.push_str(end);
        }
    }
    wrap(text, "  ", &format!("{ends}, {}", tunnel.protection));
    if let Some((at, max)) = &tunnel.udp {
        let (udp, way) = (&stats.udp, if tunnel.is_client { "from" } else { "to" });
        let (open, dropped) = (udp.open, udp.dropped_total());
        let (sent, received) = (bytes(udp.sent_bytes), bytes(udp.received_bytes));
        let line = format!(
            "UDP {way} {at}: {open} of {max} sources, {sent} sent, {received} received, {dropped} datagrams dropped"
        );
        wrap(text, "  ", &line);
    }
    let endpoint = &stats.endpoint;
    let dropped = endpoint.transmit_dropped.saturating_add(endpoint.receive_dropped);
    let (sent, received) = (bytes(endpoint.bytes_sent), bytes(endpoint.bytes_received));
    wrap(text, "  ", &format!("{sent} sent, {received} received, {dropped} datagrams dropped"));
    if !tunnel.peers.is_empty() {
        let head = ["streams", "rate", "RTT", "queue", "lost", "back", "MTU"].map(String::from);
        push_row(text, "peer", head);
    }
    for peer in &tunnel.peers {
        let addr = peer.addr.map_or("not found".into(), |addr| addr.to_string());
        let name = match &peer.name {
            Some(name) => format!("{name} ({addr})"),
            None => addr,
        };
        let (stats, (_, queued)) = (&peer.stats, queue(&peer.stats));
        let [lost, back] = peer.lost().map(|share| {
            share.map_or("-".into(), |ppm| format!("{} %", decimal(ppm.into(), 10_000, 1)))
        });
        push_row(
            text,
            &name,
            [
                peer.streams.to_string(),
                bits_of(path_rate(stats)),
                format!("{} ms", stats.srtt.as_millis()),
                format!("{queued} ms"),
                lost,
                back,
                stats.path.mtu.to_string(),
            ],
        );
    }
    if tunnel.peers.len() < tunnel.peers_total {
        let more = tunnel.peers_total - tunnel.peers.len();
        wrap(text, "  ", &format!("and {more} more peers"));
    }
    for (conv, stats) in &tunnel.streams {
        let (sent, received) = (bytes(stats.bytes_sent), bytes(stats.bytes_received));
        let again = stats.timeout_retransmits.saturating_add(stats.fast_retransmits);
        let (of, why) = (stats.segments_sent, reason(stats.waits_for));
        let line = format!(
            "stream {conv:08x}: {sent} sent, {received} received, {again} of {of} segments again, waits for {why}"
        );
        wrap(text, "  ", &line);
    }
}

fn push_row(
    text: &mut String,
    name: &str,
    [streams, rate, rtt, queue, lost, back, mtu]: [String; 7],
) {
    let name = match name.chars().count() {
        0..=PEER => name,
        _ => {
            wrap(text, "  ", name);
            ""
        }
    };
    text.push_str(&format!(
        "  {name:<PEER$}{streams:>8}{rate:>14}{rtt:>9}{queue:>8}{lost:>8}{back:>8}{mtu:>6}\n"
    ));
}

/// Says how long something takes or has lasted, in the two largest units.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (large, of, small, name) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => (60, "min", 1, "s"),
        3600..86_400 => (3600, "h", 60, "min"),
        _ => (86_400, "d", 3600, "h"),
    };
    match seconds % large / small {
        0 => format!("{} {of}", seconds / large),
        rest => format!("{} {of} {rest} {name}", seconds / large),
    }
}

/// Writes a paragraph, no line of which is longer than a terminal is wide; what follows the first line is indented.
fn wrap(text: &mut String, indent: &str, line: &str) {
    text.push_str(indent);
    let mut column = indent.len();
    for (at, word) in line.split(' ').enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width <= WIDTH {
            text.push(' ');
            column += 1;
        } else if at > 0 {
            text.push_str("\n    ");
            column = 4;
        }
        for c in word.chars() {
            if column == WIDTH {
                text.push_str("\n    ");
                column = 4;
            }
            // What others have written moves no cursor.
            text.push(if c.is_control() { '?' } else { c });
            column += 1;
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_two_largest_units() {
        let said = |seconds| time(Duration::from_secs(seconds));
        assert_eq!([said(0), said(59), said(60), said(61)], ["0 s", "59 s", "1 min", "1 min 1 s"]);
        assert_eq!([said(11_520), said(86_400)], ["3 h 12 min", "1 d"]);
        assert_eq!(said(90_000 + 86_400), "2 d 1 h");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let mut text = String::new();
        wrap(&mut text, "  ! ", &format!("a {} b\x1b[2J", "x".repeat(250)));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.matches('x').count(), 250);
        assert!(text.ends_with(" b?[2J\n"), "{text}");
    }
}
