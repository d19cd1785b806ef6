//! What can be configured, and the check that every use of a configuration begins with.

mod check;
mod datagrams;
#[cfg(feature = "kcptun")]
mod kcp_go;
mod nodelay;
mod profiles;
mod rate;
#[cfg(feature = "secure")]
pub(crate) mod secure;
mod setters;

use std::time::Duration;

use crate::limits::{FRAGMENTS_MAX, RECV_WINDOW_MIN};

pub use datagrams::DatagramConfig;
#[cfg(feature = "kcptun")]
pub use kcp_go::KcpGoConfig;
pub use nodelay::KcpNoDelayConfig;
pub use rate::{ParseRateError, Rate};
#[cfg(feature = "secure")]
pub use secure::{SecureConfig, SecurePeer};

/// What a session takes beside its buffers, estimated and rounded up: the records of session and
/// engine, the list of due ACKs, its places in the endpoint's tables.
const SESSION_RECORDS: usize = 8 * 1024;

/// Which ARQ carries the data. Both speak the same protocol, with each other and with every other
/// implementation of KCP, so that the ends may choose differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// This crate's own: constant work per segment whatever the window, no allocation per segment.
    #[default]
    Ring,
    /// The `kcp` crate, guarded against what it believes too easily.
    #[cfg(feature = "kcp")]
    Kcp,
}

impl EngineKind {
    /// Returns whether it lets the path's [`Rate`] decide when data leaves.
    pub(crate) fn is_paced(self) -> bool {
        matches!(self, EngineKind::Ring)
    }

    /// Every engine that was compiled in.
    pub const ALL: &'static [EngineKind] = &[
        EngineKind::Ring,
        #[cfg(feature = "kcp")]
        EngineKind::Kcp,
    ];

    /// Returns its name: `ring` or `kcp`.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Ring => "ring",
            #[cfg(feature = "kcp")]
            EngineKind::Kcp => "kcp",
        }
    }
}

/// Everything that can be set, as a value: change fields of a default or of a profile, pass it to
/// what is opened. It is [checked](KcpConfig::check) there, once.
///
/// Both sides choose for themselves, with these exceptions: [`stream`](KcpConfig::stream) should be
/// the same on both, and the send window is of no use beyond the peer's receive window.
///
/// The defaults suit interactive traffic over the Internet at up to 28 Mbit/s with 100 ms of
/// round-trip time. Profiles for other paths and uses: [`lan`](KcpConfig::lan),
/// [`wan`](KcpConfig::wan), [`high_latency`](KcpConfig::high_latency),
/// [`low_bandwidth`](KcpConfig::low_bandwidth), [`low_memory`](KcpConfig::low_memory),
/// [`gaming`](KcpConfig::gaming), [`realtime`](KcpConfig::realtime),
/// [`file_transfer`](KcpConfig::file_transfer).
///
/// # Examples
///
/// ```
/// use smol_kcp::{KcpConfig, KcpNoDelayConfig};
///
/// let config = KcpConfig {
///     nodelay: KcpNoDelayConfig::fastest(),
///     mtu: 1400,
///     wnd_size: (256, 256),
///     stream: true,
///     ..Default::default()
/// };
/// config.check()?;
///
/// // The same, beginning with a profile and in one expression.
/// let config = KcpConfig::wan().with_nodelay(KcpNoDelayConfig::fastest()).with_stream(true);
/// config.check()?;
/// # Ok::<(), smol_kcp::KcpError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct KcpConfig {
    /// Bytes of the largest datagram sent, without UDP and IP headers: 50 (ikcp.c's minimum) to
    /// 65507 (the most that UDP over IPv4 carries).
    ///
    /// Default 1400, as in ikcp.c: with 48 bytes of IPv6 and UDP headers it passes PPPoE's 1492.
    pub mtu: usize,
    /// Bytes that [`mtu`](KcpConfig::mtu) may grow to where the path carries more, `mtu` to 65507; `None`:
    /// not beyond `mtu`. The memory of a segment is that of one of this length.
    ///
    /// Where a path stops carrying datagrams of `mtu` bytes, shorter ones are used in any case, down to 548
    /// bytes (576 with the headers): see docs/design.md. [`EngineKind::Kcp`] does neither.
    ///
    /// Default `None`: 1472 bytes instead of 1400, all that Ethernet carries, save 0.2 % of what is sent and
    /// cost 5 % of memory, and peers with little room for a datagram lose them.
    pub max_mtu: Option<usize>,
    /// KCP's own knobs. Default: [`KcpNoDelayConfig::default`].
    pub nodelay: KcpNoDelayConfig,
    /// How fast data leaves. Default [`Rate::Auto`]: it finds out what the path carries.
    pub rate: Rate,
    /// Send and receive window in segments that a stream begins with, each 1 to 32767: half of what the
    /// 16-bit field of the header can say, so that a window of the largest datagrams stays below 2 GiB. A
    /// receive window below 128 counts as 128, as in ikcp.c. They grow up to
    /// [`max_wnd_size`](KcpConfig::max_wnd_size).
    ///
    /// A window bounds the throughput: segments × (`mtu` − 24) bytes per round trip. With
    /// [`EngineKind::Ring`] what was lost holds up none of it, as long as
    /// [`recv_budget`](KcpConfig::recv_budget) has room for what arrives before the repair: the
    /// windows count what is under way. Default
    /// (256, 256), as in tokio_kcp: 352,256 bytes, or 28 Mbit/s at 100 ms.
    pub wnd_size: (u16, u16),
    /// Send and receive window in segments that they grow to at most, each 1 to 65535, the most that the
    /// header can say. Where it is less than [`wnd_size`](KcpConfig::wnd_size) the window stays as it is.
    ///
    /// The receive window becomes four times what the application takes in a round trip, so that a peer
    /// whose own window allows it fills a line that nobody has measured, in spite of losses: stock peers
    /// too, as the window is in every header. What it is wider than it began is set aside in
    /// [`memory_budget`](KcpConfig::memory_budget) before the peer hears of it, and shared: one stream
    /// alone may have three quarters of the budget, a hundred have a hundredth of that each. It is given
    /// back after 10 s of silence, or when less has come for 20 s.
    ///
    /// The send window grows as far as the path is known to carry it, and with it what
    /// [`send_budget`](KcpConfig::send_budget) bounds, within the session's share of the memory.
    /// `EngineKind::Kcp` keeps the windows that it begins with.
    ///
    /// Default (65535, 65535): memory is the bound.
    pub max_wnd_size: (u16, u16),
    /// `true`: a stream of bytes; `false`: messages keep their boundaries. Default `false`, as in
    /// ikcp.c.
    pub stream: bool,
    /// Conversations that carry datagrams, and not what [`stream`](KcpConfig::stream) says. Default `None`.
    pub datagrams: Option<DatagramConfig>,
    /// `true`: what is written leaves at once. `false`: less than a datagram waits up to
    /// [`interval`](KcpNoDelayConfig::interval) for company. Default `true`: who chooses KCP does
    /// so for low latency, and writes between two turns of the driver share datagrams anyway.
    pub flush_write: bool,
    /// The session ends when nothing was heard for so long, 10 ms to 24 days; `None`: never.
    ///
    /// Default 90 s, as in tokio_kcp: three unanswered keepalives.
    pub session_expire: Option<Duration>,
    /// After so long a silence the peer is asked for a sign of life; 10 ms to 24 days, and less
    /// than [`session_expire`](KcpConfig::session_expire); `None`: never.
    ///
    /// Where an endpoint has several streams with one peer of our own kind, one of them speaks for all; a
    /// stream that has itself been silent for an hour asks for itself. Peers of other kinds are asked for
    /// each stream.
    ///
    /// Default 25 s: Linux and many home routers forget a UDP flow after 30 s.
    pub keep_alive: Option<Duration>,
    /// How long `connect` waits for an answer, 10 ms to 24 days; `None`: it does not wait (0-RTT).
    ///
    /// Default 5 s: time for several attempts on a lossy path, and no longer than a user waits.
    pub connect_timeout: Option<Duration>,
    /// How long a closed stream goes on delivering in the background, up to 24 days; zero gives up
    /// what is not yet acknowledged.
    ///
    /// Default 10 s: what the default [`send_budget`](KcpConfig::send_budget) holds, at 420 kbit/s.
    pub linger: Duration,
    /// Transmissions of one segment after which the peer may count as gone sooner than after
    /// [`stall_timeout`](KcpConfig::stall_timeout), 2 to 1000: when besides, for half of that time, nothing has
    /// been acknowledged and the peer has not been heard. A number alone ends nothing: on a congested line
    /// segments are sent many times while others arrive.
    ///
    /// Default 1000, so that time alone decides: ikcp.c's 20 are reached within 40 s where the round trip
    /// is 50 ms, which is an outage that a stream should survive.
    pub dead_link: u32,
    /// Time without any progress of unacknowledged data before the peer counts as gone, 200 ms
    /// (ikcp.c's first retransmission timeout) to 24 days, and more than
    /// [`min_rto`](KcpConfig::min_rto).
    ///
    /// Any acknowledgement of something new begins it anew. So does the first sign of life after a
    /// silence in which questions went unanswered, as what was lost in an outage is sent again only
    /// then; in all a peer has four times as long without progress. While the peer's window is closed,
    /// any sign of life counts: its reader is slow. A peer that answers questions in time and
    /// acknowledges nothing is gone after this time.
    ///
    /// Default 60 s: longer than a redial or a modem that begins anew, much shorter than ikcp.c would take.
    /// An outage of half a minute is survived.
    pub stall_timeout: Duration,
    /// Smallest retransmission timeout, 10 ms to 60 s (`IKCP_RTO_MAX` of ikcp.c).
    ///
    /// Default `None`: ikcp.c's, 30 ms with `nodelay`, else 100 ms.
    pub min_rto: Option<Duration>,
    /// Bytes that a stream holds until they are acknowledged, in whole segments; one `mtu` to
    /// 256 MiB (10 Gbit/s at 200 ms). A single longer message is taken when nothing else is held.
    ///
    /// Default 512 KiB: the default send window in flight, and nearly half of that waiting.
    pub send_budget: usize,
    /// Bytes that a stream holds for its reader, beyond the receive window; one `mtu` to 256 MiB.
    ///
    /// Default 512 KiB: a reader may pause for a round trip and the window stays open.
    pub recv_budget: usize,
    /// Bytes of the longest message; `None`: what 127 fragments carry, the most that ikcp.c sends
    /// (174,752 bytes at an `mtu` of 1400). `KcpStream::send` refuses a longer one,
    /// `AsyncWrite` takes a part. Of no meaning in [stream](KcpConfig::stream) mode.
    ///
    /// Default `None`.
    pub max_message: Option<usize>,
    /// Bytes of memory that the sessions and queues of an endpoint hold in all, 256 KiB to 2047 MiB
    /// (the address space of a 32-bit process); `None`: an eighth of what the process may use, 4 MiB to
    /// 1 GiB, which all endpoints share that name no number. As it is used up, the windows of all sessions close
    /// and writers wait: a session that does not move (nobody reads, or the peer acknowledges
    /// nothing) may hold a sixteenth of what is free of three quarters of it, one that does up to
    /// half of all that is free. Receive windows that [have grown](KcpConfig::max_wnd_size) count
    /// as if they were full: all of them together leave a quarter of it.
    ///
    /// However little is free, a session may hold a floor in each direction: two datagrams, or up to
    /// 16 KiB where a sixteenth of the budget, divided by
    /// [`max_sessions`](KcpConfig::max_sessions), is more; in message mode one message beyond it. By
    /// so much, times the sessions there are, the budget can be overdrawn at worst.
    ///
    /// Several endpoints share one with `KcpEndpoint::with_budget`.
    ///
    /// Default `None`: 7 MiB of a router with 64 MB; 64 MiB where the system does not tell, as only Linux
    /// does.
    pub memory_budget: Option<usize>,
    /// Sessions of one endpoint, 1 to 1,048,576. What they hold together is bounded by
    /// [`memory_budget`](KcpConfig::memory_budget); an idle session holds next to nothing.
    ///
    /// Default 4096.
    pub max_sessions: usize,
    /// Sessions that peers have opened and this side holds, 1 to 1,048,576; those that it has let go of
    /// and that only deliver their rest are not among them. When so many are held, the one that has been
    /// silent for longest in the network that has the most makes room for a newcomer of another network
    /// that has proved its address.
    ///
    /// Default `None`: as many as [`max_sessions`](KcpConfig::max_sessions).
    pub max_accepted: Option<usize>,
    /// Of these, the sessions of one network, 1 to 1,048,576: one IPv4 address, or the first 64 bits of
    /// an IPv6 address.
    ///
    /// Default `None`: a quarter of [`max_accepted`](KcpConfig::max_accepted), and at least 8.
    pub max_sessions_per_prefix: Option<usize>,
    /// Sessions whose peer has not yet proved that it receives what we send, 1 to 1,048,576: all
    /// that a flood of forged addresses can occupy. When half of them are used, newcomers are only
    /// asked for a proof, nothing is kept of them, and whoever gives it is let in.
    ///
    /// Default 256: each for a round trip, and 3 s at most.
    pub max_unconfirmed: usize,
    /// `true`: `accept` hands out sessions before their peers have proved their address (0-RTT).
    ///
    /// **Dangerous** on the open Internet: whoever forges an address then makes the application act,
    /// for example connect to others, for a peer that does not exist. What is sent to that address stays
    /// within what came from it, and the session fails after 3 s.
    ///
    /// Default `false`.
    pub accept_unconfirmed: bool,
    /// Streams that wait ready-made for `accept`, 1 to 65535. Sessions beyond wait for their turn, and
    /// count among [`max_sessions`](KcpConfig::max_sessions) only. Default 128, as in kcp-go.
    pub backlog: usize,
    /// Bytes of the socket's send buffer to ask the system for, one `mtu` to 256 MiB; `None`: the
    /// system's default. The system may grant less;
    /// [`EndpointStats::send_buffer`](crate::EndpointStats::send_buffer) tells what it granted.
    /// Default `None`.
    pub send_buffer: Option<usize>,
    /// Bytes of the socket's receive buffer to ask the system for, one `mtu` to 256 MiB; `None`: the
    /// system's default or, where it is more, a whole receive window: segments ×
    /// [`mtu`](KcpConfig::mtu). The system may grant less;
    /// [`EndpointStats::recv_buffer`](crate::EndpointStats::recv_buffer) tells what it granted.
    ///
    /// Default `None`: 350 KiB. Linux charges a full datagram at about 2,300 bytes, so its own 208 KiB
    /// overflow when 93 of them arrive at once. Asked for more, it grants the double of what
    /// `net.core.rmem_max` allows: 184 datagrams unless raised, a whole window if so.
    pub recv_buffer: Option<usize>,
    /// Differentiated services code point of what is sent, 0 to 63 (RFC 2474); `None`: the
    /// system's. Default `None`: only who runs the network knows which ones it honours.
    pub dscp: Option<u8>,
    /// The keys of both sides, where all that travels is to be encrypted and authenticated; `None`: plain
    /// KCP, which every program can read and forge that sees one datagram. Default `None`.
    #[cfg(feature = "secure")]
    pub secure: Option<SecureConfig>,
    /// The cipher and the parity of kcp-go, where the peers are kcptun or others that are made of it; `None`: none.
    /// Not beside `secure`. [`mtu`](KcpConfig::mtu) is that of the whole datagram, at most 1500 then. Default `None`.
    #[cfg(feature = "kcptun")]
    pub kcp_go: Option<KcpGoConfig>,
    /// The ARQ. Default: this crate's own.
    pub engine: EngineKind,
    /// A bad network between this endpoint and its socket. Default `None`.
    #[cfg(feature = "netem")]
    pub netem: Option<crate::NetemConfig>,
    /// File to which the endpoint's datagrams are captured; not an empty path. Default `None`.
    #[cfg(feature = "pcap")]
    pub pcap: Option<std::path::PathBuf>,
}

impl Default for KcpConfig {
    /// The defaults given, with their reasons, at each field.
    fn default() -> KcpConfig {
        KcpConfig {
            mtu: 1400,
            max_mtu: None,
            nodelay: KcpNoDelayConfig::default(),
            rate: Rate::Auto,
            wnd_size: (256, 256),
            max_wnd_size: (u16::MAX, u16::MAX),
            stream: false,
            datagrams: None,
            flush_write: true,
            session_expire: Some(Duration::from_secs(90)),
            keep_alive: Some(Duration::from_secs(25)),
            connect_timeout: Some(Duration::from_secs(5)),
            linger: Duration::from_secs(10),
            dead_link: 1000,
            stall_timeout: Duration::from_secs(60),
            min_rto: None,
            send_budget: 512 * 1024,
            recv_budget: 512 * 1024,
            max_message: None,
            memory_budget: None,
            max_sessions: 4096,
            max_accepted: None,
            max_sessions_per_prefix: None,
            max_unconfirmed: 256,
            accept_unconfirmed: false,
            backlog: 128,
            send_buffer: None,
            recv_buffer: None,
            dscp: None,
            #[cfg(feature = "secure")]
            secure: None,
            #[cfg(feature = "kcptun")]
            kcp_go: None,
            engine: EngineKind::default(),
            #[cfg(feature = "netem")]
            netem: None,
            #[cfg(feature = "pcap")]
            pcap: None,
        }
    }
}

impl KcpConfig {
    /// Bytes that a session holds at worst with the windows that it begins with: everything
    /// unacknowledged, a reader that does not read, a full receive window, and a window on its way out,
    /// plus 8 KiB for the records (estimated). It is the bound of a session whose
    /// [`max_wnd_size`](KcpConfig::max_wnd_size) forbids it to grow; what others hold when their windows
    /// have grown is bounded by their part of [`memory_budget`](KcpConfig::memory_budget).
    ///
    /// That is `send_budget` (or the longest message, where that is more) + `recv_budget` and, unless
    /// in stream mode, one message that passes it + both windows (the receive window at least 128) ×
    /// `mtu` + 8 KiB. It counts bytes as the budgets do; the records of single segments (under loss
    /// up to three windows each way, 64 and 32 bytes each) and the allocator add up to 15 per cent.
    /// A peer whose segments are longer than this side's can make the receiving part up to five
    /// times as large. An idle session holds the records only.
    ///
    /// ```
    /// use smol_kcp::KcpConfig;
    ///
    /// let config = KcpConfig::low_memory();
    /// assert!(config.max_session_memory() < 600_000);
    /// ```
    pub fn max_session_memory(&self) -> usize {
        let message = if self.stream { 0 } else { self.max_message_len() };
        let (send, receive) = self.wnd_size;
        let leaving = usize::from(send).min(self.send_budget / self.mss().max(1));
        let windows = leaving + usize::from(receive.max(RECV_WINDOW_MIN));
        self.send_budget
            .max(message)
            .saturating_add(self.recv_budget)
            .saturating_add(message)
            .saturating_add(windows.saturating_mul(self.longest_mtu()))
            .saturating_add(SESSION_RECORDS)
    }

    /// Sessions that peers of one network may have opened.
    pub(crate) fn sessions_per_prefix(&self) -> usize {
        self.max_sessions_per_prefix.unwrap_or((self.accepted_limit() / 4).max(8))
    }

    /// Sessions that peers have opened and this side holds.
    pub(crate) fn accepted_limit(&self) -> usize {
        self.max_accepted.unwrap_or(self.max_sessions)
    }

    /// Returns the bytes of payload in a full segment, where no layer takes any: [`mtu`](KcpConfig::mtu)
    /// less the header's 24.
    pub fn mss(&self) -> usize {
        self.mtu.saturating_sub(crate::wire::HEADER_LEN)
    }

    /// Bytes of the largest datagram that may ever be sent.
    pub(crate) fn longest_mtu(&self) -> usize {
        self.max_mtu.map_or(self.mtu, |max| max.max(self.mtu))
    }

    /// Bytes of the longest message that is taken.
    pub(crate) fn max_message_len(&self) -> usize {
        let fragments = FRAGMENTS_MAX.saturating_mul(self.mss());
        self.max_message.map_or(fragments, |max| max.min(fragments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_never_longer_than_its_fragments_carry() {
        let config = KcpConfig::default();
        assert_eq!(config.max_message_len(), 174_752);
        assert_eq!(config.clone().with_max_message(Some(1000)).max_message_len(), 1000);
        assert_eq!(config.with_max_message(Some(200_000)).max_message_len(), 174_752);
    }

    #[test]
    fn memory_counts_the_window_as_the_engine_does_and_a_message_beyond_the_budget() {
        let small = KcpConfig {
            mtu: 1024,
            wnd_size: (1, 1),
            stream: true,
            send_budget: 2048,
            recv_budget: 4096,
            ..KcpConfig::default()
        };
        assert_eq!(small.max_session_memory(), 2048 + 4096 + 129 * 1024 + 8192);
        let messages = small.with_stream(false);
        assert_eq!(messages.max_session_memory(), 2 * 127 * 1000 + 4096 + 129 * 1024 + 8192);
        let wide = messages.with_wnd_size((1, 129)).with_max_message(Some(2000));
        assert_eq!(wide.max_session_memory(), 2048 + 4096 + 2000 + 130 * 1024 + 8192);
    }

    #[test]
    fn nonsense_saturates_instead_of_wrapping() {
        let absurd = KcpConfig::default().with_mtu(usize::MAX).with_send_budget(usize::MAX);
        assert_eq!(absurd.max_session_memory(), usize::MAX);
        assert_eq!(KcpConfig::default().with_mtu(3).max_message_len(), 0);
    }
}
