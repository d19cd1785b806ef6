//! What leaves: control segments first, then what the engine has.

use std::time::Duration;

use super::pieces::cut;
use super::proof::before;
use super::timers::FIN_LONGEST;
use super::{Control, Counters, Fin, PeerKind, Role, Session, RECENT, WRITABLE};
use crate::arq::{Allowance, Blocked, FlowReport};
use crate::control::reset_echo;
use crate::error::KcpError;
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Header, CMD_WASK, CMD_WINS, CODE_FIN, CODE_HELLO, CODE_RST, HEADER_LEN};

/// Segments that are a thin stream's at most (`tcp_stream_is_thin` of Linux).
const THIN: usize = 4;

/// Where `una` stands in a header.
const UNA_AT: usize = 16;

impl Session {
    /// Returns whether there is something to send at once.
    pub(crate) fn needs_flush(&self) -> bool {
        if self.error.is_some() {
            return false;
        }
        if !self.confirmed && (self.owes_question || !self.config.accept_unconfirmed) {
            return self.owes_question || !self.control.is_empty();
        }
        !self.control.is_empty()
            || self.is_asking()
            || self.has_probes()
            || (self.fin == Fin::Wanted && self.conv != 0 && self.engine.unsent() == 0)
            || (self.flush_at.is_none() && self.conv != 0 && self.engine.needs_flush())
    }

    /// Returns whether the last flush had more data than its allowance.
    pub(crate) fn is_blocked(&self) -> bool {
        self.error.is_none() && self.engine.blocked() != Blocked::No
    }

    /// Returns whether some of that is to be sent again.
    pub(crate) fn is_resend_blocked(&self) -> bool {
        self.engine.blocked() == Blocked::All
    }

    /// Returns whether the path's rate has anything to say on a flush.
    pub(crate) fn has_data(&self) -> bool {
        self.engine.unacked() > 0
    }

    /// Returns the round trip that the opening took.
    pub(crate) fn opening_rtt(&self) -> Option<Duration> {
        self.opening_rtt
    }

    /// Returns whether so little is written and unacknowledged that it burdens nobody (as Linux's
    /// `tcp_stream_is_thin`).
    pub(crate) fn is_thin(&self) -> bool {
        self.engine.unacked() <= THIN
    }

    /// Says whether second and later repeats are sent twice, where the peer's window is the limit.
    pub(crate) fn set_repeat_twice(&mut self, twice: bool) {
        self.engine.set_repeat_twice(twice);
    }

    /// Returns whether what is in flight has timed out again and again, without an answer.
    pub(crate) fn is_written_off(&self, now: Time) -> bool {
        self.engine.is_written_off(now)
    }

    /// Returns bytes of data sent and not acknowledged.
    pub(crate) fn in_flight_bytes(&self, now: Time) -> u64 {
        // What has timed out again and again without an answer is not on the path any more: the peer has no
        // room for it, or it is gone (RFC 6675 takes lost segments out of its `pipe` as well). It must not
        // take the room of others.
        match self.error.is_some() || self.engine.is_written_off(now) {
            true => 0,
            false => self.engine.in_flight_bytes(),
        }
    }

    /// Returns whether anything was seen of the path since [`take_flow`](Session::take_flow).
    pub(crate) fn has_flow(&self) -> bool {
        self.engine.has_flow()
    }

    /// Takes what was seen of the path since the last call.
    pub(crate) fn take_flow(&mut self) -> FlowReport {
        self.engine.take_flow()
    }

    /// Sends what is due, of data no more than `allowance`. The datagrams go to `out` with their address.
    pub(crate) fn flush(
        &mut self,
        now: Time,
        allowance: Allowance,
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        if self.error.is_some() {
            return;
        }
        if !self.confirmed {
            return self.flush_unproven(now, out);
        }
        self.transmit_challenges(now, out);
        if self.has_probes() {
            self.transmit_probes(now, out);
        }
        // Without a number the conversation cannot carry data: HELLO asks for one.
        if self.conv != 0 {
            self.flush_at = None;
            self.lacks_window = allowance.pace >= allowance.window;
            self.engine.flush_within(now, allowance);
            self.wake_writer();
            self.announce_end(now);
        }
        if self.control.is_empty() && self.third.is_none() {
            // As good as always: from the engine straight to the queue, without memory for all.
            let known = self.is_unknown_yet().then(|| before(self.sn_base));
            let (path, longest) = (self.path(), self.longest_whole());
            let Session { engine, recent, recent_at, stats, .. } = self;
            let mut marked = Vec::new();
            engine.take_output(&mut |datagram| {
                let datagram = match known {
                    None => datagram,
                    Some(una) => {
                        marked.clear();
                        marked.extend_from_slice(datagram);
                        mark(&mut marked, una);
                        &marked[..]
                    }
                };
                let mut send = |datagram: &[u8]| {
                    record(recent, recent_at, stats, datagram);
                    out(path, datagram);
                };
                if datagram.len() <= longest || !cut(datagram, longest, &mut send) {
                    send(datagram);
                }
            });
            return;
        }
        let mut bytes = Vec::new();
        let mut lengths = Vec::new();
        let longest = self.longest_whole();
        self.engine.take_output(&mut |datagram| {
            let mut add = |datagram: &[u8]| {
                bytes.extend_from_slice(datagram);
                lengths.push(datagram.len());
            };
            if datagram.len() <= longest || !cut(datagram, longest, &mut add) {
                add(datagram);
            }
        });
        // Before the codes are added: those are written with the right `una` at once.
        self.mark_known(&mut bytes);
        if !(bytes.is_empty() && self.control.is_empty()) {
            self.accompany(now);
        }
        let mut rest = &bytes[..];
        let mut lengths = lengths.into_iter().peekable();
        let controls = std::mem::take(&mut self.control);
        // More codes than one datagram has room for only where the MTU is two headers.
        for some in controls.chunks((self.mtu / HEADER_LEN).max(1)) {
            let mut head = Vec::new();
            for &control in some {
                head.extend_from_slice(&self.control_header(now, control).encode());
            }
            // Control segments come first, so what an RST echoes is remembered.
            if let Some(len) = lengths.next_if(|len| head.len() + len <= self.mtu) {
                let (datagram, behind) = rest.split_at(len);
                head.extend_from_slice(datagram);
                rest = behind;
            }
            self.emit(self.path(), &head, out);
        }
        for len in lengths {
            let (datagram, behind) = rest.split_at(len);
            rest = behind;
            self.emit(self.path(), datagram, out);
        }
    }

    /// Tells the peer at once that the conversation is over, if anything was ever heard from it.
    /// Should this get lost, its next datagram is answered in the same way.
    pub(crate) fn transmit_reset(
        &mut self,
        now: Time,
        was_accepted: bool,
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        let refused = matches!(self.error, Some(KcpError::TooManySessions { .. })) && !was_accepted;
        // Who was never accepted is told so by an echo of its proof.
        let proof = self.hello_nonces.filter(|_| refused).map(|(client, server)| (server, client));
        let Some((sn, ts)) = proof.or(self.last) else { return };
        if self.peer_kind != PeerKind::Stock {
            let reset = Control { cmd: CMD_WINS, frg: CODE_RST, sn, ts: Some(ts) };
            let mut header = self.control_header(now, reset);
            if proof.is_some() {
                header.wnd = 0;
            }
            self.emit(self.path(), &header.encode(), out);
        }
    }

    /// Sends FIN, once all data has been sent for the first time.
    fn announce_end(&mut self, now: Time) {
        if self.fin != Fin::Wanted || self.engine.unsent() > 0 {
            return;
        }
        if self.peer_kind == PeerKind::Stock {
            self.fin = Fin::Done;
            self.ready |= WRITABLE;
            return;
        }
        // The number after the last byte, as a FIN takes one in TCP (RFC 9293, 3.4): the peer knows
        // by it when it has everything.
        let sn = self.engine.snd_nxt();
        self.fin = Fin::Sent { sn, tries: 1, next: now + self.rto().min(FIN_LONGEST) };
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_FIN, sn, ts: None });
    }

    /// Marks the `una` of a client that has received nothing yet. A first flight under way says `una` = the
    /// beginning, and so does a stock peer's that opens a conversation. Once our kind of peer has answered,
    /// the client says "one before the beginning" instead. To this peer it is as good as any old `una`; a
    /// restarted one takes it for no opening and answers RST.
    pub(super) fn mark_known(&self, bytes: &mut [u8]) {
        if self.is_unknown_yet() {
            mark(bytes, before(self.sn_base));
        }
    }

    /// Tells whether a peer of our own kind knows this client, as far as that shows, only by its HELLO.
    fn is_unknown_yet(&self) -> bool {
        self.role == Role::Client
            && !(self.channel.is_some() && self.is_unanswered())
            && self.peer_kind == PeerKind::Native
            && self.engine.rcv_nxt() == self.sn_base
    }

    pub(super) fn control_header(&self, now: Time, control: Control) -> Header {
        let Control { cmd, frg, sn, ts } = control;
        let header = self.engine.header(now, cmd, frg);
        Header { sn, ts: ts.unwrap_or(header.ts), ..header }
    }

    pub(super) fn emit(&mut self, to: Path, datagram: &[u8], out: &mut dyn FnMut(Path, &[u8])) {
        record(&mut self.recent, &mut self.recent_at, &mut self.stats, datagram);
        out(to, datagram);
    }

    /// Returns the bytes of the longest datagram that leaves as a whole.
    fn longest_whole(&self) -> usize {
        match self.carries_pieces() {
            true => self.mtu,
            false => usize::MAX,
        }
    }

    /// Returns the engine's retransmission timeout.
    pub(crate) fn rto(&self) -> Duration {
        Duration::from_millis(u64::from(self.engine.rto_ms().max(1)))
    }

    /// Queues the HELLO with the number of this try.
    pub(super) fn push_hello(&mut self, nonce: u32) {
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_HELLO, sn: nonce, ts: None });
    }
}

/// Counts a datagram on its way out, and remembers what an RST to it would echo.
fn record(
    recent: &mut [Option<(u32, u32)>; RECENT],
    recent_at: &mut usize,
    stats: &mut Counters,
    datagram: &[u8],
) {
    if let Some(own) = reset_echo(datagram) {
        // The engine remembers PUSHes too, in any number, but only while they are in flight.
        if let Some(slot) = recent.get_mut(*recent_at % RECENT) {
            *slot = Some((own.sn, own.ts));
        }
        *recent_at = recent_at.wrapping_add(1);
    }
    stats.datagrams_sent = stats.datagrams_sent.wrapping_add(1);
    stats.wire_sent = stats.wire_sent.wrapping_add(datagram.len() as u64);
}

/// Writes `una` into every segment.
fn mark(bytes: &mut [u8], una: u32) {
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(Header::decode) {
        if let Some(field) = bytes.get_mut(at + UNA_AT..at + UNA_AT + 4) {
            field.copy_from_slice(&una.to_le_bytes());
        }
        at += HEADER_LEN + header.len as usize;
    }
}
