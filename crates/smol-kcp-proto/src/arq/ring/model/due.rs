//! What of the model is due, and when.

use super::{sn, Engine, Model, Sent};
use crate::arq::ring::slot::{Cause, State};
use crate::arq::ring::tests::inner;

/// So few are in flight that nothing overtakes a lost one.
const THIN: usize = 4;

/// How long segments that were sent once and again are waited for.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    once: u64,
    again: u64,
}

impl Waits {
    fn of(self, sent: &Sent) -> u64 {
        if sent.transmits == 1 {
            self.once
        } else {
            self.again
        }
    }
}

/// What is done about a tail that nothing answers.
pub(super) struct Tail {
    /// The latest transmission known to have arrived.
    pub newest: u64,
    pub held_until: u64,
    pub burst: u32,
    /// `None`: as many as are due.
    pub left: Option<u32>,
    pub wait: u64,
}

impl Default for Tail {
    fn default() -> Tail {
        Tail { newest: 0, held_until: 0, burst: 4, left: Some(4), wait: 0 }
    }
}

impl Tail {
    pub(super) fn on_ack(&mut self, newest: u64) {
        *self = Tail { newest: self.newest.max(newest), ..Tail::default() };
    }
}

/// Was that sent now, because its time had come?
pub(super) fn has_timed_out(engine: &mut Engine, number: u64, pushes: &[(u64, u32)]) -> bool {
    let slot = inner(engine).send_window.slot(sn(number)).expect("in flight");
    slot.state == State::Again(Cause::Timeout) && pushes.iter().any(|push| push.0 == number)
}

/// The peer's window has moved: for what it has come to include, timeouts begin anew.
pub(super) fn move_edge(engine: &mut Engine, model: &mut Model, una: u64) {
    let before = std::mem::replace(&mut model.edge, una + model.peer_window);
    let rto = u64::from(inner(engine).rtt.rto);
    let mut opened = false;
    for (_, sent) in model.flying.range_mut(before..).filter(|(&sn, _)| sn < model.edge) {
        let due = model.now.max(sent.last + rto);
        let waits = match sent.due {
            None => sent.last + rto <= model.now,
            Some(at) => at > due && (sent.transmits == 1 || sent.rto > rto),
        };
        if waits {
            (sent.rto, sent.due) = (rto, Some(due));
            opened = true;
        }
    }
    if opened {
        (model.tail.held_until, model.tail.left) = (0, None);
    }
}

impl Model {
    pub(super) fn is_thin(&self) -> bool {
        self.flying.len() <= THIN
    }

    pub(super) fn is_limited(&self, sent: &Sent) -> bool {
        !self.is_thin() && sent.transmits == 1 && sent.turn > self.tail.newest
    }

    pub(super) fn waits(&self, engine: &mut Engine) -> Waits {
        let rtt = &inner(engine).rtt;
        let once = if self.is_thin() { rtt.tail_probe_timeout() } else { rtt.first_timeout() };
        Waits { once: once.into(), again: rtt.rto.into() }
    }

    /// When a segment may be sent again for want of an answer.
    pub(super) fn due(&self, sent: &Sent, waits: Waits) -> u64 {
        let by_age = sent.last + waits.of(sent);
        let due = match (sent.due, self.tail.left) {
            (None, _) => by_age,
            (Some(due), None) => due,
            (Some(due), Some(_)) => due.max(by_age),
        };
        if self.is_limited(sent) {
            due.max(self.tail.held_until)
        } else {
            due
        }
    }

    /// The engine looks again at what stands in a queue when its time has come, not before.
    pub(super) fn adopt(&mut self, engine: &mut Engine) {
        let waits = self.waits(engine);
        let (held_until, told_time) = (self.tail.held_until, self.told_time);
        for (&number, sent) in &mut self.flying {
            let slot = inner(engine).send_window.slot(sn(number)).expect("in flight");
            assert_eq!(slot.state == State::InOrder, sent.due.is_none(), "{number}");
            let Some(due) = sent.due.filter(|&due| due != slot.resendts) else { continue };
            assert!(due <= told_time && told_time < slot.resendts, "{number}: {due}");
            assert!(slot.resendts <= held_until.max(sent.last + waits.of(sent)), "{number}");
            sent.due = Some(slot.resendts);
        }
    }

    /// A segment is sent again because it was due.
    pub(super) fn on_timeout(&mut self, number: u64, waits: Waits) {
        let limited = self.is_limited(&self.flying[&number]);
        let Some(left) = self.tail.left.as_mut().filter(|_| limited) else { return };
        *left -= 1;
        if *left == 0 {
            let tail = &mut self.tail;
            tail.wait = (tail.wait * 3 / 2).clamp(waits.once, 60_000);
            tail.held_until = self.now + tail.wait;
            tail.burst = (2 * tail.burst).min(10);
            tail.left = Some(tail.burst);
        }
    }
}
