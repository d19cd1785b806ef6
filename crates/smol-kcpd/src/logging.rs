//! Where messages go: errors and warnings to stderr, the rest to stdout, since that is how procd
//! tells them apart. No times, which syslog adds; no colour; no floods; and no waiting for a reader.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use self::output::Output;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::runtime::now;

/// The target of messages that somebody has asked for: these are not limited.
pub(super) const UNLIMITED: &str = "smol_kcp::asked";

/// Messages of one place in the code that are written at once, and the time after which one more
/// is.
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(6);

/// Places that are remembered; there are fewer in this crate.
const PLACES: usize = 256;

/// Reads the name of a level.
pub(super) fn level(text: &str) -> Option<LevelFilter> {
    let levels = ["error", "warn", "info", "debug", "trace"];
    levels.contains(&text).then(|| text.parse().ok()).flatten()
}

/// The logger of the daemon. A line that nobody reads is lost and counted; the next one that can be
/// written says how many were.
#[derive(Debug, Default)]
pub struct Logger {
    limits: Mutex<Limits>,
    /// stdout and stderr.
    outputs: Mutex<(Output, Output)>,
}

impl Logger {
    /// Makes it the logger of the process; a second time only the level changes.
    pub fn install(level: LevelFilter) {
        static LOGGER: OnceLock<Logger> = OnceLock::new();
        let _ = log::set_logger(LOGGER.get_or_init(Logger::default)); // another one is as good
        log::set_max_level(level);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What the libraries beneath say at other levels is for those who work on them.
        metadata.level() <= Level::Warn || metadata.target().starts_with("smol_kcp")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let suppressed = match record.level() {
            // Nobody asks for these and minds to get many.
            Level::Debug | Level::Trace => Some(0),
            _ if record.target() == UNLIMITED => Some(0),
            _ => {
                let place = (record.file_static().unwrap_or_default(), record.line().unwrap_or(0));
                let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
                limits.admit(place, now())
            }
        };
        let Some(suppressed) = suppressed else { return };
        let mut line = match record.level() {
            Level::Info => String::new(),
            level => format!("{}: ", level.as_str().to_lowercase()),
        };
        line.push_str(&record.args().to_string());
        if suppressed > 0 {
            line.push_str(&format!(" ({suppressed} more like this were not logged)"));
        }
        line.push('\n');
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdout, stderr) = &mut *outputs;
        match record.level() {
            Level::Error | Level::Warn => stderr.write(&mut io::stderr(), line),
            _ => stdout.write(&mut io::stdout(), line),
        }
    }

    fn flush(&self) {
        let _ = io::stdout().flush();
    }
}

mod output {
    //! One of the two outputs, which may be a pipe that nobody reads.

    use std::io::{self, Write};
    #[cfg(unix)]
    use std::os::fd::AsFd;

    /// Bytes of a line at most: what a pipe takes at once, if it takes anything (PIPE_BUF of Linux).
    pub(super) const LONGEST: usize = 4096;

    #[cfg(unix)]
    pub(super) trait Stream: Write + AsFd {}
    #[cfg(unix)]
    impl<T: Write + AsFd> Stream for T {}
    #[cfg(not(unix))]
    pub(super) trait Stream: Write {}
    #[cfg(not(unix))]
    impl<T: Write> Stream for T {}

    /// Counts what was lost on the way to one output.
    #[derive(Debug, Default, PartialEq, Eq)]
    pub(super) struct Output {
        lost: u32,
    }

    impl Output {
        /// Writes a line if that needs no waiting. One that is longer than [`LONGEST`] is cut.
        pub(super) fn write(&mut self, to: &mut impl Stream, mut line: String) {
            if line.len() > LONGEST {
                let mut end = LONGEST - 4; // for the dots and the end of the line
                while !line.is_char_boundary(end) {
                    end -= 1;
                }
                line.truncate(end);
                line.push_str("...\n");
            }
            if self.lost > 0 {
                let lost =
                    format!("warn: {} lines of the log were lost: nobody read it\n", self.lost);
                if try_write(to, &lost).is_ok() {
                    self.lost = 0;
                }
            }
            if try_write(to, &line).is_err() {
                self.lost = self.lost.saturating_add(1);
            }
        }
    }

    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]; those of writing.
    fn try_write(to: &mut impl Stream, line: &str) -> io::Result<()> {
        if !takes_a_line(to) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        to.write_all(line.as_bytes())
    }

    /// Asks before each write instead of making the output non-blocking, since that would be so for
    /// everybody who shares it, and instead of leaving the writing to a thread, since that costs
    /// memory and wake-ups. What is ready for writing takes [`LONGEST`] bytes at once: a pipe has an
    /// empty page then, a socket a good part of its buffer.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn takes_a_line(to: &impl Stream) -> bool {
        use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

        let mut asked = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
        // What cannot be asked is written to; an error comes out then.
        !matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
    }

    /// The systems without routers wait for the reader.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn takes_a_line(_: &impl Stream) -> bool {
        true
    }
}

type CallSite = (&'static str, u32);

/// A bucket for each place in the code: full with [`BURST`] messages, one more each [`REFILL`].
#[derive(Debug, Default)]
struct Limits {
    /// At most [`PLACES`].
    places: Vec<(CallSite, Bucket)>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// When it last got one, or was full.
    filled: Instant,
    suppressed: u32,
}

impl Limits {
    /// May a message of `place` be written? If so, how many before it were not.
    fn admit(&mut self, place: CallSite, now: Instant) -> Option<u32> {
        let at = self.places.iter().position(|(known, _)| *known == place).unwrap_or_else(|| {
            if self.places.len() >= PLACES {
                self.places.clear();
            }
            self.places.push((place, Bucket { left: BURST, filled: now, suppressed: 0 }));
            self.places.len() - 1
        });
        let bucket = &mut self.places[at].1;
        let refills = now.duration_since(bucket.filled).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills > 0 {
            bucket.left = bucket.left.saturating_add(refills).min(BURST);
            bucket.filled = now;
        }
        if bucket.left == 0 {
            bucket.suppressed = bucket.suppressed.saturating_add(1);
            return None;
        }
        if bucket.left == BURST {
            bucket.filled = now;
        }
        bucket.left -= 1;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_may_say_ten_things_at_once_and_then_one_each_six_seconds() {
        let mut limits = Limits::default();
        let (place, began) = (("file.rs", 1), now());
        let admitted = (0..100).filter(|_| limits.admit(place, began).is_some()).count();
        assert_eq!(admitted, 10);
        assert_eq!(limits.admit(("file.rs", 2), began), Some(0), "others are not to blame");
        assert_eq!(limits.admit(place, began + REFILL), Some(90));
        assert_eq!(limits.admit(place, began + REFILL), None);
        let later = began + REFILL * 100;
        assert_eq!((0..100).filter(|_| limits.admit(place, later).is_some()).count(), 10);
    }

    #[cfg(unix)]
    #[test]
    fn what_nobody_reads_is_lost_and_counted_and_the_rest_arrives() {
        use std::io::{BufRead, BufReader};
        use std::os::unix::net::UnixStream;

        let (mut to, from) = UnixStream::pair().expect("two ends");
        let mut output = Output::default();
        let mut written = 0_u32;
        while output == Output::default() {
            output.write(&mut to, format!("line {written}\n"));
            written += 1;
        }
        output.write(&mut to, "one more\n".into());
        // Room again.
        let mut lines = BufReader::new(from).lines().map(|line| line.expect("a line"));
        for number in 0..written - 1 {
            assert_eq!(lines.next(), Some(format!("line {number}")));
        }
        output.write(&mut to, "at last\n".into());
        drop(to);
        let rest: Vec<String> = lines.collect();
        assert_eq!(rest, ["warn: 2 lines of the log were lost: nobody read it", "at last"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_line_is_no_longer_than_a_pipe_takes_at_once() {
        use std::io::Read;
        use std::os::unix::net::UnixStream;

        let (mut to, mut from) = UnixStream::pair().expect("two ends");
        Output::default().write(&mut to, "ö".repeat(output::LONGEST) + "\n");
        drop(to);
        let mut line = String::new();
        from.read_to_string(&mut line).expect("whole letters");
        assert!(line.len() <= output::LONGEST && line.ends_with("ö...\n"), "{}", line.len());
    }
}
