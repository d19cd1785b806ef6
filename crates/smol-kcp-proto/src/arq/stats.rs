//! What an engine counts and measures.

/// Gauges and counters an engine keeps; the rest of [`crate::StreamStats`] is the session's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// PUSH segments sent, repeats included.
    pub segments_sent: u64,
    /// PUSH segments received, duplicates included.
    pub segments_received: u64,
    /// Segments sent again because no ACK came in time.
    pub timeout_retransmits: u64,
    /// Segments sent again because later ones were acknowledged.
    pub fast_retransmits: u64,
    /// Copies of small segments sent unasked.
    pub copies: u64,
    /// Segments of messages that were given up.
    pub given_up: u64,
    /// PUSHes of what had arrived before.
    pub duplicates: u64,
    /// ACKs of nothing in flight.
    pub rejected_acks: u64,
    /// PUSHes outside of the window or with an impossible fragment number.
    pub rejected_window: u64,
    /// PUSHes that the receive budget had no room for.
    pub rejected_budget: u64,
    /// The smoothed round trip (RFC 6298), in milliseconds; 0 before the first one.
    pub srtt_ms: u32,
    /// Its variation, in milliseconds.
    pub rttvar_ms: u32,
    /// The retransmission timeout, in milliseconds.
    pub rto_ms: u32,
    /// The shortest round trip measured; 0 before the first one, and where it is not known.
    pub min_rtt_ms: u32,
    /// Segments sent again whose earlier transmission turned out to have arrived, as far as ACKs
    /// tell; 0 where it is not known.
    pub spurious_retransmits: u64,
    /// Bytes of payload acknowledged.
    pub bytes_acked: u64,
    /// Bytes acknowledged a second; 0 where it is not known.
    pub delivery_rate: u64,
    /// The congestion window, in segments.
    pub cwnd: u32,
    /// The window that the peer announces, in segments.
    pub peer_window: u32,
    /// The own window, in segments.
    pub send_window: u32,
    /// The receive window, in segments.
    pub recv_window: u32,
    /// Segments sent and not acknowledged.
    pub in_flight: usize,
    /// Segments written and not sent.
    pub send_queue: usize,
}
