//! One tunnel, as the command line, a file or UCI describes it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::KcpConfig;

/// Everything about one tunnel. Two that are equal need no restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The section of the file, or `tunnel` where there is only one.
    pub name: String,
    /// Which end this is.
    pub role: Role,
    /// Where it listens: UDP for a server, TCP for a client.
    pub listen: SocketAddr,
    /// The KCP configuration of all its streams; `stream` is always true.
    pub kcp: KcpConfig,
    /// TCP connections carried at once; more wait in the kernel's backlog (client) or are reset
    /// (server).
    pub max_connections: usize,
    /// Server: the longest that opening a connection to the target may take, its name included.
    pub target_timeout: Duration,
    /// Server: measurements by strangers are answered.
    pub perf: bool,
    /// How often statistics are logged; `None`: only when asked.
    pub stats_interval: Option<Duration>,
}

/// Which end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Accepts KCP streams and opens a TCP connection to `target` for each.
    Server {
        /// Resolved for each connection.
        target: HostPort,
    },
    /// Accepts TCP connections and opens a KCP stream to `server` for each.
    Client {
        /// Resolved again when the server falls silent.
        server: HostPort,
    },
}

/// A name or an address, with a port: `router.example:29900`, `192.0.2.1:22`, `[2001:db8::1]:22`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
    literal: Option<SocketAddr>,
}

impl HostPort {
    /// Reads the usual form; IPv6 addresses are in brackets. `None` if it is not in that form.
    pub fn parse(text: &str) -> Option<HostPort> {
        let literal: Option<SocketAddr> = text.parse().ok();
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if literal.is_none() && (host.is_empty() || host.len() > 253 || !host.chars().all(ok)) {
            return None;
        }
        Some(HostPort { host: host.to_string(), port, literal })
    }

    /// The name, or the address as it was written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, where no name has to be resolved.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.literal
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> HostPort {
        let text = addr.to_string();
        let host = text.rsplit_once(':').map_or("", |(host, _)| host).to_string();
        HostPort { host, port: addr.port(), literal: Some(addr) }
    }
}

/// What belongs to the process and not to one of its tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What is logged.
    pub log_level: log::LevelFilter,
    /// Whose rights the process takes on once it has bound its sockets.
    pub user: Option<String>,
}

impl Default for Process {
    fn default() -> Process {
        Process { log_level: log::LevelFilter::Info, user: None }
    }
}

/// A whole configuration: what a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// What belongs to the process.
    pub process: Process,
    /// The tunnels, in the order of the file; their names differ.
    pub tunnels: Vec<Settings>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_a_port_is_read_and_printed_the_same() {
        for text in ["router.example:29900", "192.0.2.1:22", "[2001:db8::1]:22", "my_host-1:1"] {
            assert_eq!(HostPort::parse(text).expect(text).to_string(), text);
        }
        let addr: SocketAddr = "[2001:db8::1]:22".parse().unwrap();
        assert_eq!(HostPort::from(addr), HostPort::parse("[2001:db8::1]:22").unwrap());
        assert_eq!(HostPort::parse("192.0.2.1:22").unwrap().literal().unwrap().port(), 22);
        assert_eq!(HostPort::parse("router.example:22").unwrap().literal(), None);
    }

    #[test]
    fn what_is_no_host_with_a_port_is_refused() {
        for text in ["", "host", "host:", ":22", "host:0", "host:65536", "2001:db8::1:22", "a b:1"]
        {
            assert_eq!(HostPort::parse(text), None, "{text}");
        }
    }
}
