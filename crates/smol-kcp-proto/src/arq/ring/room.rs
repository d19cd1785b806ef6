//! How many more segments may be sent, by the windows of both ends.

use super::congestion::FlowLimits;
use super::{RingEngine, SPAN};

impl RingEngine {
    /// The window that the peer announces.
    pub(crate) fn rmt_wnd(&self) -> u16 {
        self.peer_window
    }

    /// The smaller window of both ends.
    pub(super) fn windows(&self) -> u32 {
        u32::from(self.knobs.snd_wnd.min(self.peer_window))
    }

    pub(super) fn flow_limits(&self) -> FlowLimits {
        FlowLimits {
            span: self.send_window.span(),
            windows: self.windows(),
            peer_window: u32::from(self.peer_window),
        }
    }

    /// Must a segment be sent again?
    pub(super) fn is_overdue(&self) -> bool {
        let overdue = |due| due <= self.clock || self.send_window.lost(self.clock).is_some();
        self.send_window.due().is_some_and(overdue)
    }

    /// Segments that wait to be sent for the first time and may be now.
    pub(super) fn room(&self) -> u32 {
        let unsent = self.send_window.unsent() as u32;
        if unsent == 0 {
            return 0;
        }
        unsent.min(self.window_room()).min(self.congestion.budget(self.clock).segments)
    }

    /// The peer's window, which may be wider than all that can ever be in flight: what has arrived
    /// behind a gap does not count in ours. That is bounded too, for the sake of the records.
    pub(super) fn peer_window(&self) -> u32 {
        u32::from(self.peer_window).min(SPAN * u32::from(self.knobs.snd_wnd))
    }

    /// Segments that the windows have room for. The own window counts what is in flight, the others
    /// count from the oldest number that is not acknowledged, as ikcp.c does for all.
    pub(super) fn window_room(&self) -> u32 {
        // In ikcp.c all three windows count from `snd_una`, so that one loss stops the sender for a
        // round trip and a half. The own one is a bound of memory, which counts what is in flight.
        let span = self.send_window.span();
        let own = u32::from(self.knobs.snd_wnd).saturating_sub(self.send_window.in_flight() as u32);
        let others = self.peer_window().min(self.congestion.window());
        own.min(others.saturating_sub(span))
    }

    /// Does what waits to be sent wait for the peer's window, and for no other?
    pub(super) fn is_peer_limited(&self) -> bool {
        let window = self.peer_window();
        let is_full = self.send_window.span() >= window && window > 0;
        is_full && self.congestion.window() >= window && self.send_window.unsent() > 0
    }
}
