//! What is wanted of each line: asserted for the default profile with the tables, and told by the laboratory.

use super::measure::Measured;

/// A figure of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Used,
    Cost,
    WaitP95,
    Over,
    FullAfter,
    LeftAfter,
    Share,
    Jain,
    P99,
    P999,
    /// Datagrams that the line dropped, of all that were sent.
    Dropped,
}

/// What a figure is to be, and what it is by now where that is not reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goal {
    figure: Figure,
    is_least: bool,
    wanted: f64,
    reached: f64,
}

pub(super) fn at_least(figure: Figure, wanted: f64) -> Goal {
    Goal { figure, is_least: true, wanted, reached: wanted }
}

pub(super) fn at_most(figure: Figure, wanted: f64) -> Goal {
    Goal { figure, is_least: false, wanted, reached: wanted }
}

impl Figure {
    fn of(self, measured: &Measured) -> Option<f64> {
        match self {
            Figure::Used => measured.used,
            Figure::Cost => measured.cost,
            Figure::WaitP95 => Some(measured.wait_p95),
            Figure::Over => Some(measured.over),
            Figure::FullAfter => measured.full_after,
            Figure::LeftAfter => measured.left_after,
            Figure::Share => measured.share,
            Figure::Jain => measured.jain,
            Figure::P99 => measured.took.map(|took| took[1]),
            Figure::P999 => measured.took.map(|took| took[2]),
            Figure::Dropped => Some(measured.dropped as f64 / measured.sent.max(1) as f64),
        }
    }
}

impl Goal {
    /// The goal is missed, and asserted is this instead.
    pub(super) fn reached(self, reached: f64) -> Goal {
        Goal { reached, ..self }
    }

    /// A figure that is not there, such as the time until a line is full that never is, is no success.
    fn is_met(self, measured: &Measured, bound: f64) -> bool {
        let is = self.figure.of(measured);
        is.is_some_and(|is| if self.is_least { is >= bound } else { is <= bound })
    }
}

/// What is missed, in words; empty if nothing is.
pub(super) fn missed(goals: &[Goal], measured: &Measured) -> String {
    below(goals, measured, |goal| goal.wanted)
}

/// What is missed of that which was reached before.
pub(super) fn lost(goals: &[Goal], measured: &Measured) -> String {
    below(goals, measured, |goal| goal.reached)
}

fn below(goals: &[Goal], measured: &Measured, bound: fn(Goal) -> f64) -> String {
    let mut words: Vec<String> = goals
        .iter()
        .filter(|goal| !goal.is_met(measured, bound(**goal)))
        .map(|&goal| {
            let sign = if goal.is_least { ">=" } else { "<=" };
            format!("{:?} {sign} {:.3}", goal.figure, bound(goal))
        })
        .collect();
    if measured.died.is_some() {
        words.push("lives".into());
    }
    words.join(", ")
}
