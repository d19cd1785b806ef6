//! Finds out how much parity the other side sends.

use super::config::FecConfig;
use super::header::end_of_numbers;

/// Groups of so many datagrams are thought of.
const TOTALS: std::ops::RangeInclusive<u16> = 2..=256;

/// Groups of one length, as long as nothing speaks against them: their first datagrams are data, the rest is
/// parity, and where one ends and the other begins is known in part.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    total: u16,
    /// Data reach to here at least …
    data_to: u16,
    /// … and parity begins here at the latest.
    parity_from: u16,
}

impl Candidate {
    /// Takes in what a datagram was; `false`: groups of this length are out of the question.
    fn fits(&mut self, seqid: u32, is_data: bool) -> bool {
        // All groups begin at multiples of their length, also after the numbers began anew.
        let index = (seqid % u32::from(self.total)) as u16;
        if is_data {
            self.data_to = self.data_to.max(index + 1);
        } else {
            self.parity_from = self.parity_from.min(index);
        }
        self.data_to <= self.parity_from && seqid < end_of_numbers(self.total)
    }
}

/// What is known of the other side's groups, from the types and numbers of what arrives.
///
/// Order, losses, copies and groups without parity do not matter: every number narrows down which groups are
/// possible, and an answer is one only when it is the only one. Most lengths are out of the question after one
/// group and a datagram, so that there is little to do after that.
#[derive(Debug)]
pub(super) struct Learner {
    candidates: Vec<Candidate>,
}

impl Learner {
    pub(super) fn new() -> Learner {
        let mut learner = Learner { candidates: Vec::new() };
        learner.begin();
        learner
    }

    fn begin(&mut self) {
        self.candidates.clear();
        // At least one of each.
        let candidate = |total| Candidate { total, data_to: 1, parity_from: total - 1 };
        self.candidates.extend(TOTALS.map(candidate));
    }

    /// Takes in what a datagram was, and returns the ratio once there is but one that explains all of them.
    pub(super) fn sample(&mut self, seqid: u32, is_data: bool) -> Option<FecConfig> {
        self.candidates.retain_mut(|candidate| candidate.fits(seqid, is_data));
        if self.candidates.is_empty() {
            // Somebody changed the ratio meanwhile, or lied.
            self.begin();
            self.candidates.retain_mut(|candidate| candidate.fits(seqid, is_data));
        }
        let [Candidate { total, data_to, parity_from }] = *self.candidates.as_slice() else {
            return None;
        };
        let ratio = FecConfig {
            data: u8::try_from(data_to).ok()?,
            parity: u8::try_from(total - data_to).ok()?,
        };
        (data_to == parity_from).then_some(ratio)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns how many datagrams it took to learn a ratio from those that `arrives` lets through.
    fn takes(ratio: FecConfig, from: u32, arrives: impl Fn(u32) -> bool) -> Option<usize> {
        let mut learner = Learner::new();
        let total = u32::from(ratio.total());
        let is_data = |seqid| seqid % total < u32::from(ratio.data);
        let arriving = (from..from + 20 * total).filter(|&seqid| arrives(seqid));
        for (taken, seqid) in arriving.enumerate() {
            if let Some(found) = learner.sample(seqid, is_data(seqid)) {
                assert_eq!(found, ratio, "after {taken} from {from}");
                return Some(taken + 1);
            }
        }
        None
    }

    #[test]
    fn a_group_and_a_datagram_tell() {
        for (ratio, count) in [("10+3", 14), ("1+1", 3), ("2+1", 4), ("70+30", 101), ("20+10", 31)]
        {
            assert_eq!(takes(ratio.parse().unwrap(), 0, |_| true), Some(count), "{ratio}");
        }
    }

    #[test]
    fn losses_and_groups_without_parity_take_longer() {
        let ratio: FecConfig = "10+3".parse().unwrap();
        let thinned = takes(ratio, 13_000, |seqid| seqid % 5 != 2).unwrap();
        assert!(thinned <= 50, "{thinned}");
        let skipped = takes(ratio, 0, |seqid| seqid / 13 % 3 == 0 || seqid % 13 < 10).unwrap();
        assert!(skipped <= 30, "{skipped}");
        assert_eq!(takes(ratio, 0, |seqid| seqid % 13 < 10), None, "never any parity");
    }

    #[test]
    fn a_lie_delays_and_another_ratio_is_found() {
        let mut learner = Learner::new();
        learner.sample(3, false);
        learner.sample(4, false);
        let mut found = None;
        for seqid in 0..60 {
            found = found.or(learner.sample(seqid, seqid % 6 < 4));
        }
        assert_eq!(found, Some(FecConfig::balanced()));
    }

    proptest! {
        /// What is found is what was sent, wherever it begins, whatever is lost and whatever comes late.
        #[test]
        fn what_is_found_is_true(
            (data, parity) in (1u8..=255).prop_flat_map(|data| (Just(data), 1..=u8::MAX - (data - 1))),
            from in 0u32..4_000_000_000,
            lost in proptest::collection::vec(0u32..4000, 0..2000),
            swaps in proptest::collection::vec(0usize..4000, 0..200),
        ) {
            let total = u32::from(data) + u32::from(parity);
            let mut seqids: Vec<u32> = (from..from + 4000).collect();
            lost.iter().for_each(|&at| seqids[at as usize] = from);
            swaps.iter().for_each(|&at| seqids.swap(at, (at + 7) % 4000));
            let mut learner = Learner::new();
            for seqid in seqids {
                let is_data = seqid % total < u32::from(data);
                if let Some(found) = learner.sample(seqid, is_data) {
                    prop_assert_eq!(found, FecConfig { data, parity });
                    return Ok(());
                }
            }
        }
    }
}
