//! What the wall sends again by itself, or not at all.
//!
//! Inside, the timeout of a segment grows whenever it passes and is never set back; and whatever has timed
//! out or seems lost by ACKs of later segments leaves, in any number. Where that will not do, the wall
//! drops what the inner engine has emitted again and keeps a copy, which leaves when the wall says so until
//! the segment is acknowledged. What the inner engine's own timeouts emit of it meanwhile is dropped.
//!
//! - **Nothing is known of the path**: of what times out only the oldest segment leaves (RFC 6298, 5.4, sends
//!   no more at any time). The rest [begins anew](KcpEngine::restart) with the first round trip.
//! - **The peer is heard again after a silence**: everything begins anew, a first flight at once, and with
//!   timeouts that have not grown.
//! - **A datagram of ACKs** lets [`BURST`] suspected segments leave at most; the next one goes on. Of what was
//!   sent less than a round trip ago ACKs of later segments say nothing: see [`input`](super::input).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::mem;

use super::mirror::Rtt;
use super::renew::LIMIT;
use super::send::{SendWindow, Sent, Slot};
use super::KcpEngine;
use crate::arq::knobs::{BURST, FIRST_FLIGHT};
use crate::limits::RTO_MAX;
use crate::time::Time;
use crate::wire::{Header, CMD_PUSH, HEADER_LEN};

/// A time: the milliseconds of [`Time`], and what the wire's clock shows then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub clock: u64,
    pub ts: u32,
}

/// When the copies leave.
#[derive(Debug, Default)]
pub(super) struct Retransmitter {
    /// When their timeouts pass, and their numbers. Outdated entries are dropped when they come up.
    timeouts: BinaryHeap<Reverse<(u64, u32)>>,
    /// Those that ACKs of later segments show lost; how many of them may leave in the next flush.
    suspected: VecDeque<u32>,
    credit: u32,
    /// Whether a copy is kept of whatever times out.
    keeps_all: bool,
    /// Whether anything was dropped of which there is no copy.
    dropped: bool,
}

impl Retransmitter {
    /// Notes a datagram of ACKs, which may show losses.
    pub(super) fn allow(&mut self) {
        self.credit = self.credit.saturating_add(BURST);
    }

    /// Returns whether anything waits for a measured round trip.
    pub(super) fn waits(&self) -> bool {
        self.dropped || !self.timeouts.is_empty()
    }

    /// Returns when the next copy leaves.
    pub(super) fn due(&self) -> Option<Time> {
        self.timeouts.peek().map(|entry| Time::from_millis(entry.0 .0))
    }

    /// Tells whether this segment, which the inner engine has emitted for that reason, may leave. If not, it
    /// is kept where need be.
    pub(super) fn admits(
        &mut self,
        send_window: &mut SendWindow,
        (why, rtt, now): (Sent, &Rtt, Moment),
        (header, payload): (&Header, &[u8]),
    ) -> bool {
        let sn = header.sn;
        match why {
            Sent::First => return true,
            Sent::Timeout if send_window.copy_of(sn).is_some() => {}
            Sent::Timeout if self.keeps_all => {
                send_window.keep(header, payload);
            }
            Sent::Timeout if !rtt.known && sn != send_window.una() => self.dropped = true,
            Sent::Timeout => return true,
            // Only where the wall has sent it meanwhile.
            Sent::Fast if send_window.age(sn, now.ts) < rtt.youngest() => {}
            Sent::Fast if self.credit > 0 => {
                self.credit -= 1;
                return true;
            }
            Sent::Fast => {
                if send_window.copy_of(sn).is_none() {
                    if let Some(slot) = send_window.keep(header, payload) {
                        slot.await_timeout(now, rtt.rto);
                        self.timeouts.push(Reverse((slot.copy_due, sn)));
                    }
                }
                self.suspect(send_window, sn);
            }
        }
        false
    }

    fn suspect(&mut self, send_window: &mut SendWindow, sn: u32) {
        if let Some(slot) = send_window.copy_of(sn).filter(|slot| !slot.suspected) {
            slot.suspected = true;
            self.suspected.push_back(sn);
        }
    }

    /// Begins the timeouts of all copies anew: they pass `rto` after the segments left latest. Of what
    /// is due by that, [`FIRST_FLIGHT`] segments leave now, the rest in flights that double, `step`
    /// milliseconds apart, as a window opens that starts slowly (RFC 5681, 3.1).
    fn begin_anew(&mut self, send_window: &mut SendWindow, now: Moment, rto: u32, step: u32) {
        let (mut size, mut left, mut at) = (FIRST_FLIGHT, FIRST_FLIGHT, now.clock);
        self.timeouts.clear();
        for (sn, slot) in send_window.copies() {
            slot.copy_rto = rto;
            slot.copy_due = slot.timeout(now);
            if slot.copy_due <= now.clock {
                if left == 0 {
                    size = size.saturating_mul(2);
                    left = size;
                    at += u64::from(step.max(1));
                }
                left -= 1;
                slot.copy_due = at;
            }
            self.timeouts.push(Reverse((slot.copy_due, sn)));
        }
    }

    /// Takes out the next copy that is to leave now, and tells why.
    fn next(&mut self, send_window: &mut SendWindow, now: Moment) -> Option<(u32, Sent)> {
        while self.credit > 0 {
            let Some(sn) = self.suspected.pop_front() else { break };
            if send_window.copy_of(sn).is_some_and(|slot| mem::take(&mut slot.suspected)) {
                self.credit -= 1;
                return Some((sn, Sent::Fast));
            }
        }
        while let Some(&Reverse((at, sn))) = self.timeouts.peek() {
            if at > now.clock {
                break;
            }
            self.timeouts.pop();
            let Some(slot) = send_window.copy_of(sn).filter(|slot| slot.copy_due == at) else {
                continue;
            };
            slot.copy_due = slot.timeout(now);
            if slot.copy_due <= now.clock {
                return Some((sn, Sent::Timeout));
            }
            // It has left meanwhile, as ACKs of later segments showed it lost.
            self.timeouts.push(Reverse((slot.copy_due, sn)));
        }
        None
    }

    /// Forgets what was acknowledged, as far as it comes first.
    pub(super) fn tidy(&mut self, send_window: &mut SendWindow) {
        if send_window.is_empty() {
            *self = Retransmitter::default();
        }
        while let Some(&Reverse((at, sn))) = self.timeouts.peek() {
            if send_window.copy_of(sn).is_some_and(|slot| slot.copy_due == at) {
                break;
            }
            self.timeouts.pop();
        }
    }
}

#[cfg(test)]
impl Retransmitter {
    /// Checks that every copy will leave, and that they are counted.
    #[track_caller]
    pub(super) fn assert_invariants(&self, send_window: &mut SendWindow) {
        let mut bytes = 0;
        for (sn, slot) in send_window.copies() {
            assert!(
                self.timeouts.iter().any(|entry| entry.0 == (slot.copy_due, sn)),
                "{sn} never leaves"
            );
            assert!(!slot.suspected || self.suspected.contains(&sn));
            bytes += slot.copy.len();
        }
        assert_eq!(bytes, send_window.copied());
    }
}

impl Slot {
    /// Returns when the timeout outside passes.
    fn timeout(&self, now: Moment) -> u64 {
        let age = now.ts.wrapping_sub(self.ts);
        (now.clock + u64::from(self.copy_rto)).saturating_sub(u64::from(age))
    }

    fn await_timeout(&mut self, now: Moment, wait: u32) {
        self.copy_rto = wait;
        self.copy_due = now.clock + u64::from(wait);
    }
}

impl KcpEngine {
    /// Lets what has been under way for longer than a timeout leave now, and the timeouts begin anew, as the
    /// peer is heard again after a silence, or something is known of the path at last.
    pub(crate) fn restart(&mut self, now: Time) {
        self.tick(now);
        self.keep_all(now);
        let step = if self.rtt.srtt > 0 { self.rtt.srtt } else { self.rtt.rto };
        let moment = self.moment(now);
        self.retransmitter.begin_anew(&mut self.send_window, moment, self.rtt.rto, step);
        self.suspected = true; // a reason to flush
    }

    /// Whoever should have got what is in flight has lost its memory. Only what has timed out leaves at once: the
    /// inner engine repeats the rest by itself.
    pub(crate) fn send_anew(&mut self, now: Time) {
        self.restart(now);
    }

    /// Takes a copy of everything in flight. Only the inner engine has it, and it emits what times out;
    /// its timeouts cannot be reached, but its clock can: it is put forward to where the last of them passes.
    /// The wire's clock stays, and so do the round trips measured by it.
    fn keep_all(&mut self, now: Time) {
        let wire = self.clock.wrapping_add(self.ts_base);
        let Some(skip) = self.send_window.longest_wait(wire) else { return };
        if u64::from(self.clock) + u64::from(skip) >= u64::from(LIMIT) {
            return;
        }
        self.epoch = self.epoch.saturating_sub(i64::from(skip));
        self.ts_base = self.ts_base.wrapping_sub(skip);
        self.send_window.advance_timeouts(skip);
        self.retransmitter.keeps_all = true;
        self.tick(now);
        self.flush_inner();
        self.retransmitter.keeps_all = false;
        self.retransmitter.dropped = false;
    }

    fn moment(&self, now: Time) -> Moment {
        Moment { clock: now.as_millis(), ts: self.ts_base.wrapping_add(self.age(now) as u32) }
    }

    /// Sends the copies that are due.
    pub(super) fn send_copies(&mut self, now: Time) {
        let moment = self.moment(now);
        let base = self.header(now, CMD_PUSH, 0);
        while let Some((sn, why)) = self.retransmitter.next(&mut self.send_window, moment) {
            let Some(slot) = self.send_window.copy_of(sn) else { continue };
            if why == Sent::Timeout {
                let step = match self.knobs.nodelay {
                    true => slot.copy_rto / 2,
                    false => slot.copy_rto.max(self.rtt.rto),
                };
                slot.await_timeout(moment, slot.copy_rto.saturating_add(step).min(RTO_MAX));
                self.retransmitter.timeouts.push(Reverse((slot.copy_due, sn)));
                self.counters.timeout_retransmits += 1;
            } else {
                self.counters.fast_retransmits += 1;
            }
            self.counters.segments_sent += 1;
            self.flow.send(slot.copy.len(), true, true);
            slot.leave(moment.ts);
            if let Some((head, _)) = slot.copy.split_first_chunk_mut::<HEADER_LEN>() {
                let Some(Header { frg, len, .. }) = Header::decode(head) else { continue };
                *head = Header { sn, frg, len, ..base }.encode();
            }
            self.sink.lock().join(&slot.copy, self.knobs.mtu);
        }
        self.retransmitter.credit = 0;
    }
}
