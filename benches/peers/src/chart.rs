//! The table's chief rows as bars.

use std::fmt::Write;

use crate::measure::PEERS;
use crate::report::{short, Results};

/// Title, scenario, figures that are added up.
const PANELS: [(&str, &str, &[&str]); 8] = [
    ("bulk, MB/s (more is better)", "bulk", &["MB/s"]),
    ("bulk, CPU s/GB, both sides (less)", "bulk", &["client s/GB", "server s/GB"]),
    ("ping 64 B, same core, p50 µs (less)", "ping-1", &["p50 µs"]),
    ("200 connections, messages/s (more)", "many", &["messages/s"]),
    ("idle connection, server RSS, KiB (less)", "idle", &["server RSS, KiB"]),
    ("10 % loss, 20 ms each way, MB/s (more)", "loss-10", &["MB/s"]),
    ("ping through 10 % loss, p99 ms (less)", "ping-loss-10", &["p99 ms"]),
    ("smallest echo server, kB (less)", "size", &["kB"]),
];

const PANEL: (usize, usize) = (420, 250);
const BAR: usize = 20;
const LABEL: usize = 84;
const LONGEST: f64 = 250.0;

pub fn draw(results: &Results) -> String {
    let rows = PANELS.len().div_ceil(2);
    let (width, height) = (2 * PANEL.0, rows * PANEL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (at, (title, scenario, figures)) in PANELS.into_iter().enumerate() {
        let (left, top) = (at % 2 * PANEL.0 + 10, at / 2 * PANEL.1 + 20);
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{top}\" font-weight=\"bold\">{title}</text>");
        let bars: Vec<(&str, f64)> = PEERS
            .into_iter()
            .filter_map(|peer| {
                let values: Option<Vec<f64>> =
                    figures.iter().map(|figure| results.median(scenario, peer, figure)).collect();
                Some((peer, values?.iter().sum()))
            })
            .collect();
        let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        for (row, (peer, value)) in bars.into_iter().enumerate() {
            let y = top + 10 + row * (BAR + 4);
            let length = if most > 0.0 { (LONGEST * value / most).max(1.0) } else { 1.0 };
            let colour = match peer {
                "smol-kcp" | "smol-kcp/1" => "#d95f02",
                "UDP" | "UDP/smol" | "TCP" => "#bbbbbb",
                _ => "#7570b3",
            };
            let (x, text) = (left + LABEL, y + BAR - 6);
            let end = x as f64 + length + 4.0;
            let _ = writeln!(
                svg,
                "<text x=\"{left}\" y=\"{text}\">{peer}</text>\
                 <rect x=\"{x}\" y=\"{y}\" width=\"{length:.0}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <text x=\"{end:.0}\" y=\"{text}\">{}</text>",
                short(value)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
