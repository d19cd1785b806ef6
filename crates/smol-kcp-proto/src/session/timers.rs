//! What happens when nothing happens.

use std::time::Duration;

use super::proof::UNPROVEN_AFTER;
use super::{Control, Fin, PeerKind, Role, Session};
use crate::error::KcpError;
use crate::time::{earliest, Time};
use crate::wire::{CMD_WASK, CODE_FIN, CODE_PLAIN};

/// First and longest time between two HELLOs. The first is well above most round trips, as
/// nothing is known of this one.
const HELLO_FIRST: Duration = Duration::from_millis(250);
const HELLO_LONGEST: Duration = Duration::from_secs(2);

/// HELLOs to a peer that is heard but does not answer them.
const HELLO_TRIES: u32 = 6;

/// A sign of life that does not come is asked for again after so long, or after so many times the
/// retransmission timeout where that is longer. Unacknowledged data that nothing is heard of is such a
/// question too.
const ASK_AGAIN_RTOS: u32 = 2;
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Retransmission timeouts without a sign of life that are a silence on any path.
const SILENT_RTOS: u32 = 3;

/// Of [`stall_timeout`](crate::KcpConfig::stall_timeout), the part without progress after which a segment that
/// was sent too often ends the session.
const TOO_OFTEN_AFTER: u32 = 2;

/// How often [`stall_timeout`](crate::KcpConfig::stall_timeout) may pass without progress, in all, if the peer is
/// heard again after silences.
const STALLS: u32 = 4;

/// So many unanswered questions' time without progress, and twice as long each time, makes the back-off
/// begin anew although the peer is heard.
const STALLED: u32 = 4;

/// Data that does not get through to a peer that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    Unseen,
    /// It has lasted for so long.
    New(Duration),
    Told,
}

/// Silence of a conversation for which the peer's other ones speak: then it asks for itself. The peer may
/// have given up this one alone, and what said so may have been lost.
const SPOKEN_FOR: Duration = Duration::from_secs(3600);

/// Longest time between two FINs.
pub(super) const FIN_LONGEST: Duration = Duration::from_secs(2);

/// Silence after which a session gives its memory back: long enough not to forget the path between
/// two requests of a person.
const SHRINK_AFTER: Duration = Duration::from_secs(10);

impl Session {
    /// Returns when [`handle_timeout`](Session::handle_timeout) must be called at the latest; `None`: not
    /// before something else happens.
    pub(crate) fn poll_timeout(&self, now: Time) -> Option<Time> {
        if self.error.is_some() {
            return None;
        }
        if let Some(at) = self.unproven_at() {
            return earliest(Some(at), self.flush_at);
        }
        self.deadlines(now).into_iter().map(|(_, at)| at).fold(None, earliest)
    }

    /// Lists every deadline of a session whose peer has proved its address, with its name. Inlined, so
    /// that the names cost nothing where only the earliest is asked for, at every turn.
    #[inline(always)]
    fn deadlines(&self, now: Time) -> [(&'static str, Option<Time>); 12] {
        let engine = if self.conv != 0 { self.engine.poll_timeout(now) } else { None };
        let fin = match self.fin {
            Fin::Sent { next, .. } => Some(next),
            _ => None,
        };
        [
            ("engine", engine),
            ("delayed write", self.flush_at),
            ("FIN", fin),
            ("HELLO", self.hello.and_then(|hello| hello.next).filter(|_| !self.awaits_channel())),
            ("proof", self.third.and_then(|third| third.next)),
            ("migration", self.move_at()),
            ("connect_timeout", self.connect_deadline()),
            ("keep_alive", self.keep_alive_at()),
            ("session_expire", self.expire_at()),
            ("stall_timeout", self.dead_at()),
            ("linger", self.linger_at()),
            ("memory", self.shrink_at()),
        ]
    }

    #[cold]
    fn trace_due(&self, now: Time) {
        let due = self.deadlines(now).into_iter().filter(|&(_, at)| at.is_some_and(|at| at <= now));
        let names: Vec<&str> = due.map(|(name, _)| name).collect();
        log::trace!("conversation {}: due are [{}]", self.conv, names.join(", "));
    }

    fn expire_at(&self) -> Option<Time> {
        self.config.session_expire.map(|expire| self.heard_at() + expire)
    }

    /// Does what is due. A flush must follow; the session may have failed.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if let Some(at) = self.unproven_at() {
            // Nothing is repeated to a peer that has proved nothing.
            self.flush_at = self.flush_at.filter(|&at| at > now);
            if at <= now {
                self.fail(KcpError::TimedOut);
            }
            return;
        }
        if log::log_enabled!(log::Level::Trace) {
            self.trace_due(now);
        }
        if is_due(self.connect_deadline()) || is_due(self.expire_at()) || is_due(self.dead_at()) {
            return self.fail(KcpError::TimedOut);
        }
        // ikcp.c gives up by this count alone (`dead_link`, in ikcp_flush). It says nothing of how long that
        // took, so time without progress has to agree.
        if self.engine.unacked() > 0
            && !self.peer_is_full()
            // What is sent while the peer is heard is not sent in vain: it crowds the line, or waits in it.
            && now.since(self.progress_or_return().max(self.last_heard_at))
                >= self.config.stall_timeout / TOO_OFTEN_AFTER
            && self.engine.worst_transmits() > self.config.dead_link
        {
            return self.fail(KcpError::TimedOut);
        }
        if is_due(self.linger_at()) {
            return self.end_linger();
        }
        if is_due(self.flush_at) {
            self.flush_at = None;
        }
        self.repeat_hello(now);
        self.repeat_third(now);
        self.repeat_fin(now);
        if is_due(self.shrink_at()) {
            self.engine.shrink();
            self.control = Vec::new();
        }
        if is_due(self.keep_alive_at()) {
            self.ping(now);
        }
    }

    /// Asks the peer for a sign of life.
    pub(crate) fn ping(&mut self, now: Time) {
        if self.last_ping_at <= self.last_heard_at {
            self.first_unanswered_ping_at = now;
        }
        self.last_ping_at = now;
        // Our own kind echoes number and clock: so its answer shows, from a new address too, that it got this.
        let sn = self.engine.snd_nxt();
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_PLAIN, sn, ts: None });
    }

    /// Tells whether the deadline that came up needs a flush of the engine.
    pub(crate) fn is_engine_due(&self, now: Time) -> bool {
        self.error.is_none()
            && self.conv != 0
            && self.confirmed
            && self.engine.poll_timeout(now).is_some_and(|at| at <= now)
    }

    /// Returns when a session that has carried data and fallen silent gives its memory back.
    fn shrink_at(&self) -> Option<Time> {
        self.engine
            .can_shrink()
            .then(|| self.last_heard_at.max(self.last_progress_at) + SHRINK_AFTER)
    }

    /// Returns when a session ends whose peer has proved nothing.
    fn unproven_at(&self) -> Option<Time> {
        (!self.confirmed).then(|| self.opened_at + UNPROVEN_AFTER)
    }

    fn connect_deadline(&self) -> Option<Time> {
        let timeout = self.config.connect_timeout?;
        (self.role == Role::Client && !self.established).then(|| self.opened_at + timeout)
    }

    pub(super) fn repeat_hello(&mut self, now: Time) {
        if self.awaits_channel() {
            return;
        }
        let Some(hello) = &mut self.hello else { return };
        if hello.next.is_none_or(|next| next > now) {
            return;
        }
        let nonce = hello.nonce;
        // In a channel there is nobody but our own kind, which answers.
        if self.established && self.channel.is_none() && hello.tries >= HELLO_TRIES {
            hello.next = None;
            return;
        }
        // RFC 6298 (5.5): doubled, as nothing is known of the path.
        let wait = HELLO_FIRST * 2u32.saturating_pow(hello.tries.min(8));
        hello.tries = hello.tries.saturating_add(1);
        hello.next = Some(now + wait.min(HELLO_LONGEST));
        self.push_hello(nonce);
    }

    fn repeat_fin(&mut self, now: Time) {
        let Fin::Sent { sn, tries, next } = self.fin else { return };
        if next > now {
            return;
        }
        // As a FIN of TCP is repeated, with a timeout that doubles.
        let wait = self.rto() * 2u32.saturating_pow(tries.min(8));
        self.fin =
            Fin::Sent { sn, tries: tries.saturating_add(1), next: now + wait.min(FIN_LONGEST) };
        self.push_control(Control { cmd: CMD_WASK, frg: CODE_FIN, sn, ts: None });
    }

    /// Returns when the peer was last heard. Another conversation speaks for this one, but not for ever.
    fn heard_at(&self) -> Time {
        match self.peer_kind {
            PeerKind::Native => {
                self.last_heard_at.max(self.peer_heard_at.min(self.last_heard_at + SPOKEN_FOR))
            }
            _ => self.last_heard_at,
        }
    }

    /// Takes note of when the peer was heard and asked in its other conversations. Peers of other kinds
    /// look at each conversation by itself.
    pub(crate) fn heed_peer(&mut self, heard_at: Time, asked_at: Time) {
        self.peer_heard_at = heard_at;
        if self.peer_kind == PeerKind::Native && asked_at < self.last_heard_at + SPOKEN_FOR {
            self.peer_asked_at = asked_at;
        }
    }

    /// Tells whether our own kind of peer has just given a sign of life.
    pub(crate) fn speaks_for_peer(&self, now: Time) -> bool {
        self.last_heard_at == now && self.peer_kind == PeerKind::Native
    }

    /// Tells whether it has just been asked for one.
    pub(crate) fn has_just_asked(&self, now: Time) -> bool {
        self.last_ping_at == now
    }

    /// Returns when the peer is asked for a sign of life. The client asks first; a server that hears
    /// nothing waits a little longer, so that one of them asks and not both.
    fn keep_alive_at(&self) -> Option<Time> {
        let mut every = match self.config.keep_alive {
            Some(every) if self.role == Role::Server => Some(every + every / 4),
            every => every,
        };
        if self.peer_is_full() {
            // Only a sign of life tells a slow reader from a dead peer.
            let often = self.config.stall_timeout / 3;
            // Three questions before its silence counts against it.
            every = Some(every.map_or(often, |every| every.min(often)));
        }
        // The question or its answer may be lost: it is asked again sooner than the next one is due.
        if self.last_ping_at > self.last_heard_at {
            every = every.map(|every| every.min(self.ask_again()));
        }
        let asked_at = match self.awaits_answer() {
            true => self.last_ping_at,
            // Another conversation's question will do.
            false => self.last_ping_at.max(self.peer_asked_at),
        };
        let regular = every.map(|every| self.heard_at().max(asked_at) + every);
        #[cfg(feature = "kcptun")]
        let regular = earliest(regular, self.doubt_at());
        // Retransmissions become rare in an outage: questions tell soon that it is over.
        let waits = self.established && self.engine.unacked() > 0 && !self.peer_is_full();
        let since = self.last_heard_at.max(self.last_ping_at).max(self.last_progress_at);
        #[cfg(feature = "kcptun")]
        let again = self.ask_first(since).unwrap_or_else(|| self.ask_again());
        #[cfg(not(feature = "kcptun"))]
        let again = self.ask_again();
        earliest(regular, waits.then(|| since + again))
    }

    /// Tells whether the peer has been silent for `span`, and for longer than this path takes to answer,
    /// although something of ours is unanswered.
    pub(crate) fn is_silent(&self, now: Time, span: Duration) -> bool {
        let span = span.max(self.rto() * SILENT_RTOS);
        let data =
            (self.engine.unacked() > 0).then(|| self.last_heard_at.max(self.last_progress_at));
        let ping =
            (self.last_ping_at > self.last_heard_at).then_some(self.first_unanswered_ping_at);
        let asked = match self.established {
            true => [data, ping],
            // Without a timeout the peer may be of the stock kind, to which every port is a stranger.
            false => [self.config.connect_timeout.map(|_| self.opened_at), None],
        };
        // Only a client may look for another port: a server's is what its peers know.
        self.role == Role::Client
            && asked.into_iter().flatten().any(|since| now.since(since) >= span)
    }

    /// Tells whether this session [may be silent](Session::is_silent) once time has passed.
    pub(crate) fn asks(&self) -> bool {
        self.role == Role::Client && (self.awaits_answer() || !self.established)
    }

    /// Tells whether something of ours is on its way that the peer has not answered.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.engine.unacked() > 0 || self.last_ping_at > self.last_heard_at
    }

    /// Returns how long an answer is waited for before the question is repeated.
    pub(super) fn ask_again(&self) -> Duration {
        ASK_AGAIN.max(self.rto() * ASK_AGAIN_RTOS)
    }

    /// Returns when unacknowledged data has made no progress for too long.
    fn dead_at(&self) -> Option<Time> {
        let stall_timeout = self.config.stall_timeout;
        // A peer that comes back again and again, and takes nothing, is gone too.
        let longest = self.last_progress_at + stall_timeout * STALLS;
        (self.engine.unacked() > 0).then(|| longest.min(self.progress_or_return() + stall_timeout))
    }

    /// Returns when something was acknowledged last, or the peer was heard again after a silence.
    fn progress_or_return(&self) -> Time {
        self.last_progress_at.max(self.returned_at)
    }

    /// Acts on the peer's being heard for the first time since [`last_heard_at`](Session::last_heard_at).
    /// If it has not answered a question in time, something was lost: that gives it more time, and what it
    /// has not got leaves now.
    pub(super) fn end_silence(&mut self, now: Time) {
        let was_silent = self.last_ping_at > self.last_heard_at
            && now.since(self.first_unanswered_ping_at) >= self.ask_again();
        // Nor shall a peer that is there wait for a back-off that has grown on a congested line.
        let last = self.restarted_at.max(self.last_progress_at);
        let wait = (self.ask_again() * STALLED).max(self.restarted_at.since(self.last_progress_at));
        if self.engine.unacked() > 0 && (was_silent || now.since(last) >= wait) {
            if was_silent {
                self.returned_at = now;
            }
            if !was_silent {
                self.note_stall(now);
            }
            self.restarted_at = now;
            self.engine.restart(now);
        }
    }

    /// Notes that data does not get through to a peer that is there: once for each session, if nothing
    /// that was in flight has arrived since it was written. Small datagrams pass, so that either the path
    /// takes none as long as these (a black hole of path MTU discovery, RFC 8899, 4.3) or it is crowded.
    fn note_stall(&mut self, now: Time) {
        let is_known = self.stall != Stall::Unseen;
        if !is_known && !self.peer_is_full() && self.engine.stats().in_flight > 0 {
            self.stall = Stall::New(now.since(self.last_progress_at));
        }
    }

    /// Returns how long a stall has lasted that nobody has been told of yet.
    pub(crate) fn take_stall(&mut self) -> Option<Duration> {
        let Stall::New(lasted) = self.stall else { return None };
        self.stall = Stall::Told;
        Some(lasted)
    }

    pub(crate) fn peer_is_full(&self) -> bool {
        self.peer_window_closed && self.engine.unacked() > 0
    }

    /// Returns when waiting for the end ends. After the last handle is gone, `linger` bounds everything.
    /// Before, it bounds the wait for the answer to FIN once all data is there.
    fn linger_at(&self) -> Option<Time> {
        if let Some(released) = self.released_at {
            return Some(released + self.config.linger);
        }
        if matches!(self.fin, Fin::Sent { .. }) && self.engine.unacked() == 0 {
            return Some(self.closed_at.max(self.last_progress_at) + self.config.linger);
        }
        None
    }

    fn end_linger(&mut self) {
        if self.released_at.is_some() {
            return self.fail(KcpError::TimedOut);
        }
        // Everything was acknowledged; who does not answer FIN never will.
        self.fin = Fin::Done;
        self.ready |= super::WRITABLE;
    }
}
