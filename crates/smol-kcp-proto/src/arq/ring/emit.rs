//! What a flush sends: ACKs, what is due again, what is new.

use super::slot::{Cause, Slot};
use super::RingEngine;
use crate::arq::flow::with_headers;
use crate::arq::{Allowance, Blocked};
use crate::wire::{diff, Header, CMD_ACK, CMD_PUSH, CMD_WINS, CODE_PLAIN};

impl RingEngine {
    /// Emits what is due. Apart from asking for it, which most often is all there is to do.
    #[inline(never)]
    pub(super) fn emit(
        &mut self,
        news: bool,
        overdue: bool,
        mut room: u32,
        mut allowance: Allowance,
    ) {
        // ACKs first: they fill up a datagram that data follows in (ikcp_flush has the same order).
        if news {
            self.send_news();
        }
        if overdue {
            self.send_again(&mut allowance);
            // Losses may have closed the congestion window meanwhile.
            room = self.room();
        }
        if room > 0 {
            self.send_new(room, &mut allowance);
        }
        self.probe();
        self.send_copies();
        self.out.finish();
        self.check_invariants();
    }

    /// ACKs, and a window that reading has reopened.
    fn send_news(&mut self) {
        // `una` and `wnd` are those of this moment for all, as in ikcp_flush.
        let base = self.header(self.now, CMD_ACK, 0);
        for acks in self.recv_window.acks() {
            self.out.acks(&base, acks);
        }
        // ikcp.c's IKCP_ASK_TELL: the peer waits for room that only a reader can make.
        if self.recv_window.reopened() {
            self.out.header(&Header { cmd: CMD_WINS, frg: CODE_PLAIN, ..base });
        }
        self.recv_window.acks_sent();
    }

    /// What timed out or counts as lost.
    fn send_again(&mut self, allowance: &mut Allowance) {
        let (mut timeouts, mut lost) = (0, 0);
        let base = self.header(self.now, CMD_PUSH, 0);
        while let Some(mut sn) = self.send_window.overdue(self.moment()) {
            if allowance.pace == 0 {
                self.blocked = Blocked::All;
                break;
            }
            if !self.rtt.is_measured() {
                // Nothing is known of the path yet: whichever timed out, the oldest tells most.
                sn = if self.is_head_due() { self.send_window.una() } else { sn };
                if self.awaits_measurement(sn) {
                    continue;
                }
            }
            timeouts += self.resend(sn, Cause::Timeout, &base, allowance);
        }
        while let Some(sn) = self.send_window.lost(self.clock) {
            if allowance.pace == 0 {
                self.blocked = Blocked::All;
                break;
            }
            // What is sent again below gets a deadline behind those that stand in the queue;
            // outdated ones at its front would keep it out.
            self.send_window.tidy_resent();
            lost += self.resend(sn, Cause::Fast, &base, allowance);
        }
        self.send_window.tidy(self.moment(), &self.rtt);
        // Losses before timeouts, as ikcp_flush has them: a timeout has the last word on the
        // window.
        if lost > 0 {
            self.congestion.on_loss(self.flow_limits());
        }
        if timeouts > 0 {
            self.congestion.on_timeout(self.flow_limits());
        }
        self.counters.timeout_retransmits += timeouts;
        self.counters.fast_retransmits += lost;
        self.counters.segments_sent += timeouts + lost;
    }

    /// Sends a segment in flight again, and returns how often.
    fn resend(&mut self, sn: u32, cause: Cause, base: &Header, allowance: &mut Allowance) -> u64 {
        let twice = self.repeat_twice && self.is_peer_limited();
        let is_lost = self.peer_window > 0 && !self.is_written_off(self.now);
        if let Some(lifetime) = self.knobs.lifetime {
            self.give_up_late(sn, lifetime);
        }
        let slot = self.send_window.send_again(sn, self.moment(), cause, &self.rtt);
        debug_assert!(slot.is_some(), "what is found is in flight");
        let Some(slot) = slot else { return 0 };
        // The first retransmission is as likely to arrive as any segment, and there are many of them.
        let twice = twice && slot.xmit > 2;
        let segment = seal(slot, base, sn);
        // What counts as in flight already takes none of the window.
        let copies = if twice { 2 } else { 1 };
        allowance.pace = allowance.pace.saturating_sub(segment.len() as u64 * copies);
        // What a peer has no room for is not lost on the way.
        self.flow.send(segment.len(), true, is_lost);
        self.out.block(sn, segment);
        if !twice {
            return 1;
        }
        // In a datagram of its own, or it would share the fate of the first one.
        self.out.finish();
        self.flow.repeat(segment.len());
        self.out.block(sn, segment);
        2
    }

    /// What the windows and the pace admit.
    fn send_new(&mut self, room: u32, allowance: &mut Allowance) {
        let now = self.moment();
        let rto =
            // RFC 8985 (7): with so little in flight nothing will overtake a lost segment.
            if self.send_window.is_thin() { self.rtt.tail_probe_timeout() } else { self.rtt.rto };
        let base = self.header(self.now, CMD_PUSH, 0);
        if self.send_window.in_flight() == 0 {
            // Time without anything in flight is not the path's.
            self.delivery_rate.begin(self.clock);
            self.acked_at = self.clock;
        }
        let stale = self.watch_waiting();
        let (mut bytes, mut sent) = (0, 0);
        for _ in 0..room {
            if allowance.pace == 0 || allowance.window == 0 {
                self.blocked = self.blocked.max(Blocked::New);
                break;
            }
            let Some((sn, slot)) = self.send_window.send(now, rto) else { break };
            if stale.is_some_and(|stale| diff(stale, sn) > 0) {
                slot.give_up();
                self.counters.given_up += 1;
            }
            bytes += slot.payload_len() as u64;
            sent += 1;
            allowance.spend(slot.block.len());
            self.copies.on_sent(sn, now.clock, now.ts, slot.block.len());
            self.out.block(sn, seal(slot, &base, sn));
        }
        self.send_window.judge(now, &self.rtt);
        self.payload_in_flight += bytes;
        self.flow.sent_bytes += with_headers(bytes, u64::from(sent));
        self.congestion.on_sent(self.clock, sent, bytes);
        self.counters.segments_sent += u64::from(sent);
    }
}

/// Writes the header of this transmission before the payload, and returns the whole segment.
fn seal<'a>(slot: &'a mut Slot, base: &Header, sn: u32) -> &'a [u8] {
    let len = slot.payload_len() as u32;
    let header = Header { sn, frg: slot.frg, ts: slot.ts, len, ..*base };
    if let Some(room) = slot.block.first_chunk_mut() {
        *room = header.encode();
    }
    &slot.block
}
