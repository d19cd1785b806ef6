//! The controller that finds out what a path carries: a model of its rate and its shortest round trip, a
//! baseline of its losses, and a guard over the queue. See docs/rate.md.

mod losses;
mod model;
mod near;
mod queue;

use std::time::Duration;

use self::losses::{Losses, BASELINE_MOST};
use super::cubic::Cubic;
use super::delivery::Delivered;
use super::rounds::{Round, Rounds, CLOCK};
use super::{FlowReport, INITIAL};
use crate::time::Time;

/// The rate of the start: it doubles each round even where acknowledgements come late (BBR's 4 ln 2).
const STARTUP: u32 = 277;
/// Part of a flat round's growth that is none, and rounds of it after which the start is over.
const GROWN: u64 = 125;
const FLAT_ROUNDS: u32 = 3;
/// Datagrams of a round of the start whose losses say anything.
const STARTUP_LEAST: u64 = 30;
/// Pace of the phases, in hundredths of what the path carries.
const DRAIN: u32 = 75;
const DOWN: u32 = 90;
const CRUISE: u32 = 100;
const UP: u32 = 125;
/// Rounds that a lower pace lasts. What was lost before is found to be in the first two of them; the third
/// shows the path without a queue of our own.
const DOWN_ROUNDS: u32 = 3;
/// Rounds of it at most, for as long as more is lost than chance does: what was lost before counts when it is
/// sent again.
const DOWN_MOST: u32 = 8;
/// Rounds of draining after which the queue is somebody else's.
const DRAIN_ROUNDS: u32 = 5;
/// Time between two attempts to find more, and round trips: an attempt takes some five, of which three are
/// slower.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBE_ROUNDS: u32 = 16;
/// Bounds of the queue that is left alone, in milliseconds; in between an eighth of the round trip.
const QUEUE_LEAST: u32 = 8;
const QUEUE_MOST: u32 = 25;
/// Time in which a competitor is believed to be there until the queue is tried again.
const COMPETE_TEST: Duration = Duration::from_secs(4);
/// Time without any answer after which a path may be dead, and four round trips.
const SILENCE: Duration = Duration::from_secs(1);
/// Rounds after an outage, at most, in which what it has swallowed is found to be lost.
const EXCUSED: u32 = 8;
/// A path that has rested for so long may have changed.
const REST: Duration = Duration::from_secs(10);

/// What the controller is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Doubling until nothing more arrives.
    Startup,
    /// Less than the path carries, until the queue is gone.
    Drain,
    /// A little less, to see the path without a queue of our own.
    Down,
    /// As much as the path carries.
    Cruise,
    /// More, to see whether it carries more.
    Up,
    /// Sharing a queue that somebody else fills.
    Compete,
    /// Trying whether somebody else still does.
    Test,
}

/// The model of a path.
#[derive(Debug)]
pub(super) struct Auto {
    mss: u64,
    /// It gives way to everybody else.
    is_polite: bool,
    delivered: Delivered,
    rounds: Rounds,
    phase: Phase,
    /// What was delivered when more got lost than chance explains: until more is tried, higher rates are
    /// those of what a policer had saved up.
    ceiling: u64,
    /// The pace before anything is measured; 0: the first flight leaves at once.
    first_pace: u64,
    /// The shortest round trip is to be seen again.
    is_deep: bool,
    /// When the phase began, and in which round.
    phase_at: Time,
    phase_round: u32,
    /// The rate that counts as growth when a quarter more is seen, and rounds without.
    full_rate: u64,
    flat: u32,
    /// Pace of the running attempt to find more.
    up_gain: u32,
    /// When the next one is due.
    up_at: Time,
    losses: Losses,
    /// What this cruise has delivered and lost, but for its first round, which tells of what was sent before it.
    cruised: Round,
    cubic: Cubic,
    /// Bytes that were in flight when the queue was found to stand, when it last was, and how often in a row.
    drained_from: u64,
    drained_at: Time,
    drains: u32,
    last_ack_at: Time,
    /// When the windows were found to be wider than a near path takes.
    overran_at: Option<Time>,
    /// When the first of what was sent since has left.
    unanswered_at: Option<Time>,
    /// Rounds left whose losses are those of an outage.
    excused: u32,
}

impl Auto {
    /// Nothing known but, perhaps, the round trip of the opening.
    pub(super) fn new(now: Time, mss: u64, rtt: Option<Duration>, is_polite: bool) -> Auto {
        let rounds = Rounds::new(now);
        let mut auto = Auto {
            mss,
            is_polite,
            delivered: Delivered::default(),
            rounds,
            phase: Phase::Startup,
            ceiling: u64::MAX,
            first_pace: 0,
            is_deep: false,
            phase_at: now,
            phase_round: 0,
            full_rate: 0,
            flat: 0,
            up_gain: UP,
            up_at: now,
            losses: Losses::default(),
            cruised: Round::default(),
            cubic: Cubic::new(now, 0, mss),
            drained_from: 0,
            drained_at: now,
            drains: 0,
            last_ack_at: now,
            overran_at: None,
            unanswered_at: None,
            excused: 0,
        };
        if let Some(rtt) = rtt {
            auto.seed_rtt(rtt);
        }
        auto
    }

    /// The opening took so long: nothing of ours waited before it, and the first flight is spread over as
    /// long.
    pub(super) fn seed_rtt(&mut self, rtt: Duration) {
        let micros = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1000);
        self.rounds.seed_rtt(u32::try_from(micros / 1000).unwrap_or(u32::MAX));
        self.first_pace = (INITIAL * self.mss).saturating_mul(1_000_000) / micros;
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the delivery rate that the path is believed to carry, in bytes a second.
    pub(super) fn bandwidth(&self) -> u64 {
        self.rounds.rate().min(self.ceiling)
    }

    /// Returns whether what was sent should have been answered long ago.
    pub(super) fn is_silent(&self, now: Time) -> bool {
        let Some(at) = self.unanswered_at.filter(|&at| now >= at + SILENCE) else { return false };
        let rtt = Duration::from_millis(u64::from(self.rounds.min_rtt().unwrap_or(500)));
        now.since(at) > SILENCE + 4 * rtt
    }

    /// Data leaves now.
    pub(super) fn on_sent(&mut self, now: Time) {
        self.unanswered_at.get_or_insert(now);
    }

    /// The first data after a rest leaves now.
    pub(super) fn begin(&mut self, now: Time) {
        self.delivered.begin(now);
        // A round with a rest in it: its average is nothing that the path carries.
        self.rounds.now.limited = true;
        if now.since(self.last_ack_at) > REST && self.rounds.count > 0 {
            // Half of what the path carried, which doubles as long as it is right (RFC 6349 gives no rule;
            // picoquic resumes so as well).
            self.rounds.cap_rate(self.rounds.rate() / 2);
            self.rounds.turn(now);
            self.enter(now, Phase::Startup);
        }
        self.last_ack_at = now;
    }

    /// The sessions have nothing to send, or the peer has no room.
    pub(super) fn limit(&mut self, now: Time) {
        self.delivered.limit(now);
    }

    /// Something was acknowledged or found to be lost.
    pub(super) fn on_report(&mut self, now: Time, report: &FlowReport, in_flight: u64) {
        self.rounds.now.acked += report.acked_bytes;
        self.rounds.now.lost += report.lost_bytes;
        self.rounds.now.lost = self.rounds.now.lost.saturating_sub(report.unlost_bytes);
        if report.acked_bytes > 0 {
            if self.is_silent(now) {
                self.excused = EXCUSED;
            }
            // Peers leave out ACKs that `una` covers: that is an answer too.
            self.unanswered_at = None;
        }
        let Some(newest_sent) = report.newest_sent else {
            self.delivered.on_ack(now, report.acked_bytes, None, 0);
            return;
        };
        self.last_ack_at = now;
        let is_hidden = matches!(self.phase, Phase::Compete | Phase::Test);
        self.rounds.on_rtt(now, report.rtt_ms, is_hidden);
        let sent_at = newest_sent.as_millis();
        let min_rtt = match self.rounds.is_nearest() {
            true => 0,
            false => self.rounds.min_rtt().unwrap_or(1),
        };
        let sample = self.delivered.on_ack(now, report.acked_bytes, Some(sent_at), min_rtt);
        if let Some(sample) = sample {
            self.rounds.on_rate(sample.rate, sample.limited);
        }
        if self.phase == Phase::Compete {
            self.cubic.on_ack(now, report.acked_bytes, report.rtt_ms);
        }
        if self.rounds.is_over(now, sent_at) {
            self.rounds.turn(now);
            self.rounds.grain = self.datagrams(1).max(CLOCK);
            self.excuse();
            match self.is_near_again(now) {
                true => self.end_near_round(now),
                false => self.end_round(now, in_flight),
            }
        }
        if !self.is_near() {
            self.watch(now, in_flight);
        }
    }

    fn enter(&mut self, now: Time, phase: Phase) {
        log::trace!("{:?} after {:?}: {} B/s", phase, self.phase, self.rounds.rate());
        self.phase = phase;
        self.phase_at = now;
        self.phase_round = self.rounds.count;
        if !matches!(phase, Phase::Drain | Phase::Down) {
            self.losses.end_slow();
        }
        match phase {
            Phase::Startup => (self.full_rate, self.flat) = (0, 0),
            Phase::Down => self.is_deep = self.rounds.is_min_rtt_old(self.queue_allowed() / 2),
            Phase::Cruise => {
                self.full_rate = self.rounds.rate();
                self.cruised = Round::default();
            }
            Phase::Up => {
                self.ceiling = u64::MAX;
                // What stands afterwards is our own.
                self.drains = 0;
                (self.full_rate, self.up_gain) = (self.rounds.rate(), UP);
            }
            _ => {}
        }
    }

    /// What got lost was too long for the path: that says nothing of how much it carries, and what was
    /// concluded from it is tried again.
    pub(super) fn on_black_hole(&mut self, now: Time) {
        self.excused = EXCUSED;
        self.up_at = now;
    }

    /// What an outage has swallowed is neither chance nor congestion, until a round has lost nothing.
    fn excuse(&mut self) {
        if self.excused > 0 {
            let lost = std::mem::take(&mut self.rounds.last.lost);
            self.excused = if lost > 0 { self.excused - 1 } else { 0 };
        }
    }

    /// Returns how many rounds the phase has lasted.
    fn rounds_in_phase(&self) -> u32 {
        self.rounds.count.wrapping_sub(self.phase_round)
    }

    /// What cannot wait for the end of a round.
    fn watch(&mut self, now: Time, in_flight: u64) {
        let stands = self.queue_stands();
        match self.phase {
            // RFC 9406 (HyStart++): the shortest round trip of a few rises as soon as a queue stands.
            Phase::Startup => {
                let min_rtt = self.rounds.min_rtt().unwrap_or(0);
                if self.rounds.count > 2 && stands && self.queue() > min_rtt / 4 {
                    self.leave_startup(now);
                }
            }
            Phase::Test if self.rounds_in_phase() > 0 && !stands => self.leave_test(now),
            Phase::Drain if self.rounds_in_phase() > 0 && !stands => {
                self.enter(now, Phase::Down);
            }
            Phase::Up if stands => self.leave_up(now),
            // What an attempt has left in the queue is gone after two rounds.
            Phase::Down if self.rounds_in_phase() < 2 => {}
            Phase::Cruise | Phase::Down if stands => self.drain(now, in_flight),
            _ => {}
        }
    }

    fn leave_startup(&mut self, now: Time) {
        self.losses.forget();
        // What ended the start may have been an accident: it is tried again soon.
        self.up_at = now;
        self.enter(now, Phase::Drain);
    }

    fn end_round(&mut self, now: Time, in_flight: u64) {
        let last = self.rounds.last;
        let congested = self.losses.end_round(&last, self.mss);
        if matches!(self.phase, Phase::Drain | Phase::Down) {
            self.losses.add_slow(&last, self.mss);
        }
        match self.phase {
            Phase::Startup => self.end_startup_round(now),
            Phase::Drain if self.rounds_in_phase() < DRAIN_ROUNDS => self.cap_to_last(),
            // The others may have it: half as much, and again in as many rounds.
            Phase::Drain if self.is_polite => {
                self.rounds.cap_rate((self.rounds.rate() / 2).max(self.mss));
                self.enter(now, Phase::Drain);
            }
            Phase::Drain => self.compete(now, in_flight),
            Phase::Down => {
                if congested && self.rounds_in_phase() == 1 && !last.limited {
                    // Of what was sent faster before, only so much arrived: higher rates were those of what
                    // a policer had saved up.
                    let least = self.rounds.rate() * 7 / 10;
                    self.rounds.cap_rate(last.average().max(least));
                    self.ceiling = self.rounds.rate();
                }
                let is_clear = last.loss() <= BASELINE_MOST || self.rounds_in_phase() >= DOWN_MOST;
                if self.rounds_in_phase() >= DOWN_ROUNDS && is_clear {
                    self.losses.measure(&last, self.mss);
                    self.enter(now, Phase::Cruise);
                }
            }
            Phase::Cruise => {
                if self.rounds_in_phase() > 1 && !last.limited {
                    self.cruised.add(&last);
                }
                let creeps = self.losses.creep(&last, &self.cruised, self.mss);
                // One such round may be the echo of an earlier phase.
                if self.losses.congested_rounds() > 1 || creeps {
                    self.on_congestion(now);
                } else if (now >= self.up_at || self.has_grown()) && !last.limited {
                    self.enter(now, Phase::Up);
                }
            }
            Phase::Up => self.end_up_round(now, congested),
            Phase::Compete => {
                if self.losses.is_congested_at_all(&last, self.mss) {
                    self.cubic.on_loss(now);
                }
                if now.since(self.phase_at) >= COMPETE_TEST {
                    self.enter(now, Phase::Test);
                }
            }
            Phase::Test => {
                if self.rounds_in_phase() >= 3 {
                    self.cubic.pause(self.phase_at, now);
                    self.enter(now, Phase::Compete);
                }
            }
        }
    }

    fn end_startup_round(&mut self, now: Time) {
        let last = self.rounds.last;
        // What got lost while less was sent is chance, for now. Of few datagrams nobody can tell.
        let congested =
            last.acked > STARTUP_LEAST * self.mss && self.losses.is_new(&last, self.mss);
        let grows = self.rounds.rate() >= self.full_rate * GROWN / 100;
        if grows {
            (self.full_rate, self.flat) = (self.rounds.rate(), 0);
        } else if congested {
            // A policer or a short queue shows no rising round trip: what does not arrive does not grow.
            // And what arrived before was what a policer had saved up.
            self.losses.forget();
            self.on_congestion(now);
            self.up_at = now;
            return;
        }
        self.losses.add(&last);
        if !grows && !last.limited {
            self.flat += 1;
            if self.flat >= FLAT_ROUNDS {
                self.leave_startup(now);
            }
        }
    }

    fn end_up_round(&mut self, now: Time, congested: bool) {
        if congested {
            return self.on_congestion(now);
        }
        // What leaves faster is seen a round later.
        if self.rounds_in_phase() < 2 {
            return;
        }
        if self.has_grown() && !self.rounds.last.limited {
            // There is more: faster from here on.
            self.full_rate = self.rounds.rate();
            self.up_gain = (self.up_gain + 25).min(200);
            self.phase_round = self.rounds.count.wrapping_sub(1);
            return;
        }
        self.leave_up(now);
    }

    /// When is more tried again?
    fn next_up(&self, now: Time) -> Time {
        let rounds = Duration::from_millis(u64::from(self.min_rtt().unwrap_or(0)));
        now + PROBE_EVERY.max(rounds * PROBE_ROUNDS)
    }

    /// Does a tenth more arrive than before?
    fn has_grown(&self) -> bool {
        self.rounds.rate() > self.full_rate * 11 / 10
    }

    fn leave_up(&mut self, now: Time) {
        self.up_at = self.next_up(now);
        self.enter(now, Phase::Down);
    }

    /// More gets lost than without a queue: what is delivered is what the path carries.
    fn on_congestion(&mut self, now: Time) {
        let (known, last) = (self.rounds.rate(), self.rounds.last);
        self.up_at = self.next_up(now);
        // Who is left without data may be unlucky; who has just begun has overdone it.
        if !last.limited || self.phase == Phase::Startup {
            self.rounds.cap_rate(last.average().max(known * 7 / 10));
            self.ceiling = self.rounds.rate();
        }
        self.enter(now, Phase::Down);
    }
}
