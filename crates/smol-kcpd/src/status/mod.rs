//! What a process does, at one moment: collected once, told as JSON, as a table or as metrics.

mod collect;
mod json;
#[cfg(feature = "metrics")]
mod metrics;
mod table;

use std::time::Duration;

use smol_kcp::secure::SecureStats;
use smol_kcp::StreamStats;

use super::context::TunnelStats;
use super::health::Concern;
use super::peers::PeerStatus;

pub(super) use collect::of_tunnel;
pub(super) use json::as_json;
#[cfg(feature = "metrics")]
pub(super) use metrics::as_metrics;
pub(super) use table::as_table;

#[cfg(test)]
mod tests;

/// Peers and streams of a tunnel that are listed at most. All are counted.
pub(super) const LONGEST_LIST: usize = 1000;

/// What a process does.
#[derive(Debug)]
pub(super) struct ProcessStatus {
    pub(super) pid: u32,
    pub(super) uptime: Duration,
    pub(super) log_level: log::LevelFilter,
    pub(super) memory_used: usize,
    pub(super) memory_budget: usize,
    pub(super) tunnels: Vec<TunnelStatus>,
}

/// How a tunnel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody uses it, and nothing is known to be wrong.
    Idle,
    /// It carries streams.
    Up,
    /// It carries streams, or would, but something is wrong.
    Degraded,
    /// It carries nothing.
    Down,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Up => "up",
            State::Degraded => "degraded",
            State::Down => "down",
        }
    }
}

/// What one tunnel does.
#[derive(Debug)]
pub(super) struct TunnelStatus {
    pub(super) name: String,
    pub(super) is_client: bool,
    pub(super) state: State,
    /// What is wrong, the worst first, and for how long it has been.
    pub(super) problems: Vec<(Concern, Duration, String)>,
    /// The address that it has, or would have; `None`: a client that takes datagrams only.
    pub(super) listen: Option<String>,
    /// The server of a client, the target of a server; `None`: it has none.
    pub(super) remote: Option<String>,
    /// Where it takes datagrams, or sends them to, and how many sources there may be.
    pub(super) udp: Option<(String, usize)>,
    pub(super) carrier: &'static str,
    pub(super) is_encrypted: bool,
    pub(super) protection: String,
    pub(super) max_connections: usize,
    pub(super) stats: TunnelStats,
    pub(super) channels: Option<SecureStats>,
    pub(super) peers: Vec<PeerStatus>,
    pub(super) peers_total: usize,
    /// Conversation and counters, of as many as were asked for.
    pub(super) streams: Vec<(u32, StreamStats)>,
    pub(super) streams_total: usize,
}
