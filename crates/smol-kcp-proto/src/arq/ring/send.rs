//! The send window: what was written and is not yet acknowledged, sent or not.
//!
//! One row of slots, indexed by `sn`: from the oldest unacknowledged segment over the last one sent
//! to the last one written. Whatever happens to a segment costs O(1); what a flush has to do is
//! found through [deadlines](super::timeouts) and [lists](super::loss), never by a scan.

mod deadlines;

use std::mem;

use super::buffers::Buffers;
use super::loss::{HighestAcked, LossDetector};
use super::rtt::Rtt;
use super::slot::{Cause, LossList, Moment, Row, Slot, State};
use super::tail_probe::TailProbe;
use super::timeouts::Timeouts;
use super::window::Window;
use crate::arq::knobs::Knobs;
use crate::limits::RTO_MAX;
use crate::wire::diff;

/// With no more than so many segments in flight a stream is thin: it cannot learn of a loss by what
/// overtakes it, and burdens nobody, so that its first timeouts do not grow (`nodelay` only; the
/// numbers are those of Linux's `tcp_thin_linear_timeouts`).
const THIN: usize = 4;
const THIN_TIMEOUTS: u16 = 6;

/// What an ACK tells beside that its segment has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AckInfo {
    /// Its clock is that of a transmission of ours, and the round trip can be measured.
    pub measures: bool,
    /// How often the segment had been sent again meanwhile, although this transmission arrived: at
    /// least, as only the first and the latest one are remembered.
    pub spurious: u16,
}

/// What a newer `una` tells of segments that no ACK has told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Covered {
    /// How often they had been sent again in vain.
    pub spurious: u64,
    /// Wire clock of the oldest one that was sent once.
    pub oldest: Option<u32>,
}

/// The send window.
#[derive(Debug)]
pub(super) struct SendWindow {
    row: Row,
    timeouts: Timeouts,
    tail_probe: TailProbe,
    loss: LossDetector,
    /// Bytes of payload acknowledged since the last [`take_acked_bytes`](SendWindow::take_acked_bytes).
    acked_bytes: u64,
    /// Bytes of segments that were sent again in vain, since it was asked for.
    spurious_bytes: u64,
    /// Of what is in flight, how much was sent twice, three times, and so on.
    repeated: Vec<u32>,
    /// Transmissions so far.
    xmit_seq: u32,
    nodelay: bool,
}

impl SendWindow {
    /// Nothing written; the first segment will be `sn`.
    pub(super) fn new(sn: u32, knobs: &Knobs) -> SendWindow {
        SendWindow {
            row: Row { slots: Window::new(sn), nxt: sn, in_flight: 0 },
            timeouts: Timeouts::new(sn),
            tail_probe: TailProbe::new(),
            loss: LossDetector::new(sn, knobs.resend),
            acked_bytes: 0,
            spurious_bytes: 0,
            repeated: Vec::new(),
            xmit_seq: 0,
            nodelay: knobs.nodelay,
        }
    }

    /// The oldest number that is not acknowledged.
    pub(super) fn una(&self) -> u32 {
        self.row.slots.head()
    }

    /// The number that the next segment sent for the first time gets.
    pub(super) fn next(&self) -> u32 {
        self.row.nxt
    }

    /// Numbers from [`una`](SendWindow::una) to [`next`](SendWindow::next), acknowledged between or not:
    /// what the windows limit.
    pub(super) fn span(&self) -> u32 {
        self.row.nxt.wrapping_sub(self.row.slots.head())
    }

    /// Segments sent and not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.row.in_flight
    }

    /// Bytes of payload acknowledged since the last call.
    pub(super) fn take_acked_bytes(&mut self) -> u64 {
        mem::take(&mut self.acked_bytes)
    }

    /// Bytes of what turned out since the last call to have been sent again in vain, headers included.
    pub(super) fn take_spurious_bytes(&mut self) -> u64 {
        mem::take(&mut self.spurious_bytes)
    }

    /// Segments written and not sent.
    pub(super) fn unsent(&self) -> usize {
        self.row.unsent()
    }

    /// Will, with what waits to be sent, so little be in flight that a loss shows only by a timeout?
    pub(super) fn is_thin(&self) -> bool {
        self.nodelay && self.row.in_flight + self.unsent() <= THIN
    }

    /// Adds a segment that waits to be sent: room for its header, and the payload.
    #[inline]
    pub(super) fn push(&mut self, block: Vec<u8>, frg: u8) {
        if let Some(slot) = self.row.slots.push() {
            debug_assert!(!slot.is_in_flight() && slot.list == LossList::None, "has acked_bytes");
            slot.block = block;
            slot.frg = frg;
            slot.xmit = 0;
            slot.fastack = 0;
        }
    }

    /// The place of a segment.
    pub(super) fn slot_mut(&mut self, sn: u32) -> Option<&mut Slot> {
        self.row.slots.get_mut(sn)
    }

    /// The block of the last segment, if that was not sent yet.
    pub(super) fn tail(&mut self) -> Option<&mut Vec<u8>> {
        if self.unsent() == 0 {
            return None;
        }
        let last = self.row.slots.end().wrapping_sub(1);
        self.row.slots.get_mut(last).map(|slot| &mut slot.block)
    }

    /// Bytes of payload in the last segment, if that was not sent yet.
    pub(super) fn tail_len(&self) -> Option<usize> {
        let last = self.row.slots.end().wrapping_sub(1);
        self.row.slots.get(last).filter(|_| self.unsent() > 0).map(Slot::payload_len)
    }

    /// Notes that the next segment is sent for the first time, and returns it.
    #[inline]
    pub(super) fn send(&mut self, now: Moment, rto: u32) -> Option<(u32, &mut Slot)> {
        if self.unsent() == 0 {
            return None;
        }
        let sn = self.row.nxt;
        let turn = self.next_xmit_seq();
        self.row.nxt = sn.wrapping_add(1);
        self.row.in_flight += 1;
        let slot = self.row.slots.known_mut(sn)?;
        slot.first = now.ts;
        slot.ts = now.ts;
        // ikcp.c keeps it with the segment: its own timeout grows, not that of the path.
        slot.rto = rto;
        slot.xmit_seq = turn;
        slot.xmit = 1;
        slot.state = State::InOrder;
        Some((sn, slot))
    }

    /// Notes that `sn`, which is in flight, is sent again, and returns it.
    ///
    /// Unlike ikcp.c, a timeout forgets by how many ACKs the segment was suspected, so that it is
    /// not sent a second time at once, and no timeout grows beyond the longest of all.
    pub(super) fn send_again(
        &mut self,
        sn: u32,
        now: Moment,
        cause: Cause,
        rtt: &Rtt,
    ) -> Option<&mut Slot> {
        self.loss.unlink(&mut self.row, sn);
        if cause == Cause::Fast {
            self.loss.resend();
        }
        let turn = self.next_xmit_seq();
        let is_thin = self.row.in_flight <= THIN;
        let slot = self.row.slots.get_mut(sn).filter(|slot| slot.is_in_flight())?;
        slot.state = State::Again(cause);
        if rtt.is_measured() && slot.rto < rtt.min {
            // Of a time when nothing was known of the path.
            slot.rto = rtt.rto;
        }
        if cause == Cause::Timeout {
            if rtt.is_measured() {
                self.tail_probe.on_timeout(slot, now);
            }
            // ikcp_flush: with nodelay half of the timeout is added, without it all of it. A thin
            // stream burdens nobody and does not back off at first (Linux,
            // tcp_thin_linear_timeouts).
            let step = match self.nodelay {
                true if is_thin && slot.xmit <= THIN_TIMEOUTS => 0,
                true => slot.rto / 2,
                false => slot.rto.max(rtt.rto),
            };
            slot.rto = slot.rto.saturating_add(step).min(RTO_MAX);
        }
        slot.ts = now.ts;
        slot.resendts = now.clock + u64::from(slot.rto);
        slot.xmit_seq = turn;
        slot.fastack = 0;
        let before = slot.xmit;
        slot.xmit = before.saturating_add(1);
        let (due, after) = (slot.resendts, slot.xmit);
        self.timeouts.await_resent(due, sn, cause);
        self.recount(before, after);
        self.loss.await_acks(&mut self.row, sn);
        self.row.slots.known_mut(sn)
    }

    /// The segment `sn` as it was sent latest, if it is in flight.
    pub(super) fn block(&self, sn: u32) -> Option<&[u8]> {
        self.row.slots.get(sn).filter(|slot| slot.is_in_flight()).map(|slot| &slot.block[..])
    }

    /// Returns how often `sn` was sent, copies not counted.
    pub(super) fn transmits(&self, sn: u32) -> u16 {
        self.row.slots.get(sn).map_or(0, |slot| slot.xmit)
    }

    /// Is `sn` in flight, and was it sent at wire clock `ts`?
    pub(super) fn holds(&self, sn: u32, ts: u32) -> bool {
        self.row.slots.get(sn).is_some_and(|slot| slot.was_sent_at(ts))
    }

    /// When is the next segment sent again because it was suspected?
    pub(super) fn lost_at(&self, clock: u64) -> Option<u64> {
        self.loss.lost_at(&self.row, clock)
    }

    /// A segment that is to be sent again now because it was suspected, if there is one.
    pub(super) fn lost(&self, clock: u64) -> Option<u32> {
        self.loss.lost(&self.row, clock)
    }

    /// What the ACKs of a datagram are to be gathered in.
    pub(super) fn highest_acked(&self) -> HighestAcked {
        HighestAcked::new(self.una(), self.xmit_seq)
    }

    /// See [`LossDetector::detect`].
    pub(super) fn detect_losses(&mut self, acked: &HighestAcked, now: Moment, youngest: u32) {
        self.tail_probe.on_ack(acked.latest());
        self.loss.detect(&mut self.row, acked, now, youngest);
    }

    /// See [`LossDetector::set_longest_wait`].
    pub(super) fn set_longest_wait(&mut self, srtt: u32) {
        self.loss.set_longest_wait(srtt);
    }

    /// What an ACK of `sn` tells, if that [is held](SendWindow::holds) with that clock;
    /// [`on_acked`](SendWindow::on_acked) must follow.
    #[inline(always)]
    pub(super) fn on_ack(
        &mut self,
        sn: u32,
        ts: u32,
        clock: u64,
        highest_acked: &mut HighestAcked,
    ) -> Option<AckInfo> {
        let slot = self.row.slots.get(sn).filter(|slot| slot.was_sent_at(ts))?;
        highest_acked.add_number(sn);
        let latest = slot.ts == ts;
        if latest {
            highest_acked.add_xmit(slot.xmit_seq);
        }
        self.loss.learn(slot, latest, clock);
        // The echo tells which transmission arrived: all later ones were in vain. Of those between
        // the first and the latest nothing is remembered, so that one is counted at least.
        let spurious = match ts {
            _ if latest => 0,
            ts if ts == slot.first => slot.xmit.saturating_sub(1),
            _ => 1,
        };
        if spurious > 0 {
            self.spurious_bytes += u64::from(spurious) * slot.block.len() as u64;
        }
        Some(AckInfo { measures: latest || slot.first == ts, spurious })
    }

    /// Drops what lies below `una` and what is acknowledged at the front. In vain was what was sent again
    /// later than the shortest round trip `min_rtt` before `ts`, as what arrived was an earlier
    /// transmission.
    pub(super) fn advance_una(
        &mut self,
        una: u32,
        ts: u32,
        min_rtt: u32,
        buffers: &mut Buffers,
    ) -> Covered {
        let (mut covered, mut arrived) = (Covered::default(), None);
        let mut sn = self.row.slots.head();
        // From the front over all that is acknowledged, by `una` or one by one: what follows next
        // is the new `una` of this side.
        while sn != self.row.nxt {
            if let Some(slot) = self.row.slots.known(sn).filter(|slot| slot.is_in_flight()) {
                if diff(una, sn) <= 0 {
                    break;
                }
                if slot.xmit == 1 {
                    arrived = Some(slot.xmit_seq);
                    covered.oldest = covered.oldest.or(Some(slot.ts));
                } else if min_rtt != u32::MAX {
                    let in_vain = slot.in_vain(ts, min_rtt);
                    covered.spurious += in_vain;
                    self.spurious_bytes += in_vain * slot.block.len() as u64;
                }
                self.on_acked(sn, buffers);
            }
            sn = sn.wrapping_add(1);
        }
        self.row.slots.advance_to(sn);
        self.tail_probe.on_ack(arrived);
        covered
    }

    /// The most often a segment in flight has been sent.
    pub(super) fn worst_transmits(&self) -> u32 {
        match self.repeated.len() {
            0 => u32::from(self.row.in_flight > 0),
            more => more as u32 + 1,
        }
    }

    /// Places held, in the largest of its lists.
    pub(super) fn capacity(&self) -> usize {
        self.row.slots.capacity().max(self.timeouts.capacity()).max(self.repeated.capacity())
    }

    /// Bytes of memory that the row takes.
    pub(super) fn memory(&self) -> usize {
        self.row.slots.capacity() * size_of::<Slot>()
    }

    /// Gives all memory back; nothing must be left.
    pub(super) fn release(&mut self) {
        self.row.slots.release();
        self.timeouts.release();
        self.repeated = Vec::new();
    }

    /// A segment in flight has arrived: its payload is given back. It keeps its place until
    /// [`advance_una`](SendWindow::advance_una).
    #[inline(always)]
    pub(super) fn on_acked(&mut self, sn: u32, buffers: &mut Buffers) {
        let Some(slot) = self.row.slots.known_mut(sn) else { return };
        slot.state = State::NotInFlight;
        let (xmit, line) = (slot.xmit, slot.list);
        self.acked_bytes += slot.payload_len() as u64;
        buffers.put(mem::take(&mut slot.block));
        self.row.in_flight -= 1;
        if line != LossList::None {
            self.loss.unlink(&mut self.row, sn);
        }
        if xmit > 1 {
            self.recount(xmit, 0);
        }
    }

    /// Counts a segment among those sent `after` times and no more among those sent `before` times;
    /// who is sent once or not at all is not counted.
    fn recount(&mut self, before: u16, after: u16) {
        if after >= 2 {
            // A count for each number of transmissions, so that the worst is known without a look
            // at the segments.
            let at = usize::from(after - 2);
            if at >= self.repeated.len() {
                self.repeated.resize(at + 1, 0);
            }
            if let Some(count) = self.repeated.get_mut(at) {
                *count += 1;
            }
        }
        if before >= 2 {
            if let Some(count) = self.repeated.get_mut(usize::from(before - 2)) {
                *count -= 1;
            }
            while self.repeated.last() == Some(&0) {
                self.repeated.pop();
            }
        }
    }

    fn next_xmit_seq(&mut self) -> u32 {
        self.xmit_seq = self.xmit_seq.wrapping_add(1);
        self.xmit_seq
    }
}

#[cfg(any(test, debug_assertions))]
impl SendWindow {
    #[cfg(test)]
    pub(super) fn slot(&self, sn: u32) -> Option<&Slot> {
        self.row.slots.get(sn)
    }

    /// Compares everything that is kept in two places, by looking at all of it.
    pub(super) fn assert_invariants(&self, now: Moment) {
        let Row { slots, nxt, in_flight } = &self.row;
        assert!(diff(*nxt, slots.head()) >= 0 && diff(slots.end(), *nxt) >= 0);
        let (mut flying, mut worst) = (0, 0);
        for at in 0..slots.len() {
            let sn = slots.head().wrapping_add(at);
            let slot = slots.get(sn).expect("within the row");
            let sent = diff(*nxt, sn) > 0;
            assert_eq!(slot.xmit > 0, sent);
            assert!(sent || !slot.is_in_flight());
            assert_eq!(slot.block.capacity() > 0, slot.is_in_flight() || !sent, "{sn}: payload");
            if slot.is_in_flight() {
                flying += 1;
                worst = worst.max(u32::from(slot.xmit));
            }
        }
        assert_eq!((flying, worst), (*in_flight, self.worst_transmits()));
        assert!(flying > 0 || *nxt == slots.head(), "settled");
        self.timeouts.assert_invariants(&self.row, &self.tail_probe, now);
        self.loss.assert_invariants(&self.row);
    }
}
