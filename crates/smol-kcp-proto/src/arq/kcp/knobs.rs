//! Inner engines, made with the settings.

use ::kcp::Kcp;

use super::sink::Sink;
use crate::arq::knobs::Knobs;

/// The conversation inside; on the wire it is `KcpEngine::conv`, which may change.
pub(super) const INNER_CONV: u32 = 0;

/// While only `update` and not the round-trip arithmetic looks, the interval is the longest that the
/// inner engine takes, in milliseconds: `update` is called for its clock, and flushes by itself once
/// per interval.
pub(super) const UPDATE_INTERVAL: u32 = 5000;

impl Knobs {
    /// Returns the bound of the peer's window, so that a window of bytes fits 32 bits.
    pub(super) fn peer_wnd_max(&self) -> u16 {
        u16::try_from((1 << 31) / self.mss).unwrap_or(u16::MAX)
    }

    /// Makes a fresh inner engine whose clock shows `clock`.
    pub(super) fn fresh(&self, sink: &Sink, clock: u32) -> Kcp<Sink> {
        let mut inner = match self.stream {
            true => Kcp::new_stream(INNER_CONV, sink.clone()),
            false => Kcp::new(INNER_CONV, sink.clone()),
        };
        let accepted = inner.set_mtu(self.mtu);
        debug_assert!(accepted.is_ok(), "checked in new");
        inner.set_wndsize(self.snd_wnd, self.rcv_wnd);
        inner.set_nodelay(self.nodelay, self.interval as i32, i32::from(self.resend), self.nc);
        inner.set_rx_minrto(self.min_rto);
        inner.set_maximum_resend_times(u32::MAX); // the session judges by worst_transmits()
        update(&mut inner, clock, self.interval); // only then it flushes, and has a window
        inner
    }
}

/// Sets the inner clock. The interval is the configured one at all other times, because `input`
/// makes it a part of the timeout.
pub(super) fn update(inner: &mut Kcp<Sink>, clock: u32, interval: u32) {
    inner.set_interval(UPDATE_INTERVAL);
    let updated = inner.update(clock);
    debug_assert!(updated.is_ok(), "the sink cannot fail");
    inner.set_interval(interval);
}
