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
    /// The windows now, in segments.
    pub snd_wnd: u16,
    pub rcv_wnd: u16,
    pub stream: bool,
    /// Messages may be read ahead of others.
    pub unordered: bool,
    /// Milliseconds after which a message is given up.
    pub lifetime: Option<u32>,
    /// Segments that may be unacknowledged, sent or not.
    pub send_segments: usize,
    /// Bytes in order that wait for the application beside the receive window.
    pub read_budget: usize,
    /// Bytes that may be received and not read; the receive budget and one receive window, or a wider
    /// window that the session has grown.
    pub recv_bytes: usize,
    /// Numbers from the expected one on that may be received: the receive window, and what the
    /// budget has room for beyond it, up to two windows more (with a window of 1024 and 10 % loss
    /// a third gains 13 % of goodput, a fourth nothing). A window that has grown is as wide as that.
    pub reach: u32,
    /// Bytes of the longest message.
    pub max_message: usize,
    /// The bounds above without [`narrow`](Knobs::narrow), which lowers them.
    send_most: usize,
    read_most: usize,
    recv_most: usize,
    reach_most: u32,
    /// What the windows and their bounds begin with and return to.
    begin: Begin,
    /// The widest that the windows may become, in segments.
    ceiling: (u16, u16),
}

/// Windows, and the segments that may be unacknowledged, as they are configured.
#[derive(Clone, Copy, Debug)]
struct Begin {
    snd_wnd: u16,
    rcv_wnd: u16,
    send_segments: u32,
}

impl Knobs {
    pub(super) fn new(config: &KcpConfig, conv: u32, mtu: usize) -> Result<Knobs, KcpError> {
        // ikcp_setmtu refuses less, and a datagram carries no more.
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(KcpError::Config {
                field: "mtu",
                value: format!("{mtu} after the overhead of the layers"),
                accepted: format!("{MTU_MIN} to {MTU_MAX} after it"),
            });
        }
        let mss = mtu - HEADER_LEN;
        let datagrams = config.datagrams_of(conv);
        let longest = FRAGMENTS_MAX * mss;
        let least_rto = if config.nodelay.nodelay { RTO_NODELAY } else { RTO_MIN };
        let rcv_wnd = config.wnd_size.1.max(RECV_WINDOW_MIN);
        // More than 2^27 segments would not fit between the wall's forced renewal and its limit.
        let send_segments = (config.send_budget / mss).clamp(1, 1 << 27);
        let (recv_bytes, reach) = recv_bounds(config.recv_budget, rcv_wnd, mss);
        let snd_wnd = config.wnd_size.0.max(1);
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
            snd_wnd,
            rcv_wnd,
            stream: config.is_stream(conv),
            unordered: datagrams.is_some(),
            lifetime: datagrams.and_then(|of| of.lifetime).map(|time| time.as_millis() as u32),
            send_segments,
            read_budget: config.recv_budget,
            recv_bytes,
            reach,
            max_message: config.max_message.map_or(longest, |max| max.min(longest)),
            send_most: send_segments,
            read_most: config.recv_budget,
            recv_most: recv_bytes,
            reach_most: reach,
            begin: Begin { snd_wnd, rcv_wnd, send_segments: send_segments as u32 },
            ceiling: (config.max_wnd_size.0.max(snd_wnd), config.max_wnd_size.1.max(rcv_wnd)),
        })
    }

    /// Sets the own window to so many segments, not below what it begins with and not beyond its
    /// ceiling, and lets half as many more wait, so that ACKs find something to let go.
    /// [`narrow`](Knobs::narrow) must follow.
    pub(super) fn set_send_window(&mut self, segments: u32) {
        self.snd_wnd = within(segments, self.begin.snd_wnd, self.ceiling.0);
        let window = usize::from(self.snd_wnd);
        self.send_most = self.begin.send_segments as usize;
        if self.snd_wnd > self.begin.snd_wnd {
            self.send_most = self.send_most.max(window + window / 2);
        }
    }

    /// Does the same with the receive window.
    pub(super) fn set_recv_window(&mut self, segments: u32) {
        self.rcv_wnd = within(segments, self.begin.rcv_wnd, self.ceiling.1);
        let (bytes, reach) = recv_bounds(self.read_most, self.begin.rcv_wnd, self.mss);
        self.recv_most = bytes.max(usize::from(self.rcv_wnd).saturating_mul(self.mss));
        self.reach_most = reach.max(u32::from(self.rcv_wnd));
    }

    /// Is the receive window wider than it began?
    pub(super) fn has_grown(&self) -> bool {
        self.rcv_wnd > self.begin.rcv_wnd
    }

    /// Bytes to send and to receive from which on [`narrow`](Knobs::narrow) changes nothing.
    pub(super) fn widest(&self) -> (usize, usize) {
        let reach = (self.reach_most as usize).saturating_mul(self.mss);
        (self.send_most.saturating_mul(self.mss), self.recv_most.max(reach))
    }

    /// Lowers the budgets to `send` and `recv` bytes, as far as they are above.
    pub(super) fn narrow(&mut self, send: usize, recv: usize) {
        self.send_segments = (send / self.mss).clamp(1, self.send_most);
        self.read_budget = recv.min(self.read_most);
        // A message has to be received as a whole before it can be read, and as much as twice the
        // bound is taken of one.
        let message = if self.stream { 0 } else { FRAGMENTS_MAX.div_ceil(2) * self.mss };
        self.recv_bytes = recv.max(message).min(self.recv_most);
        let reach = if self.stream { (recv / self.mss).max(1) } else { usize::MAX };
        self.reach = u32::try_from(reach).unwrap_or(u32::MAX).min(self.reach_most);
    }

    /// Bytes that may be held so that the next segment is still taken, when nothing can be read
    /// without it: as much more as is configured, however low the budgets are now.
    pub(super) fn stuck_bytes(&self) -> usize {
        let (configured, _) = recv_bounds(self.read_most, self.begin.rcv_wnd, self.mss);
        self.recv_most.saturating_add(configured)
    }

    /// Returns whether the budgets are lower than configured.
    #[cfg_attr(not(feature = "kcp"), allow(dead_code))]
    pub(super) fn is_narrow(&self) -> bool {
        self.recv_bytes < self.recv_most
    }
}

/// The bytes that may be received and not read, and the numbers that may be received, with a receive
/// budget and a window that has not grown.
fn recv_bounds(budget: usize, window: u16, mss: usize) -> (usize, u32) {
    let bytes = budget.saturating_add(usize::from(window) * mss);
    let beyond = (budget / mss).min(2 * usize::from(window)) as u32;
    (bytes, (u32::from(window) + beyond).min(u32::from(u16::MAX)))
}

/// Brings a number of segments between two bounds, of which the upper one is not below the other.
fn within(segments: u32, least: u16, most: u16) -> u16 {
    u16::try_from(segments).unwrap_or(u16::MAX).clamp(least, most.max(least))
}
