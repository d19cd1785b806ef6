//! How long the datagrams of a conversation may be: probes of the path, and what to do with a segment that
//! was numbered when longer ones passed.
//!
//! A probe is a PUSH with a number that the peer has acknowledged, padded to the length that is asked about.
//! Every implementation acknowledges it as a repeated one, by an ACK with its `sn` and `ts`, and looks at
//! nothing of its payload (ikcp.c: `ikcp_input` queues the ACK first, and parses the data only from `rcv_nxt`
//! on). kcp-go sends of several such ACKs in one flush the last one, which is that of the longest probe that
//! passed, as they leave in that order.

use std::collections::VecDeque;

use super::{PeerKind, Session};
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Header, View, CMD_ACK, CMD_PUSH, HEADER_LEN};

/// Probes that are remembered: more than two rounds of them.
const REMEMBERED: usize = 16;

/// So many numbers are used in turn: less than any receive window, and more than leave in a millisecond.
const NUMBERS: u8 = 64;

/// Pieces that are answered as a window probe is by somebody who does not know them: one such answer may be
/// that to a keepalive with the same number in the same millisecond.
const REFUSALS: u8 = 3;

/// What is asked of the path.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Lengths to send, the shortest first.
    due: Vec<usize>,
    /// How many were sent; it wraps.
    count: u8,
    /// `sn`, `ts` and length of those that were sent.
    sent: VecDeque<(u32, u32, usize)>,
    /// Lengths that have arrived and nobody has been told of.
    arrived: Vec<usize>,
    /// How often the peer has shown that it does not know pieces.
    refusals: u8,
}

impl Session {
    /// Asks the path whether datagrams of these lengths pass.
    pub(crate) fn probe_lengths(&mut self, lengths: Vec<usize>) {
        self.probes.get_or_insert_default().due = lengths;
    }

    pub(super) fn has_probes(&self) -> bool {
        self.probes.as_ref().is_some_and(|probes| !probes.due.is_empty())
    }

    /// Sends the probes that are due, each in a datagram of its own.
    pub(super) fn transmit_probes(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) {
        let Some(mut probes) = self.probes.take() else { return };
        for length in std::mem::take(&mut probes.due) {
            // Numbers that the peer has acknowledged, another for each that has the same clock.
            probes.count = probes.count.wrapping_add(1);
            let sn = self.peer_una.wrapping_sub(1 + u32::from(probes.count % NUMBERS));
            let len = length.saturating_sub(HEADER_LEN) as u32;
            let header = Header { sn, len, ..self.engine.header(now, CMD_PUSH, 0) };
            let mut datagram = header.encode().to_vec();
            datagram.resize(HEADER_LEN + header.len as usize, 0);
            self.mark_known(&mut datagram);
            probes.sent.push_back((sn, header.ts, length));
            self.emit(self.path(), &datagram, out);
        }
        while probes.sent.len() > REMEMBERED {
            probes.sent.pop_front();
        }
        self.probes = Some(probes);
    }

    /// Looks for the echoes of probes.
    pub(super) fn hear_probes(&mut self, datagram: &View<'_>) {
        let Some(probes) = self.probes.as_mut().filter(|_| datagram.has(CMD_ACK)) else { return };
        for ack in datagram.headers().filter(|header| header.cmd == CMD_ACK) {
            let probe = |&(sn, ts, _): &(u32, u32, usize)| (sn, ts) == (ack.sn, ack.ts);
            let at = probes.sent.iter().position(probe);
            if let Some((_, _, length)) = at.and_then(|at| probes.sent.remove(at)) {
                probes.arrived.push(length);
            }
        }
    }

    /// Takes the lengths of the probes that have arrived since the last call.
    pub(crate) fn take_arrived_probes(&mut self) -> Vec<usize> {
        self.probes.as_mut().map(|probes| std::mem::take(&mut probes.arrived)).unwrap_or_default()
    }

    /// Returns the bytes of the oldest segment in flight, and how often it was sent.
    pub(crate) fn oldest_in_flight(&self) -> Option<(usize, u32)> {
        self.engine.oldest_in_flight()
    }

    /// Cuts new segments for datagrams of so many bytes from now on. `fell`: longer ones do not pass any
    /// more, and what they carried has to leave in another way at once.
    pub(crate) fn set_mtu(&mut self, now: Time, mtu: usize, fell: bool) {
        self.mtu = mtu;
        self.engine.set_mtu(mtu);
        if fell && self.engine.unacked() > 0 && self.carries_pieces() {
            self.restarted_at = now;
            self.engine.restart(now);
        }
    }

    /// Returns whether what is too long can leave in pieces: only our own kind puts them together.
    pub(super) fn carries_pieces(&self) -> bool {
        let refusals = self.probes.as_ref().map_or(0, |probes| probes.refusals);
        self.peer_kind == PeerKind::Native && refusals < REFUSALS
    }

    /// Notes that a piece was answered as a window probe: an older version of our own kind does.
    pub(super) fn hear_refusal(&mut self, sn: u32, ts: u32) {
        // Who has never probed has never sent a piece.
        if let Some(probes) = self.probes.as_mut().filter(|_| self.engine.in_flight(sn, ts)) {
            probes.refusals = probes.refusals.saturating_add(1);
        }
    }
}
