//! How a conversation ends: each side closes what it writes, and a failure ends both.

use super::{Fin, PeerKind, Role, Session, READABLE, WRITABLE};
use crate::error::KcpError;
use crate::time::Time;
use crate::time_wait::TimeWaitEntry;

impl Session {
    /// Returns whether everything before the peer's FIN was read.
    pub(super) fn at_end(&self) -> bool {
        self.peer_fin.is_some_and(|sn| sn == self.engine.rcv_nxt()) && self.engine.unread() == 0
    }

    /// Takes no more writes: what was written goes out, then FIN.
    pub(crate) fn close(&mut self, now: Time) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
            self.closed_at = now;
            self.flush_at = None;
        }
    }

    /// Returns whether the peer has acknowledged all that was written, and the FIN.
    pub(crate) fn is_delivered(&self) -> Result<bool, KcpError> {
        match &self.error {
            _ if self.fin == Fin::Done && self.engine.unacked() == 0 => Ok(true),
            Some(error) => Err(error.clone()),
            None => Ok(false),
        }
    }

    /// Notes that the last handle is gone: nobody reads any more, what was written is delivered in the
    /// background.
    pub(crate) fn release(&mut self, now: Time) {
        if self.is_connecting() && self.engine.unacked() == 0 {
            // Never answered, and nothing written: there is nothing to deliver to anybody.
            self.fail(KcpError::Closed);
        }
        self.close(now);
        self.released_at = Some(now);
        // What is left unread would keep the peer's writer waiting.
        self.engine.discard();
    }

    /// Ends at once, for `cause`. Whether the peer is told is the caller's business.
    pub(crate) fn fail(&mut self, cause: KcpError) {
        if self.error.is_none() {
            self.error = Some(cause);
            self.ready |= READABLE | WRITABLE;
        }
    }

    /// Returns whether nothing is left to do for anybody, so that the session may be removed.
    pub(crate) fn is_finished(&self) -> bool {
        self.released_at.is_some()
            && (self.error.is_some()
                || (matches!(self.is_delivered(), Ok(true))
                    // Stock peers never say FIN.
                    && (self.at_end() || self.peer_kind == PeerKind::Stock)
                    // The peer's last words wait to be acknowledged.
                    && !self.needs_flush()))
    }

    /// Returns what is remembered of the session after its end.
    pub(crate) fn time_wait_entry(&self) -> TimeWaitEntry {
        TimeWaitEntry {
            una: self.engine.rcv_nxt(),
            peer_fin: self.peer_fin,
            nonce: self.hello_nonces.filter(|_| self.role == Role::Server).map(|(peer, _)| peer),
            reset: self.error.is_some() || !self.at_end(),
        }
    }

    /// Returns whether one side has closed, or both, or the session has failed.
    pub(crate) fn is_ending(&self) -> bool {
        self.error.is_some() || self.fin != Fin::Open || self.peer_fin.is_some()
    }
}
