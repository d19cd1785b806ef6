//! What a tunnel needs to know of the datagrams that it carries.

use std::ops::RangeInclusive;
use std::time::Duration;

use smol_kcp::DatagramConfig;

use crate::HostPort;

/// Describes how a tunnel carries datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpSettings {
    /// Client: the address at which they are taken; server: where they go.
    pub at: HostPort,
    /// The silence after which a source is forgotten.
    pub timeout: Duration,
    /// Client: the sources that are known at once.
    pub sources: usize,
}

impl UdpSettings {
    /// Conversations that carry datagrams: a server that does not know them resets them.
    pub(crate) const CONVS: RangeInclusive<u32> = 0x5544_0000..=0x5544_ffff;

    /// Takes datagrams at, or sends them to, that address, and is usual else.
    pub fn new(at: HostPort) -> UdpSettings {
        UdpSettings { at, timeout: UdpSettings::TIMEOUT, sources: UdpSettings::SOURCES }
    }

    /// Says which conversations of a tunnel carry datagrams, for [`KcpConfig`](smol_kcp::KcpConfig#structfield.datagrams),
    /// and the time after which this side gives one up.
    pub fn conversations(lifetime: Option<Duration>) -> DatagramConfig {
        DatagramConfig::new(UdpSettings::CONVS).with_lifetime(lifetime)
    }

    /// RFC 4787 (REQ-5): a mapping lives for two minutes at least.
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

    /// Half of the usual number of connections.
    pub(crate) const SOURCES: usize = 256;

    /// What a datagram may be late by, where not all are to arrive: longer than a second round trip on
    /// most lines, and as long as calls and games wait at most.
    pub(crate) const LIFETIME: Duration = Duration::from_millis(100);
}
