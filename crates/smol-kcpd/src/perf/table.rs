//! `smol-kcpd perf`: progress while it runs, and a table at its end.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{measure, plot, rate, Direction, Outcome, PathSummary, PerfError, Progress, Sent};
use crate::figures::{bits, bits_of, bytes, bytes_of, decimal, per_cent};
use crate::interrupt::Interrupt;
use crate::{HostPort, Runtime};
use smol_kcp::KcpConfig;

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
    /// Where a picture of it goes.
    pub plot: Option<PathBuf>,
}

impl Perf {
    /// Measures, and prints progress and a table; says whether every direction was measured. What
    /// went wrong goes to stderr. SIGINT and SIGTERM end it with what there is.
    ///
    /// # Errors
    /// Those of writing, the picture too, and of listening for signals.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the measurement ends and nothing more is printed.
    pub async fn run(&self, runtime: &Runtime) -> io::Result<bool> {
        let interrupt = Interrupt::new()?;
        // Before anything takes time. An older picture stays until there is a new one.
        let picture = self.plot.as_deref().map(open).transpose()?;
        let (mut outcomes, mut samples) = (Vec::new(), Vec::new());
        for &direction in &self.directions {
            let measured = match addresses(runtime, self, &interrupt).await {
                Ok(addrs) => {
                    let mut seen = Vec::new();
                    let keep = picture.is_some().then_some(&mut seen);
                    let measured = try_each(self, direction, &addrs, &interrupt, keep).await;
                    samples.push((direction, seen));
                    measured
                }
                Err(error) => Err(error),
            };
            match measured {
                Ok(outcome) => {
                    outcomes.push(outcome);
                    if !outcome.complete {
                        break;
                    }
                }
                Err(error) => {
                    writeln!(io::stderr(), "smol-kcpd: {direction} {}: {error}", self.server)?;
                    break;
                }
            }
        }
        if !outcomes.is_empty() {
            io::stdout().write_all(table(&outcomes).as_bytes())?;
            if let Some(mut picture) = picture {
                let title = format!("smol-kcpd perf {}, rate = {}", self.server, self.kcp.rate);
                picture.set_len(0)?;
                picture.write_all(plot(&title, &samples).as_bytes())?;
            }
        }
        let complete = outcomes.iter().filter(|outcome| outcome.complete).count();
        Ok(complete == self.directions.len())
    }
}

/// Opens a file to write to, and leaves what is in it.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
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
    mut samples: Option<&mut Vec<Progress>>,
) -> Result<Outcome, PerfError> {
    let mut result = Err(PerfError::Stopped);
    for &addr in addrs {
        let mut line = Line::new(direction);
        let tell = |progress| {
            line.show(progress);
            if let Some(samples) = &mut samples {
                samples.push(progress);
            }
        };
        result = measure(&perf.kcp, addr, direction, perf.time, tell, interrupt.wait()).await;
        line.end();
        if !matches!(result, Err(PerfError::Unreachable(_) | PerfError::NoAnswer)) {
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
        if progress.elapsed.as_secs() <= self.last.0.as_secs() {
            return;
        }
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
        if let Some(sender) = progress.sender {
            let again = sender.timeout_retransmits.saturating_add(sender.fast_retransmits);
            text.push_str(&format!("  rtt {}  {again} sent again", millis(sender.srtt)));
        }
        text
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = io::stdout().write_all(format!("\r{:<78}\r", "").as_bytes());
        }
    }
}

/// One row for each direction, of at most 80 columns, another for its path, and lines for what the
/// sender waited for and what was sent again.
fn table(outcomes: &[Outcome]) -> String {
    let row = |cells: [&str; 7]| {
        let [direction, goodput, received, time, rtt, again, ratio] = cells;
        let row = format!(
            "{direction:<9}{goodput:>13}{received:>10}{time:>7}{rtt:>19}{again:>8}{ratio:>13}"
        );
        format!("{}\n", row.trim_end())
    };
    let mut text =
        row(["", "goodput", "received", "time", "rtt min/mean/max", "again", "wire/payload"]);
    for outcome in outcomes {
        let (rtt, again, ratio) = match &outcome.sent {
            Some(sent) => (rtts(sent), share(sent), ratio(sent)),
            None => ("-".into(), "-".into(), "-".into()),
        };
        text.push_str(&row([
            &outcome.direction.to_string(),
            &bits(outcome.goodput()),
            &bytes(outcome.received.bytes),
            &format!("{} s", decimal(outcome.received.elapsed.as_millis(), 1000, 1)),
            &rtt,
            &again,
            &ratio,
        ]));
    }
    text.push_str(&paths(outcomes));
    for outcome in outcomes {
        match &outcome.sent {
            Some(sent) => text.push_str(&again(outcome.direction, sent)),
            None if outcome.complete => {
                text.push_str("-: the server's figures did not arrive; its queue was too long\n");
            }
            None => text.push_str("-: the server tells its figures at the end\n"),
        }
        if !outcome.complete {
            text.push_str(&format!("{}: interrupted, so far as it came\n", outcome.direction));
        }
    }
    text
}

/// What the sender of each direction knows of the path, and for what it waited.
fn paths(outcomes: &[Outcome]) -> String {
    let row = |cells: [&str; 7]| {
        let [direction, rate, phase, lost, min_rtt, queue, in_flight] = cells;
        format!(
            "{direction:<9}{rate:>13}{phase:>9}{lost:>9}{min_rtt:>9}{queue:>13}{in_flight:>18}\n"
        )
    };
    let known = |outcome: &Outcome| {
        let path: Option<PathSummary> = outcome.sent.and_then(|sent| sent.path);
        path.map(|path| (outcome.direction, path))
    };
    let known: Vec<(Direction, PathSummary)> = outcomes.iter().filter_map(known).collect();
    if known.is_empty() {
        return String::new();
    }
    let head = ["path", "rate", "phase", "lost", "min RTT", "queue/p95", "in flight/window"];
    let mut text = row(head);
    for (direction, path) in &known {
        text.push_str(&row([
            &direction.to_string(),
            &bits_of(path.rate),
            path.phase(),
            &per_cent(path.loss_ppm),
            &format!("{} ms", path.min_rtt_ms),
            &format!("{}/{} ms", path.queue_ms, path.queue_p95_ms),
            &bytes_of(path.in_flight, path.window),
        ]));
    }
    for (direction, path) in &known {
        let mut waits = String::new();
        for (reason, share) in path.waits() {
            let separator = if waits.is_empty() { "" } else { ", " };
            waits.push_str(&format!("{separator}{reason} {share} %"));
        }
        text.push_str(&format!("{direction}: the sender waits for {waits}\n"));
    }
    text
}

fn rtts(sent: &Sent) -> String {
    let [min, mean, max] = [sent.srtt_min, sent.srtt, sent.srtt_max].map(|time| time.as_millis());
    format!("{min}/{mean}/{max} ms")
}

fn all_again(sent: &Sent) -> u64 {
    sent.timeout_retransmits.saturating_add(sent.fast_retransmits)
}

fn share(sent: &Sent) -> String {
    format!("{} %", decimal(u128::from(all_again(sent)) * 100, sent.segments.into(), 2))
}

/// Nothing where nothing was.
fn again(direction: Direction, sent: &Sent) -> String {
    if all_again(sent) == 0 {
        return String::new();
    }
    format!(
        "{direction}: of {} segments {} again by timeout, {} by later ACKs\n",
        sent.segments, sent.timeout_retransmits, sent.fast_retransmits
    )
}

fn ratio(sent: &Sent) -> String {
    decimal(sent.wire.into(), sent.payload.into(), 3)
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::Received;
    use super::*;
    use smol_kcp::StreamStats;

    fn sender(srtt: Duration, fast_retransmits: u64) -> StreamStats {
        let mut stats = StreamStats::default();
        (stats.srtt, stats.fast_retransmits) = (srtt, fast_retransmits);
        stats
    }

    #[test]
    fn what_the_path_did_is_a_row_and_for_what_the_sender_waited_a_line() {
        let path = PathSummary {
            rate: 1_225_000,
            phase: *b"cruise\0\0",
            loss_ppm: 100,
            min_rtt_ms: 50,
            queue_ms: 8,
            queue_p95_ms: 22,
            in_flight: 61_200,
            window: 98_000,
            waits: [17, 81, 0, 2],
        };
        let sent = Sent { path: Some(path), ..Sent::default() };
        let received = Received { bytes: 1, elapsed: Duration::from_secs(10) };
        let outcome =
            Outcome { direction: Direction::Upload, received, sent: Some(sent), complete: true };
        let text = table(&[outcome]);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[3].join(" "),
            "upload 9.80 Mbit/s cruise 0.01 % 50 ms 8/22 ms 61.2/98.0 kB"
        );
        let waits = "upload: the sender waits for pace 81 %, path 17 %, application 2 %";
        assert!(text.ends_with(&format!("{waits}\n")), "{text}");
        // An older server says nothing of it.
        let sent = Some(Sent { path: None, ..sent });
        assert!(!table(&[Outcome { sent, ..outcome }]).contains("path"));
    }

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
            path: None,
        };
        let upload =
            Outcome { direction: Direction::Upload, received, sent: Some(sent), complete: true };
        let text = table(&[upload]);
        assert!(text.contains("10.00 Mbit/s  12.50 MB 10.0 s"), "{text}");
        assert!(text.contains("40/42/61 ms  1.50 %        1.050\n"), "{text}");
        assert!(text.ends_with("10000 segments 20 again by timeout, 130 by later ACKs\n"));
        let download =
            Outcome { direction: Direction::Download, received, sent: None, complete: true };
        let text = table(&[upload, download]);
        assert_eq!(text.lines().count(), 5);
        assert!(text.ends_with("did not arrive; its queue was too long\n"), "{text}");
        let text = table(&[Outcome { complete: false, ..download }]);
        assert!(text.ends_with("\ndownload: interrupted, so far as it came\n"), "{text}");
    }

    #[test]
    fn the_table_and_the_progress_fit_eighty_columns() {
        let time = Duration::from_millis(9_999);
        let sent = Sent {
            payload: 7_499_999_999,
            wire: 20_000_000_000,
            segments: 5_000_000,
            timeout_retransmits: 999_999,
            fast_retransmits: 999_999,
            srtt: time,
            srtt_min: time,
            srtt_max: time,
            path: Some(PathSummary {
                rate: 999_990_000,
                phase: *b"competes",
                loss_ppm: 999_900,
                min_rtt_ms: 9_999,
                queue_ms: 9_999,
                queue_p95_ms: 9_999,
                in_flight: 999_990_000,
                window: 999_990_000,
                waits: [34, 33, 23, 10],
            }),
        };
        let received = Received { bytes: 999_990_000, elapsed: Duration::from_millis(59_990) };
        let upload =
            Outcome { direction: Direction::Upload, received, sent: Some(sent), complete: false };
        let download = Outcome { direction: Direction::Download, sent: None, ..upload };
        let text = table(&[upload, download]);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let mut line = Line { terminal: false, ..Line::new(Direction::Download) };
        let text = line.text(Progress {
            elapsed: Duration::from_secs(60),
            bytes: 999_990_000_000,
            sender: Some(sender(time, 9_999_999)),
        });
        assert!(text.len() < 80, "{text}");
    }

    #[test]
    fn progress_tells_the_rate_of_the_last_second() {
        let mut line = Line { terminal: false, ..Line::new(Direction::Upload) };
        let progress = |secs, bytes| Progress {
            elapsed: Duration::from_secs(secs),
            bytes,
            sender: Some(sender(Duration::from_millis(7), 3)),
        };
        assert!(line.text(progress(1, 125_000)).contains("1.00 Mbit/s"));
        let text = line.text(progress(2, 1_375_000));
        assert!(text.contains("10.00 Mbit/s") && text.contains("1.38 MB"), "{text}");
        assert!(text.ends_with("rtt 7 ms  3 sent again"), "{text}");
    }
}
