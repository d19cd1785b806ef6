//! The table's chief rows as bars.

use std::fmt::Write;

use crate::measure::PEERS;
use crate::report::{short, Results};

/// Title, scenario, figures that are added up.
type Panel = (&'static str, &'static str, &'static [&'static str]);

/// Two columns of about the same height.
const COLUMNS: [[Panel; 4]; 2] = [
    [
        ("bulk, 4 MiB buffers, MB/s (more is better)", "bulk-4m", &["MB/s"]),
        ("ping 64 B, same core, p50 µs (less)", "ping-1", &["p50 µs"]),
        ("10 % loss, 20 ms each way, MB/s (more)", "loss-10", &["MB/s"]),
        ("ping through 10 % loss, p99 ms (less)", "ping-loss-10", &["p99 ms"]),
    ],
    [
        ("bulk, 4 MiB buffers, CPU s/GB (less)", "bulk-4m", &["client s/GB", "server s/GB"]),
        ("200 connections, messages/s (more)", "many", &["messages/s"]),
        ("idle connection, server RSS, KiB (less)", "idle", &["server RSS, KiB"]),
        ("smallest echo server, kB (less)", "size", &["kB"]),
    ],
];

const NOTES: [&str; 3] = [
    "bulk: smol-kcp and TCP hand many segments to the system by one call (UDP GSO; TCP's own),",
    "the other KCPs and bare UDP one datagram a call. smol-kcp/1: all connections over one socket.",
    "Medians. UDP, UDP/smol (bare datagrams on smol) and TCP are floors, not peers.",
];

/// Readable on a light page and on a dark one.
const STYLE: &str = "\
text{fill:#1f2328}.page{fill:#ffffff}.ours{fill:#d95f02}.peer{fill:#7570b3}.floor{fill:#aaaaaa}
.note{fill:#59636e;font-size:11px}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.ours{fill:#f0883e}
.peer{fill:#9d98e0}.floor{fill:#6e7681}.note{fill:#9198a1}}
";

const MARGIN: usize = 14;
const COLUMN: usize = 420;
const HEAD: usize = 52;
const LINE: usize = 16;
const TITLE: usize = 30;
const STEP: usize = 24;
const BAR: usize = 20;
const LABEL: usize = 84;
const LONGEST: f64 = 250.0;

pub fn draw(results: &Results) -> String {
    let (mut body, mut height) = (String::new(), 0);
    for (at, column) in COLUMNS.into_iter().enumerate() {
        let (left, mut top) = (MARGIN + at * COLUMN, HEAD);
        for panel in column {
            top = draw_panel(&mut body, results, panel, left, top);
        }
        height = height.max(top);
    }
    for note in NOTES {
        height += LINE;
        let _ = writeln!(body, "<text x=\"{MARGIN}\" y=\"{height}\" class=\"note\">{note}</text>");
    }
    let (width, height) = (2 * COLUMN + MARGIN, height + MARGIN);
    let about = escape(&results.about());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>smol-kcp beside its peers</title>\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" class=\"page\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"16\" font-weight=\"bold\">smol-kcp beside its peers</text>\n\
         <text x=\"{MARGIN}\" y=\"42\" class=\"note\">{about}</text>\n{body}</svg>\n"
    )
}

/// Draws one panel and returns where the next one begins.
fn draw_panel(svg: &mut String, results: &Results, panel: Panel, left: usize, top: usize) -> usize {
    let (title, scenario, figures) = panel;
    let y = top + 18;
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
    let bars: Vec<(&str, f64)> = PEERS
        .into_iter()
        .filter_map(|peer| {
            let values: Option<Vec<f64>> =
                figures.iter().map(|figure| results.median(scenario, peer, figure)).collect();
            Some((peer, values?.iter().sum()))
        })
        .collect();
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut y = top + TITLE;
    for (peer, value) in bars {
        let length = if most > 0.0 { (LONGEST * value / most).max(1.0) } else { 1.0 };
        let class = match peer {
            "smol-kcp" | "smol-kcp/1" | "smol-kcp/secure" => "ours",
            "UDP" | "UDP/smol" | "TCP" => "floor",
            _ => "peer",
        };
        let (x, text) = (left + LABEL, y + BAR - 6);
        let end = x as f64 + length + 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{text}\">{peer}</text>\
             <rect x=\"{x}\" y=\"{y}\" width=\"{length:.0}\" height=\"{BAR}\" class=\"{class}\"/>\
             <text x=\"{end:.0}\" y=\"{text}\">{}</text>",
            short(value)
        );
        y += STEP;
    }
    y + 8
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
