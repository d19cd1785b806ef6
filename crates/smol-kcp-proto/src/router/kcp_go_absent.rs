//! What stands in the place of kcp-go's layers where they were not compiled in.

use std::net::SocketAddr;

use super::Router;
use crate::path::Path;
use crate::peer::PeerKey;
use crate::time::Time;

/// What leaves as it is.
pub(super) struct LaneOutlet;

impl LaneOutlet {
    pub(super) fn new(_: &mut Router) -> LaneOutlet {
        LaneOutlet
    }

    pub(super) fn send(
        &mut self,
        _: Time,
        path: Path,
        datagram: &[u8],
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        out(path, datagram);
    }

    pub(super) fn end(self, _: &mut Router) {}
}

impl Router {
    /// Acts on a datagram that is in no channel.
    pub(super) fn handle_in_clear(&mut self, now: Time, from: Path, datagram: &mut [u8]) {
        self.handle_datagram(now, from, datagram);
    }

    pub(super) fn join_lane(&mut self, _: SocketAddr) {}

    pub(super) fn leave_lane(&mut self, _: SocketAddr) {}

    pub(super) fn heed_parity(&mut self, _: PeerKey) {}

    pub(super) fn handle_lanes_timeout(&mut self, _: Time) {}

    pub(super) fn poll_lanes_timeout(&self) -> Option<Time> {
        None
    }
}
