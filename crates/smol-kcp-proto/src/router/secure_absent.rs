//! What stands in the place of the encrypted mode where it was not compiled in.

use super::{Key, Router};
use crate::error::KcpError;
use crate::path::{ChannelKey, Path};
use crate::session::Session;
use crate::time::Time;
use crate::wire::View;

/// What leaves as it is.
pub(super) struct Outlet;

impl Outlet {
    pub(super) fn new(_: &mut Router) -> Outlet {
        Outlet
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

    pub(super) fn begin(&mut self, _: Time, _: &mut dyn FnMut(Path, &[u8])) {}

    pub(super) fn end(self, _: &mut Router) {}
}

impl Router {
    pub(super) fn arrivals(&self, _: &Session) -> Option<(u64, u64)> {
        None
    }

    /// Acts on a datagram as it came from the wire.
    pub fn receive(&mut self, now: Time, from: impl Into<Path>, datagram: &mut [u8]) {
        self.handle_in_clear(now, from.into(), datagram);
    }

    pub(super) fn path_to_server(&mut self, _: Time, to: Path) -> Result<Path, KcpError> {
        Ok(to)
    }

    pub(super) fn join_channel(&mut self, _: Time, _: Key) {}

    pub(super) fn leave_channel(&mut self, _: Option<ChannelKey>) {}

    pub(super) fn time_channel(&mut self, _: Path, _: Key) {}

    pub(super) fn handle_unknown_inside(&mut self, _: Time, _: Path, _: &View<'_>) {}

    pub(super) fn handle_channels_timeout(&mut self, _: Time) {}

    pub(super) fn poll_channels_timeout(&self) -> Option<Time> {
        None
    }

    pub(super) fn channels_have_transmits(&self) -> bool {
        false
    }
}
