//! Do timers work on this build?

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polling::{Events, Poller};

use super::runtime::now;

/// What is waited for, and how long that may take on a busy machine.
const WAIT: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_millis(1500);

/// Timers are broken on this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenTimers {
    /// They never fire.
    Hang,
    /// They fire early.
    Early,
    /// The system refuses them.
    Fail(io::ErrorKind),
}

impl std::error::Error for BrokenTimers {}

impl fmt::Display for BrokenTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            BrokenTimers::Hang => "never fire",
            BrokenTimers::Early => "fire early",
            BrokenTimers::Fail(kind) => return write!(f, "waiting by a timer failed: {kind}"),
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
/// It is the wait below async-io's timers: these hide one that ends early by waiting again, without end.
///
/// # Errors
/// They never fire, or early: nothing that this crate does would work, or it would keep the processor busy.
pub fn check() -> Result<(), BrokenTimers> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let began = now();
        let waited = Poller::new().and_then(|poller| poller.wait(&mut Events::new(), Some(WAIT)));
        let _ = done.send(waited.map(|_| now().duration_since(began)));
    });
    match result.recv_timeout(LIMIT) {
        Err(_) => Err(BrokenTimers::Hang),
        Ok(Err(error)) => Err(BrokenTimers::Fail(error.kind())),
        Ok(Ok(took)) if took < WAIT => Err(BrokenTimers::Early),
        Ok(Ok(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn timers_work_on_this_build() {
        assert_eq!(super::check(), Ok(()));
    }
}
