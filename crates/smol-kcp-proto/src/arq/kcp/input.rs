//! What comes in: checked, translated and handed to the inner engine.

use std::mem;

use super::knobs::INNER_CONV;
use super::recv::Position;
use super::renew::LIMIT;
use super::{KcpEngine, ALIAS};
use crate::arq::knobs::{PAST, RTT_MAX};
use crate::arq::{Received, Rejection};
use crate::limits::FRG_MAX;
use crate::time::Time;
use crate::wire::{diff, Header, Segment, View, CMD_ACK, CMD_PUSH, CMD_WINS};

impl KcpEngine {
    pub(crate) fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &View<'_>,
    ) -> Result<Received, Rejection> {
        if datagram.conv() != self.conv {
            return Err(Rejection::Malformed);
        }
        if diff(datagram.newest().0, self.send_window.next()) > 0 {
            return Err(Rejection::Una);
        }

        self.tick(now);
        let (unacked, in_flight) = (self.send_window.unacked(), self.send_window.in_flight_bytes());
        let una_before = self.send_window.una();
        let mut una = una_before;
        let (was_measured, youngest) = (self.rtt.is_measured(), self.rtt.youngest());
        let mut soonest = u32::MAX;
        let mut received = Received::default();
        let mut scratch = mem::take(&mut self.scratch);
        scratch.clear();
        for segment in datagram.segments() {
            // ACKs are judged by what was in flight before the datagram: the `una` beside them
            // often covers their segment already, and they measure the round trip all the same.
            let (header, payload) =
                self.admit(&segment, datagram.is_recovered(), &mut received, &mut soonest);
            if diff(header.una, una) > 0 {
                una = header.una;
            }
            self.append(&mut scratch, header, payload);
        }
        if soonest < youngest || datagram.is_recovered() {
            self.suppress_fastack(&mut scratch);
        } else if received.proven {
            self.retransmitter.allow();
        }
        let taken = self.inner.input(&scratch);
        debug_assert!(taken.is_ok(), "checked and translated");
        self.scratch = scratch;

        self.send_window.advance_una(una);
        if self.send_window.una() != una_before {
            self.congestion.advanced(self.inner.rmt_wnd());
        }
        self.may_send = true;
        self.flow.acked_bytes += in_flight.saturating_sub(self.send_window.in_flight_bytes());
        if soonest != u32::MAX {
            self.flow.hear(now.as_millis(), soonest);
        }
        received.progress = self.send_window.unacked() < unacked;
        self.suspected |= received.proven && self.knobs.resend > 0 && !self.send_window.is_empty();
        self.retransmitter.tidy(&mut self.send_window);
        if !was_measured && self.rtt.is_measured() && self.retransmitter.waits() {
            self.restart(now);
        }
        self.renew();
        let unread = self.unread.len();
        self.fill();
        received.readable = self.unread.len() > unread;
        Ok(received)
    }

    /// Returns what the inner engine shall see of a segment: its header as on the wire but for what is
    /// written below, or a window announcement instead of what may not count. The shortest round trip of
    /// its ACKs is noted, unless it was recovered.
    fn admit<'a>(
        &mut self,
        segment: &Segment<'a>,
        recovered: bool,
        received: &mut Received,
        soonest: &mut u32,
    ) -> (Header, &'a [u8]) {
        let Segment { mut header, payload } = *segment;
        header.wnd = header.wnd.min(self.knobs.peer_wnd_max());
        let is_old = diff(header.una, self.peer_una) < 0;
        if is_old || recovered {
            // Reordered behind a newer one: its window is out of date.
            header.wnd = self.inner.rmt_wnd();
        }
        if !is_old {
            self.peer_una = header.una;
        }
        let announcement = Header { cmd: CMD_WINS, frg: 0, sn: 0, ts: 0, len: 0, ..header };
        match header.cmd {
            CMD_ACK if self.send_window.on_ack(header.sn, header.ts) => {
                received.proven = true;
                let sn = header.sn.wrapping_sub(self.tx_base);
                if recovered {
                    // Of what is acknowledged from the future the inner engine measures nothing.
                    return (Header { sn, ts: self.clock + 1, len: 0, ..header }, &[]);
                }
                let rtt = self.measure(header.ts);
                *soonest = rtt.min(*soonest);
                (Header { sn, ts: self.clock - rtt, len: 0, ..header }, &[])
            }
            CMD_ACK => {
                self.counters.rejected_acks += 1;
                (announcement, &[])
            }
            CMD_PUSH => {
                self.counters.segments_received += 1;
                let place = self.recv_window.position(header.sn);
                let sn = header.sn.wrapping_sub(self.rx_base);
                if place == Position::Duplicate {
                    self.counters.duplicates += 1;
                    if self.acks_due >= 2 * u32::from(self.knobs.rcv_wnd) {
                        // Two windows of ACKs wait already: the peer repeats itself.
                        return (announcement, &[]);
                    }
                    self.acks_due += 1;
                    received.pushed = true;
                    return (Header { sn: sn.wrapping_sub(ALIAS), len: 0, ..header }, &[]);
                }
                if place == Position::Outside || header.frg > FRG_MAX || !self.is_welcome(header.sn)
                {
                    self.counters.rejected_window += 1;
                    return (announcement, &[]);
                }
                if !self.has_room(place, payload.len()) {
                    self.counters.rejected_budget += 1;
                    return (announcement, &[]);
                }
                self.recv_window.insert(header.sn, header.frg);
                self.bytes_held += payload.len();
                self.acks_due += 1;
                received.pushed = true;
                (Header { sn, ..header }, payload)
            }
            // Plain probes are answered, and codes understood, by the session.
            _ => (announcement, &[]),
        }
    }

    /// Takes the round trip of a transmission at clock `ts` into account, and returns it.
    fn measure(&mut self, ts: u32) -> u32 {
        let sent_at = ts.wrapping_sub(self.ts_base);
        let rtt = self.clock.saturating_sub(sent_at).min(RTT_MAX);
        self.rtt.measure(rtt);
        rtt
    }

    /// Keeps the datagram in `scratch` from raising any `fastack` inside: the inner engine counts by the
    /// highest number that is acknowledged, and this one was never sent, and that in the future.
    fn suppress_fastack(&self, scratch: &mut Vec<u8>) {
        let una = self.send_window.una().wrapping_sub(self.tx_base);
        let (sn, ts, wnd) = (LIMIT, self.clock + 1, self.inner.rmt_wnd());
        let ahead =
            Header { conv: INNER_CONV, cmd: CMD_ACK, sn, ts, una, wnd, ..Header::default() };
        scratch.splice(..0, ahead.encode());
    }

    /// Tells whether `sn` is received now. While a renewal is forced, and our side of it done, what has begun is
    /// received to its end and nothing else; the peer sends the rest again when the renewal is over. Not
    /// earlier, or two peers that renew at the same time would wait for each other. [`LIMIT`] is out of reach
    /// but for a peer that acknowledges nothing and goes on sending for terabytes.
    fn is_welcome(&self, sn: u32) -> bool {
        let highest = self.highest_sn();
        let refusing = highest >= self.force_at() && self.unacked() == 0;
        highest < LIMIT && (!refusing || self.recv_window.completes(sn))
    }

    /// Tells whether there is room for `len` bytes more. The bound is the receive budget and a window of our own
    /// segments, which a peer with the same MTU cannot fill with more than its reader's backlog. One
    /// with larger segments could fill it with what lies ahead of a gap; so the next segment is
    /// still taken up to twice the bound, as long as there is nothing to read that would make room.
    fn has_room(&self, place: Position, len: usize) -> bool {
        let held = self.bytes_held.saturating_add(len);
        let bound = self.knobs.recv_bytes;
        let stuck = place == Position::Next && !self.recv_window.has_message();
        held <= bound || (stuck && held <= self.knobs.stuck_bytes())
    }

    fn append(&self, scratch: &mut Vec<u8>, header: Header, payload: &[u8]) {
        // However old, an `una` says no more than that nothing new was received.
        let news = diff(header.una, self.send_window.una()).max(0) as u32;
        let una = self.send_window.una().wrapping_sub(self.tx_base).wrapping_add(news);
        let inside = Header { conv: INNER_CONV, una, ..header };
        scratch.extend_from_slice(&inside.encode());
        scratch.extend_from_slice(payload);
    }

    pub(crate) fn plausible(&self, header: &Header) -> bool {
        let heard = diff(header.una, self.send_window.next()) <= 0
            && diff(header.una, self.send_window.una()) >= -PAST;
        let expected = header.cmd != CMD_PUSH
            || diff(header.sn, self.recv_window.rcv_nxt()).unsigned_abs()
                < u32::from(self.knobs.rcv_wnd);
        heard && expected
    }
}
