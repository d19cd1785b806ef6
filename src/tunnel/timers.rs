//! Do timers work on this build?

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use async_io::Timer;

use super::runtime::now;

/// What is waited for, and how long that may take on a busy machine.
const WAIT: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_millis(1500);

/// Timers are broken on this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenTimers {
    /// They never fire.
    Hang,
    /// They fire at once.
    Early,
}

impl std::error::Error for BrokenTimers {}

impl fmt::Display for BrokenTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            BrokenTimers::Hang => "never fire",
            BrokenTimers::Early => "fire at once",
        };
        write!(
            f,
            "timers {how} in this build; for MIPS with musl it must be built with \
             RUSTFLAGS=\"--cfg fix_y2038\""
        )
    }
}

/// Waits for a short timer, on a thread of its own since it might wait for ever: where `time_t` has
/// 32 bits, a build can hand the kernel times that it understands as none (musl on MIPS).
///
/// # Errors
/// They never fire, or fire at once: nothing that this crate does would work.
pub fn check() -> Result<(), BrokenTimers> {
    let (done, result) = mpsc::channel();
    let began = now();
    thread::spawn(move || {
        smol::block_on(Timer::after(WAIT));
        let _ = done.send(());
    });
    match result.recv_timeout(LIMIT) {
        Err(_) => Err(BrokenTimers::Hang),
        Ok(()) if now().duration_since(began) < WAIT => Err(BrokenTimers::Early),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn timers_work_on_this_build() {
        assert_eq!(super::check(), Ok(()));
    }
}
