//! What the options of one tunnel are read into, and printed from.

use std::time::Duration;

use crate::ends::Side;
use crate::machine::Machine;
use crate::{HostPort, KeyOptions, Process, Role, Settings, UdpSettings};
use smol_kcp::{KcpConfig, Rate};

/// TCP connections at once, unless told otherwise: half of the 1024 descriptors that a process
/// usually may have.
const MAX_CONNECTIONS: usize = 512;

/// The same of a server, where a single client gets a quarter of them.
const MAX_CONNECTIONS_OF_SERVER: usize = 2048;

/// The round-trip time where only the bandwidth is given, as in the reason of `wan`.
const RTT: Duration = Duration::from_millis(100);

/// What options are read into and printed from.
#[derive(Clone, Debug)]
pub(super) struct TunnelBuilder {
    pub side: Option<Side>,
    pub listen: Option<HostPort>,
    pub server: Option<HostPort>,
    pub target: Option<HostPort>,
    pub bandwidth: Option<u64>,
    pub rtt: Option<Duration>,
    pub kcp: KcpConfig,
    pub keys: KeyOptions,
    pub max_connections: Option<usize>,
    pub target_timeout: Duration,
    pub udp: Option<HostPort>,
    pub udp_target: Option<HostPort>,
    pub udp_reliable: bool,
    pub udp_lifetime: Duration,
    pub udp_timeout: Duration,
    pub udp_sources: usize,
    pub perf: bool,
    pub stats_interval: Option<Duration>,
    pub process: Process,
    #[cfg(feature = "kcptun")]
    pub is_kcptun: bool,
    #[cfg(feature = "kcptun")]
    pub kcptun: crate::KcptunSettings,
}

impl Default for TunnelBuilder {
    fn default() -> TunnelBuilder {
        TunnelBuilder {
            side: None,
            listen: None,
            server: None,
            target: None,
            bandwidth: None,
            rtt: None,
            kcp: streams(Machine::here().profile().1),
            keys: KeyOptions::default(),
            max_connections: None,
            // A target is near its server; a second and a third SYN find their time (RFC 6298).
            target_timeout: Duration::from_secs(10),
            udp: None,
            udp_target: None,
            udp_reliable: true,
            udp_lifetime: UdpSettings::LIFETIME,
            udp_timeout: UdpSettings::TIMEOUT,
            udp_sources: UdpSettings::SOURCES,
            perf: false,
            stats_interval: None,
            process: Process::default(),
            #[cfg(feature = "kcptun")]
            is_kcptun: false,
            #[cfg(feature = "kcptun")]
            kcptun: crate::KcptunSettings::default(),
        }
    }
}

/// TCP is a stream of bytes. The length of messages means nothing then, and memory is the process's:
/// equal settings are equal.
fn streams(kcp: KcpConfig) -> KcpConfig {
    let datagrams = Some(UdpSettings::conversations(None));
    KcpConfig { stream: true, datagrams, max_message: None, memory_budget: None, ..kcp }
}

/// Takes from a client what a profile says of listening: nobody can set or print it there, and equal settings
/// are to be equal.
pub(super) fn streams_of(kcp: KcpConfig, side: Side) -> KcpConfig {
    if side == Side::Server {
        return kcp;
    }
    let KcpConfig { max_sessions_per_prefix, max_unconfirmed, backlog, .. } = KcpConfig::default();
    KcpConfig { max_sessions_per_prefix, max_unconfirmed, backlog, ..kcp }
}

/// The connections that a tunnel of a profile carries at once, and the streams that it may have.
pub(super) fn limits_of(profile: &str) -> Option<(usize, usize)> {
    let mut builder = TunnelBuilder::default();
    builder.profile(profile)?;
    Some((builder.connections(Side::Client), builder.kcp.max_sessions))
}

impl TunnelBuilder {
    pub(super) fn profile(&mut self, name: &str) -> Option<()> {
        self.kcp = streams(match name {
            "default" => KcpConfig::default(),
            "lan" => KcpConfig::lan(),
            "wan" => KcpConfig::wan(),
            "high_latency" => KcpConfig::high_latency(),
            "low_bandwidth" => KcpConfig::low_bandwidth(),
            "low_memory" => KcpConfig::low_memory(),
            "gaming" => KcpConfig::gaming(),
            "realtime" => KcpConfig::realtime(),
            "file_transfer" => KcpConfig::file_transfer(),
            _ => return None,
        });
        Some(())
    }

    /// The connections that a side carries at once.
    pub(super) fn connections(&self, side: Side) -> usize {
        let usual = match side {
            Side::Client => MAX_CONNECTIONS,
            Side::Server => MAX_CONNECTIONS_OF_SERVER,
        };
        self.max_connections.unwrap_or(usual.min(self.kcp.max_sessions))
    }

    /// Sets the rate to the bandwidth, and windows of bandwidth × round-trip time and a quarter more,
    /// since both vary; the sender holds a window in flight and one waiting, the receiver one for a
    /// reader that pauses.
    pub(super) fn size(&mut self) {
        let Some(bandwidth) = self.bandwidth else { return };
        self.kcp.rate = Rate::Fixed(bandwidth);
        let micros = self.rtt.unwrap_or(RTT).as_micros();
        let bytes = u128::from(bandwidth) / 8 * micros / 1_000_000;
        let payload = self.kcp.mtu.saturating_sub(24).max(1) as u128; // 24: the header of KCP
        let segments = (bytes * 5 / 4).div_ceil(payload).clamp(16, 32_767);
        let window = u16::try_from(segments).unwrap_or(u16::MAX);
        let held = usize::from(window).saturating_mul(self.kcp.mtu);
        let budget = |bytes: usize| bytes.max(self.kcp.mtu).min(256 << 20);
        self.kcp.wnd_size = (window, window);
        (self.kcp.send_budget, self.kcp.recv_budget) = (budget(held * 2), budget(held));
    }

    pub(super) fn of(settings: &Settings) -> TunnelBuilder {
        let (side, server, target) = match &settings.role {
            Role::Server { target } => (Side::Server, None, target.clone()),
            Role::Client { server } => (Side::Client, Some(server.clone()), None),
        };
        let own = TunnelBuilder::default();
        let at = settings.udp.as_ref().map(|udp| udp.at.clone());
        let (udp, udp_target) = match side {
            Side::Client => (at, None),
            Side::Server => (None, at),
        };
        let lifetime = settings.kcp.datagrams.as_ref().and_then(|datagrams| datagrams.lifetime);
        TunnelBuilder {
            side: Some(side),
            listen: settings.listen.clone(),
            server,
            target,
            kcp: settings.kcp.clone(),
            keys: settings.keys.clone(),
            max_connections: Some(settings.max_connections),
            target_timeout: settings.target_timeout,
            udp,
            udp_target,
            udp_reliable: lifetime.is_none(),
            udp_lifetime: lifetime.unwrap_or(own.udp_lifetime),
            udp_timeout: settings.udp.as_ref().map_or(own.udp_timeout, |udp| udp.timeout),
            udp_sources: settings.udp.as_ref().map_or(own.udp_sources, |udp| udp.sources),
            perf: settings.perf,
            stats_interval: settings.stats_interval,
            #[cfg(feature = "kcptun")]
            is_kcptun: settings.kcptun.is_some(),
            #[cfg(feature = "kcptun")]
            kcptun: settings.kcptun.clone().unwrap_or_default(),
            ..own
        }
    }

    /// How datagrams are carried, if they are.
    pub(super) fn udp(&mut self, side: Side) -> Option<UdpSettings> {
        let at = match side {
            Side::Client => self.udp.take(),
            Side::Server => self.udp_target.take(),
        }?;
        Some(UdpSettings { at, timeout: self.udp_timeout, sources: self.udp_sources })
    }

    /// Takes over what kcptun has where it is told nothing, as in its last release with code (2026-01). `None`: it is not
    /// known for which side.
    #[cfg(feature = "kcptun")]
    pub(super) fn speak_kcptun(&mut self) -> Option<()> {
        self.is_kcptun = true;
        self.kcp.datagrams = None;
        self.kcp.mtu = 1350;
        self.kcp.max_mtu = None;
        self.kcp.nodelay = smol_kcp::KcpNoDelayConfig::fast();
        self.kcp.wnd_size = match self.side? {
            Side::Client => (128, 512),
            Side::Server => (1024, 1024),
        };
        (self.kcp.send_buffer, self.kcp.recv_buffer) = (Some(4 << 20), Some(4 << 20));
        // Those of smux: see carrier/kcptun.
        self.kcp.keep_alive = Some(Duration::from_secs(10));
        self.kcp.session_expire = Some(Duration::from_secs(60));
        Some(())
    }
}
