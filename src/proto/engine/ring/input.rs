//! What comes in: checked, and then applied.

use super::congestion::Acked;
use super::inbox::Position;
use super::overtaken::Newest;
use super::RingEngine;
use crate::proto::engine::knobs::{FRG_MAX, PAST};
use crate::proto::engine::{Handled, Reader, Refusal};
use crate::time::Time;
use crate::wire::{diff, Header, CMD_ACK, CMD_PUSH, CMD_WINS, HEADER_LEN};

impl RingEngine {
    pub fn handle_datagram(&mut self, now: Time, datagram: &[u8]) -> Result<Handled, Refusal> {
        self.handle_datagram_for(now, datagram, None)
    }

    pub fn handle_datagram_for(
        &mut self,
        now: Time,
        datagram: &[u8],
        mut reader: Option<Reader<'_>>,
    ) -> Result<Handled, Refusal> {
        let una = self.check(datagram)?;
        self.tick(now);
        let flying = self.flight.flying();
        let head = self.flight.una();
        let mut handled = Handled::default();
        let mut newest = Newest::default();
        let mut rest = datagram;
        while let Some((header, payload)) = next_segment(&mut rest) {
            let header = &header;
            // One that was overtaken by a newer one on the way is out of date.
            if diff(header.una, self.peer_una) >= 0 {
                self.peer_una = header.una;
                self.peer_window = header.wnd;
            }
            match header.cmd {
                // ACKs are judged by what was in flight before the datagram: the `una` beside them
                // often covers their segment already, and they measure the round trip all the same.
                CMD_ACK => handled.proven |= self.acknowledge(header, &mut newest),
                CMD_PUSH => handled.pushed |= self.receive(header, payload, &mut reader),
                // Plain probes are answered, and codes understood, by the session.
                _ => {}
            }
        }
        if handled.proven || una != head {
            self.flight.settle(una, &mut self.blocks);
            self.flight.overtake(newest, self.clock);
            self.flight.tidy();
            let newly = (flying - self.flight.flying()) as u32;
            self.delivery.add(self.clock, self.flight.take_landed(), self.rtt.srtt);
            let acked = Acked { newly, advanced: self.flight.una() != head };
            let (path, delivered) = (self.path(), self.delivery.total);
            self.congestion.on_ack(self.clock, acked, &self.rtt, delivered, path);
            handled.progress = newly > 0;
        }
        self.watch_window();
        self.check_sound();
        Ok(handled)
    }

    pub fn plausible(&self, header: &Header) -> bool {
        let heard = diff(header.una, self.flight.next()) <= 0
            && diff(header.una, self.flight.una()) >= -PAST;
        let behind = 1 - i32::from(self.knobs.rcv_wnd);
        let expected = header.cmd != CMD_PUSH
            || (behind..self.knobs.reach as i32).contains(&diff(header.sn, self.inbox.rcv_nxt()));
        heard && expected
    }

    /// Checks all of a datagram before anything of it counts, and returns its newest `una`.
    fn check(&self, datagram: &[u8]) -> Result<u32, Refusal> {
        let (head, nxt) = (self.flight.una(), self.flight.next());
        let mut una = head;
        let mut is_known = true;
        let mut rest = datagram;
        while let Some((header, _)) = next_segment(&mut rest) {
            if header.conv != self.conv || !(CMD_PUSH..=CMD_WINS).contains(&header.cmd) {
                return Err(Refusal::Malformed);
            }
            is_known &= diff(header.una, nxt) <= 0;
            if diff(header.una, una) > 0 {
                una = header.una;
            }
        }
        // What is left is padding, unless it is all there was or claims more payload than it has.
        if rest.len() >= HEADER_LEN || datagram.len() < HEADER_LEN {
            return Err(Refusal::Malformed);
        }
        match is_known {
            true => Ok(una),
            false => Err(Refusal::Una),
        }
    }

    /// Returns whether the ACK matches a segment in flight by number and clock.
    fn acknowledge(&mut self, header: &Header, newest: &mut Newest) -> bool {
        let acked = self.flight.ack(header.sn, self.moment(), header.ts, &mut self.blocks);
        let Some((echo, turn)) = acked else {
            self.counters.rejected_acks += 1;
            return false;
        };
        if echo.measures {
            let rtt = self.moment().ts.wrapping_sub(header.ts);
            self.rtt.sample(rtt);
        }
        self.counters.spurious_retransmits += u64::from(echo.spurious);
        newest.add(header.sn, turn);
        true
    }

    /// Returns whether an ACK is due.
    fn receive(
        &mut self,
        header: &Header,
        payload: &[u8],
        reader: &mut Option<Reader<'_>>,
    ) -> bool {
        self.counters.segments_received += 1;
        let position = self.inbox.position(header.sn);
        if position == Position::Duplicate {
            self.counters.duplicates += 1;
            return self.inbox.owe(header.sn, header.ts, true);
        }
        if position == Position::Outside || header.frg > FRG_MAX {
            self.counters.rejected_window += 1;
            return false;
        }
        if let Some(reader) = reader.as_mut().filter(|reader| reader.room > 0) {
            if header.frg == 0 && self.inbox.pass(header.sn) {
                reader.into.extend_from_slice(payload);
                reader.room = reader.room.saturating_sub(payload.len());
                return self.inbox.owe(header.sn, header.ts, false);
            }
        }
        if !self.inbox.has_room(position, payload.len(), &self.blocks) {
            self.counters.rejected_budget += 1;
            return false;
        }
        self.inbox.insert(header.sn, header.frg, payload, &mut self.blocks);
        self.inbox.owe(header.sn, header.ts, false)
    }
}

/// Takes the next segment off the front of `rest`; `None` at the end of what is well formed. Says no
/// more than that: [`RingEngine::check`] has told faults apart before anything is applied.
#[inline(always)]
fn next_segment<'a>(rest: &mut &'a [u8]) -> Option<(Header, &'a [u8])> {
    let header = Header::decode(rest)?;
    let (payload, after) = rest.get(HEADER_LEN..)?.split_at_checked(header.len as usize)?;
    *rest = after;
    Some((header, payload))
}
