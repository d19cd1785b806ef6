//! How long a suspected segment is waited for.
//!
//! A path that reorders makes segments look lost that are only late. How late they come is what this
//! learns, and so long a suspected segment is waited for before it is sent again (RFC 8985 calls
//! that the reordering window). On a path that keeps the order it is nothing.

/// What comes later than this part of a round trip does not count: an ACK that was lost and repeated
/// looks the same, and a timeout is not far.
const PART: u32 = 2;

/// After so many losses without anything that came late, half as long will do.
const LOSSES: u8 = 64;

/// What was learnt of a path's reordering.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReorderWindow {
    /// Milliseconds, and the most that can be learnt now.
    wait: u16,
    longest: u16,
    losses: u8,
}

impl ReorderWindow {
    /// Milliseconds that a suspected segment is waited for.
    pub(super) fn wait(&self) -> u16 {
        self.wait
    }

    /// Bounds what is learnt by the smoothed round trip.
    pub(super) fn set_longest(&mut self, srtt: u32) {
        self.longest = u16::try_from(srtt / PART).unwrap_or(u16::MAX);
    }

    /// A segment arrived `late` milliseconds after it was suspected.
    pub(super) fn late(&mut self, late: u16) {
        // An ACK that was lost and repeated a round trip later must not teach that the path
        // reorders by a round trip.
        if late >= self.longest {
            return;
        }
        // Half of what is waited for is still needed: the count towards halving it begins anew.
        if late >= self.wait / 2 {
            self.losses = 0;
        }
        // One millisecond more than was needed, as both clocks are in whole ones.
        self.wait = self.wait.max(late + 1);
    }

    /// A suspected segment did not arrive in time.
    pub(super) fn lost(&mut self) {
        self.losses += 1;
        // RFC 8985 (6.2) resets the window after 16 recoveries; here by half, so that a path that
        // does reorder is not taken for one that does not.
        if self.losses >= LOSSES {
            self.losses = 0;
            self.wait /= 2;
        }
    }
}
