//! `smol-kcpd perf`: progress while it runs, and a table at its end.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::{measure, rate, Direction, Outcome, PerfError, Progress, Sent};
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
        }
        let complete = outcomes.iter().filter(|outcome| outcome.complete).count();
        Ok(complete == self.directions.len())
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

/// One row for each direction, of at most 80 columns, and a line for what was sent again.
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

/// Bits per second.
fn bits(rate: u64) -> String {
    let (unit, name, places) = match rate {
        0..1_000_000 => (1_000, "kbit/s", 1),
        1_000_000..1_000_000_000 => (1_000_000, "Mbit/s", 2),
        _ => (1_000_000_000, "Gbit/s", 3),
    };
    format!("{} {name}", decimal(rate.into(), unit, places))
}

fn bytes(count: u64) -> String {
    let (unit, name, places) = match count {
        0..1_000_000 => (1_000, "kB", 1),
        1_000_000..1_000_000_000 => (1_000_000, "MB", 2),
        _ => (1_000_000_000, "GB", 3),
    };
    format!("{} {name}", decimal(count.into(), unit, places))
}

/// A quotient with so many decimal places, rounded: in whole numbers, since routers have no others,
/// and printing others takes 13 kB.
fn decimal(dividend: u128, divisor: u128, places: u32) -> String {
    let (divisor, scale) = (divisor.max(1), 10_u128.pow(places));
    let scaled = dividend.saturating_mul(scale).saturating_add(divisor / 2) / divisor;
    let width = places as usize;
    format!("{}.{:0width$}", scaled / scale, scaled % scale)
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
            srtt: Some(time),
            retransmits: Some(9_999_999),
        });
        assert!(text.len() < 80, "{text}");
    }

    #[test]
    fn quotients_are_rounded_to_their_places() {
        assert_eq!(decimal(2, 3, 3), "0.667");
        assert_eq!(decimal(1999, 1000, 1), "2.0");
        assert_eq!(decimal(1005, 1000, 2), "1.01");
        assert_eq!(decimal(7, 0, 2), "7.00", "as if it were 1");
        assert_eq!((bits(999), bits(1_234_567)), ("1.0 kbit/s".into(), "1.23 Mbit/s".into()));
        assert_eq!((bytes(0), bytes(5_000_000_000)), ("0.0 kB".into(), "5.000 GB".into()));
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
