//! What was measured, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::measure::PEERS;
use crate::process::Figures;

/// By scenario and peer: each figure of each run, or why there was none.
#[derive(Debug, Default)]
pub struct Results {
    figures: BTreeMap<(String, String, String), Vec<f64>>,
    failures: BTreeMap<(String, String), Vec<String>>,
    /// On what, and on which day; empty where nobody has written it down.
    machine: String,
    date: String,
}

impl Results {
    /// As it was saved; nothing, where it was not.
    pub fn load(path: &Path) -> Results {
        let mut results = Results::default();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let mut fields = line.split('\t').map(str::to_owned);
            let (Some(scenario), Some(peer), Some(figure)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if scenario == "about" {
                match peer.as_str() {
                    "machine" => results.machine = figure,
                    "date" => results.date = figure,
                    _ => {}
                }
            } else if figure == "failed" {
                results.failures.insert((scenario, peer), fields.collect());
            } else {
                let values = fields.filter_map(|field| field.parse().ok()).collect();
                results.figures.insert((scenario, peer, figure), values);
            }
        }
        results
    }

    pub fn save(&self) -> String {
        let mut text = format!("about\tmachine\t{}\nabout\tdate\t{}\n", self.machine, self.date);
        for ((scenario, peer, figure), values) in &self.figures {
            let values: Vec<_> = values.iter().map(|value| format!("{value:.6}")).collect();
            let _ = writeln!(text, "{scenario}\t{peer}\t{figure}\t{}", values.join("\t"));
        }
        for ((scenario, peer), reasons) in &self.failures {
            let _ = writeln!(text, "{scenario}\t{peer}\tfailed\t{}", reasons.join("\t"));
        }
        text
    }

    /// Notes that it is measured here and now.
    pub fn measured_here(&mut self) {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or("a processor without a name", |(_, name)| name.trim());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let version: Vec<&str> = kernel.trim().splitn(3, '.').take(2).collect();
        self.machine = format!("{model}, {cores} cores, Linux {}", version.join("."));
        let date = Command::new("date").args(["-u", "+%F"]).output();
        let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        self.date = date.unwrap_or_default();
    }

    /// On what it was measured, and when.
    pub fn about(&self) -> String {
        match (self.machine.as_str(), self.date.as_str()) {
            ("", "") => "on an unknown machine".to_owned(),
            (machine, "") => machine.to_owned(),
            (machine, date) => format!("{date}, {machine}, over 127.0.0.1"),
        }
    }

    pub fn forget(&mut self, scenario: &str, peer: &str) {
        self.figures.retain(|(s, p, _), _| (s.as_str(), p.as_str()) != (scenario, peer));
        self.failures.remove(&(scenario.to_owned(), peer.to_owned()));
    }

    pub fn add(&mut self, scenario: &str, peer: &str, outcome: Result<Figures, String>) {
        match outcome {
            Ok(figures) => {
                for (figure, value) in figures {
                    let key = (scenario.to_owned(), peer.to_owned(), figure);
                    self.figures.entry(key).or_default().push(value);
                }
            }
            Err(reason) => {
                let key = (scenario.to_owned(), peer.to_owned());
                self.failures.entry(key).or_default().push(reason.replace(['\t', '\n'], " "));
            }
        }
    }

    /// The median of its runs.
    pub fn median(&self, scenario: &str, peer: &str, figure: &str) -> Option<f64> {
        let key = (scenario.to_owned(), peer.to_owned(), figure.to_owned());
        let mut values = self.figures.get(&key)?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn failures(&self, scenario: &str, peer: &str) -> usize {
        self.failures.get(&(scenario.to_owned(), peer.to_owned())).map_or(0, Vec::len)
    }
}

/// One run, in one line.
pub fn line(outcome: &Result<Figures, String>) -> String {
    match outcome {
        Ok(figures) => {
            let all: Vec<_> = figures.iter().map(|(k, v)| format!("{k} {}", short(*v))).collect();
            all.join(", ")
        }
        Err(reason) => format!("failed: {reason}"),
    }
}

/// Rows of the table: title, scenario, figures.
const ROWS: [(&str, &str, &[&str]); 25] = [
    ("bulk, default socket buffers, MB/s", "bulk", &["MB/s"]),
    ("… CPU s/GB, client + server", "bulk", &["client s/GB", "server s/GB"]),
    ("bulk, 4 MiB socket buffers, MB/s", "bulk-4m", &["MB/s"]),
    ("… CPU s/GB, client + server", "bulk-4m", &["client s/GB", "server s/GB"]),
    ("ping 64 B, same core, p50 / p99 µs", "ping-1", &["p50 µs", "p99 µs"]),
    ("ping 64 B, two cores, p50 / p99 µs", "ping-2", &["p50 µs", "p99 µs"]),
    ("200 connections echo 64 B, messages/s", "many", &["messages/s"]),
    ("… CPU µs/message, both sides", "many", &["CPU µs/message"]),
    ("1,000 idle, server: heap / RSS each, KiB", "idle", &["server heap, KiB", "server RSS, KiB"]),
    ("… client: heap / RSS each, KiB", "idle", &["client heap, KiB", "client RSS, KiB"]),
    ("… CPU %, server / client", "idle", &["server CPU %", "client CPU %"]),
    ("… wake-ups/s, server / client", "idle", &["server wake-ups/s", "client wake-ups/s"]),
    ("5 % loss, 20 ms each way, 32 MiB, MB/s", "loss-5", &["MB/s"]),
    ("… wire/payload + answers/payload", "loss-5", &["wire/payload", "answers/payload"]),
    ("… CPU s/GB, both sides", "loss-5", &["CPU s/GB"]),
    ("… 4 MiB socket buffers, MB/s", "loss-5-4m", &["MB/s"]),
    ("10 % loss, MB/s", "loss-10", &["MB/s"]),
    ("… wire/payload + answers/payload", "loss-10", &["wire/payload", "answers/payload"]),
    ("… CPU s/GB, both sides", "loss-10", &["CPU s/GB"]),
    ("… 4 MiB socket buffers, MB/s", "loss-10-4m", &["MB/s"]),
    ("ping through 5 % loss, p50 / p99 / max ms", "ping-loss-5", &["p50 ms", "p99 ms", "max ms"]),
    ("… mean ms", "ping-loss-5", &["mean ms"]),
    ("ping through 10 % loss, p50 / p99 / max ms", "ping-loss-10", &["p50 ms", "p99 ms", "max ms"]),
    ("… mean ms", "ping-loss-10", &["mean ms"]),
    (
        "smallest echo server, kB / more than an empty program",
        "size",
        &["kB", "kB more than nothing"],
    ),
];

/// As Markdown.
pub fn table(results: &Results) -> String {
    let mut text = format!("| | {} |\n|---|{}\n", PEERS.join(" | "), "---|".repeat(PEERS.len()));
    for (title, scenario, figures) in ROWS {
        let between = if title.contains(" + ") { " + " } else { " / " };
        let cells: Vec<_> = PEERS
            .iter()
            .map(|peer| {
                let values: Option<Vec<_>> =
                    figures.iter().map(|f| results.median(scenario, peer, f).map(short)).collect();
                let failed = results.failures(scenario, peer);
                match (values, failed) {
                    (Some(values), 0) => values.join(between),
                    (Some(values), n) => format!("{} ({n} failed)", values.join(between)),
                    (None, 0) => "–".to_owned(),
                    (None, _) => "failed".to_owned(),
                }
            })
            .collect();
        let _ = writeln!(text, "| {title} | {} |", cells.join(" | "));
    }
    text
}

/// The page: how it was measured, the table, what failed, and what is to be said about it.
pub fn page(results: &Results, notes: &Path) -> Result<String, String> {
    let notes = fs::read_to_string(notes).map_err(|e| format!("{}: {e}", notes.display()))?;
    let failures: String = results
        .failures
        .iter()
        .flat_map(|((scenario, peer), why)| why.iter().map(move |why| (scenario, peer, why)))
        .map(|(scenario, peer, why)| format!("- {peer}, {scenario}: {why}\n"))
        .collect();
    let failures = if failures.is_empty() { "None.\n".to_owned() } else { failures };
    Ok(format!(
        "# This crate beside its peers\n\n\
         Written by `cargo run --release --manifest-path benches/peers/Cargo.toml`; the single runs \
         are in `results.tsv`. Measured: {}.\n\n![Chart](../../docs/benchmarks.svg)\n\n{}\n## Runs that failed\n\n\
         {failures}\n{notes}",
        results.about(),
        table(results)
    ))
}

/// Three significant digits, or all before the point, in groups of three.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1_000.0 => {
            let digits = format!("{value:.0}");
            format!("{},{}", &digits[..digits.len() - 3], &digits[digits.len() - 3..])
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v > 0.0 => format!("{value:.2}"),
        _ => "0".to_owned(),
    }
}
