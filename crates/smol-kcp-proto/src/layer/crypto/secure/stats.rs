//! What the secure channels of an endpoint have done, and why datagrams were dropped.

/// Counters of a [`SecureTable`](super::SecureTable). All of them wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecureStats {
    /// Datagrams of data that were sealed.
    pub sealed: u64,
    /// Datagrams of data that were opened.
    pub opened: u64,
    /// Initiations that were sent, repeated ones too.
    pub initiations_sent: u64,
    /// Initiations that a response was sent to, repeated ones too.
    pub responses_sent: u64,
    /// Handshakes that gave keys, of either side.
    pub handshakes: u64,
    /// Handshakes that nobody answered.
    pub unanswered: u64,
    /// Peers that were found to have lost their memory.
    pub restarts: u64,
    /// Times that a peer moved to another address.
    pub moved: u64,
    /// Cookie replies that were sent.
    pub cookies_sent: u64,
    /// Cookie replies that were taken.
    pub cookies_taken: u64,
    /// Dropped: neither data nor a handshake of anybody known.
    pub strangers: u64,
    /// Dropped: a known index, and not authentic.
    pub forged: u64,
    /// Dropped: data that came before, or too late to tell.
    pub replayed: u64,
    /// Dropped: data under keys that are too old.
    pub expired: u64,
    /// Dropped: authentic, of a kind that this version does not know.
    pub unknown_kind: u64,
    /// Dropped: initiations beyond what the load allows.
    pub over_limit: u64,
    /// Dropped: initiations that do not decrypt.
    pub bad_initiations: u64,
    /// Dropped: initiations of keys that are not accepted.
    pub refused: u64,
    /// Dropped: initiations that came before.
    pub replayed_initiations: u64,
    /// Unconfirmed handshakes that made room for others, or that nobody confirmed in time.
    pub unconfirmed_dropped: u64,
    /// Messages of handshakes that were not sent, as nobody took them away.
    pub outgoing_dropped: u64,
}

/// Counts one more.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}
