//! The peer's address changes: a NAT forgot it, or the line got a new one (migration, RFC 9000 §9).
//!
//! A datagram from elsewhere is worth a question only if it shows what a stranger cannot know: numbers
//! within the windows, and a clock that continues the peer's, or one of ours that only the peer was
//! sent. Our own kind then proves itself by a hash of both nonces of the conversation's HELLO, and the
//! session moves at once. A stock peer can only show that it receives at the new address; so the old one
//! is asked too, and the session moves when nothing has been heard from there for a round trip. Until
//! then nothing else is sent to the new address, and nothing that came from there counts.

use std::net::SocketAddr;
use std::time::Duration;

use super::proof::before;
use super::{question, Control, PeerKind, Role, Session};
use crate::path::Path;
use crate::secret::path_proof;
use crate::time::{earliest, Time};
use crate::wire::{
    diff, Header, View, CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, CODE_PATH, CODE_PLAIN,
    HEADER_LEN,
};

/// Addresses that are asked at a time: more than a peer has, and no gift to who invents them.
const MAX_CHALLENGES: usize = 4;

/// An address is asked again after so long, and forgotten after four times as long.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A peer's clock may be so far from where it would be expected: 20 bits for a stranger to guess.
const CLOCK_TOLERANCE_MS: u32 = 2000;

/// The old address is given at least and at most so long to answer.
const GRACE_MIN: Duration = Duration::from_millis(200);
const GRACE_MAX: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
pub(super) struct Challenge {
    path: Path,
    token: u32,
    at: Time,
    /// Waits to be sent.
    due: bool,
    /// A stock peer has shown that it receives there; the session moves at this time.
    moves_at: Option<Time>,
}

/// What a datagram from elsewhere means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewPath {
    /// Not this conversation's, as far as anybody can tell.
    Implausible,
    /// Perhaps its; the address is being asked, if that is [wanted](Session::ask_at).
    Plausible,
    /// The peer is there now.
    Proven,
}

impl Session {
    /// Judges a well-formed datagram with this conversation's number from another address.
    pub(crate) fn handle_new_path(
        &mut self,
        now: Time,
        from: Path,
        datagram: &View<'_>,
    ) -> NewPath {
        if self.error.is_some() || !self.confirmed {
            return NewPath::Implausible;
        }
        if let Some(at) = self.challenges.iter().position(|c| c.path.peer == from.peer) {
            let challenge = self.challenges[at];
            if self.is_proof(&challenge, datagram) {
                if self.proves_itself() {
                    return NewPath::Proven;
                }
                // A stock peer proves only that somebody receives there: the old address has a
                // timeout's time to say that it is still the peer (RFC 9000, 9.3.3, has the same
                // attack in mind).
                let grace = self.rto().clamp(GRACE_MIN, GRACE_MAX);
                self.challenges[at].moves_at.get_or_insert(challenge.at + grace);
                return NewPath::Plausible;
            }
            if now.since(challenge.at) < ASK_AGAIN {
                // The old address has answered: this is somebody else, with the same number. Until then
                // it may be the peer, even where it begins anew: its first words may have been
                // acknowledged at the old address only.
                return match self.last_heard_at > challenge.at {
                    true => NewPath::Implausible,
                    false => NewPath::Plausible,
                };
            }
        }
        match self.continues(now, datagram) {
            true => NewPath::Plausible,
            false => NewPath::Implausible,
        }
    }

    /// Tells whether every segment is possible as the peer's next, and one of them shows what only the
    /// peer knows.
    fn continues(&self, now: Time, datagram: &View<'_>) -> bool {
        let mut shows = false;
        for header in datagram.headers() {
            let header = &header;
            // What begins a conversation, everybody can say.
            let opening = header.cmd == CMD_WASK && header.frg == CODE_HELLO
                || header.cmd == CMD_PUSH
                    && header.una == self.sn_base
                    && header.sn == self.sn_base;
            // Nobody takes back what it has acknowledged, but for the mark of a client that has
            // received nothing yet.
            let takes_back = diff(header.una, self.peer_una) < 0
                && !(self.peer_una == self.sn_base && header.una == before(self.sn_base));
            if opening || takes_back || !self.engine.plausible(header) {
                return false;
            }
            shows |= self.shows(now, header);
        }
        shows
    }

    fn shows(&self, now: Time, header: &Header) -> bool {
        let Header { cmd, frg, sn, ts, .. } = *header;
        match cmd {
            // Number and clock of something of ours: only who got it knows both.
            CMD_ACK => self.engine.in_flight(sn, ts),
            CMD_WINS if frg == CODE_HELLO => self.hello.is_some_and(|hello| hello.nonce == sn),
            CMD_WINS => self.recent.contains(&Some((sn, ts))),
            _ => {
                has_clock(self.peer_kind, header)
                    && self.expected_clock(now).is_some_and(|expected| {
                        diff(ts, expected).unsigned_abs() <= CLOCK_TOLERANCE_MS
                    })
            }
        }
    }

    /// Returns what the peer's clock shows now, if it goes on as it did.
    fn expected_clock(&self, now: Time) -> Option<u32> {
        let (ts, at) = self.peer_clock?;
        Some(ts.wrapping_add(now.since(at).as_millis() as u32))
    }

    /// Notes the peer's clock.
    pub(super) fn hear_clock(&mut self, now: Time, header: &Header) {
        if has_clock(self.peer_kind, header) {
            self.peer_clock = Some((header.ts, now));
        }
    }

    /// Tells whether the peer can prove that it is itself, and not only that it receives.
    fn proves_itself(&self) -> bool {
        self.peer_kind == PeerKind::Native && self.hello_nonces.is_some()
    }

    fn is_proof(&self, challenge: &Challenge, datagram: &View<'_>) -> bool {
        let token = challenge.token;
        let native = self.hello_nonces.filter(|_| self.peer_kind == PeerKind::Native);
        datagram.headers().any(|header| {
            let Header { cmd, frg, sn, ts, .. } = header;
            match native {
                Some(nonces) => {
                    (cmd, frg) == (CMD_WINS, CODE_PATH)
                        && (sn, ts) == path_proof(nonces, self.conv, token)
                }
                None => cmd == CMD_ACK && (sn, ts) == (before(self.sn_base), token),
            }
        })
    }

    /// Returns whether this address has been asked before, and may be again without anybody's leave.
    pub(crate) fn has_asked(&self, addr: SocketAddr) -> bool {
        self.challenges.iter().any(|c| c.path.peer == addr)
    }

    /// Asks `addr` whether the peer is there. `token` is a fresh random number.
    pub(crate) fn ask_at(&mut self, now: Time, path: Path, token: u32) {
        self.challenges.retain(|c| now.since(c.at) < 4 * ASK_AGAIN);
        let room = self.challenges.len() < MAX_CHALLENGES;
        match self.challenges.iter_mut().find(|c| c.path.peer == path.peer) {
            Some(challenge) if now.since(challenge.at) < ASK_AGAIN => return,
            // The token stays: the answer to the first question may still be on its way.
            Some(challenge) => {
                challenge.at = now;
                challenge.due = true;
                challenge.moves_at = None;
            }
            None if room => {
                let moves_at = None;
                self.challenges.push(Challenge { path, token, at: now, due: true, moves_at });
            }
            None => return,
        }
        if !self.proves_itself() {
            self.ping(now);
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.challenges.iter().any(|c| c.due)
    }

    /// Sends the questions that are due.
    pub(super) fn transmit_challenges(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) {
        for at in 0..self.challenges.len() {
            let Challenge { path, token, .. } = self.challenges[at];
            if !std::mem::take(&mut self.challenges[at].due) {
                continue;
            }
            let ask = Control { cmd: CMD_WASK, frg: CODE_PATH, sn: token, ts: Some(token) };
            let ask = Header { una: self.sn_base, ..self.control_header(now, ask) };
            let header = match self.proves_itself() {
                true => ask,
                false => question(self.conv, token, ask.wnd, self.sn_base),
            };
            // Not among what an RST may echo: a stranger may have read it.
            self.stats.datagrams_sent = self.stats.datagrams_sent.wrapping_add(1);
            self.stats.wire_sent = self.stats.wire_sent.wrapping_add(HEADER_LEN as u64);
            out(path, &header.encode());
        }
    }

    /// Answers the question whether this side is the peer.
    pub(super) fn prove_path(&mut self, header: &Header) {
        match self.hello_nonces {
            Some(nonces) => {
                let (sn, ts) = path_proof(nonces, self.conv, header.sn);
                self.push_control(Control { cmd: CMD_WINS, frg: CODE_PATH, sn, ts: Some(ts) });
            }
            None => self.answer(CODE_PLAIN, header.sn, Some(header.ts)),
        }
    }

    /// Returns when a stock peer that has answered from elsewhere counts as moved.
    pub(super) fn move_at(&self) -> Option<Time> {
        self.challenges.iter().map(|c| c.moves_at).fold(None, earliest)
    }

    /// Returns where a stock peer has moved to: its new address has answered, and the old one has not.
    pub(crate) fn poll_move(&mut self, now: Time) -> Option<Path> {
        let heard = self.last_heard_at;
        let due = |c: &Challenge| c.moves_at.is_some_and(|at| at <= now);
        let to = self.challenges.iter().find(|c| due(c) && heard <= c.at).map(|c| c.path);
        for challenge in self.challenges.iter_mut().filter(|c| due(c)) {
            challenge.moves_at = None;
        }
        to
    }

    /// Notes where the peer is now.
    pub(crate) fn move_to(&mut self, now: Time, path: Path) {
        self.peer = path.peer;
        if self.role == Role::Server {
            // A client's own address may be gone tomorrow; the system knows which one to use.
            self.local = path.local;
        }
        self.challenges.clear();
        self.last_heard_at = now;
        self.stats.roamed = self.stats.roamed.wrapping_add(1);
    }
}

/// Returns whether `ts` is the clock of its sender. Stock peers write it into data only (`ikcp_flush`
/// leaves in a probe what the last ACK echoed).
fn has_clock(code: PeerKind, header: &Header) -> bool {
    match (header.cmd, header.frg) {
        (CMD_PUSH, _) | (CMD_WASK, CODE_HELLO) => true,
        (CMD_WASK, frg) => code == PeerKind::Native && frg != CODE_PATH,
        _ => false,
    }
}
