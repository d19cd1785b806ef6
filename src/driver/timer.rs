//! The driver's one timer, set to the next deadline of all.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use async_io::Timer;

use crate::clock::Clock;
use smol_kcp_proto::time::Time;

/// Sets a timer anew only when its deadline or its task has changed: each setting wakes the
/// reactor.
#[derive(Debug)]
pub(super) struct DeadlineTimer {
    timer: Timer,
    deadline: Option<Time>,
    waker: Option<Waker>,
}

impl DeadlineTimer {
    pub(super) fn new() -> DeadlineTimer {
        DeadlineTimer { timer: Timer::never(), deadline: None, waker: None }
    }

    /// Returns what the timer is set to.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Sets the timer if the deadline is another than before; `true` if it has passed.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &Clock,
        now: Time,
        deadline: Option<Time>,
    ) -> bool {
        // A future may move to another task between two polls; the timer must wake the last one.
        let waker_changed = !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if waker_changed {
            self.waker = Some(cx.waker().clone());
        }
        if deadline != self.deadline {
            self.deadline = deadline;
            match deadline.and_then(|at| clock.instant(at)) {
                Some(at) => self.timer.set_at(at),
                None => self.timer = Timer::never(),
            }
        } else if !waker_changed && deadline.is_none_or(|at| now < at) {
            return false;
        }
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            self.deadline = None;
            self.timer = Timer::never();
            return true;
        }
        false
    }
}
