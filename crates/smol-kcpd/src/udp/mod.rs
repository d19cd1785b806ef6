//! Datagrams through a tunnel: UDP at one end, UDP at the other, a conversation between them for each
//! source.
//!
//! The conversation [says](smol_kcp::DatagramConfig) that it carries datagrams, so that none waits for another
//! one. What there is no room for is dropped and counted, as it would be on any line: nothing is read
//! ahead and nobody is slowed down.

mod client;
mod relay;
mod server;
mod sources;

use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) use client::{carry, open, UdpListener};
pub(super) use server::serve;

use smol_kcp::DatagramConfig;

use super::HostPort;

/// Conversations that carry datagrams: a server that does not know them resets them.
pub(super) const CONVS: RangeInclusive<u32> = 0x5544_0000..=0x5544_ffff;

/// The longest datagram that UDP carries.
pub(super) const LONGEST: usize = 65_535;

/// A conversation number for datagrams.
fn udp_conv() -> u32 {
    fastrand::u32(CONVS)
}

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
    /// Takes datagrams at, or sends them to, that address, and is usual else.
    pub fn new(at: HostPort) -> UdpSettings {
        UdpSettings { at, timeout: UdpSettings::TIMEOUT, sources: UdpSettings::SOURCES }
    }

    /// Says which conversations of a tunnel carry datagrams, for [`KcpConfig`](smol_kcp::KcpConfig#structfield.datagrams),
    /// and the time after which this side gives one up.
    pub fn conversations(lifetime: Option<Duration>) -> DatagramConfig {
        DatagramConfig::new(CONVS).with_lifetime(lifetime)
    }

    /// RFC 4787 (REQ-5): a mapping lives for two minutes at least.
    pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

    /// Half of the usual number of connections.
    pub(super) const SOURCES: usize = 256;

    /// What a datagram may be late by, where not all are to arrive: longer than a second round trip on
    /// most lines, and as long as calls and games wait at most.
    pub(super) const LIFETIME: Duration = Duration::from_millis(100);
}
