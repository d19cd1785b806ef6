//! The settings as an engine takes them, and bounds that all engines share.

use std::time::Duration;

use crate::config::KcpConfig;
use crate::error::KcpError;
use crate::limits::{
    FRAGMENTS_MAX, MTU_MAX, MTU_MIN, RECV_WINDOW_MIN, RTO_MAX, RTO_MIN, RTO_NODELAY,
};
use crate::wire::HEADER_LEN;

/// Longest round-trip time that is believed, in milliseconds: engines multiply it by 7.
pub(super) const RTT_MAX: u32 = 600_000;

/// How far behind the expected number a PUSH may be and still be acknowledged once more, and how far
/// behind the oldest unacknowledged segment a plausible `una` may be: more than any window, so that
/// a peer that missed all our ACKs hears one.
pub(super) const PAST: i32 = 1 << 16;

/// First and longest time between probes of a closed window: kcp-go begins at 500 ms; ikcp.c, at
/// 7 s, would wait longest just when everything depends on the answer.
pub(super) const PROBE_FIRST: Duration = Duration::from_millis(500);
pub(super) const PROBE_LONGEST: Duration = Duration::from_secs(10);

/// Segments that one datagram makes count as lost at most. Ten in a row (RFC 6928) are an ordinary
/// burst; ACKs of a whole batch come in one datagram, and six of those must be enough.
pub(super) const BURST: u32 = 64;

/// Segments that leave at once when a path is heard of again: TCP's initial window (RFC 6928).
pub(super) const FIRST_FLIGHT: u32 = 10;

/// Returns the least age in milliseconds at which an ACK of something else can tell that a transmission
/// is lost: one that is here sooner than the shortest round trip says nothing of what was sent after the
/// segment it answers. Less what a path varies by.
pub(super) fn youngest(min_rtt: u32) -> u32 {
    min_rtt - min_rtt / 8
}

/// The settings as an engine takes them.
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
    /// Bytes in order that wait for the application beside the receive window.
    pub read_budget: usize,
    /// Bytes that may be received and not read; the receive budget and one receive window.
    pub recv_bytes: usize,
    /// Numbers from the expected one on that may be received: the receive window, and what the
    /// budget has room for beyond it, up to two windows more (with a window of 1024 and 10 % loss
    /// a third gains 13 % of goodput, a fourth nothing).
    pub reach: u32,
    /// Bytes of the longest message.
    pub max_message: usize,
    /// The bounds above as they are configured; [`narrow`](Knobs::narrow) lowers them.
    send_most: usize,
    read_most: usize,
    recv_most: usize,
    reach_most: u32,
}

impl Knobs {
    pub(super) fn new(config: &KcpConfig, mtu: usize) -> Result<Knobs, KcpError> {
        // ikcp_setmtu refuses less, and a datagram carries no more.
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(KcpError::Config {
                field: "mtu",
                value: format!("{mtu} after the overhead of the layers"),
                accepted: format!("{MTU_MIN} to {MTU_MAX} after it"),
            });
        }
        let mss = mtu - HEADER_LEN;
        let longest = FRAGMENTS_MAX * mss;
        let least_rto = if config.nodelay.nodelay { RTO_NODELAY } else { RTO_MIN };
        let rcv_wnd = config.wnd_size.1.max(RECV_WINDOW_MIN);
        let beyond = (config.recv_budget / mss).min(2 * usize::from(rcv_wnd)) as u32;
        // More than 2^27 segments would not fit between the wall's forced renewal and its limit.
        let send_segments = (config.send_budget / mss).clamp(1, 1 << 27);
        let recv_bytes = config.recv_budget.saturating_add(usize::from(rcv_wnd) * mss);
        let reach = (u32::from(rcv_wnd) + beyond).min(u32::from(u16::MAX));
        Ok(Knobs {
            mtu,
            mss,
            nodelay: config.nodelay.nodelay,
            interval: config.nodelay.interval.clamp(10, 5000),
            // Added to half a window, which has 16 bits.
            resend: config.nodelay.resend.min(255) as u16,
            nc: config.nodelay.nc,
            min_rto: config
                .min_rto
                .map_or(least_rto, |least| least.as_millis().min(u128::from(RTO_MAX)) as u32),
            snd_wnd: config.wnd_size.0.max(1),
            rcv_wnd,
            stream: config.stream,
            send_segments,
            read_budget: config.recv_budget,
            recv_bytes,
            reach,
            max_message: config.max_message.map_or(longest, |max| max.min(longest)),
            send_most: send_segments,
            read_most: config.recv_budget,
            recv_most: recv_bytes,
            reach_most: reach,
        })
    }

    /// Bytes in either direction from which on [`narrow`](Knobs::narrow) changes nothing.
    pub(super) fn widest(&self) -> usize {
        let send = self.send_most.saturating_mul(self.mss);
        send.max(self.recv_most).max(self.reach_most as usize * self.mss)
    }

    /// Lowers the budgets of both directions to `bytes`, as far as they are above.
    pub(super) fn narrow(&mut self, bytes: usize) {
        self.send_segments = (bytes / self.mss).clamp(1, self.send_most);
        self.read_budget = bytes.min(self.read_most);
        // A message has to be received as a whole before it can be read, and as much as twice the
        // bound is taken of one.
        let message = if self.stream { 0 } else { FRAGMENTS_MAX.div_ceil(2) * self.mss };
        self.recv_bytes = bytes.max(message).min(self.recv_most);
        let reach = if self.stream { (bytes / self.mss).max(1) } else { usize::MAX };
        self.reach = u32::try_from(reach).unwrap_or(u32::MAX).min(self.reach_most);
    }

    /// Bytes that may be held so that the next segment is still taken, when nothing can be read
    /// without it: twice what is configured, however low the budgets are now.
    pub(super) fn stuck_bytes(&self) -> usize {
        self.recv_most.saturating_mul(2)
    }

    /// Returns whether the budgets are lower than configured.
    #[cfg_attr(not(feature = "kcp"), allow(dead_code))]
    pub(super) fn is_narrow(&self) -> bool {
        self.recv_bytes < self.recv_most
    }
}
