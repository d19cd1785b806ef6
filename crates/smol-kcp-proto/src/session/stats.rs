//! What a session has done, in figures.

use std::time::Duration;

use super::{Fin, Session};
use crate::arq::Blocked;
use crate::peer::path::PathStats;
use crate::stats::{Rejected, StreamState, StreamStats, WaitsFor};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) wire_sent: u64,
    pub(super) wire_received: u64,
    pub(super) datagrams_sent: u64,
    pub(super) datagrams_received: u64,
    pub(super) rejected: Rejected,
    pub(super) roamed: u64,
}

impl Session {
    pub(crate) fn stats(&self) -> StreamStats {
        let engine = self.engine.stats();
        let millis = |ms: u32| Duration::from_millis(u64::from(ms));
        let mut rejected = self.stats.rejected;
        rejected.ack = rejected.ack.wrapping_add(engine.rejected_acks);
        rejected.window = rejected.window.wrapping_add(engine.rejected_window);
        rejected.budget = rejected.budget.wrapping_add(engine.rejected_budget);
        StreamStats {
            state: self.state(),
            waits_for: self.waits_for(engine.send_queue),
            // The router knows it.
            path: PathStats::default(),
            bytes_acked: engine.bytes_acked,
            bytes_sent: self.stats.bytes_sent,
            bytes_received: self.stats.bytes_received,
            wire_bytes_sent: self.stats.wire_sent,
            wire_bytes_received: self.stats.wire_received,
            datagrams_sent: self.stats.datagrams_sent,
            datagrams_received: self.stats.datagrams_received,
            segments_sent: engine.segments_sent,
            segments_received: engine.segments_received,
            timeout_retransmits: engine.timeout_retransmits,
            fast_retransmits: engine.fast_retransmits,
            spurious_retransmits: engine.spurious_retransmits,
            given_up: engine.given_up,
            duplicates: engine.duplicates,
            rejected,
            srtt: millis(engine.srtt_ms),
            rttvar: millis(engine.rttvar_ms),
            rto: millis(engine.rto_ms),
            min_rtt: millis(engine.min_rtt_ms),
            delivery_rate: engine.delivery_rate,
            cwnd: engine.cwnd,
            send_window: engine.send_window,
            receive_window: engine.recv_window,
            peer_window: engine.peer_window,
            in_flight: engine.in_flight,
            send_queue: engine.send_queue,
            receive_queue: self.engine.unread(),
            roamed: self.stats.roamed,
        }
    }

    /// Tells what the last flush left data behind for.
    fn waits_for(&self, unsent: usize) -> WaitsFor {
        match self.engine.blocked() {
            Blocked::No if unsent == 0 => WaitsFor::Application,
            Blocked::No => WaitsFor::Window,
            _ if self.lacks_window => WaitsFor::Path,
            _ => WaitsFor::Pace,
        }
    }

    fn state(&self) -> StreamState {
        let delivered = matches!(self.is_delivered(), Ok(true));
        match (self.fin, self.peer_fin) {
            // After the last word of both, the peer's silence or its reset is no failure.
            (Fin::Done, _) if delivered && self.at_end() => StreamState::Closed,
            _ if self.error.is_some() => StreamState::Failed,
            (Fin::Done, _) if delivered => StreamState::FinWait,
            (Fin::Open, _) if !(self.established && self.confirmed) => StreamState::Connecting,
            (Fin::Open, None) => StreamState::Established,
            (Fin::Open, Some(_)) => StreamState::CloseWait,
            _ => StreamState::Closing,
        }
    }
}
