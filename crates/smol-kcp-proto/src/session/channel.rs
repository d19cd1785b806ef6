//! A conversation inside a channel of the encrypted mode. Who is at the other end, and where, is proven before it
//! begins, so nothing waits for an answer: the first data leaves beside the HELLO, which only tells the peer of
//! a conversation in which this side may never say a word.

use super::Session;

#[cfg(feature = "secure")]
impl Session {
    /// Begins, as the channel has keys. Again after the peer has lost its memory, what it did not know yet is
    /// told anew. `round_trip`: that of the handshake.
    pub(crate) fn begin_in_channel(
        &mut self,
        now: crate::time::Time,
        round_trip: Option<std::time::Duration>,
    ) {
        if self.error.is_some() {
            return;
        }
        if let Some(round_trip) = round_trip.filter(|_| self.opening_rtt.is_none()) {
            self.opening_rtt = Some(round_trip);
            self.engine.take_rtt(now, round_trip);
        }
        if self.is_known_to_peer() {
            return;
        }
        if !self.established {
            self.established = true;
            self.ready |= super::WRITABLE;
            log::debug!("conversation {}: connected to {}", self.conv, self.peer);
        } else if self.engine.unacked() > 0 {
            self.engine.send_anew(now);
        }
        if let Some(hello) = &mut self.hello {
            hello.next = Some(now);
        }
        self.repeat_hello(now);
    }

    /// Returns whether the peer has shown that it knows this conversation.
    pub(crate) fn is_known_to_peer(&self) -> bool {
        self.role == super::Role::Server
            || !self.is_unanswered()
            || self.peer_una != self.sn_base
            || self.engine.rcv_nxt() != self.sn_base
    }
}

impl Session {
    /// Returns how long an answer takes, as far as that is known.
    #[cfg(feature = "secure")]
    pub(crate) fn answer_time(&self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::from(self.engine.answer_ms().max(1)))
    }

    /// Returns whether the HELLO has not been answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.hello.is_some_and(|hello| hello.next.is_some())
    }

    /// Returns whether the HELLO waits for the channel's keys.
    pub(super) fn awaits_channel(&self) -> bool {
        self.channel.is_some() && !self.established
    }
}
