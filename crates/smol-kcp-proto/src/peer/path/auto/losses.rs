//! What a path loses without a queue of our own, and whether more is lost than that.

use crate::peer::path::rounds::{Round, Share, WHOLE};

/// Datagrams that the baseline is taken of, at most.
const BASELINE_OF: u64 = 1000;
/// Losses that are to be expected of rounds before fewer of them mean anything.
const EXPECTED: u64 = 3;
/// Rounds at a lower pace in which what was lost before is found. What is lost after them in each row of so many
/// datagrams, at least so many times, is chance: a queue that somebody else overflows now and then has rows without.
const SLOW_FIRST: u32 = 2;
const SLOW_ROW: u64 = 40;
const SLOW_ROWS: u32 = 3;
const STEADY: Share = WHOLE / 50;
/// More than that share of losses is no chance, and not made up for.
pub(super) const BASELINE_MOST: Share = WHOLE / 5;

/// The baseline of losses, and the rounds that are judged by it.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// The share lost without a queue of our own; 0 before it is measured.
    baseline: Share,
    /// Losses and all, in bytes, of the rounds that it is measured by, and of the latest of them.
    measured: (u64, u64),
    latest: (u64, u64),
    /// Rounds in a row in which more was lost than that.
    congested: u32,
    slow: Slow,
}

/// Rounds in a row at a lower pace than the path carries.
#[derive(Clone, Copy, Debug, Default)]
struct Slow {
    rounds: u32,
    /// Of all but the first: rows, those that lost little, losses and all in bytes, and the same of the running row.
    rows: u32,
    lossless: bool,
    measured: (u64, u64),
    row: (u64, u64),
}

impl Losses {
    pub(super) fn baseline(&self) -> Share {
        self.baseline.min(BASELINE_MOST)
    }

    /// Returns how many rounds in a row have lost more than the baseline explains.
    pub(super) fn congested_rounds(&self) -> u32 {
        self.congested
    }

    /// Takes a round at a lower pace, whatever stands in the queue.
    pub(super) fn add_slow(&mut self, last: &Round, mss: u64) {
        let slow = &mut self.slow;
        slow.rounds += 1;
        if slow.rounds <= SLOW_FIRST {
            return;
        }
        let (lost, all) = (slow.row.0 + last.lost, slow.row.1 + last.acked + last.lost);
        slow.row = (lost, all);
        if all >= SLOW_ROW * mss {
            slow.rows += 1;
            slow.lossless |= share(lost, all) < STEADY;
            slow.measured = (slow.measured.0 + lost, slow.measured.1 + all);
            slow.row = (0, 0);
        }
    }

    /// The pace is no lower any more.
    pub(super) fn end_slow(&mut self) {
        self.slow = Slow::default();
    }

    /// The queue does not go, however little is sent, so that the baseline is never measured without one. What
    /// each round has lost meanwhile is chance: CUBIC's window would shrink to nothing by it.
    pub(super) fn believe_slow(&mut self, mss: u64) {
        let Slow { rows, lossless, measured: (lost, all), .. } = self.slow;
        let is_steady = rows >= SLOW_ROWS && !lossless;
        if is_steady && lost >= EXPECTED * mss && share(lost, all) > self.baseline {
            (self.measured, self.latest) = ((lost, all), (0, 0));
            self.baseline = share(lost, all);
        }
    }

    /// Takes a round that is over. Returns whether more was lost in it than the baseline explains.
    pub(super) fn end_round(&mut self, last: &Round, mss: u64) -> bool {
        self.count(last.is_congested(self.baseline(), self.measured.1, mss))
    }

    /// Takes a round over a path on which nothing is lost by chance.
    pub(super) fn end_near_round(&mut self, last: &Round, mss: u64) {
        self.count(last.is_congested(0, BASELINE_OF * mss, mss));
    }

    fn count(&mut self, congested: bool) -> bool {
        self.congested = if congested { self.congested + 1 } else { 0 };
        congested
    }

    /// Returns whether more is lost in the long run, and still: a little more than a policer lets pass does
    /// not show in one round.
    pub(super) fn creep(&self, last: &Round, all: &Round, mss: u64) -> bool {
        let (base, of) = (self.baseline(), self.measured.1);
        last.loss() > base && all.is_congested(base, of, mss)
    }

    /// Returns whether anything was lost by congestion, where nothing is lost by chance; or more than chance
    /// explains.
    pub(super) fn is_congested_at_all(&self, last: &Round, mss: u64) -> bool {
        match self.baseline() < WHOLE / 500 {
            true => last.lost >= mss / 2,
            false => last.is_congested(self.baseline(), self.measured.1, mss),
        }
    }

    /// Returns whether more was lost than in the rounds before, all of which were slower.
    pub(super) fn is_new(&self, last: &Round, mss: u64) -> bool {
        let (lost, all) = self.measured;
        last.is_congested(share(lost, all), all, mss)
    }

    /// Forgets what the baseline was measured by.
    pub(super) fn forget(&mut self) {
        self.measured = (0, 0);
    }

    /// Takes a round into what the baseline is measured by.
    pub(super) fn add(&mut self, last: &Round) {
        self.measured.0 += last.lost;
        self.measured.1 += last.acked + last.lost;
    }

    /// Takes a round without a queue of our own into the baseline.
    pub(super) fn measure(&mut self, last: &Round, mss: u64) {
        let (lost, all) = &mut self.measured;
        if *all > BASELINE_OF * mss {
            (*lost, *all) = (*lost / 2, *all / 2);
        }
        let (before, is_first) = (share(*lost, *all), *all == 0);
        self.add(last);
        let (lost, all) = &mut self.latest;
        match is_first {
            true => (*lost, *all) = (0, 0),
            false => (*lost, *all) = (*lost + last.lost, *all + last.acked + last.lost),
        }
        let now = share(*lost, *all);
        if *lost >= EXPECTED * mss && now > before + before / 2 {
            // As much gets lost although less is sent: that is chance, and there is more of it by now.
            self.measured = std::mem::take(&mut self.latest);
        } else if before > 0 && all.saturating_mul(u64::from(before)) >= (EXPECTED * mss) << 16 {
            // Of so many hardly ever none gets lost by chance.
            if now < before / 2 {
                // Less gets lost as soon as less is sent: that was no chance.
                self.measured = self.latest;
            }
            self.latest = (0, 0);
        }
        self.baseline = share(self.measured.0, self.measured.1);
    }
}

fn share(lost: u64, all: u64) -> Share {
    (lost.saturating_mul(u64::from(WHOLE)) / all.max(1)) as Share
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1400;

    fn round(sent: u64, lost: u64) -> Round {
        let mut round = Round::default();
        (round.acked, round.lost) = ((sent - lost) * MSS, lost * MSS);
        round
    }

    #[test]
    fn the_baseline_follows_what_is_lost_without_a_queue_and_is_a_fifth_at_most() {
        let mut losses = Losses::default();
        losses.measure(&round(500, 50), MSS);
        assert_eq!(losses.baseline(), WHOLE / 10);
        losses.measure(&round(500, 40), MSS);
        assert_eq!(losses.baseline(), WHOLE * 9 / 100);
        losses.measure(&round(500, 0), MSS);
        assert_eq!(losses.baseline(), 0, "less was sent, and nothing was lost");
        losses.measure(&round(500, 400), MSS);
        assert_eq!(losses.baseline(), BASELINE_MOST);
    }

    #[test]
    fn a_round_without_a_loss_proves_nothing_where_hardly_one_is_to_be_expected() {
        let mut losses = Losses::default();
        losses.measure(&round(100, 2), MSS);
        losses.measure(&round(44, 0), MSS);
        assert!(losses.baseline() > WHOLE / 100);
        losses.measure(&round(440, 0), MSS);
        assert_eq!(losses.baseline(), 0);
    }

    #[test]
    fn losses_that_stay_at_a_lower_pace_are_chance_within_a_few_of_them() {
        let mut losses = Losses::default();
        losses.measure(&round(400, 4), MSS);
        losses.measure(&round(20, 2), MSS);
        assert!(losses.baseline() < WHOLE / 50);
        losses.measure(&round(20, 2), MSS);
        assert_eq!(losses.baseline(), WHOLE / 10);
    }

    #[test]
    fn a_little_more_than_a_policer_lets_pass_shows_after_some_rounds() {
        let mut losses = Losses::default();
        losses.measure(&round(90, 0), MSS);
        let (last, mut all) = (round(90, 4), Round::default());
        let found = (1..20).find(|_| {
            assert!(!losses.end_round(&last, MSS), "one round tells nothing");
            all.add(&last);
            losses.creep(&last, &all, MSS)
        });
        assert!(found > Some(1), "{found:?}");
        assert!(!losses.creep(&round(90, 0), &all, MSS), "it is over");
    }

    #[test]
    fn what_every_slow_round_loses_is_chance_and_what_some_lose_is_not() {
        for (steady, lost) in [(true, [40, 35, 9, 11, 7]), (false, [40, 35, 9, 1, 20])] {
            let mut losses = Losses::default();
            losses.end_slow();
            for lost in lost {
                losses.believe_slow(MSS);
                assert_eq!(losses.baseline(), 0, "too early");
                losses.add_slow(&round(90, lost), MSS);
            }
            losses.believe_slow(MSS);
            assert_eq!(losses.baseline(), if steady { WHOLE * 27 / 270 } else { 0 });
        }
    }

    #[test]
    fn chance_does_not_creep() {
        let (mut losses, mut all) = (Losses::default(), Round::default());
        losses.measure(&round(1000, 100), MSS);
        for lost in [7, 12, 9, 10, 14, 8, 11, 6, 13, 10].repeat(20) {
            all.add(&round(100, lost));
            assert!(!losses.creep(&round(100, lost), &all, MSS));
        }
    }
}
