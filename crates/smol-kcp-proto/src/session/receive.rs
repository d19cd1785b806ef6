//! What arrives from the peer's address.

use std::time::Duration;

use super::proof::before;
use super::{Control, Fin, PeerKind, Role, Session, READABLE, WRITABLE};
use crate::arq::{Received, Rejection};
use crate::error::KcpError;
use crate::time::Time;
use crate::wire::{
    diff, Header, View, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_FIN, CODE_HELLO, CODE_PATH, CODE_PIECE,
    CODE_PLAIN, CODE_RST,
};

/// A FIN may be so far ahead of what has been received: the most that the window's 16 bits can say.
const FIN_AHEAD: i32 = 65_535;

/// A longer opening says more of losses than of the path: twice the round trip of two satellite hops.
const SEED_MAX: Duration = Duration::from_secs(10);

impl Session {
    /// Acts on a well-formed datagram of this conversation that came from the peer's address.
    pub(crate) fn handle_datagram(&mut self, now: Time, datagram: &View<'_>) {
        self.stats.datagrams_received = self.stats.datagrams_received.wrapping_add(1);
        self.stats.wire_received =
            self.stats.wire_received.wrapping_add(datagram.bytes().len() as u64);
        if self.error.is_some() || !(self.confirmed || self.hear_unproven(now, datagram)) {
            return;
        }
        let full = self.peer_is_full();
        let unacked = self.engine.unacked();
        self.hear_probes(datagram);
        let mut received = match self.engine.handle_datagram(now, datagram) {
            Ok(received) => received,
            Err(refusal) => {
                let counter = match refusal {
                    Rejection::Malformed => &mut self.stats.rejected.malformed,
                    Rejection::Una => &mut self.stats.rejected.una,
                };
                *counter = counter.wrapping_add(1);
                return;
            }
        };
        if datagram.has(CMD_WASK) {
            self.handle_pieces(now, datagram, &mut received);
        }
        if received.readable {
            self.ready |= READABLE;
        }
        self.peer_window_closed = self.engine.rmt_wnd() == 0;
        let acked = unacked.saturating_sub(self.engine.unacked());
        self.drained = self.drained.wrapping_add(acked * self.config.mss());
        self.confirmed |= received.proven;
        // Does the peer take back what it has acknowledged? A restarted stock peer that knows
        // nothing of the conversation does, in all that it says: it may acknowledge what is out of
        // order for it, and answer probes, but it is not the one that was there. A datagram
        // reordered on its way looks the same, and is followed by others. Our own code says RST instead, and
        // may say "one before the beginning".
        let (una, _) = datagram.newest();
        let went_back = diff(una, self.peer_una) < 0;
        if !went_back {
            self.peer_una = una;
        }
        let seems_restarted = went_back && self.peer_kind != PeerKind::Native;
        #[cfg(feature = "kcptun")]
        if !datagram.is_recovered() {
            self.heed_memory(now, went_back);
            if self.error.is_some() {
                return;
            }
        }
        if let Some(echo) = datagram.reset_echo() {
            self.last = Some((echo.sn, echo.ts));
            if !datagram.is_recovered() {
                self.hear_clock(now, &echo);
            }
        }
        let mut proves_liveness =
            received.proven || received.progress || received.pushed || datagram.has(CMD_PUSH);
        if datagram.has(CMD_WASK) || datagram.has(CMD_WINS) || self.third.is_some() {
            proves_liveness |= self.handle_controls(now, datagram);
            if self.error.is_some() {
                return;
            }
        }
        if received.progress && !seems_restarted {
            self.last_progress_at = now;
        }
        if received.pushed {
            // The ACK is company enough for a small write.
            self.flush_at = None;
        }
        if proves_liveness && !seems_restarted {
            self.end_silence(now);
            self.last_heard_at = now;
            if full {
                // With the peer's window closed a sign of life is progress enough: its reader is
                // slow.
                self.last_progress_at = now;
            }
            if !self.established {
                self.established = true;
                log::debug!("conversation {}: connected to {}", self.conv, self.peer);
                self.ready |= WRITABLE;
            }
        }
        self.wake_writer();
        if self.at_end() || self.fin == Fin::Done {
            self.ready |= READABLE | WRITABLE;
        }
        if self.released_at.is_some()
            && received.pushed
            && matches!(self.is_delivered(), Ok(true))
            && self.peer_fin.is_none()
        {
            // Nobody will read what the peer goes on sending: as TCP does, say so.
            self.fail(KcpError::Closed);
        }
    }

    /// Puts segments together that arrive in pieces, and hands them to the engine.
    fn handle_pieces(&mut self, now: Time, datagram: &View<'_>, received: &mut Received) {
        let is_piece = |header: Header| (header.cmd, header.frg) == (CMD_WASK, CODE_PIECE);
        if !datagram.headers().any(is_piece) {
            return;
        }
        let Session { pieces, engine, .. } = self;
        let mut pushes: Vec<Vec<u8>> = Vec::new();
        let next = engine.rcv_nxt();
        let is_near = |push: &Header| engine.plausible(push);
        pieces.get_or_insert_default().take(datagram, next, is_near, &mut |push| {
            pushes.push(push.to_vec());
        });
        for push in pushes {
            // What was refused of an ordinary segment would not be told either.
            let Ok(Ok(more)) = View::new(&push).map(|push| engine.handle_datagram(now, &push))
            else {
                continue;
            };
            received.proven |= more.proven;
            received.progress |= more.progress;
            received.pushed |= more.pushed;
            received.readable |= more.readable;
        }
    }

    /// Acts on the control segments; `false` where they prove nothing about the peer.
    fn handle_controls(&mut self, now: Time, datagram: &View<'_>) -> bool {
        let mut proves_liveness = false;
        for header in datagram.headers() {
            proves_liveness |= self.handle_control(now, &header);
            let asks = header.cmd == CMD_PUSH && header.sn == before(self.sn_base);
            if self.third.is_some() && header.frg != CODE_HELLO && !asks {
                // A server says more only once it has the proof.
                self.third = None;
            }
            if self.error.is_some() {
                break;
            }
        }
        proves_liveness
    }

    /// Acts on a probe, an answer or one of our codes; `false` where it proves nothing about the
    /// peer.
    fn handle_control(&mut self, now: Time, header: &Header) -> bool {
        match (header.cmd, header.frg) {
            (CMD_WASK, CODE_HELLO) => self.handle_hello(now, header),
            (CMD_WASK, CODE_PATH) => self.prove_path(header),
            (CMD_WASK, CODE_FIN) => self.handle_fin(header),
            // Put together it is acknowledged.
            (CMD_WASK, CODE_PIECE) => {}
            // Only the plain code and those of the future: answered as stock peers do.
            (CMD_WASK, _) => self.answer(CODE_PLAIN, header.sn, Some(header.ts)),
            (CMD_WINS, CODE_HELLO) => self.handle_hello_ack(now, header),
            (CMD_WINS, CODE_FIN) => self.handle_fin_ack(header),
            (CMD_WINS, CODE_RST) => return self.handle_reset(header),
            (CMD_WINS, _) => self.handle_wins(header),
            // ACKs and data are the engine's.
            (_, _) => return false,
        }
        true
    }

    /// Answers with a cookie, which binds nobody: of a conversation that is known, only the third
    /// leg changes anything, as anybody can send a HELLO.
    fn handle_hello(&mut self, now: Time, header: &Header) {
        // A SYN cookie (RFC 4987, 3.6): nothing has to be remembered to know it again.
        let own = self.secret.cookie(now, self.peer, self.conv, header.sn);
        if !self.confirmed {
            self.peer_kind = PeerKind::Native;
            self.hello_nonces = Some((header.sn, own));
        }
        self.push_control(Control { cmd: CMD_WINS, frg: CODE_HELLO, sn: header.sn, ts: Some(own) });
    }

    fn handle_hello_ack(&mut self, now: Time, header: &Header) {
        if self.role == Role::Server {
            let opening = (self.peer, self.conv, header.ts);
            if self.secret.is_cookie(now, opening, header.sn) {
                self.peer_kind = PeerKind::Native;
                self.hello_nonces = Some((header.ts, header.sn));
            }
            return;
        }
        let Some(hello) = self.hello.as_mut().filter(|hello| hello.nonce == header.sn) else {
            return;
        };
        // Answered: from here on the proof is what is repeated.
        hello.next = None;
        self.peer_kind = PeerKind::Native;
        self.hello_nonces = Some((header.sn, header.ts));
        // In a channel the peer needs no proof, and the handshake has shown the round trip.
        if self.channel.is_none() {
            self.seed_rtt(now, self.opened_at, true);
            self.push_third(now);
        }
    }

    /// Takes the time since the first HELLO, or the first question for a proof, for the path's round trip. It is
    /// more if one was lost; within reason, that is a better guess than one that is the same for every path.
    /// A server cannot be `certain`: an earlier session of the same opening may have asked.
    pub(super) fn seed_rtt(&mut self, now: Time, since: Time, is_certain: bool) {
        let rtt = now.since(since);
        if rtt <= SEED_MAX {
            self.opening_rtt = Some(rtt);
            self.engine.seed_rtt(now, rtt, is_certain);
        }
    }

    fn handle_fin(&mut self, header: &Header) {
        self.peer_kind = PeerKind::Native;
        // No peer sends beyond our window, or takes back what it has sent.
        if !(0..=FIN_AHEAD).contains(&diff(header.sn, self.engine.rcv_nxt()))
            && self.peer_fin.is_none()
        {
            self.stats.rejected.window = self.stats.rejected.window.wrapping_add(1);
            return;
        }
        // The first FIN stands: nothing of it may be taken back.
        let sn = *self.peer_fin.get_or_insert(header.sn);
        if sn == header.sn {
            self.push_control(Control { cmd: CMD_WINS, frg: CODE_FIN, sn, ts: None });
        }
    }

    fn handle_fin_ack(&mut self, header: &Header) {
        // An answer to another FIN, or to none, says nothing.
        if matches!(self.fin, Fin::Sent { sn, .. } if sn == header.sn) {
            self.fin = Fin::Done;
        }
    }

    /// Acts on a plain WINS: to a HELLO, a FIN or a probe of ours, it is a stock peer's answer.
    fn handle_wins(&mut self, header: &Header) {
        self.hear_refusal(header.sn, header.ts);
        if self.peer_kind != PeerKind::Native {
            let asked = self.hello.is_some_and(|hello| hello.tries > 0)
                || matches!(self.fin, Fin::Sent { .. });
            if asked {
                self.peer_kind = PeerKind::Stock;
            }
            if matches!(self.fin, Fin::Sent { .. }) {
                self.fin = Fin::Done;
            }
        }
    }

    fn handle_reset(&mut self, header: &Header) -> bool {
        // Off-path attackers know neither (RFC 5961, 3.2, asks the same of a RST's number).
        let echo = (header.sn, header.ts);
        // A server that has no room echoes the client's proof, and announces none.
        let is_proof = self.third.is_some() && self.hello_nonces == Some((header.ts, header.sn));
        // In a channel the HELLO's nonce is enough.
        let is_nonce = self.channel.is_some()
            && self.is_unanswered()
            && self.hello.is_some_and(|hello| hello.nonce == header.ts);
        let refused = header.wnd == 0 && (is_proof || is_nonce);
        if !refused && !self.recent.contains(&Some(echo)) && !self.engine.in_flight(echo.0, echo.1)
        {
            self.stats.rejected.reset = self.stats.rejected.reset.wrapping_add(1);
            return false;
        }
        self.peer_kind = PeerKind::Native;
        self.fail(if refused { KcpError::NoRoom } else { KcpError::Reset });
        true
    }

    /// Queues the answer to a window probe.
    pub(super) fn answer(&mut self, frg: u8, sn: u32, ts: Option<u32>) {
        self.push_control(Control { cmd: CMD_WINS, frg, sn, ts });
    }

    /// Queues a control segment; a newer one of its kind replaces it, which bounds the queue.
    pub(super) fn push_control(&mut self, control: Control) {
        let kind = (control.cmd, control.frg);
        match self.control.iter_mut().find(|c| (c.cmd, c.frg) == kind) {
            Some(old) => *old = control,
            // The codes of the handshake come first, where they are looked for.
            None if control.frg == CODE_HELLO => self.control.insert(0, control),
            None => self.control.push(control),
        }
    }
}
