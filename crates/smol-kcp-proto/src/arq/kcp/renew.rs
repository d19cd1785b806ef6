//! The inner clock, and the renewal of what has counted high.

use std::time::Duration;

use super::knobs::{update, INNER_CONV};
use super::mirror::Congestion;
use super::KcpEngine;
use crate::time::Time;
use crate::wire::{Header, CMD_ACK, CMD_WINS};

/// Age of the inner clock in milliseconds and height of an inner sequence number from which on they
/// begin anew in the next quiet moment: 6 days, 700 GB at the usual MTU. Half as much again, and the
/// quiet moment is forced. So neither reaches [`LIMIT`], and no sum of two of them reaches 2^31,
/// where the inner engine's differences overflow.
pub(super) const RENEW_AT: u32 = 1 << 29;

/// Segments either way after which the inner queues are worth being given back.
const WORTH_SHRINKING: u32 = 32;

/// The inner clock stops here; that takes a segment that stays unacknowledged for half a week.
pub(super) const LIMIT: u32 = 1 << 30;

impl KcpEngine {
    /// Brings the inner clock up to `now`. Before `input` it decides what round-trip time is
    /// measured. Every five seconds `update` flushes on this occasion, which is early by no more
    /// than the rest of the turn.
    pub(super) fn tick(&mut self, now: Time) {
        let mut age = self.age(now);
        if self.send_window.is_empty() && age >= u64::from(self.renew_at) {
            // With nothing in flight nothing inside remembers a clock, so that it can be set back,
            // to just so late that `renew` can still make up an ACK of one round trip ago.
            let back = age.saturating_sub(u64::from(self.rtt.srtt));
            self.epoch = self.epoch.saturating_add(back as i64);
            self.ts_base = self.ts_base.wrapping_add(back as u32);
            self.clock = 0;
            age -= back;
        }
        self.clock = self.clock.max(age.min(u64::from(LIMIT)) as u32);
        update(&mut self.inner, self.clock, self.knobs.interval);
        self.collect();
    }

    /// Returns the milliseconds that the inner clock shows at `now`.
    pub(super) fn age(&self, now: Time) -> u64 {
        (now.as_millis() as i64).saturating_sub(self.epoch).max(0) as u64
    }

    /// Tells whether the inner engine has to come to rest, to be replaced or to have its clock set back.
    /// Meanwhile nothing is written.
    pub(super) fn is_draining(&self) -> bool {
        let force_at = self.force_at();
        self.highest_sn() >= force_at || (self.clock >= force_at && !self.send_window.is_empty())
    }

    pub(super) fn force_at(&self) -> u32 {
        self.renew_at + self.renew_at / 2
    }

    /// Returns the higher of both inner sequence numbers.
    pub(super) fn highest_sn(&self) -> u32 {
        let sent = self.send_window.next().wrapping_sub(self.tx_base);
        let received = self.recv_window.next_missing().wrapping_sub(self.rx_base);
        sent.max(received)
    }

    /// Tells whether a fresh inner engine would save memory: its queues keep that of their fullest moment.
    pub(crate) fn can_shrink(&self) -> bool {
        self.unread.can_shrink() || (self.highest_sn() > WORTH_SHRINKING && self.is_quiet())
    }

    pub(crate) fn shrink(&mut self) {
        self.unread.shrink();
        if self.is_quiet() {
            self.replace();
            self.scratch = Vec::new();
            self.sink.lock().release(0);
        }
    }

    fn is_quiet(&self) -> bool {
        self.unacked() == 0 && self.recv_window.is_quiet()
    }

    /// Replaces an inner engine that has counted high.
    pub(super) fn renew(&mut self) {
        if self.highest_sn() >= self.renew_at && self.is_quiet() {
            self.replace();
        }
    }

    /// Replaces the inner engine by a fresh one, with nothing in flight or held. What it knew of the path is
    /// handed on in a made-up ACK of nothing: the smoothed round-trip time and the peer's window. Lost are the
    /// variation, which begins again at half the round-trip time, and the congestion window, which opens
    /// from one segment as after a timeout.
    fn replace(&mut self) {
        self.flush_inner(); // the ACKs that it owes
        let knobs = self.knobs;
        let rtt = self.rtt.srtt.min(self.clock);
        let window = self.inner.rmt_wnd();
        self.inner = knobs.fresh(&self.sink, self.clock);
        self.tx_base = self.send_window.next();
        self.rx_base = self.recv_window.next_missing();
        self.rtt = self.rtt.renewed();
        self.congestion = Congestion::new(knobs.mss, knobs.resend, knobs.snd_wnd, knobs.nc);
        self.teach(rtt, window, 0);
    }

    pub(crate) fn seed_rtt(&mut self, now: Time, rtt: Duration, is_certain: bool) {
        if self.rtt.srtt > 0 {
            return;
        }
        self.tick(now);
        let rtt = u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX).clamp(1, self.clock.max(1));
        let una = self.send_window.una().wrapping_sub(self.tx_base);
        self.teach(rtt, self.inner.rmt_wnd(), una);
        self.rtt.known |= is_certain;
        if is_certain && self.retransmitter.waits() {
            self.restart(now);
        }
    }

    /// Something else than this conversation has measured the round trip of the path.
    pub(crate) fn take_rtt(&mut self, now: Time, rtt: Duration) {
        self.seed_rtt(now, rtt, true);
    }

    /// Tells the inner engine a round-trip time (0: none) and the peer's window by an ACK of nothing.
    fn teach(&mut self, rtt: u32, wnd: u16, una: u32) {
        let cmd = if rtt > 0 { CMD_ACK } else { CMD_WINS };
        let ts = self.clock.saturating_sub(rtt);
        let known = Header { conv: INNER_CONV, cmd, wnd, ts, sn: LIMIT, una, ..Header::default() };
        let taken = self.inner.input(&known.encode());
        debug_assert!(taken.is_ok(), "well formed");
        if rtt > 0 {
            self.rtt.sample(self.clock - ts);
        }
    }
}
