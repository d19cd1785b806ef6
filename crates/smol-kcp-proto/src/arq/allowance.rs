//! How much a flush may send, and what it left behind.

/// What a flush may send of data. Acknowledgements and probes leave whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of segments, header included, for the first time or again.
    pub pace: u64,
    /// Of these, bytes for the first time.
    pub window: u64,
    /// Copies of each small segment of a thin stream, which leave unasked.
    pub copies: u8,
}

impl Allowance {
    /// As much as the windows admit.
    pub const ALL: Allowance = Allowance { pace: u64::MAX, window: u64::MAX, copies: 0 };
    /// No data.
    pub const NONE: Allowance = Allowance { pace: 0, window: 0, copies: 0 };

    /// Takes a segment that was sent, which may be longer than what was left.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.pace = self.pace.saturating_sub(bytes as u64);
        self.window = self.window.saturating_sub(bytes as u64);
    }
}

/// What a flush has left behind because its [`Allowance`] was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// Nothing.
    #[default]
    No,
    /// Segments that were never sent. What is to be sent again has its deadline.
    New,
    /// Segments that are due now.
    All,
}
