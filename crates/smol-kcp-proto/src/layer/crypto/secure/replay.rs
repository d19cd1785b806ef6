//! Counters of datagrams: found from their lower half, taken once.

/// Counters below the highest one that are remembered.
pub(super) const WINDOW: u64 = 2048;

/// One word more than the window, as the newest is never full (RFC 6479).
const WORDS: usize = WINDOW as usize / 64 + 1;

/// Finds the counter whose lower 32 bits travelled: the one nearest to the `expected` one (RFC 9000, A.3).
pub(super) fn reconstruct(expected: u64, lower: u32) -> u64 {
    const SPACE: u64 = 1 << 32;
    const HALF: u64 = SPACE / 2;
    let candidate = expected & !(SPACE - 1) | u64::from(lower);
    if candidate.saturating_add(HALF) <= expected {
        candidate.saturating_add(SPACE)
    } else if candidate > expected.saturating_add(HALF) && candidate >= SPACE {
        candidate - SPACE
    } else {
        candidate
    }
}

/// Which counters were taken: a ring of bits that slides by words (RFC 6479).
#[derive(Debug)]
pub(super) struct ReplayWindow {
    /// One above the highest counter that was taken.
    next: u64,
    ring: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> ReplayWindow {
        ReplayWindow { next: 0, ring: [0; WORDS] }
    }
}

impl ReplayWindow {
    /// Returns one above the highest counter that was taken.
    pub(super) fn expected(&self) -> u64 {
        self.next
    }

    /// Returns whether the counter may be taken: it is new, and not too old to tell.
    pub(super) fn is_new(&self, counter: u64) -> bool {
        if counter >= self.next {
            return true;
        }
        counter.saturating_add(WINDOW) >= self.next
            && self.ring.get(word(counter)).is_some_and(|word| word & bit(counter) == 0)
    }

    /// Takes a counter, of an authenticated datagram; `false` if it may not be taken.
    pub(super) fn take(&mut self, counter: u64) -> bool {
        if !self.is_new(counter) {
            return false;
        }
        if counter >= self.next {
            // The words between hold what is a whole ring older.
            let newest = self.next.saturating_sub(1) / 64;
            let steps = (counter / 64 - newest).min(WORDS as u64);
            for step in 1..=steps {
                if let Some(word) = self.ring.get_mut(((newest + step) % WORDS as u64) as usize) {
                    *word = 0;
                }
            }
            self.next = counter + 1;
        }
        if let Some(word) = self.ring.get_mut(word(counter)) {
            *word |= bit(counter);
        }
        true
    }
}

fn word(counter: u64) -> usize {
    (counter / 64 % WORDS as u64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_counter_is_found() {
        assert_eq!(reconstruct(0, u32::MAX), u64::from(u32::MAX));
        assert_eq!(reconstruct(1 << 32, u32::MAX), (1 << 32) - 1);
        assert_eq!(reconstruct((1 << 32) - 1, 0), 1 << 32);
        assert_eq!(reconstruct((1 << 33) + 5, 1 << 31), (1 << 33) + (1 << 31));
        assert_eq!(reconstruct(1 << 33, 1 << 31), (1 << 33) + (1 << 31));
    }

    proptest! {
        #[test]
        fn what_is_near_is_found(expected in (1u64 << 32)..1 << 62, by in -(1i64 << 31) + 1..1 << 31) {
            let counter = expected.wrapping_add_signed(by);
            prop_assert_eq!(reconstruct(expected, counter as u32), counter);
        }

        #[test]
        fn a_counter_is_taken_once(
            steps in proptest::collection::vec((any::<bool>(), 0u64..5000), 1..400),
        ) {
            let (mut window, mut taken, mut top) = (ReplayWindow::default(), BTreeSet::new(), 0u64);
            for (up, by) in steps {
                let counter = if up { top + by / 10 } else { top.saturating_sub(by) };
                let known = taken.contains(&counter);
                let old = counter.saturating_add(WINDOW) < window.expected();
                prop_assert_eq!(window.take(counter), !known && !old, "{}", counter);
                taken.insert(counter);
                top = top.max(counter);
                prop_assert!(!window.is_new(counter));
            }
        }
    }

    #[test]
    fn a_leap_forgets_all() {
        let mut window = ReplayWindow::default();
        assert!(window.take(0) && !window.take(0));
        assert!(window.take(1 << 40) && window.take((1 << 40) - WINDOW + 1) && !window.take(0));
        assert!(!window.take((1 << 40) - WINDOW - 1) && window.take((1 << 40) - 1));
    }
}
