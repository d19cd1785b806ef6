//! The guess whether a datagram has come alone.

/// Guesses from the last receives whether a datagram has come alone. Where they come one by one, as
/// with question and answer, a second read each time finds nothing: the reactor reports the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SinglesHeuristic {
    /// Reads in a row that emptied the socket and found a single datagram.
    in_a_row: u32,
    /// Guesses since the last such read.
    guesses: u32,
}

impl SinglesHeuristic {
    /// Single datagrams in a row before the guess is made.
    pub(super) const PROVEN: u32 = 4;
    /// Guesses before the socket is emptied again, to notice that datagrams come together now.
    pub(super) const TRUST: u32 = 15;

    /// Notes that the socket was emptied, and how many datagrams it held.
    pub(super) fn drained_after(&mut self, count: usize) {
        self.in_a_row = if count == 1 { self.in_a_row.saturating_add(1) } else { 0 };
        self.guesses = 0;
    }

    /// Returns whether the datagram that has just arrived is taken for a single one.
    pub(super) fn is_alone(&mut self) -> bool {
        let trusts =
            self.in_a_row >= SinglesHeuristic::PROVEN && self.guesses < SinglesHeuristic::TRUST;
        self.guesses += u32::from(trusts);
        trusts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_datagram_is_not_looked_for_where_there_never_was_one() {
        let mut singles = SinglesHeuristic::default();
        for _ in 0..SinglesHeuristic::PROVEN {
            assert!(!singles.is_alone(), "not yet proven");
            singles.drained_after(1);
        }
        for _ in 0..3 {
            assert!((0..SinglesHeuristic::TRUST).all(|_| singles.is_alone()));
            assert!(!singles.is_alone(), "now and then it is put to the test");
            singles.drained_after(1);
        }
        singles.drained_after(2);
        assert!(!singles.is_alone());
    }
}
