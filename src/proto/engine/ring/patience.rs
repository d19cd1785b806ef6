//! How long an overtaken segment is waited for.
//!
//! A path that reorders makes segments look lost that are only late. How late they come is what this
//! learns, and so long an overtaken segment is waited for before it is sent again (RFC 8985 calls
//! that the reordering window). On a path that keeps the order it is nothing.

/// No segment is waited for longer, in milliseconds.
const LONGEST: u16 = 500;

/// After so many losses without anything that came late, half as long will do.
const LOSSES: u8 = 64;

/// What was learnt of a path's reordering.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Milliseconds.
    wait: u16,
    losses: u8,
}

impl Patience {
    /// Milliseconds that an overtaken segment is waited for.
    pub fn wait(&self) -> u16 {
        self.wait
    }

    /// A segment arrived `late` milliseconds after it was overtaken.
    pub fn late(&mut self, late: u16) {
        if late >= self.wait / 2 {
            self.losses = 0;
        }
        self.wait = self.wait.max(late.saturating_add(1).min(LONGEST));
    }

    /// An overtaken segment did not arrive in time.
    pub fn lost(&mut self) {
        self.losses += 1;
        if self.losses >= LOSSES {
            self.losses = 0;
            self.wait /= 2;
        }
    }
}
