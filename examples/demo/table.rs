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

/// A row: what it is called, and what stands in it for a transfer.
type Row<'a> = (String, &'a dyn Fn(&Column) -> String);

/// Prints the transfers through the lossy network side by side.
pub fn print(columns: &[(&str, Column)], loss_percent: f64, rtt_ms: u64) {
    let rows: [Row<'_>; 14] = [
        ("window".into(), &|c| c.config.wnd_size.0.to_string()),
        ("arrived".into(), &arrived),
        ("SHA-256".into(), &|c| if c.intact { "equal" } else { "stopped" }.into()),
        ("time".into(), &|c| format!("{:.2} s", c.time.as_secs_f64())),
        ("goodput".into(), &goodput),
        (format!("RTT: asked {rtt_ms} ms, seen"), &rtt),
        ("RTO".into(), &|c| format!("{} ms", c.client.rto.as_millis())),
        (format!("loss: asked {loss_percent} %, seen going"), &lost),
        ("      and coming back".into(), &|c| format!("{:.1} %", c.lost.1)),
        ("segments sent".into(), &|c| c.client.segments_sent.to_string()),
        ("sent again: timeout".into(), &|c| c.client.timeout_retransmits.to_string()),
        ("            later ACKs".into(), &|c| c.client.fast_retransmits.to_string()),
        ("duplicates".into(), &|c| c.server.duplicates.to_string()),
        ("wire / payload".into(), &ratio),
    ];
    let columns: Vec<_> = columns.iter().map(|(name, column)| (name.to_string(), column)).collect();
    print_rows(&columns, &rows);
}

/// Prints the transfers through the slow line side by side, each with its rate.
pub fn print_rates(columns: &[(String, Column)]) {
    let rows: [Row<'_>; 5] = [
        ("arrived".into(), &arrived),
        ("goodput".into(), &goodput),
        ("RTT without a queue 50 ms, seen".into(), &rtt),
        ("lost in front of the queue".into(), &lost),
        ("wire / payload".into(), &ratio),
    ];
    let columns: Vec<_> =
        columns.iter().map(|(rate, column)| (format!("rate = {rate}"), column)).collect();
    print_rows(&columns, &rows);
}

/// Prints what the rows mean.
pub fn print_legend() {
    println!("\n{LEGEND}\n\n{NOT_TCP}");
}

fn print_rows(columns: &[(String, &Column)], rows: &[Row<'_>]) {
    let names: String = columns.iter().map(|(name, _)| format!("{name:>15}")).collect();
    println!("{:<32}{names}", "");
    for (label, cell) in rows {
        let cells: String = columns.iter().map(|(_, c)| format!("{:>15}", cell(c))).collect();
        println!("{label:<32}{cells}");
    }
}

fn arrived(c: &Column) -> String {
    format!("{} %", c.server.bytes_received * 100 / c.len as u64)
}

fn goodput(c: &Column) -> String {
    format!("{:.1} Mbit/s", c.server.bytes_received as f64 * 8e-6 / c.time.as_secs_f64())
}

fn rtt(c: &Column) -> String {
    format!("{} ms", c.client.srtt.as_millis())
}

fn lost(c: &Column) -> String {
    format!("{:.1} %", c.lost.0)
}

fn ratio(c: &Column) -> String {
    match c.server.bytes_received {
        0 => "-".into(),
        bytes => format!("{:.3}", c.client.wire_bytes_sent as f64 / bytes as f64),
    }
}
