//! The ACKs that are owed, and those that may be repeated.

use std::mem;

use crate::wire::diff;

/// ACKs that may be repeated for each segment that came twice: they are as long as a segment, and so
/// the repetition never costs more than what it is against.
const REPEAT_CREDIT: usize = 58;

/// ACKs of a flush that are sent although `una` covers them. kcp-go sends one, and so the variation,
/// which begins at half of the first round trip, and with it the timeout, falls slowly; after eight
/// it is a tenth of that.
const ECHOES: usize = 8;

/// Numbers and clocks to acknowledge.
#[derive(Debug, Default)]
pub(super) struct AckQueue {
    owed: Vec<(u32, u32)>,
    /// Those that the last flush has acknowledged and that may be repeated, as far as the credit goes.
    acked: Vec<(u32, u32)>,
    repeat_credit: usize,
}

impl AckQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Owes the peer an ACK.
    #[inline]
    pub(super) fn push(&mut self, sn: u32, ts: u32) {
        self.owed.push((sn, ts));
    }

    /// Owes the peer an ACK of what came twice. Returns `false` if two windows of ACKs wait already:
    /// the peer repeats itself.
    pub(super) fn push_duplicate(&mut self, sn: u32, ts: u32, window: usize) -> bool {
        if self.owed.len() >= 2 * window {
            return false;
        }
        // A duplicate means that an ACK was lost, or that the peer's timeout was too short; either
        // way it waits for ACKs.
        self.repeat_credit = (self.repeat_credit + REPEAT_CREDIT).min(window);
        self.push(sn, ts);
        true
    }

    /// The ACKs to send, those to repeat and then the new ones; [`on_sent`](AckQueue::on_sent) must
    /// follow when they are sent.
    ///
    /// What `una` covers is left out, as in kcp-go, except for the newest [few](ECHOES): the peer
    /// measures the round trip by their clocks. An ACK that was sent and is not covered is repeated once.
    pub(super) fn due(&mut self, una: u32) -> [&[(u32, u32)]; 2] {
        let is_covered = |&(sn, _): &(u32, u32)| diff(sn, una) < 0;
        self.acked.retain(|ack| !is_covered(ack));
        self.acked.truncate(self.repeat_credit);
        self.repeat_credit -= self.acked.len();
        let mut uncertain = self.owed.len().saturating_sub(ECHOES);
        self.owed.retain(|ack| {
            let is_echo = uncertain == 0;
            uncertain = uncertain.saturating_sub(1);
            is_echo || !is_covered(ack)
        });
        [&self.acked, &self.owed]
    }

    /// Notes that they were sent.
    pub(super) fn on_sent(&mut self) {
        mem::swap(&mut self.acked, &mut self.owed);
        self.owed.clear();
    }

    /// Places held, in the larger of the lists.
    pub(super) fn capacity(&self) -> usize {
        self.owed.capacity().max(self.acked.capacity())
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        (self.owed.capacity() + self.acked.capacity()) * size_of::<(u32, u32)>()
    }

    /// Gives memory back where nothing is owed.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            (self.owed, self.acked) = (Vec::new(), Vec::new());
        }
    }
}
