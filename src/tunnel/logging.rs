//! Where messages go: errors and warnings to stderr, the rest to stdout, since that is how procd
//! tells them apart. No times, which syslog adds; no colour; no floods.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

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

/// The logger of the daemon.
#[derive(Debug, Default)]
pub struct Logger {
    limits: Mutex<Limits>,
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
        // Who does not read what is written gets nothing; that is no reason to end.
        let _ = match record.level() {
            Level::Error | Level::Warn => io::stderr().write_all(line.as_bytes()),
            _ => io::stdout().write_all(line.as_bytes()),
        };
    }

    fn flush(&self) {
        let _ = io::stdout().flush();
    }
}

type Place = (&'static str, u32);

/// A bucket for each place in the code: full with [`BURST`] messages, one more each [`REFILL`].
#[derive(Debug, Default)]
struct Limits {
    places: HashMap<Place, Bucket>,
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
    fn admit(&mut self, place: Place, now: Instant) -> Option<u32> {
        if self.places.len() >= PLACES {
            self.places.clear();
        }
        let bucket =
            self.places.entry(place).or_insert(Bucket { left: BURST, filled: now, suppressed: 0 });
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
}
