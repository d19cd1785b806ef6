//! The settings, as the inner engine takes them, and inner engines made with them.

use ::kcp::Kcp;

use super::sink::Sink;
use crate::config::KcpConfig;
use crate::error::KcpError;
use crate::wire::HEADER_LEN;

/// `IKCP_WND_RCV` of ikcp.c: no receive window is smaller.
const WND_RCV_MIN: u16 = 128;

/// `IKCP_RTO_NDL` and `IKCP_RTO_MIN` of ikcp.c: the smallest timeouts with and without nodelay, in
/// milliseconds.
const RTO_NODELAY: u32 = 30;
const RTO_MIN: u32 = 100;

/// Fragments of the longest message; the inner engine refuses 128.
const FRAGMENTS_MAX: usize = 127;

/// The conversation inside; on the wire it is `KcpEngine::conv`, which may change.
pub(super) const INNER_CONV: u32 = 0;

/// While only `update` and not the round-trip arithmetic looks, the interval is the longest that the
/// inner engine takes, in milliseconds: `update` is called for its clock, and flushes by itself once
/// per interval.
pub(super) const UPDATE_INTERVAL: u32 = 5000;

/// The settings, as the inner engine takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knobs {
    pub mtu: usize,
    pub mss: usize,
    pub nodelay: bool,
    pub interval: u32,
    pub resend: u16,
    pub nc: bool,
    pub min_rto: u32,
    pub snd_wnd: u16,
    pub rcv_wnd: u16,
    pub stream: bool,
    /// Segments that may be unacknowledged, sent or not.
    pub send_segments: usize,
    /// Bytes that may be received and not read; see `KcpEngine::has_room`.
    pub recv_bytes: usize,
    /// Bytes of the longest message.
    pub max_message: usize,
    /// Bound of the peer's window, so that a window of bytes fits 32 bits.
    pub peer_wnd_max: u16,
}

impl Knobs {
    pub fn new(config: &KcpConfig, mtu: usize) -> Result<Knobs, KcpError> {
        // ikcp_setmtu refuses less, and a datagram carries no more.
        if !(50..=65_507).contains(&mtu) {
            return Err(KcpError::Config {
                field: "mtu",
                value: format!("{mtu} after the overhead of the layers"),
                accepted: "50..=65507 after it".into(),
            });
        }
        let mss = mtu - HEADER_LEN;
        let longest = FRAGMENTS_MAX * mss;
        let least_rto = if config.nodelay.nodelay { RTO_NODELAY } else { RTO_MIN };
        let rcv_wnd = config.wnd_size.1.max(WND_RCV_MIN);
        Ok(Knobs {
            mtu,
            mss,
            nodelay: config.nodelay.nodelay,
            interval: config.nodelay.interval.clamp(10, 5000),
            // Added to half a window by the inner engine, whose windows are 16 bits.
            resend: config.nodelay.resend.min(255) as u16,
            nc: config.nodelay.nc,
            min_rto: config.min_rto.map_or(least_rto, |least| least.as_millis().min(60_000) as u32),
            snd_wnd: config.wnd_size.0.max(1),
            rcv_wnd,
            stream: config.stream,
            // More than 2^27 segments would not fit between the forced renewal and LIMIT.
            send_segments: (config.send_budget / mss).clamp(1, 1 << 27),
            recv_bytes: config.recv_budget.saturating_add(usize::from(rcv_wnd) * mss),
            max_message: config.max_message.map_or(longest, |max| max.min(longest)),
            peer_wnd_max: u16::try_from((1 << 31) / mss).unwrap_or(u16::MAX),
        })
    }

    /// A fresh inner engine whose clock shows `clock`.
    pub fn fresh(&self, sink: &Sink, clock: u32) -> Kcp<Sink> {
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
