//! Counters and gauges.

use std::time::Duration;

use crate::peer::path::PathStats;

/// Datagrams that were not acted upon, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Not a row of KCP segments: short, a length beyond the end, an unknown command, another
    /// conversation than the first one's.
    pub malformed: u64,
    /// `una` acknowledges what was never sent.
    pub una: u64,
    /// An ACK of a segment that is not in flight or with a clock that was never sent.
    pub ack: u64,
    /// A PUSH outside of the receive window, or with an impossible fragment number.
    pub window: u64,
    /// More than the receive budget would hold.
    pub budget: u64,
    /// An RST that echoes nothing this side sent lately.
    pub reset: u64,
}

impl Rejected {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.malformed + self.una + self.ack + self.window + self.budget + self.reset
    }
}

/// How far a stream has come, in the words of TCP (RFC 9293) where they fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamState {
    /// The peer has not answered yet, or has yet to prove its address.
    #[default]
    Connecting,
    /// Both directions are open.
    Established,
    /// The peer has closed: what it wrote may still be on its way. This side may go on writing.
    CloseWait,
    /// This side has closed, and the peer has yet to acknowledge that or something before it.
    Closing,
    /// This side has closed and the peer has everything; there may be more to read.
    FinWait,
    /// Both sides have closed, and everything has been acknowledged and read.
    Closed,
    /// The stream has failed; reading and writing say why.
    Failed,
}

/// What keeps a stream from sending more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitsFor {
    /// The application has written no more.
    #[default]
    Application,
    /// A window is full: this side's, or the room that the peer announces.
    Window,
    /// As much is in flight as the path holds: an acknowledgement makes room.
    Path,
    /// The pace: more leaves in a moment.
    Pace,
}

/// What one stream has done and how its path looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// How far the stream has come.
    pub state: StreamState,
    /// Bytes written by the application and taken.
    pub bytes_sent: u64,
    /// Of these, the bytes that the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes delivered to the application.
    pub bytes_received: u64,
    /// What keeps it from sending more.
    pub waits_for: WaitsFor,
    /// What is known of the path to the peer, which all streams with it share.
    pub path: PathStats,
    /// Bytes of all datagrams sent, without UDP and IP headers.
    pub wire_bytes_sent: u64,
    /// Bytes of all datagrams received, without UDP and IP headers.
    pub wire_bytes_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// PUSH segments sent, retransmissions included.
    pub segments_sent: u64,
    /// PUSH segments received, duplicates included.
    pub segments_received: u64,
    /// Segments sent again because their timeout passed.
    pub timeout_retransmits: u64,
    /// Segments sent again because later ones were acknowledged.
    pub fast_retransmits: u64,
    /// Segments sent again although an earlier transmission of them had arrived, as far as the
    /// peer's ACKs tell; zero with the `kcp` crate's engine, which does not know.
    pub spurious_retransmits: u64,
    /// Segments of messages that were [given up](crate::DatagramConfig::lifetime).
    pub given_up: u64,
    /// PUSH segments that had been received before.
    pub duplicates: u64,
    /// Datagrams or segments that were not acted upon.
    pub rejected: Rejected,
    /// Smoothed round-trip time, in whole milliseconds as KCP measures it; zero before the first
    /// sample, and on paths faster than a millisecond.
    pub srtt: Duration,
    /// Variation of the round-trip time.
    pub rttvar: Duration,
    /// Retransmission timeout.
    pub rto: Duration,
    /// The shortest round trip measured; zero before the first sample.
    pub min_rtt: Duration,
    /// Bytes of payload that the peer acknowledged per second, measured over about the last round
    /// trip in which it acknowledged any; zero before, and with the `kcp` crate's engine.
    pub delivery_rate: u64,
    /// Congestion window in segments, as far as the engine tells it.
    pub cwnd: u32,
    /// Own send window in segments, as it is now.
    pub send_window: u32,
    /// Own receive window in segments, as it is now.
    pub receive_window: u32,
    /// The peer's last announced receive window in segments.
    pub peer_window: u32,
    /// Segments sent and not yet acknowledged.
    pub in_flight: usize,
    /// Segments that wait to be sent for the first time.
    pub send_queue: usize,
    /// Bytes that wait to be read.
    pub receive_queue: usize,
    /// Times the peer's address changed.
    pub roamed: u64,
}

/// What one endpoint (one socket) has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Sessions that exist now.
    pub sessions: usize,
    /// Of these, the ones whose peer has not yet proved that it receives what we send.
    pub unconfirmed: usize,
    /// Keys of closed sessions that rest in time-wait.
    pub time_wait: usize,
    /// Bytes of the [memory budget](crate::MemoryBudget) that are used, by whatever draws on it: held, or
    /// set aside for receive windows that have grown.
    pub memory_used: usize,
    /// Bytes that the memory budget has.
    pub memory_budget: usize,
    /// Sessions opened by this side.
    pub connected: u64,
    /// Sessions opened by peers that have proved their address.
    pub accepted: u64,
    /// Sessions of peers refused because the backlog, the session limit or the share of the peer's
    /// network was used up.
    pub refused: u64,
    /// Sessions that made room for newer ones.
    pub evicted: u64,
    /// Openings that were answered without keeping anything of them: under pressure, and where a
    /// conversation is known already.
    pub stateless: u64,
    /// Times that a peer has moved to another address.
    pub moved: u64,
    /// Streams of which a peer that is heard has acknowledged no data for many round trips: the path
    /// carries no datagrams of [`mtu`](crate::KcpConfig::mtu) bytes, or it is crowded. Once each.
    pub stalled: u64,
    /// Times that a path has stopped carrying datagrams as long as before: shorter ones are used since.
    pub black_holes: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Datagrams handed to the transport.
    pub datagrams_sent: u64,
    /// Bytes handed to the transport.
    pub bytes_sent: u64,
    /// Datagrams that belong to no session and open none.
    pub unknown: u64,
    /// Datagrams that are no row of KCP segments.
    pub malformed: u64,
    /// RST segments sent because a conversation was not known.
    pub resets_sent: u64,
    /// Datagrams dropped because the transmit queue was full.
    pub transmit_dropped: u64,
    /// Datagrams the transport dropped by itself: too long, or from an impossible sender.
    pub receive_dropped: u64,
    /// Bytes of the socket's send buffer, as the system grants them; zero where the transport is no
    /// socket.
    pub send_buffer: usize,
    /// Bytes of the socket's receive buffer, as the system grants them; zero where the transport is no
    /// socket.
    pub recv_buffer: usize,
    /// Errors of the transport that ended nothing: routes that come and go, refusals by ICMP.
    pub transport_errors: u64,
    /// Polls of the driver; each is a turn, or several.
    pub driver_polls: u64,
    /// Turns in which datagrams had arrived.
    pub driver_arrivals: u64,
    /// Turns in which a deadline had passed; the log at `trace` names it. Others were asked for by a
    /// handle, or go on with what a turn has left.
    pub driver_deadlines: u64,
    /// What the emulated bad network did to what was sent and to what was received, where the
    /// configuration has one.
    #[cfg(feature = "netem")]
    pub netem: Option<(crate::LinkStats, crate::LinkStats)>,
}
