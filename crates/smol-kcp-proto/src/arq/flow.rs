//! What a path's rate is made of: what an engine tells whoever controls it.

use crate::time::Time;
use crate::wire::HEADER_LEN;

/// What happened since the last [`take_flow`](super::Engine::take_flow). Bytes are those of PUSH segments:
/// payload, and 24 for each header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowReport {
    /// Acknowledged for the first time.
    pub acked_bytes: u64,
    /// When the newest of the transmissions left whose echoes arrived; `None` where no echo did, as where
    /// only `una` has gone on.
    pub newest_sent: Option<Time>,
    /// The round trip of that transmission, in milliseconds; it means nothing without one.
    pub rtt_ms: u32,
    /// Sent again because a transmission counts as lost: later ones were acknowledged, or its timeout
    /// has passed.
    pub lost_bytes: u64,
    /// Of what counted as lost, now or in an earlier report: what has arrived all the same.
    pub unlost_bytes: u64,
    /// Segments acknowledged for the first time, and those that were found to be lost.
    pub acked: u32,
    /// See [`acked`](FlowReport::acked).
    pub lost: u32,
    /// Sent again, for whatever reason.
    pub retransmitted_bytes: u64,
    /// Sent, again or for the first time.
    pub sent_bytes: u64,
}

impl FlowReport {
    /// Does it tell a path anything of what has arrived, or not?
    pub(super) fn is_news(&self) -> bool {
        self.acked > 0 || self.newest_sent.is_some() || self.lost > 0 || self.unlost_bytes > 0
    }

    /// Takes the echo of a transmission of `rtt_ms` ago into account.
    #[inline]
    pub(super) fn hear(&mut self, clock: u64, rtt_ms: u32) {
        let sent_at = Time::from_millis(clock.saturating_sub(u64::from(rtt_ms)));
        if self.newest_sent.is_none_or(|newest| newest <= sent_at) {
            (self.newest_sent, self.rtt_ms) = (Some(sent_at), rtt_ms);
        }
    }

    /// What has just been sent again leaves a second time.
    #[cold]
    pub(super) fn repeat(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
        self.retransmitted_bytes += bytes as u64;
    }

    /// A segment leaves, perhaps again, and perhaps because its last transmission was lost on the way.
    pub(super) fn send(&mut self, bytes: usize, again: bool, lost: bool) {
        let (bytes, resent) = (bytes as u64, if again { bytes as u64 } else { 0 });
        self.sent_bytes += bytes;
        self.retransmitted_bytes += resent;
        if again && lost {
            self.lose(bytes as usize);
        }
    }

    /// A segment is lost that need not be sent again.
    pub(super) fn lose(&mut self, bytes: usize) {
        self.lost_bytes += bytes as u64;
        self.lost += 1;
    }
}

/// Bytes of so many segments with so much payload in all.
pub(super) fn with_headers(payload: u64, segments: u64) -> u64 {
    payload + segments * HEADER_LEN as u64
}
