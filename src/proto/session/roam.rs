//! The peer's address changes: a NAT forgot it, or the line got a new one.
//!
//! A datagram from elsewhere that could be the peer's next words proves little: anybody may send
//! it. So the new address is asked (WASK), and only an answer (WINS) from there moves the
//! conversation. Nothing else is sent there before, and nothing that came from there counts.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Control, Peer, Session};
use crate::time::Time;
use crate::wire::{self, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, CODE_PLAIN};

/// Addresses that are asked at a time: more than a peer has, and no gift to who invents them.
const MAX_CHALLENGES: usize = 4;

/// An address is asked again after so long, and forgotten after four times as long.
const ASK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
pub(super) struct Challenge {
    addr: SocketAddr,
    token: u32,
    at: Time,
    /// Waits to be sent.
    pub(super) due: bool,
}

/// What a datagram from elsewhere means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Not this conversation's.
    Implausible,
    /// Perhaps its; the address is being asked.
    Asked,
    /// The peer is there now: the session has moved.
    Moved,
}

impl Session {
    /// Judges a well-formed datagram with this conversation's number from another address. `token`
    /// is a fresh random number.
    pub(crate) fn handle_foreign(
        &mut self,
        now: Time,
        from: SocketAddr,
        datagram: &[u8],
        token: u32,
    ) -> Foreign {
        if self.error.is_some() {
            return Foreign::Implausible;
        }
        let plausible = wire::segments(datagram).flatten().all(|segment| {
            let header = &segment.header;
            let opening = header.cmd == CMD_WASK && header.frg == CODE_HELLO
                || header.cmd == CMD_PUSH
                    && header.una == self.sn_base
                    && header.sn == self.sn_base;
            !opening && self.engine.plausible(header)
        });
        if !plausible {
            return Foreign::Implausible;
        }
        if let Some(challenge) = self.challenges.iter().find(|c| c.addr == from) {
            let answered = wire::segments(datagram).flatten().any(|segment| {
                let header = &segment.header;
                // A stock peer does not echo the number.
                let echo = self.code != Peer::Ours || header.sn == challenge.token;
                header.cmd == CMD_WINS && header.frg == CODE_PLAIN && echo
            });
            if answered {
                self.peer = from;
                self.challenges.clear();
                self.heard = now;
                self.stats.roamed = self.stats.roamed.wrapping_add(1);
                return Foreign::Moved;
            }
        }
        self.ask(now, from, token);
        Foreign::Asked
    }

    fn ask(&mut self, now: Time, addr: SocketAddr, token: u32) {
        self.challenges.retain(|c| now.since(c.at) < 4 * ASK_AGAIN);
        let room = self.challenges.len() < MAX_CHALLENGES;
        match self.challenges.iter_mut().find(|c| c.addr == addr) {
            Some(challenge) if now.since(challenge.at) < ASK_AGAIN => {}
            // The token stays: the answer to the first question may still be on its way.
            Some(challenge) => {
                challenge.at = now;
                challenge.due = true;
            }
            None if room => {
                self.challenges.push(Challenge { addr, token, at: now, due: true });
            }
            None => {}
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.challenges.iter().any(|c| c.due)
    }

    /// Sends the questions that are due.
    pub(super) fn transmit_challenges(
        &mut self,
        now: Time,
        out: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        for at in 0..self.challenges.len() {
            let challenge = self.challenges[at];
            if std::mem::take(&mut self.challenges[at].due) {
                let ask = Control { cmd: CMD_WASK, frg: CODE_PLAIN, sn: challenge.token, ts: None };
                let header = self.control_header(now, ask);
                self.emit(challenge.addr, &header.encode(), out);
            }
        }
    }
}
