//! What the model of a path says: its pace, its window, its queue.

use std::time::Duration;

use super::losses::BASELINE_MOST;
use super::{Auto, Phase, CRUISE, DOWN, DRAIN, QUEUE_LEAST, QUEUE_MOST, STARTUP, UP};
use crate::peer::path::rounds::{Round, Share, WHOLE};
use crate::peer::path::{BURST, INITIAL};
use crate::time::Time;

impl Auto {
    /// Returns how many rounds are over, and what the last one has shown.
    pub(in crate::peer::path) fn rounds(&self) -> u32 {
        self.rounds.count
    }

    pub(in crate::peer::path) fn last_round(&self) -> Round {
        self.rounds.last
    }

    pub(in crate::peer::path) fn min_rtt(&self) -> Option<u32> {
        self.rounds.min_rtt()
    }

    pub(in crate::peer::path) fn baseline(&self) -> Share {
        self.losses.baseline()
    }

    /// Returns whether what gets lost is lost by chance, and not for want of room.
    pub(in crate::peer::path) fn loses_by_chance(&self) -> bool {
        let alone = matches!(self.phase, Phase::Down | Phase::Cruise | Phase::Up);
        alone && self.losses.congested_rounds() == 0 && self.baseline() >= WHOLE / 100
    }

    /// Returns whether what gets lost may be lost for want of room.
    #[cfg(feature = "kcptun")]
    pub(in crate::peer::path) fn is_crowded(&self) -> bool {
        match self.phase {
            Phase::Down | Phase::Cruise | Phase::Up => self.losses.congested_rounds() > 0,
            // Who rests again and again never ends it.
            Phase::Startup => self.queue() > self.queue_allowed(),
            _ => true,
        }
    }

    /// Returns what the queue holds, in milliseconds.
    pub(in crate::peer::path) fn queue(&self) -> u32 {
        let recent = self.rounds.recent_rtt().unwrap_or(0);
        recent.saturating_sub(self.rounds.min_rtt().unwrap_or(recent))
    }

    /// Returns the queue that is left alone, in milliseconds.
    pub(super) fn queue_allowed(&self) -> u32 {
        let min = self.rounds.min_rtt().unwrap_or(0);
        // On a slow line a datagram that leaves, and one that waits for it, are no queue.
        let datagrams = self.datagrams(2);
        // Where round trips differ anyway, the shortest of a round is not that of all.
        let jitter = self.rounds.last.jitter();
        let most = if self.is_polite { QUEUE_LEAST } else { QUEUE_MOST };
        // And where they go up and down together, as over a radio link that keeps the order of what it repeats,
        // that of all lies far below the usual.
        let swing = self.rounds.swing().min(min);
        (min / 8).clamp(QUEUE_LEAST, most).max(datagrams).max(swing) + jitter
    }

    /// Returns how many milliseconds so many datagrams take.
    pub(super) fn datagrams(&self, count: u64) -> u32 {
        (count * 1000 * self.mss / self.bandwidth().max(1)).min(500) as u32
    }

    /// Returns whether the queue holds more than that.
    pub(super) fn queue_stands(&self) -> bool {
        let queue = self.queue();
        // Asked at each report: without a queue nothing is divided.
        queue > QUEUE_LEAST && queue > self.queue_allowed()
    }

    /// Returns the pace, in bytes a second; `None`: nothing is known to go by.
    pub(in crate::peer::path) fn pace(&self) -> Option<u64> {
        if self.starts_near() {
            return None;
        }
        let rate = self.bandwidth();
        if rate == 0 {
            return (self.first_pace > 0).then_some(self.first_pace);
        }
        let gain = match self.phase {
            Phase::Startup => STARTUP,
            Phase::Drain | Phase::Test => DRAIN,
            // Without what is made up for losses: those of a policer, or of a queue, would go on for ever.
            Phase::Down => return Some(rate.saturating_mul(u64::from(DOWN)) / 100),
            Phase::Cruise => CRUISE,
            Phase::Up => self.up_gain,
            Phase::Compete => {
                let rtt = self.rounds.recent_rtt().or(self.min_rtt()).unwrap_or(100).max(1);
                return Some(self.cubic.cwnd.saturating_mul(1200) / u64::from(rtt));
            }
        };
        // What gets lost on the way comes on top: without that, what arrives would shrink round by round.
        let arrives = u64::from(WHOLE - self.baseline());
        Some(rate.saturating_mul(u64::from(gain)) / 100 * u64::from(WHOLE) / arrives)
    }

    /// Returns the bytes that may be in flight.
    pub(in crate::peer::path) fn window(&self) -> u64 {
        let least = INITIAL * self.mss;
        let Some(min_rtt) = self.rounds.min_rtt() else {
            // Not even a round trip to spread more over.
            return BURST * self.mss;
        };
        if self.bandwidth() == 0 {
            return least;
        }
        // Acknowledgements that come in lumps or late keep more in flight than the path holds.
        let nominal = min_rtt + (3 * self.rounds.last.jitter()).min(2 * min_rtt + 100);
        let more = match self.phase {
            // What loses so much of the first flight does not hold another one.
            Phase::Startup if self.rounds.last.loss() > BASELINE_MOST => {
                return self.bytes_in(nominal) * 3 + 2 * self.mss;
            }
            Phase::Startup => return (self.bytes_in(nominal) * 3).max(least),
            Phase::Compete => return self.cubic.cwnd,
            Phase::Test => return self.bytes_in(min_rtt) * 3 / 4 + self.mss,
            // Once in a while so little that nothing waits, whoever sent it.
            Phase::Down if self.is_deep && self.rounds_in_phase() == 0 => {
                return self.bytes_in(min_rtt) / 2 + self.mss;
            }
            Phase::Drain | Phase::Down => 0,
            Phase::Cruise => self.queue_allowed(),
            // As far as it takes to see whether there is more, and no farther.
            Phase::Up => {
                self.queue_allowed()
                    + self.queue_allowed().min(QUEUE_MOST)
                    + nominal * (self.up_gain - UP) / 100
            }
        };
        self.bytes_in(nominal + more) + 2 * self.mss
    }

    /// Returns what the path carries in a time, and what is lost of it, which counts as in flight until it
    /// is repaired.
    pub(super) fn bytes_in(&self, millis: u32) -> u64 {
        let lost = u64::from(WHOLE + 2 * self.baseline());
        self.bandwidth().saturating_mul(u64::from(millis)) / 1000 * lost / u64::from(WHOLE)
    }

    /// Returns whether nothing has been acknowledged for so long.
    pub(in crate::peer::path) fn is_quiet(&self, now: Time, span: Duration) -> bool {
        now.since(self.last_ack_at) >= span
    }
}
