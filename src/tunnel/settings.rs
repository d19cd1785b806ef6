//! One tunnel, as the command line, a file or UCI describes it.

use std::time::Duration;

use crate::KcpConfig;

/// Everything about one tunnel. Two that are equal need no restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The section of the file, or `tunnel` where there is only one.
    pub name: String,
    /// Which end this is.
    pub role: Role,
    /// Where it listens, `address:port`: UDP for a server, TCP for a client.
    pub listen: String,
    /// The KCP configuration of all its streams; `stream` is always true.
    pub kcp: KcpConfig,
    /// TCP connections carried at once; more wait in the kernel's backlog (client) or are reset (server).
    pub max_connections: usize,
    /// The longest a connection to a target may take to open.
    pub target_timeout: Duration,
    /// How often statistics are logged; `None`: only when asked.
    pub stats_interval: Option<Duration>,
}

/// Which end of a tunnel.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// Accepts KCP streams and opens a TCP connection to `target` for each.
    Server {
        /// `host:port`; resolved for each connection.
        target: String,
    },
    /// Accepts TCP connections and opens a KCP stream to `server` for each.
    Client {
        /// `host:port`; resolved again when the server falls silent.
        server: String,
    },
}
