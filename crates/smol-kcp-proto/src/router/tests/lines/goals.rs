//! What is wanted of each line. Nothing asserts it yet: the laboratory tells what is missed.

use super::measure::Measured;

/// A figure of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Used,
    Cost,
    WaitP95,
    Over,
    FullAfter,
    Share,
    Jain,
    P99,
    P999,
    /// Datagrams that the line dropped, of all that were sent.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtLeast(Figure, f64),
    AtMost(Figure, f64),
}

impl Figure {
    fn of(self, measured: &Measured) -> Option<f64> {
        match self {
            Figure::Used => measured.used,
            Figure::Cost => measured.cost,
            Figure::WaitP95 => Some(measured.wait_p95),
            Figure::Over => Some(measured.over),
            Figure::FullAfter => measured.full_after,
            Figure::Share => measured.share,
            Figure::Jain => measured.jain,
            Figure::P99 => measured.took.map(|took| took[1]),
            Figure::P999 => measured.took.map(|took| took[2]),
            Figure::Dropped => Some(measured.dropped as f64 / measured.sent.max(1) as f64),
        }
    }
}

impl Goal {
    /// A figure that is not there, such as the time until a line is full that never is, is no success.
    fn is_met(self, measured: &Measured) -> bool {
        match self {
            Goal::AtLeast(figure, least) => figure.of(measured).is_some_and(|is| is >= least),
            Goal::AtMost(figure, most) => figure.of(measured).is_some_and(|is| is <= most),
        }
    }
}

/// What is missed, in words; empty if nothing is.
pub(super) fn missed(goals: &[Goal], measured: &Measured) -> String {
    let mut words: Vec<String> = goals
        .iter()
        .filter(|goal| !goal.is_met(measured))
        .map(|goal| match goal {
            Goal::AtLeast(figure, least) => format!("{figure:?} >= {least:.3}"),
            Goal::AtMost(figure, most) => format!("{figure:?} <= {most:.3}"),
        })
        .collect();
    if measured.died.is_some() {
        words.push("lives".into());
    }
    words.join(", ")
}
