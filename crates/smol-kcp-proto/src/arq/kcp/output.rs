//! What goes out: flushed, translated, and learnt from.

use super::retransmit::Moment;
use super::send::Sent;
use super::{KcpEngine, ALIAS};
use crate::arq::knobs::{PROBE_FIRST, PROBE_LONGEST};
use crate::time::Time;
use crate::wire::{self, diff, CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, HEADER_LEN};

impl KcpEngine {
    pub(crate) fn flush(&mut self, now: Time) {
        self.tick(now);
        // The inner engine does not know that the window was closed.
        let tells = self.reopened && self.knobs.is_narrow();
        self.flush_inner();
        if tells {
            let wins = self.header(now, CMD_WINS, wire::CODE_PLAIN);
            self.sink.lock().push(&wins.encode());
        }
        if self.is_admitted() {
            // What it sent again has opened the congestion window, which the inner engine would use
            // one interval later; here nothing happens until then.
            self.flush_inner();
        }
        self.send_copies(now);
        self.probe(now);
        self.renew();
    }

    pub(super) fn flush_inner(&mut self) {
        let flushed = self.inner.flush();
        debug_assert!(flushed.is_ok(), "the sink cannot fail");
        self.collect();
        self.acks_due = 0;
        self.reopened = false;
        self.suspected = false;
        self.may_send = false;
    }

    /// Translates what the inner engine has just emitted in one flush, and learns from it.
    pub(super) fn collect(&mut self) {
        let (narrow, free) = (self.knobs.is_narrow(), self.free());
        let KcpEngine { send_window, rtt, retransmitter, counters, flow, .. } = self;
        let clock = self.epoch.saturating_add(i64::from(self.clock)).max(0) as u64;
        let now = Moment { clock, ts: self.clock.wrapping_add(self.ts_base) };
        let rcv_nxt = self.recv_window.rcv_nxt().wrapping_sub(self.rx_base);
        let (mut fast, mut timeout) = (false, false);
        self.sink.lock().translate(|header, payload| {
            header.conv = self.conv;
            header.una = header.una.wrapping_add(self.rx_base);
            if narrow {
                header.wnd = header.wnd.min(free);
            }
            match header.cmd {
                CMD_PUSH => {
                    header.sn = header.sn.wrapping_add(self.tx_base);
                    header.ts = header.ts.wrapping_add(self.ts_base);
                    let why =
                        send_window.on_emitted(header.sn, header.ts, rtt.rto, self.knobs.nodelay);
                    timeout |= why == Sent::Timeout;
                    fast |= why == Sent::Fast;
                    if !retransmitter.admits(send_window, (why, rtt, now), (header, payload)) {
                        return false;
                    }
                    counters.timeout_retransmits += u64::from(why == Sent::Timeout);
                    counters.fast_retransmits += u64::from(why == Sent::Fast);
                    counters.segments_sent += 1;
                    flow.send(payload.len() + HEADER_LEN, why != Sent::First, true);
                    match why {
                        Sent::First => send_window.set_len(header.sn, payload.len()),
                        _ => send_window.leave(header.sn, header.ts),
                    }
                }
                CMD_ACK => {
                    if diff(header.sn, rcv_nxt) < -(ALIAS as i32 / 2) {
                        header.sn = header.sn.wrapping_add(ALIAS);
                    }
                    header.sn = header.sn.wrapping_add(self.rx_base);
                }
                _ => {
                    // The inner engine leaves the last ACK's in them; ours mean something.
                    header.sn = 0;
                    header.ts = now.ts;
                }
            }
            true
        });
        self.congestion.flushed(fast, timeout, self.send_window.span(), self.inner.rmt_wnd());
    }

    /// Probes the peer's window while it is closed and nothing is in flight whose ACK would tell of
    /// its opening. The inner engine probes too, from 7 s on, whenever it is flushed then; that does
    /// no harm and is not counted on.
    pub(super) fn probe(&mut self, now: Time) {
        if self.unsent() == 0 || self.inner.rmt_wnd() > 0 || !self.send_window.is_empty() {
            self.probe_at = None;
            self.probe_wait = PROBE_FIRST;
        } else if self.probe_at.is_none() {
            self.probe_at = Some(now + self.probe_wait);
        } else if self.probe_at.is_some_and(|at| at <= now) {
            let wask = self.header(now, CMD_WASK, wire::CODE_PLAIN);
            self.sink.lock().push(&wask.encode());
            self.probe_wait = (self.probe_wait * 3 / 2).min(PROBE_LONGEST);
            self.probe_at = Some(now + self.probe_wait);
        }
    }

    pub(crate) fn take_output(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let mut batch = self.sink.lock();
        batch.take(sink);
        if self.inner.wait_snd() == 0 && self.recv_window.is_quiet() {
            // Thousands of idle sessions shall not keep thousands of buffers.
            batch.release(2 * self.knobs.mtu);
            self.scratch = Vec::new();
        }
    }
}
