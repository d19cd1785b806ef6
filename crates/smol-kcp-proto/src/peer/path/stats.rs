//! What others see of a path.

use super::{PathRate, Phase};

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
    /// Datagrams of the peer that arrived under encryption, and those sent before them that have not: lost on the way
    /// here, or late. Zero in the clear, where nothing tells.
    pub arrived: u64,
    /// See [`arrived`](PathStats::arrived).
    pub missing: u64,
    /// Bytes of the largest datagram that new segments are cut for.
    pub mtu: usize,
    /// How often datagrams that had passed before did not any more, and shorter ones did.
    pub black_holes: u32,
}

impl PathRate {
    pub(crate) fn stats(&self) -> PathStats {
        let mtu = self.mtu_size();
        let black_holes = self.mtu.as_ref().map_or(0, |mtu| mtu.black_holes());
        let stats = PathStats {
            acked_bytes: self.acked_bytes,
            lost_bytes: self.lost_bytes,
            in_flight: self.in_flight,
            mtu,
            black_holes,
            ..PathStats::default()
        };
        let Some(model) = &self.model else { return stats };
        let (auto, figures) = (&model.auto, model.figures(self.rate));
        PathStats {
            pace: figures.pace.filter(|_| !figures.is_free).unwrap_or(0),
            bandwidth: auto.bandwidth(),
            phase: Some(auto.phase()),
            loss_ppm: (u64::from(auto.baseline()) * 1_000_000 / 65_536) as u32,
            min_rtt_ms: auto.min_rtt().unwrap_or(0),
            queue_ms: auto.queue(),
            window: figures.window,
            ..stats
        }
    }
}
