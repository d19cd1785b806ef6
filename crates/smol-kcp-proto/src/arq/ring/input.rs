//! What comes in: checked, and then applied.

use super::congestion::Acked;
use super::loss::HighestAcked;
use super::recv::Position;
use super::recv_space::Totals;
use super::RingEngine;
use crate::arq::flow::with_headers;
use crate::arq::knobs::{youngest, PAST};
use crate::arq::{Received, Rejection};
use crate::limits::FRG_MAX;
use crate::time::Time;
use crate::wire::{diff, Header, View, CMD_ACK, CMD_PUSH, HEADER_LEN};

impl RingEngine {
    pub(crate) fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &View<'_>,
    ) -> Result<Received, Rejection> {
        let edge = self.peer_edge();
        (self.peer_una, self.peer_window) = self.check(datagram)?;
        // The clock before anything else: round trips are measured against it.
        self.tick(now);
        let in_flight = self.send_window.in_flight();
        let (head, una) = (self.send_window.una(), self.peer_una);
        let mut handled = Received::default();
        let unread = self.recv_window.unread();
        let mut highest_acked = self.send_window.highest_acked();
        let (known, was_unknown) = (self.rtt.min, self.rtt.is_unknown());
        let measures = !datagram.is_recovered();
        let mut rest = datagram.bytes();
        let mut after = rest;
        while let Some((header, payload)) = next_segment(&mut after) {
            match header.cmd {
                CMD_PUSH => handled.pushed |= self.receive(&header, payload),
                // ACKs are judged by what was in flight before the datagram: the `una` beside them
                // often covers their segment already, and they measure the round trip all the same.
                CMD_ACK => after = self.acknowledge(rest, measures, &mut highest_acked),
                // Plain probes are answered, and codes understood, by the session.
                _ => {}
            }
            rest = after;
        }
        self.recv_window.fill(&mut self.buffers);
        handled.readable = self.recv_window.unread() > unread;
        if self.recv_space.is_due(self.clock, self.recv_window.next_missing(), handled.pushed) {
            self.measure_space();
        }
        handled.proven = !highest_acked.is_none();
        if handled.proven || diff(una, head) > 0 {
            // Once a datagram and not once an ACK: ikcp_input does it for each, which weighs a
            // datagram of many ACKs as many samples of the same moment.
            self.rtt.update_rto(self.clock);
            self.send_window.set_longest_wait(self.rtt.srtt);
            let (now, min_rtt) = (self.moment(), self.rtt.min);
            let covered = self.send_window.advance_una(una, now.ts, min_rtt, &mut self.buffers);
            self.counters.spurious_retransmits += covered.spurious;
            if let Some(oldest) = covered.oldest.filter(|_| measures) {
                self.rtt.was_covered(now.ts.wrapping_sub(oldest));
            }
            self.send_window.detect_losses(&highest_acked, now, youngest_before(known, min_rtt));
            // The first measurement: timeouts that were guesses are set right.
            if was_unknown && self.rtt.is_measured() {
                // What waited for the first measurement needs to wait no longer.
                self.send_window.restart(now, (self.rtt.rto, self.rtt.rto), self.rtt.srtt);
            }
            self.send_window.tidy(now, &self.rtt);
            let newly = (in_flight - self.send_window.in_flight()) as u32;
            let payload = self.send_window.take_acked_bytes();
            self.payload_in_flight -= payload;
            self.flow.unlost_bytes += self.send_window.take_spurious_bytes();
            self.flow.acked += newly;
            self.flow.acked_bytes += with_headers(payload, u64::from(newly));
            self.delivery_rate.add(self.clock, payload, self.rtt.srtt);
            let acked = Acked { newly, advanced: self.send_window.una() != head };
            let (limits, delivered) = (self.flow_limits(), self.delivery_rate.total);
            self.congestion.on_ack(self.clock, acked, &self.rtt, delivered, limits);
            handled.progress = newly > 0;
            if handled.progress {
                self.acked_at = self.clock;
            }
            self.return_to_pool();
        }
        if diff(self.send_window.next(), edge) > 0 && diff(self.peer_edge(), edge) > 0 {
            // What the peer had no room for has waited long, and its timeouts have grown.
            self.send_window.reopen((edge, self.peer_edge()), self.moment(), &self.rtt);
        }
        self.watch_window();
        self.check_invariants();
        Ok(handled)
    }

    /// Looks at what the reader has taken since about a round trip ago.
    #[cold]
    fn measure_space(&mut self) {
        let now = Totals {
            arrived: self.counters.arrived(),
            read: self.recv_window.total_read(),
            backlog: self.recv_window.readable(),
        };
        self.recv_space.begin(self.clock, now);
        let rtt = if self.rtt.is_measured() {
            // A queue of the sender's own makes round trips longer, and so a window that follows them
            // wider, and so the queue: twice the shortest ends that.
            self.rtt.srtt.min(self.rtt.min.saturating_mul(2)).max(1)
        } else {
            let window = self.recv_window.free();
            self.recv_space.observe(self.clock, self.recv_window.rcv_nxt(), window);
            0
        };
        self.recv_space.end_round(self.clock, rtt, now);
    }

    /// The number from which on the peer has no room.
    fn peer_edge(&self) -> u32 {
        self.peer_una.wrapping_add(u32::from(self.peer_window))
    }

    pub(crate) fn plausible(&self, header: &Header) -> bool {
        // What the peer can have heard of, less what a peer that missed all ACKs may lag behind.
        let heard = diff(header.una, self.send_window.next()) <= 0
            && diff(header.una, self.send_window.una()) >= -PAST;
        let behind = 1 - i32::from(self.knobs.rcv_wnd);
        let expected = header.cmd != CMD_PUSH
            || (behind..self.knobs.reach as i32)
                .contains(&diff(header.sn, self.recv_window.rcv_nxt()));
        heard && expected
    }

    /// Checks what a datagram says of our segments before anything of it counts, and returns its newest
    /// `una` and the window beside it, or what was known before: a datagram that was passed by a
    /// newer one on the way is out of date.
    fn check(&self, datagram: &View<'_>) -> Result<(u32, u16), Rejection> {
        if datagram.conv() != self.conv {
            return Err(Rejection::Malformed);
        }
        let (una, window) = match datagram.newest() {
            (una, _) if datagram.is_recovered() => (una, self.peer_window),
            newest => newest,
        };
        if diff(una, self.peer_una) < 0 {
            return Ok((self.peer_una, self.peer_window));
        }
        match diff(una, self.send_window.next()) <= 0 {
            true => Ok((una, window)),
            false => Err(Rejection::Una),
        }
    }

    /// Takes the ACKs that `rest` begins with, and returns what follows on them; `measures` if they came by
    /// themselves. They come in rows, and a loop that does nothing else does it with fewer instructions.
    #[inline(never)]
    fn acknowledge<'a>(
        &mut self,
        mut rest: &'a [u8],
        measures: bool,
        highest_acked: &mut HighestAcked,
    ) -> &'a [u8] {
        let now = self.moment();
        let (mut so_far, mut soonest) = (*highest_acked, u32::MAX);
        let mut after = rest;
        while let Some((header, _)) = next_segment(&mut after) {
            if header.cmd != CMD_ACK {
                break;
            }
            let Header { sn, ts, .. } = header;
            match self.send_window.on_ack(sn, ts, now.clock, &mut so_far) {
                Some(echo) => {
                    if echo.measures && measures {
                        let rtt = self.rtt.of_ack(now.clock, now.ts.wrapping_sub(ts));
                        soonest = soonest.min(rtt);
                        self.rtt.sample(rtt);
                    }
                    self.counters.spurious_retransmits += u64::from(echo.spurious);
                    self.send_window.on_acked(sn, &mut self.buffers);
                }
                None if self.copies.is_copy(sn, ts) && self.send_window.block(sn).is_some() => {
                    // A copy is here and the segment itself is not: it would have been sent again.
                    let bytes = self.send_window.block(sn).map_or(0, <[u8]>::len);
                    if self.copies.counts_loss() {
                        self.flow.lose(bytes);
                    }
                    so_far.add_number(sn);
                    self.send_window.on_acked(sn, &mut self.buffers);
                }
                None => self.counters.rejected_acks += 1,
            }
            rest = after;
        }
        if soonest != u32::MAX {
            self.flow.hear(now.clock, soonest);
        }
        *highest_acked = so_far;
        rest
    }

    /// Returns whether an ACK is due.
    #[inline(always)]
    fn receive(&mut self, header: &Header, payload: &[u8]) -> bool {
        self.counters.segments_received += 1;
        let (mut frg, mut begins) = (header.frg, false);
        if self.recv_window.unordered {
            (frg, begins) = (frg & FRG_MAX, frg > FRG_MAX);
        }
        let at = match self.recv_window.position(header.sn) {
            Position::New(at) if frg <= FRG_MAX => at,
            Position::Duplicate => {
                self.counters.duplicates += 1;
                return self.recv_window.queue_duplicate_ack(header.sn, header.ts);
            }
            _ => {
                self.counters.rejected_window += 1;
                return false;
            }
        };
        let passed = frg == 0 && self.recv_window.pass(at, payload);
        if !passed && !self.recv_window.insert(at, (frg, begins), payload, &mut self.buffers) {
            self.counters.rejected_budget += 1;
            return false;
        }
        self.recv_window.queue_ack(header.sn, header.ts);
        true
    }
}

/// Returns the [`youngest`] age by the round trip that was known before this ACK, as an ACK may be forged.
fn youngest_before(known: u32, with_this: u32) -> u32 {
    match known {
        u32::MAX => with_this,
        known => youngest(known),
    }
}

/// Takes the next segment off the front of `rest`; `None` at the end, as all of it has been checked.
#[inline(always)]
fn next_segment<'a>(rest: &mut &'a [u8]) -> Option<(Header, &'a [u8])> {
    let header = Header::decode(rest)?;
    let (payload, after) = rest.get(HEADER_LEN..)?.split_at_checked(header.len as usize)?;
    *rest = after;
    Some((header, payload))
}
