//! Signs of life: when one is due, and when the peer has given none for too long.

use std::time::Duration;

use crate::config::Config;

/// The two deadlines of a session.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    sent_at: Duration,
    heard_at: Duration,
}

impl KeepAlive {
    pub(super) fn new(config: &Config, now: Duration) -> KeepAlive {
        KeepAlive {
            interval: config.keep_alive,
            timeout: config.keep_alive_timeout,
            sent_at: now,
            heard_at: now,
        }
    }

    /// Notes that a frame was sent: whatever it is, it is a sign of life.
    pub(super) fn on_sent(&mut self, now: Duration) {
        self.sent_at = now;
    }

    /// Notes that bytes came from the peer, or could not have come as nothing was read.
    pub(super) fn on_heard(&mut self, now: Duration) {
        self.heard_at = now;
    }

    /// Returns whether the time has come to send a sign of life.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.nop_at().is_some_and(|at| at <= now)
    }

    /// Returns whether the peer was silent for too long.
    pub(super) fn is_expired(&self, now: Duration) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// Returns when to send a sign of life.
    pub(super) fn nop_at(&self) -> Option<Duration> {
        self.interval.map(|interval| self.sent_at.saturating_add(interval))
    }

    /// Returns when the peer will have been silent for too long.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        self.timeout.map(|timeout| self.heard_at.saturating_add(timeout))
    }
}
