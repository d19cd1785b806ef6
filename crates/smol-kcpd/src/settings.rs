//! The settings of a tunnel, as the command line, a file or UCI describes it.

#[cfg(feature = "kcptun")]
mod kcptun;
mod udp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use smol_kcp::KcpConfig;

use super::{HostPort, KeyOptions};

#[cfg(feature = "kcptun")]
pub use kcptun::{KcptunSettings, PortRange};
pub use udp::UdpSettings;

/// Describes one tunnel. A tunnel whose settings are equal needs no restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The section of the file, or `tunnel` where there is only one.
    pub name: String,
    /// The end of the tunnel.
    pub role: Role,
    /// The address to listen at, never a name: UDP for a server, TCP for a client. `None`: a client that takes no
    /// connections, only datagrams.
    pub listen: Option<HostPort>,
    /// The KCP configuration of all its streams; `stream` is always true, the keys are in `secure`, and
    /// `datagrams` are [those of the tunnel](UdpSettings::conversations).
    pub kcp: KcpConfig,
    /// Where the keys are from.
    pub keys: KeyOptions,
    /// TCP connections carried at once; more are reset.
    pub max_connections: usize,
    /// Server: limits the time to open a connection to the target, resolving its name included.
    pub target_timeout: Duration,
    /// The datagrams that it carries, beside connections or alone; `None`: none.
    pub udp: Option<UdpSettings>,
    /// Server: measurements by strangers are answered.
    pub perf: bool,
    /// Time between two lines of statistics in the log; `None`: only on SIGUSR1.
    pub stats_interval: Option<Duration>,
    /// The peers are kcptun, or take it for one: not ours. There are no keys then, and no `perf`.
    #[cfg(feature = "kcptun")]
    pub kcptun: Option<KcptunSettings>,
}

impl Settings {
    /// Says in a few words, for the log, what protects a tunnel.
    pub(crate) fn protection(&self) -> String {
        #[cfg(feature = "kcptun")]
        if let Some(kcptun) = &self.kcptun {
            let (crypt, fec) = (kcptun.crypt.name(), kcptun.fec);
            let compressed = if kcptun.compression { "compressed" } else { "not compressed" };
            return format!("as kcptun: {crypt}, fec {fec}, {compressed}; compatible, not secure");
        }
        match (&self.kcp.secure, &self.role) {
            (None, _) => "insecure".into(),
            (Some(_), Role::Client { .. }) => "encrypted".into(),
            (Some(secure), Role::Server { .. }) => {
                match (&secure.anyone_with, secure.clients.len()) {
                    (Some(_), _) => "encrypted for those who have the shared secret".into(),
                    (None, 0) => "encrypted for nobody, as allow is empty".into(),
                    (None, 1) => "encrypted for 1 client".into(),
                    (None, clients) => format!("encrypted for {clients} clients"),
                }
            }
        }
    }
}

/// Names the end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Accepts KCP streams and opens a TCP connection to `target` for each.
    Server {
        /// Resolved for each connection. A client may have [another](KeyOptions::target_of). `None`: who has no
        /// other gets datagrams only.
        target: Option<HostPort>,
    },
    /// Accepts TCP connections and opens a KCP stream to `server` for each.
    Client {
        /// Resolved again when the server falls silent.
        server: HostPort,
    },
}

/// Holds the settings of the process, not of one of its tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The least important level that is logged.
    pub log_level: log::LevelFilter,
    /// The user whose rights the process takes on once it has bound its sockets.
    pub user: Option<String>,
    /// Bytes of memory that all tunnels together may hold for their streams.
    pub memory_budget: usize,
    /// Where it is controlled.
    pub control: Control,
    /// Where it serves the page that shows what it does, over HTTP.
    pub http: Option<SocketAddr>,
    /// Where it serves its metrics.
    pub metrics: Option<SocketAddr>,
    /// Both may be where others than this machine reach them.
    pub expose: bool,
}

impl Default for Process {
    /// Sets the budget to an eighth of the machine's memory, 4 MiB at least and 1 GiB at most.
    fn default() -> Process {
        let memory_budget = smol_kcp::default_memory_budget();
        Process {
            log_level: log::LevelFilter::Info,
            user: None,
            memory_budget,
            control: Control::Auto,
            http: None,
            metrics: None,
            expose: false,
        }
    }
}

/// Where the control socket of a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// In the first folder that there is and that may be written to: `$RUNTIME_DIRECTORY`, `/var/run`,
    /// `$XDG_RUNTIME_DIR`.
    #[default]
    Auto,
    /// There is none.
    Off,
    /// There.
    At(PathBuf),
}

/// Holds a whole configuration: the content of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// The settings of the process.
    pub process: Process,
    /// The tunnels, in the order of the file; their names differ.
    pub tunnels: Vec<Settings>,
}
