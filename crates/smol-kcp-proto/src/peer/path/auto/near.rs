//! Paths to another process, or over a fast LAN: the windows decide there, as long as they fit.

use super::{Auto, Phase, REST};
use crate::peer::path::rounds::{Share, WHOLE};
use crate::time::Time;

/// Milliseconds and bytes a second beyond which a path is near, and fast.
const NEAR_RTT: u32 = 2;
const NEAR_RATE: u64 = 100_000_000;
/// More than that lost in one round there, and the windows are too wide.
const NEAR_LOSS: Share = WHOLE / 10;

impl Auto {
    /// Returns whether the peer is so near and the path so fast that a pace in milliseconds could only hold
    /// it up: another process, or a fast LAN. The windows that the streams begin with are made for that.
    pub(in crate::peer::path) fn is_near(&self) -> bool {
        let near = self.rounds.min_rtt().is_some_and(|min| min <= NEAR_RTT);
        near && self.overran_at.is_none() && self.bandwidth() >= NEAR_RATE
    }

    /// Returns whether the start is on a path with a shorter round trip than the clock tells: its window, of a
    /// few milliseconds at most, needs no pace to spread it.
    pub(super) fn starts_near(&self) -> bool {
        self.phase == Phase::Startup && self.rounds.is_nearest()
    }

    /// Returns the same at the end of a round: windows that lost too much are tried again after a while.
    pub(super) fn is_near_again(&mut self, now: Time) -> bool {
        self.overran_at = self.overran_at.filter(|&at| now.since(at) < REST);
        self.is_near()
    }

    /// Nothing but the windows limits what leaves. Where they lose what they send, they are too wide for the
    /// queues in between; that does not change from one round to the next.
    pub(super) fn end_near_round(&mut self, now: Time) {
        if self.phase != Phase::Cruise {
            self.enter(now, Phase::Cruise);
        }
        let last = self.rounds.last;
        self.losses.end_near_round(&last, self.mss);
        if last.loss() >= NEAR_LOSS || self.losses.congested_rounds() > 1 {
            self.overran_at = Some(now);
            self.on_congestion(now);
        }
    }
}
