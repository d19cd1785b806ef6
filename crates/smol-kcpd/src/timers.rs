//! The check whether timers work in this build and on this system.

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polling::{Events, Poller};

use super::runtime::now;

/// The wait that is tried, and the time it may take on a busy machine.
const WAIT: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(10);

/// Limits the tries: the best one counts, since a busy machine is late now and then.
const TRIES: u32 = 5;

/// The delay beside another way of waiting that counts as late: a kernel without fine timers delays
/// both.
const LATE: Duration = Duration::from_millis(4);

/// Reports that timers are broken in this build or on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenTimers {
    /// They never fire.
    Hang,
    /// They fire early.
    Early,
    /// They fire later by so much, each time.
    Late(Duration),
    /// The system refuses to set them.
    Fail(io::ErrorKind),
}

impl BrokenTimers {
    /// Returns whether nothing works without them. Late ones only make everything slow.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, BrokenTimers::Late(_))
    }
}

impl std::error::Error for BrokenTimers {}

impl fmt::Display for BrokenTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            BrokenTimers::Hang => "never fire",
            BrokenTimers::Early => "fire early",
            BrokenTimers::Late(by) => {
                return write!(
                f,
                "timers fire {} ms late on this system, and whatever waits takes as much longer: \
                     its kernel lacks the system calls for times that this build uses \
                     (CONFIG_COMPAT_32BIT_TIME)",
                by.as_millis()
            )
            }
            BrokenTimers::Fail(kind) => {
                return write!(
                    f,
                    "waiting by a timer failed: {kind}; the kernel may lack the system calls for \
                     times that this build uses (CONFIG_COMPAT_32BIT_TIME)"
                )
            }
        };
        write!(
            f,
            "timers {how} in this build; for MIPS with musl it must be built with \
             RUSTFLAGS=\"--cfg fix_y2038\""
        )
    }
}

/// Waits a little, on a thread of its own since it might wait for ever: where `time_t` has 32 bits, a
/// build can hand the kernel times that it misunderstands, as none or as anything (musl on MIPS).
///
/// It is the wait below async-io's timers: these hide one that ends early by waiting again, without
/// end, and one that fails by trying again after a while.
///
/// # Errors
/// They never fire, or early: nothing that this crate does would work, or it would keep the processor
/// busy. They fire late, every time, while others do not.
pub fn check() -> Result<(), BrokenTimers> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let took = |wait: &mut dyn FnMut() -> io::Result<()>| {
            let began = now();
            wait().map(|()| now().duration_since(began))
        };
        let polled = || {
            let poller = Poller::new()?;
            let mut events = Events::new();
            took(&mut || poller.wait(&mut events, Some(WAIT)).map(drop))
        };
        // Nobody unparks it.
        let parked = || {
            took(&mut || {
                thread::park_timeout(WAIT);
                Ok(())
            })
        };
        let _ = done.send(judge(polled, parked));
    });
    // Each try has its time to be late in.
    result.recv_timeout(LIMIT).unwrap_or(Err(BrokenTimers::Hang))
}

/// Measures a timer, tried until it is in time once, beside another way of waiting.
fn judge(
    mut timer: impl FnMut() -> io::Result<Duration>,
    mut other: impl FnMut() -> io::Result<Duration>,
) -> Result<(), BrokenTimers> {
    let failed = |error: io::Error| BrokenTimers::Fail(error.kind());
    let (mut best, mut best_other) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        let took = timer().map_err(failed)?;
        if took < WAIT {
            return Err(BrokenTimers::Early);
        }
        best = best.min(took);
        if best <= WAIT + LATE {
            return Ok(());
        }
        best_other = best_other.min(other().map_err(failed)?);
    }
    match best <= best_other + LATE {
        true => Ok(()),
        false => Err(BrokenTimers::Late(best.saturating_sub(WAIT))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(timer: &[u64], other: &[u64]) -> Result<(), BrokenTimers> {
        let times = |of: &[u64]| {
            let times: Vec<Duration> = of.iter().copied().map(Duration::from_millis).collect();
            let mut times = times.into_iter();
            move || times.next().ok_or_else(|| io::ErrorKind::Unsupported.into())
        };
        judge(times(timer), times(other))
    }

    #[test]
    fn timers_work_on_this_build() {
        if let Err(error) = check() {
            assert!(!error.is_fatal(), "{error}"); // late they may be, on a busy machine
        }
    }

    #[test]
    fn late_is_what_is_late_every_time_while_others_are_not() {
        assert_eq!(judged(&[10], &[]), Ok(()));
        assert_eq!(judged(&[40, 70, 33, 11], &[10, 11, 10]), Ok(()), "the best counts");
        let late = judged(&[18, 43, 20, 30, 22], &[60, 12, 30, 10, 40]);
        assert_eq!(late, Err(BrokenTimers::Late(Duration::from_millis(8))));
        assert!(!late.unwrap_err().is_fatal());
        assert_eq!(judged(&[30; 5], &[28; 5]), Ok(()), "a busy machine, or a tick");
        assert_eq!(judged(&[40, 9], &[10]), Err(BrokenTimers::Early));
        assert_eq!(judged(&[40], &[10]), Err(BrokenTimers::Fail(io::ErrorKind::Unsupported)));
    }
}
