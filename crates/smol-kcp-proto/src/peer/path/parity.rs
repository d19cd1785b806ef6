//! Whether a path loses so much that parity is worth it.
//!
//! What parity recovers is not seen as lost any more. So after a time without looking there is a look without
//! parity, and the longer it has been right the longer the next time is.

use std::time::Duration;

use crate::arq::FlowReport;
use crate::time::Time;

/// Segments of one look.
const LOOK: u32 = 400;

/// Parity is worth it where one of so many gets lost: by `measure_parity` pieces of 100 kB gain a quarter then, at the
/// median of a long path and at the tail of a short one.
const WORTH: u32 = 100;

/// Time between two looks, first and at most.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(480);

/// Says whether parity is worth it, by what was acknowledged and lost without.
#[derive(Debug, Default)]
pub(crate) struct ParityGate {
    acked: u32,
    lost: u32,
    /// Until when it counts as worth it.
    until: Option<Time>,
    /// How long that was the last time.
    lasted: Duration,
    /// It was by the look before this one, which may have been an accident.
    was_worth: bool,
}

impl ParityGate {
    /// Returns whether it is worth it.
    pub(crate) fn is_open(&self) -> bool {
        self.until.is_some()
    }

    /// Takes a session's report; `crowded` where losses may be those of a full path.
    pub(super) fn on_report(&mut self, now: Time, report: &FlowReport, crowded: bool) {
        if let Some(until) = self.until {
            if now >= until {
                self.until = None;
            }
            return;
        }
        self.acked = self.acked.saturating_add(report.acked);
        self.lost = self.lost.saturating_add(report.lost);
        if self.acked < LOOK {
            return;
        }
        let worth = self.lost.saturating_mul(WORTH) >= self.acked && !crowded;
        (self.acked, self.lost) = (0, 0);
        if !worth {
            self.lasted = Duration::ZERO;
        } else if self.was_worth {
            self.lasted = (self.lasted * 2).clamp(FIRST, LONGEST);
            self.until = Some(now + self.lasted);
        }
        self.was_worth = worth;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens and closes, in seconds, of a path that loses `lost` of 100 segments a second while there is no parity,
    /// and none that shows while there is.
    fn changes(lost: impl Fn(u64) -> u32, seconds: u64) -> Vec<u64> {
        let (mut gate, mut changes) = (ParityGate::default(), Vec::new());
        for second in 0..seconds {
            let was_open = gate.is_open();
            let lost = if was_open { 0 } else { lost(second) };
            let report = FlowReport { acked: 100 - lost, lost, ..FlowReport::default() };
            gate.on_report(Time::from_millis(second * 1000), &report, false);
            if gate.is_open() != was_open {
                changes.push(second);
            }
        }
        changes
    }

    #[test]
    fn it_is_worth_it_at_one_in_a_hundred_and_looked_at_again_more_and_more_seldom() {
        assert!(changes(|_| 0, 1000).is_empty());
        assert_eq!(changes(|_| 1, 250), [9, 39, 44, 104, 109, 229, 234]);
        assert_eq!(changes(|second| u32::from(second < 30) * 5, 250), [9, 39]);
    }

    #[test]
    fn where_the_path_is_full_it_is_not() {
        let mut gate = ParityGate::default();
        let report = FlowReport { acked: 500, lost: 50, ..FlowReport::default() };
        for _ in 0..9 {
            gate.on_report(Time::ZERO, &report, true);
            assert!(!gate.is_open());
        }
        gate.on_report(Time::ZERO, &report, false);
        gate.on_report(Time::ZERO, &report, false);
        assert!(gate.is_open());
    }
}
