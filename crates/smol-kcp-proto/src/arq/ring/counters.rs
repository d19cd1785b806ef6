//! What the engine counts.

use crate::arq::EngineStats;

/// The counters of [`EngineStats`], without its gauges.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub segments_sent: u64,
    pub segments_received: u64,
    pub timeout_retransmits: u64,
    pub fast_retransmits: u64,
    pub duplicates: u64,
    pub rejected_acks: u64,
    pub rejected_window: u64,
    pub rejected_budget: u64,
    pub spurious_retransmits: u64,
    pub copies: u64,
    pub given_up: u64,
}

impl Counters {
    /// Segments that arrived and were new.
    pub(super) fn arrived(&self) -> u64 {
        let refused = self.duplicates + self.rejected_window + self.rejected_budget;
        self.segments_received.wrapping_sub(refused)
    }
}

impl From<Counters> for EngineStats {
    fn from(counters: Counters) -> EngineStats {
        EngineStats {
            segments_sent: counters.segments_sent,
            segments_received: counters.segments_received,
            timeout_retransmits: counters.timeout_retransmits,
            fast_retransmits: counters.fast_retransmits,
            duplicates: counters.duplicates,
            rejected_acks: counters.rejected_acks,
            rejected_window: counters.rejected_window,
            rejected_budget: counters.rejected_budget,
            spurious_retransmits: counters.spurious_retransmits,
            copies: counters.copies,
            given_up: counters.given_up,
            ..EngineStats::default()
        }
    }
}
