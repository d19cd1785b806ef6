//! What leaves: control segments first, then what the engine has.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Control, Fin, Peer, Session, RECENT, WRITABLE};
use crate::time::Time;
use crate::wire::{
    Header, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_FIN, CODE_HELLO, CODE_KNOWN, CODE_PLAIN, CODE_RST,
    HEADER_LEN,
};

/// While the peer has been silent for longer than this and than its RTO, our datagrams begin with
/// KNOWN, so that a restarted peer answers RST instead of taking them for a new conversation.
const DOUBT: Duration = Duration::from_millis(200);

impl Session {
    /// Is there something to send at once?
    pub(crate) fn needs_flush(&self) -> bool {
        if self.error.is_some() {
            return false;
        }
        !self.control.is_empty()
            || self.is_asking()
            || self.fin == Fin::Wanted
            || (self.flush_at.is_none() && self.conv != 0 && self.engine.needs_flush())
    }

    /// Sends what is due. The datagrams go to `out` with their address.
    pub(crate) fn flush(&mut self, now: Time, out: &mut dyn FnMut(SocketAddr, &[u8])) {
        if self.error.is_some() {
            return;
        }
        self.transmit_challenges(now, out);
        // Without a number the conversation cannot carry data: HELLO asks for one.
        if self.conv != 0 {
            let unsent = self.engine.unsent();
            self.flush_at = None;
            self.engine.flush(now);
            if self.engine.unsent() < unsent {
                self.ready |= WRITABLE;
            }
            self.announce_end(now);
        }
        let mut bytes = Vec::new();
        let mut lengths = Vec::new();
        self.engine.take_output(&mut |datagram| {
            bytes.extend_from_slice(datagram);
            lengths.push(datagram.len());
        });
        if !lengths.is_empty() {
            self.voice_doubt(now);
        }
        self.probe_unconfirmed(bytes.len());
        let mut head = Vec::new();
        for control in std::mem::take(&mut self.control) {
            head.extend_from_slice(&self.control_header(now, control).encode());
        }
        let mut rest = &bytes[..];
        let mut lengths = lengths.into_iter();
        if !head.is_empty() {
            let first = lengths.as_slice().first().copied().unwrap_or(0);
            if head.len() + first <= self.config.mtu {
                lengths.next();
                let (datagram, behind) = rest.split_at(first);
                head.extend_from_slice(datagram);
                rest = behind;
            }
            self.emit(self.peer, &head, out);
        }
        for len in lengths {
            let (datagram, behind) = rest.split_at(len);
            rest = behind;
            self.emit(self.peer, datagram, out);
        }
    }

    /// Tells the peer at once that the conversation is over, if anything was ever heard from it.
    /// Should this get lost, its next datagram is answered in the same way.
    pub(crate) fn transmit_reset(&mut self, now: Time, out: &mut dyn FnMut(SocketAddr, &[u8])) {
        if self.established && self.code != Peer::Stock {
            let (sn, ts) = self.last;
            let reset = Control { cmd: CMD_WINS, frg: CODE_RST, sn, ts: Some(ts) };
            let header = self.control_header(now, reset);
            self.emit(self.peer, &header.encode(), out);
        }
    }

    /// FIN, once all data has been sent for the first time.
    fn announce_end(&mut self, now: Time) {
        if self.fin != Fin::Wanted || self.engine.unsent() > 0 {
            return;
        }
        if self.code == Peer::Stock {
            self.fin = Fin::Done;
            self.ready |= WRITABLE;
            return;
        }
        let sn = self.engine.snd_nxt();
        self.fin = Fin::Sent { sn, tries: 1, next: now + self.rto() };
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_FIN, sn, ts: None });
    }

    fn voice_doubt(&mut self, now: Time) {
        if self.code == Peer::Ours && now.since(self.heard) > self.rto().max(DOUBT) {
            let sn = self.engine.snd_nxt();
            self.push_control(Control { cmd: CMD_WASK, frg: CODE_KNOWN, sn, ts: None });
        }
    }

    /// Asks a peer that only ever sent for a sign that it receives; not before it has sent more
    /// than it got.
    fn probe_unconfirmed(&mut self, about_to_send: usize) {
        let sent = self.stats.wire_sent.saturating_add((about_to_send + HEADER_LEN) as u64);
        if !self.confirmed && !self.probed && sent <= self.stats.wire_received {
            self.probed = true;
            let sn = self.engine.snd_nxt();
            self.push_control(Control { cmd: CMD_WASK, frg: CODE_PLAIN, sn, ts: None });
        }
    }

    pub(super) fn control_header(&self, now: Time, control: Control) -> Header {
        let Control { cmd, frg, sn, ts } = control;
        let header = self.engine.header(now, cmd, frg);
        Header { sn, ts: ts.unwrap_or(header.ts), ..header }
    }

    pub(super) fn emit(
        &mut self,
        to: SocketAddr,
        datagram: &[u8],
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        if let Some(first) = Header::decode(datagram) {
            // The engine remembers PUSHes while they are in flight, in any number.
            if first.cmd != CMD_PUSH {
                self.recent[self.recent_at] = (first.sn, first.ts);
                self.recent_at = (self.recent_at + 1) % RECENT;
            }
        }
        self.stats.datagrams_sent = self.stats.datagrams_sent.wrapping_add(1);
        self.stats.wire_sent = self.stats.wire_sent.wrapping_add(datagram.len() as u64);
        out(to, datagram);
    }

    /// The engine's retransmission timeout.
    pub(super) fn rto(&self) -> Duration {
        Duration::from_millis(u64::from(self.engine.stats().rto_ms.max(1)))
    }

    /// Queues the HELLO with the number of this try.
    pub(super) fn push_hello(&mut self, nonce: u32) {
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_HELLO, sn: nonce, ts: None });
    }
}
