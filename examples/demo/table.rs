//! The table of the demo.

use std::time::Duration;

use smol_kcp::{KcpConfig, StreamStats};

const LEGEND: &str = "\
window              segments (a datagram's payload) that may be on their way: the rate is
                    bounded by window x payload / round-trip time
arrived, SHA-256    how much came out, and whether it is what went in;
                    what takes longer than 5 s is stopped, and shown as far as it came
goodput             payload a second, from connecting to the last byte
RTT                 round-trip time: twice the delay; seen: as KCP measured it
RTO                 a segment not acknowledged after so long is sent again
loss                datagrams sent by one side that the other side never saw
sent again          segments: their RTO had passed, or ACKs of later ones overtook them
duplicates          segments that arrived twice: sent again, but not lost
wire / payload      bytes in all datagrams from client to server, for a byte that came out";

const NOT_TCP: &str = "\
Kernel TCP is left out: no program can make it lose segments, and a relay that only delays
bytes would end the connection on either side, so that TCP itself never met the delay.";

/// What is shown of a transfer.
pub struct Column {
    pub config: KcpConfig,
    /// Bytes of the file, at least one.
    pub len: usize,
    /// Has all of it arrived, and as it was sent?
    pub intact: bool,
    /// From the first datagram to the last byte, or until it was stopped.
    pub time: Duration,
    pub client: StreamStats,
    pub server: StreamStats,
    /// Per cent of the datagrams, to the server and back.
    pub lost: (f64, f64),
}

/// Prints the transfers side by side, and what the rows mean.
pub fn print(columns: &[(&str, Column)], loss_percent: f64, rtt_ms: u64) {
    let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
    println!("{:<32}{names}", "");
    let row = |label: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: String = columns.iter().map(|(_, c)| format!("{:>15}", cell(c))).collect();
        println!("{label:<32}{cells}");
    };
    let goodput = |c: &Column| c.server.bytes_received as f64 * 8e-6 / c.time.as_secs_f64();
    row("window", &|c| c.config.wnd_size.0.to_string());
    row("arrived", &|c| format!("{} %", c.server.bytes_received * 100 / c.len as u64));
    row("SHA-256", &|c| if c.intact { "equal" } else { "stopped" }.into());
    row("time", &|c| format!("{:.2} s", c.time.as_secs_f64()));
    row("goodput", &|c| format!("{:.1} Mbit/s", goodput(c)));
    row(&format!("RTT: asked {rtt_ms} ms, seen"), &|c| format!("{} ms", c.client.srtt.as_millis()));
    row("RTO", &|c| format!("{} ms", c.client.rto.as_millis()));
    row(&format!("loss: asked {loss_percent} %, seen going"), &|c| format!("{:.1} %", c.lost.0));
    row("      and coming back", &|c| format!("{:.1} %", c.lost.1));
    row("segments sent", &|c| c.client.segments_sent.to_string());
    row("sent again: timeout", &|c| c.client.timeout_retransmits.to_string());
    row("            overtaken", &|c| c.client.fast_retransmits.to_string());
    row("duplicates", &|c| c.server.duplicates.to_string());
    row("wire / payload", &|c| match c.server.bytes_received {
        0 => "-".into(),
        bytes => format!("{:.3}", c.client.wire_bytes_sent as f64 / bytes as f64),
    });
    println!("\n{LEGEND}\n\n{NOT_TCP}");
}
