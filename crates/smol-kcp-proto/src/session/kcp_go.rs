//! A peer made of kcp-go that does not know the conversation any more, as it was restarted or sees this side at
//! another address.
//!
//! It takes every datagram for the beginning of a conversation of that number, accepts it, and waits for the rest
//! for as long as its keepalive does, 60 to 90 seconds. But from then on it acknowledges nothing of what it had: all
//! that it says takes back what was said before. A datagram that came late looks the same, so it is
//! asked, and asked again a little later. One that knows the conversation says so.

use std::time::Duration;

use super::{PeerKind, Session};
use crate::error::KcpError;
use crate::time::Time;

/// Time between the first doubt and the end, at least, and in retransmission timeouts: what is late is here by
/// then, and so is the answer to the first question.
const DOUBT: Duration = Duration::from_millis(200);
const DOUBT_RTOS: u32 = 2;

/// Time for which data goes unanswered before the peer is asked, at least, and in retransmission timeouts: a peer that
/// does not know the conversation leaves what is beyond its window unanswered.
const FIRST: Duration = Duration::from_millis(500);
const FIRST_RTOS: u32 = 2;

impl Session {
    /// Takes note of whether a datagram has taken back what was acknowledged before. It may end the session.
    pub(super) fn heed_memory(&mut self, now: Time, went_back: bool) {
        if !went_back {
            self.doubted_at = None;
            return;
        }
        if self.config.kcp_go.is_none() || self.peer_kind == PeerKind::Native {
            return;
        }
        match self.doubted_at {
            None => {
                self.doubted_at = Some(now);
                self.ping(now);
            }
            Some(at) if now.since(at) >= self.doubt() => self.fail(KcpError::Reset),
            Some(_) => {}
        }
    }

    /// Returns when a peer in doubt is asked again.
    pub(super) fn doubt_at(&self) -> Option<Time> {
        let at = self.doubted_at? + self.doubt();
        (self.last_ping_at < at).then_some(at)
    }

    /// Returns how long data goes unanswered before the first question, which is sooner than where an RST tells;
    /// `None`: it was asked.
    pub(super) fn ask_first(&self, since: Time) -> Option<Duration> {
        let is_first = self.config.kcp_go.is_some() && self.last_ping_at < since;
        is_first.then(|| FIRST.max(self.rto() * FIRST_RTOS))
    }

    fn doubt(&self) -> Duration {
        DOUBT.max(self.rto() * DOUBT_RTOS)
    }
}
