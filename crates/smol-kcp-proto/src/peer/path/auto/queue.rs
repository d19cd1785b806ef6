//! What a queue that stands means: the path carries less, or somebody else fills it.

use std::time::Duration;

use super::{Auto, Phase};
use crate::peer::path::cubic::Cubic;
use crate::time::Time;

/// A queue that stands again so soon, and so often in a row, is somebody else's too.
const DRAIN_AGAIN: Duration = Duration::from_secs(1);
const DRAINS: u32 = 2;

impl Auto {
    /// A queue stands although no more is sent than the path was believed to carry: it carries less.
    pub(super) fn drain(&mut self, now: Time, in_flight: u64) {
        // One's own queue, once drained, does not come back by itself.
        let span =
            DRAIN_AGAIN.max(Duration::from_millis(20 * u64::from(self.min_rtt().unwrap_or(1))));
        let is_again = now.since(self.drained_at) < span;
        self.drains = if is_again { self.drains + 1 } else { 1 };
        if !is_again || self.drained_from == 0 {
            self.drained_from = self.bytes_in(self.rounds.recent_rtt().unwrap_or(1));
        }
        self.drained_at = now;
        if self.phase == Phase::Cruise && self.cruised.acked > 0 {
            // The line was full all along. The highest rate of a round is a little more, by what
            // acknowledgements come in lumps, and with that the queue would stand again soon.
            self.ceiling = self.ceiling.min(self.cruised.average());
        }
        self.cap_to_last();
        if self.drains > DRAINS && !self.is_polite {
            return self.compete(now, in_flight);
        }
        self.enter(now, Phase::Drain);
    }

    /// The line is full: what was delivered of late is what it carries, or what others leave of it.
    pub(super) fn cap_to_last(&mut self) {
        let last = self.rounds.last;
        if last.limited || last.average() == 0 {
            return;
        }
        // A short queue may be an accident. And who sends less than the line carries, to let it drain, sees
        // what it carries only as long as the queue stands.
        let is_long = self.queue() > 2 * self.queue_allowed();
        match self.phase {
            Phase::Drain if is_long => self.rounds.cap_rate(last.rate),
            Phase::Cruise if is_long => self.rounds.cap_rate(last.average()),
            Phase::Cruise => self.rounds.cap_rate(last.rate.max(last.average())),
            _ => {}
        }
    }

    /// The queue is gone. If it stands again soon, it is the same somebody who fills it, and the window is as
    /// large as it was.
    pub(super) fn leave_test(&mut self, now: Time) {
        (self.drains, self.drained_at, self.drained_from) = (0, now, self.cubic.cwnd);
        self.up_at = self.next_up(now);
        self.enter(now, Phase::Down);
    }

    /// The queue is not ours alone.
    pub(super) fn compete(&mut self, now: Time, in_flight: u64) {
        self.losses.believe_slow(self.mss);
        self.cubic = Cubic::new(now, self.drained_from.max(in_flight), self.mss);
        self.drains = 0;
        // What was left of the line when the queue stood is no bound any more.
        self.ceiling = u64::MAX;
        self.enter(now, Phase::Compete);
    }
}
