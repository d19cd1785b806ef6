//! When a timeout tells of a loss, and what it may send.
//!
//! A timeout that was set when a segment left knows nothing of the queue that has grown since, nor of a
//! peer that answers in lumps. So it is judged when it passes, by the newest round trips: a segment sent
//! once is due as long after it left as [`Rtt::first_timeout`](super::rtt::Rtt::first_timeout) says *now*
//! (RFC 8985, 6.2, judges losses in that way).
//!
//! And where nothing that was sent later has been acknowledged, silence says the same of everything in
//! flight: that the tail is lost, or that the peer or its answers are late. Then a few segments ask
//! (RFC 8985, 7; RFC 9002, 6.2.4) and the rest waits for what their ACKs tell: those show each earlier
//! transmission to be suspected, which is then sent again at once, or that it was there all along.

use super::slot::{Moment, Slot, State};
use crate::arq::knobs::FIRST_FLIGHT;
use crate::limits::RTO_MAX;
use crate::wire::diff;

/// Segments that ask first when the tail is silent: as many as a thin stream has in flight, of which each
/// asks. Fewer make repairs slow where much is lost (2 instead of 4: by a fifth at 20 % each way).
const FIRST: u32 = 4;

/// What is known of the end of what is in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailProbe {
    /// Milliseconds after which a segment sent once is due, and after which one sent again may be.
    first_timeout: u32,
    rto: u32,
    /// The latest transmission known to have arrived, as in [`Slot::xmit_seq`].
    newest_acked: u32,
    /// Are so few segments in flight that all of them may ask?
    is_thin: bool,
    /// Before that no segment asks that may be part of a silent tail.
    held_until: u64,
    /// How many may ask at once the next time, and still do so this time; how long that waits.
    burst: u32,
    left: u32,
    wait: u32,
}

impl TailProbe {
    /// Nothing in flight, nothing known.
    pub(super) fn new() -> TailProbe {
        TailProbe {
            first_timeout: RTO_MAX,
            rto: RTO_MAX,
            newest_acked: 0,
            is_thin: true,
            held_until: 0,
            burst: FIRST,
            left: FIRST,
            wait: 0,
        }
    }

    /// Sets how long segments sent once and sent again are waited for, and whether there are few of them.
    #[inline]
    pub(super) fn set_first_timeout(&mut self, first_timeout: u32, rto: u32, is_thin: bool) {
        (self.first_timeout, self.rto, self.is_thin) = (first_timeout, rto, is_thin);
    }

    /// Something was acknowledged, `xmit_seq` at the latest: the tail is not silent.
    #[inline]
    pub(super) fn on_ack(&mut self, xmit_seq: Option<u32>) {
        if let Some(xmit_seq) = xmit_seq.filter(|&seq| diff(seq, self.newest_acked) > 0) {
            self.newest_acked = xmit_seq;
        }
        (self.held_until, self.burst, self.left, self.wait) = (0, FIRST, FIRST, 0);
    }

    /// The peer is there and needs what it has not got: whatever is due may leave, until something is
    /// acknowledged.
    pub(super) fn release(&mut self) {
        (self.held_until, self.left) = (0, u32::MAX);
    }

    /// Was that sent once, and nothing acknowledged that was sent later?
    fn is_unanswered(&self, slot: &Slot) -> bool {
        slot.xmit == 1 && diff(slot.xmit_seq, self.newest_acked) > 0
    }

    /// The clock at which a segment in flight is due, as far as is known now.
    #[inline]
    pub(super) fn due(&self, slot: &Slot, now: Moment) -> u64 {
        let sent_at = slot.sent_at(now);
        let due = match slot.state {
            State::InOrder => sent_at + u64::from(self.first_timeout),
            _ if self.left == u32::MAX => slot.resendts,
            State::Postponed => slot.resendts.max(sent_at + u64::from(self.first_timeout)),
            // Its timeout has grown. So may that of the path have, but as it asks at most for itself it
            // need not be waited for any longer.
            _ => slot.resendts.max(sent_at + u64::from(self.rto)),
        };
        match !self.is_thin && self.is_unanswered(slot) {
            true => due.max(self.held_until),
            false => due,
        }
    }

    /// A segment is sent again because it was due: the last one that may ask makes the others wait.
    pub(super) fn on_timeout(&mut self, slot: &Slot, now: Moment) {
        if self.is_thin || !self.is_unanswered(slot) || self.left == u32::MAX {
            return;
        }
        self.left -= 1;
        if self.left == 0 {
            // As the timeout of one segment grows, so does that of all.
            self.wait = (self.wait + self.wait / 2).clamp(self.first_timeout, RTO_MAX);
            self.held_until = now.clock + u64::from(self.wait);
            self.burst = (2 * self.burst).min(FIRST_FLIGHT);
            self.left = self.burst;
        }
    }
}
