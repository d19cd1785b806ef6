//! What others see of a path.

use super::Phase;

/// What a path can do, for those who look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathStats {
    /// Bytes a second at which data leaves; 0: nothing is known, or nothing limits it.
    pub pace: u64,
    /// Bytes a second that arrive, at most.
    pub bandwidth: u64,
    /// What the controller is at; `None` where there is none.
    pub phase: Option<Phase>,
    /// Share of datagrams that get lost without congestion, in parts of a million.
    pub loss_ppm: u32,
    /// The shortest round trip of late, in milliseconds.
    pub min_rtt_ms: u32,
    /// What the queue on the way holds, in milliseconds.
    pub queue_ms: u32,
    /// Bytes of segments acknowledged so far, and those of transmissions that were found to be lost: what lies
    /// between two looks tells the share that was lost meanwhile.
    pub acked_bytes: u64,
    /// See [`acked_bytes`](PathStats::acked_bytes).
    pub lost_bytes: u64,
    /// Bytes sent and not acknowledged, and the bytes that may be.
    pub in_flight: u64,
    /// See [`in_flight`](PathStats::in_flight).
    pub window: u64,
    /// Bytes of the largest datagram that new segments are cut for.
    pub mtu: usize,
    /// How often datagrams that had passed before did not any more, and shorter ones did.
    pub black_holes: u32,
}
