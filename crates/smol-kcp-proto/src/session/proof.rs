//! Proof of address: what is done for a peer before it has shown that it receives what we send.
//!
//! The source of a datagram may be forged. Until its peer has repeated a number that only its address
//! was told (a cookie), a session sends it, in all, no more bytes and datagrams than came from it
//! (RFC 9000, 8.1), repeats nothing, and acknowledges nothing: who turns out to be late is let in anew
//! (see [`Router`](crate::router::Router)), and must have lost none of its data.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Control, PeerKind, Role, Session};
use crate::error::KcpError;
use crate::path::Path;
use crate::secret::Secret;
use crate::time::Time;
use crate::wire::{
    Header, View, CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, CODE_PLAIN, HEADER_LEN,
};

/// A session whose peer has proved nothing ends after so long. A slower peer is let in by its
/// cookie.
pub(super) const UNPROVEN_AFTER: Duration = Duration::from_secs(3);

/// Bytes that are kept of what an unproven peer sends: an initial window of TCP (RFC 6928).
const UNPROVEN_BYTES: u64 = 16 * 1024;

/// An unproven peer that goes on sending is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The client's proof, the third leg of the handshake, is repeated while nothing tells that it has
/// arrived: after so long, or [more](THIRD_RTTS) on a slow path, and twice as long each time.
const THIRD_FIRST: Duration = Duration::from_secs(1);
const THIRD_RTTS: u32 = 3;
const THIRD_TRIES: u32 = 3;

/// What a client knows of its proof.
#[derive(Clone, Copy, Debug)]
pub(super) struct Third {
    tries: u32,
    sent: Time,
    /// When it is repeated; `None`: only beside something else.
    pub(super) next: Option<Time>,
    wait: Duration,
}

/// How a datagram proves its address without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Our own kind's third leg, with the nonces of client and server.
    Third { nonces: (u32, u32) },
    /// A stock peer's ACK of the segment that asked it.
    Ack,
}

impl Proof {
    /// Finds the proof in a datagram that came from `addr`, if there is one.
    pub(crate) fn find(
        secret: &Secret,
        now: Time,
        addr: SocketAddr,
        sn_base: u32,
        datagram: &View<'_>,
    ) -> Option<Proof> {
        datagram.headers().find_map(|header| {
            let Header { conv, cmd, frg, sn, ts, .. } = header;
            match (cmd, frg) {
                // Only who receives at this address has been told the cookie.
                (CMD_WINS, CODE_HELLO) if secret.is_cookie(now, (addr, conv, ts), sn) => {
                    Some(Proof::Third { nonces: (ts, sn) })
                }
                (CMD_ACK, _)
                    if sn == before(sn_base) && secret.is_cookie(now, (addr, conv, 0), ts) =>
                {
                    Some(Proof::Ack)
                }
                _ => None,
            }
        })
    }
}

/// Makes the question that every implementation of KCP answers with a proof: an empty segment of data that
/// lies before the beginning of the conversation. It is acknowledged as a repeated one, by an ACK
/// with its `sn` and `ts` (`ikcp_input` appends to the list of ACKs before it looks at the window's
/// lower end), and changes nothing. Its `una` acknowledges nothing either: the peer may not be the
/// one whose numbers this side knows.
pub(crate) fn question(conv: u32, token: u32, wnd: u16, sn_base: u32) -> Header {
    let sn = before(sn_base);
    Header { conv, cmd: CMD_PUSH, frg: 0, wnd, ts: token, sn, una: sn_base, len: 0 }
}

/// Returns the sequence number of a [`question`].
pub(super) fn before(sn_base: u32) -> u32 {
    sn_base.wrapping_sub(1)
}

impl Session {
    /// Begins as a session whose peer has proved its address before there was one.
    pub(crate) fn prove(&mut self, proof: Proof) {
        self.confirmed = true;
        if let Proof::Third { nonces } = proof {
            self.peer_kind = PeerKind::Native;
            self.hello_nonces = Some(nonces);
        }
    }

    /// Looks for a proof in what an unproven peer sends. `false`: there is none, and enough has come
    /// already.
    pub(super) fn hear_unproven(&mut self, now: Time, datagram: &View<'_>) -> bool {
        match Proof::find(&self.secret, now, self.peer, self.sn_base, datagram) {
            Some(proof) => {
                // The answer took the path's round trip; if it answers an earlier question, longer.
                let asked = match proof {
                    Proof::Third { .. } => Some(self.opened_at),
                    Proof::Ack => self.asked_at.filter(|_| self.times_asked == 1),
                };
                self.prove(proof);
                if let Some(asked) = asked {
                    self.seed_rtt(now, asked, false);
                }
                true
            }
            None => {
                self.owes_question = true;
                // The rest would have to be kept for somebody who may not exist.
                self.stats.wire_received <= UNPROVEN_BYTES
            }
        }
    }

    /// Bytes of one more datagram to a peer that has proved nothing.
    fn allowance(&self) -> usize {
        // In number too: each costs the line 28 bytes or more of headers that are not counted in bytes here.
        if self.stats.datagrams_sent >= self.stats.datagrams_received {
            return 0;
        }
        let rest = self.stats.wire_received.saturating_sub(self.stats.wire_sent);
        usize::try_from(rest).unwrap_or(usize::MAX).min(self.mtu)
    }

    /// Takes what may leave before the peer has proved its address: a part of a stream or a whole message.
    pub(super) fn write_unproven(&mut self, buf: &[u8]) -> Result<usize, KcpError> {
        let room = self.unproven_room().min(self.config.mss());
        match buf.get(..room) {
            Some([]) => Ok(0),
            Some(part) if self.config.is_stream(self.conv) => self.engine.write(part),
            // A message is not divided: it waits for the proof.
            Some(part) if part.len() < buf.len() => Ok(0),
            _ => self.engine.write(buf),
        }
    }

    /// Bytes that may be written to a peer that has proved nothing, with room for the control segments
    /// that go with them; only with [`accept_unconfirmed`](crate::KcpConfig::accept_unconfirmed).
    fn unproven_room(&self) -> usize {
        let headers = HEADER_LEN * (self.control.len() + 3);
        self.allowance().saturating_sub(headers + self.engine.unsent() * self.mtu)
    }

    /// Sends what an unproven peer may get: the answer to its HELLO or else the question for a proof,
    /// and nothing more unless the application was given the session.
    pub(super) fn flush_unproven(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) {
        let early = self.config.accept_unconfirmed;
        let mut room = self.allowance();
        let mut datagram = Vec::new();
        let mut add = |bytes: &[u8], datagram: &mut Vec<u8>| {
            if bytes.len() <= room {
                room -= bytes.len();
                datagram.extend_from_slice(bytes);
            }
        };
        let controls = std::mem::take(&mut self.control);
        let greets = |control: &Control| (control.cmd, control.frg) == (CMD_WINS, CODE_HELLO);
        let answers_hello = controls.iter().any(greets);
        let due = self.asked_at.is_none_or(|at| now.since(at) >= ASK_AGAIN);
        if std::mem::take(&mut self.owes_question) && !answers_hello && due {
            let token = self.secret.cookie(now, self.peer, self.conv, 0);
            let wnd = self.engine.header(now, CMD_WINS, CODE_PLAIN).wnd;
            add(&question(self.conv, token, wnd, self.sn_base).encode(), &mut datagram);
            if !datagram.is_empty() {
                self.asked_at = Some(now);
                self.times_asked = self.times_asked.saturating_add(1);
            }
        }
        for control in controls.into_iter().filter(|control| early || greets(control)) {
            let mut header = self.control_header(now, control);
            // Nothing is acknowledged yet: whoever is let in anew later begins with its first byte again.
            if !early {
                header.una = self.sn_base;
            }
            add(&header.encode(), &mut datagram);
        }
        if early && self.conv != 0 {
            self.flush_at = None;
            self.engine.flush(now);
            // What there is no room for is lost, and repeated once the peer has proved itself.
            self.engine.take_output(&mut |bytes| add(bytes, &mut datagram));
        }
        if !datagram.is_empty() {
            self.emit(self.path(), &datagram, out);
        }
    }

    /// Queues the client's proof: what the server's HELLO_ACK asks for.
    pub(super) fn push_third(&mut self, now: Time) {
        let Some((own, server)) = self.hello_nonces else { return };
        let wait = match self.third {
            Some(third) => third.wait * 2,
            // Three round trips, as far as the handshake has shown one.
            None => THIRD_FIRST.max(now.since(self.opened_at) * THIRD_RTTS),
        };
        let tries = self.third.map_or(1, |third| third.tries.saturating_add(1));
        let next = (tries < THIRD_TRIES).then(|| now + wait);
        self.third = Some(Third { tries, sent: now, next, wait });
        let (cmd, frg) = (CMD_WINS, CODE_HELLO);
        self.push_control(Control { cmd, frg, sn: server, ts: Some(own) });
    }

    /// Repeats the proof when its time has come.
    pub(super) fn repeat_third(&mut self, now: Time) {
        if self.third.is_some_and(|third| third.next.is_some_and(|next| next <= now)) {
            self.push_third(now);
        }
    }

    /// Puts HELLO beside the codes that are about to leave while it is unanswered, and the proof while
    /// nothing tells that the server has it: a server that does not know the conversation would reset it.
    pub(super) fn accompany(&mut self, now: Time) {
        let unanswered = self.hello.filter(|hello| hello.tries > 0 && hello.next.is_some());
        if let Some(hello) = unanswered.filter(|_| self.is_connecting() || self.channel.is_some()) {
            self.push_hello(hello.nonce);
        }
        let old = |third: Third| now.since(third.sent) >= THIRD_FIRST;
        if self.third.is_some_and(old) {
            self.push_third(now);
        }
    }

    /// Tells what a HELLO or a third leg at the address of this session says of another life of its peer.
    pub(crate) fn another_life(&self, now: Time, datagram: &View<'_>) -> Option<AnotherLife> {
        let (client, _) = self.hello_nonces.filter(|_| self.role == Role::Server)?;
        datagram.headers().find_map(|header| {
            let Header { conv, cmd, frg, sn, ts, .. } = header;
            match (cmd, frg) {
                (CMD_WASK, CODE_HELLO) if sn != client => Some(AnotherLife::Asks { nonce: sn }),
                (CMD_WINS, CODE_HELLO)
                    // With the nonce that is known it is this life's own proof, repeated.
                    if ts != client && self.secret.is_cookie(now, (self.peer, conv, ts), sn) =>
                {
                    Some(AnotherLife::Proven { nonces: (ts, sn) })
                }
                _ => None,
            }
        })
    }
}

/// Another life of a peer, at the same address with the same conversation number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnotherLife {
    /// Somebody says so.
    Asks { nonce: u32 },
    /// It is so.
    Proven { nonces: (u32, u32) },
}
