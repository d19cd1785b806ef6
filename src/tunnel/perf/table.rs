//! `smol-kcpd perf`: progress while it runs, and a table at its end.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::{measure, rate, Direction, Outcome, PerfError, Progress, Sent};
use crate::tunnel::interrupt::Interrupt;
use crate::tunnel::{HostPort, Runtime};
use crate::KcpConfig;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Perf {
    /// The server.
    pub server: HostPort,
    /// One after the other.
    pub directions: Vec<Direction>,
    /// Of each direction.
    pub time: Duration,
    /// Of the streams.
    pub kcp: KcpConfig,
}

impl Perf {
    /// Measures, and prints progress and a table; says whether every direction was measured. What
    /// went wrong goes to stderr. SIGINT and SIGTERM end it with what there is.
    ///
    /// # Errors
    /// Those of writing, and of listening for signals.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the measurement ends and nothing more is printed.
    pub async fn run(&self, runtime: &Runtime) -> io::Result<bool> {
        let interrupt = Interrupt::new()?;
        let mut outcomes = Vec::new();
        for &direction in &self.directions {
            let measured = match addresses(runtime, self, &interrupt).await {
                Ok(addrs) => try_each(self, direction, &addrs, &interrupt).await,
                Err(error) => Err(error),
            };
            match measured {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    writeln!(io::stderr(), "smol-kcpd: {direction} {}: {error}", self.server)?;
                    break;
                }
            }
        }
        if !outcomes.is_empty() {
            io::stdout().write_all(table(&outcomes).as_bytes())?;
        }
        Ok(outcomes.len() == self.directions.len())
    }
}

async fn addresses(
    runtime: &Runtime,
    perf: &Perf,
    interrupt: &Interrupt,
) -> Result<Vec<SocketAddr>, PerfError> {
    let found = async {
        let found = runtime.resolve(&perf.server).await;
        found.map_err(|error| PerfError::Unreachable(error.into()))
    };
    let stopped = async {
        interrupt.wait().await;
        Err(PerfError::Stopped)
    };
    futures_lite::future::or(found, stopped).await
}

/// Of several addresses behind a name, they are tried in turn.
async fn try_each(
    perf: &Perf,
    direction: Direction,
    addrs: &[SocketAddr],
    interrupt: &Interrupt,
) -> Result<Outcome, PerfError> {
    let mut result = Err(PerfError::Stopped);
    for &addr in addrs {
        let mut line = Line::new(direction);
        let tell = |progress| line.show(progress);
        result = measure(&perf.kcp, addr, direction, perf.time, tell, interrupt.wait()).await;
        line.end();
        if !matches!(result, Err(PerfError::Unreachable(_))) {
            break;
        }
    }
    result
}

/// The progress: on a terminal one line that is written anew, else a line each second.
struct Line {
    direction: Direction,
    terminal: bool,
    open: bool,
    last: (Duration, u64),
}

impl Line {
    fn new(direction: Direction) -> Line {
        let terminal = io::stdout().is_terminal();
        Line { direction, terminal, open: false, last: (Duration::ZERO, 0) }
    }

    fn show(&mut self, progress: Progress) {
        let text = self.text(progress);
        let line = match self.terminal {
            true => format!("\r{text:<78}"),
            false => format!("{text}\n"),
        };
        self.open = self.terminal;
        // Who does not look at the progress may still want the table.
        let mut out = io::stdout();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    fn text(&mut self, progress: Progress) -> String {
        let (then, before) = std::mem::replace(&mut self.last, (progress.elapsed, progress.bytes));
        let now =
            rate(progress.bytes.saturating_sub(before), progress.elapsed.saturating_sub(then));
        let mut text = format!(
            "{:<8} {:>3} s  {:>13}  {:>9}",
            self.direction.to_string(),
            progress.elapsed.as_secs(),
            bits(now),
            bytes(progress.bytes)
        );
        if let Some(srtt) = progress.srtt {
            text.push_str(&format!("  rtt {}", millis(srtt)));
        }
        if let Some(again) = progress.retransmits {
            text.push_str(&format!("  {again} sent again"));
        }
        text
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = io::stdout().write_all(format!("\r{:<78}\r", "").as_bytes());
        }
    }
}

/// One row for each direction.
fn table(outcomes: &[Outcome]) -> String {
    let row = |cells: [&str; 7]| {
        let [direction, goodput, received, time, rtt, again, ratio] = cells;
        let row = format!(
            "{direction:<9}{goodput:>13}{received:>11}{time:>9}{rtt:>20}{again:>29}{ratio:>14}"
        );
        format!("{}\n", row.trim_end())
    };
    let mut text = row([
        "",
        "goodput",
        "received",
        "time",
        "rtt min/mean/max",
        "again: timeout+fast",
        "wire/payload",
    ]);
    for outcome in outcomes {
        let (rtt, again, ratio) = match &outcome.sent {
            Some(sent) => (rtts(sent), again(sent), ratio(sent)),
            None => ("-".into(), "-".into(), "-".into()),
        };
        text.push_str(&row([
            &outcome.direction.to_string(),
            &bits(outcome.goodput()),
            &bytes(outcome.received.bytes),
            &format!("{:.1} s", outcome.received.elapsed.as_secs_f64()),
            &rtt,
            &again,
            &ratio,
        ]));
    }
    if outcomes.iter().any(|outcome| outcome.sent.is_none()) {
        text.push_str("-: the server's figures did not arrive; its queue was too long\n");
    }
    text
}

fn rtts(sent: &Sent) -> String {
    let [min, mean, max] = [sent.srtt_min, sent.srtt, sent.srtt_max].map(|time| time.as_millis());
    format!("{min}/{mean}/{max} ms")
}

fn again(sent: &Sent) -> String {
    let again = sent.timeout_retransmits.saturating_add(sent.fast_retransmits);
    let share = again as f64 * 100.0 / sent.segments.max(1) as f64;
    format!("{}+{} ({share:.2} %)", sent.timeout_retransmits, sent.fast_retransmits)
}

fn ratio(sent: &Sent) -> String {
    format!("{:.3}", sent.wire as f64 / sent.payload.max(1) as f64)
}

/// Bits per second.
fn bits(rate: u64) -> String {
    match rate {
        0..1_000_000 => format!("{:.1} kbit/s", rate as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} Mbit/s", rate as f64 / 1e6),
        _ => format!("{:.3} Gbit/s", rate as f64 / 1e9),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", count as f64 / 1e6),
        _ => format!("{:.3} GB", count as f64 / 1e9),
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::Received;
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_direction_and_says_what_is_missing() {
        let received = Received { bytes: 12_500_000, elapsed: Duration::from_secs(10) };
        let sent = Sent {
            payload: 12_500_000,
            wire: 13_125_000,
            segments: 10_000,
            timeout_retransmits: 20,
            fast_retransmits: 130,
            srtt: Duration::from_millis(42),
            srtt_min: Duration::from_millis(40),
            srtt_max: Duration::from_millis(61),
        };
        let upload = Outcome { direction: Direction::Upload, received, sent: Some(sent) };
        let text = table(&[upload]);
        assert!(text.contains("10.00 Mbit/s   12.50 MB   10.0 s"), "{text}");
        assert!(text.contains("40/42/61 ms") && text.contains("20+130 (1.50 %)"), "{text}");
        assert!(text.ends_with("1.050\n"), "{text}");
        let download = Outcome { direction: Direction::Download, received, sent: None };
        let text = table(&[upload, download]);
        assert_eq!(text.lines().count(), 4);
        assert!(text.ends_with("did not arrive; its queue was too long\n"), "{text}");
    }

    #[test]
    fn progress_tells_the_rate_of_the_last_second() {
        let mut line = Line { terminal: false, ..Line::new(Direction::Upload) };
        let progress = |secs, bytes| Progress {
            elapsed: Duration::from_secs(secs),
            bytes,
            srtt: Some(Duration::from_millis(7)),
            retransmits: Some(3),
        };
        assert!(line.text(progress(1, 125_000)).contains("1.00 Mbit/s"));
        let text = line.text(progress(2, 1_375_000));
        assert!(text.contains("10.00 Mbit/s") && text.contains("1.38 MB"), "{text}");
        assert!(text.ends_with("rtt 7 ms  3 sent again"), "{text}");
    }
}
