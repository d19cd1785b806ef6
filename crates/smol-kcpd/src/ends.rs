//! The two ends of a tunnel: which one it is, and where one is.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

/// Which end, before it is known what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}

/// Holds a name or an address, with a port: `router.example:29900`, `192.0.2.1:22`,
/// `[2001:db8::1]:22`, `[fe80::1%br-lan]:22`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
    literal: Option<SocketAddr>,
    /// The interface of a literal that names one. Its number is looked up when it is needed: it is
    /// another after each boot.
    interface: Option<String>,
}

impl HostPort {
    /// Reads the usual form; IPv6 addresses are in brackets, link-local ones with their interface.
    /// `None` if it is not in that form.
    pub fn parse(text: &str) -> Option<HostPort> {
        if let Some(literal) = HostPort::parse_listen(text) {
            return Some(literal).filter(|literal| literal.port != 0);
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(ok) {
            return None;
        }
        Some(HostPort { host: host.to_string(), port, literal: None, interface: None })
    }

    /// Reads an address to listen at: no name, and port 0 for any. `None` if it is none.
    pub fn parse_listen(text: &str) -> Option<HostPort> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            let host = text.rsplit_once(':')?.0.to_string();
            let (port, literal) = (addr.port(), Some(addr));
            let scoped = addr.is_ipv4() || !is_link_local(addr) || text.contains('%');
            return scoped.then_some(HostPort { host, port, literal, interface: None });
        }
        let (ip, rest) = text.strip_prefix('[')?.split_once('%')?;
        let (interface, port) = rest.split_once("]:")?;
        let (ip, port) = (ip.parse::<Ipv6Addr>().ok()?, port.parse().ok()?);
        // As the kernel has it: up to 15 bytes, no slash, no blank; nor a bracket or a colon here.
        let ok = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '[' | ']' | '%');
        let named = (1..=15).contains(&interface.len()) && interface.chars().all(ok);
        named.then(|| HostPort {
            host: format!("[{ip}%{interface}]"),
            port,
            literal: Some((ip, port).into()),
            interface: Some(interface.to_string()),
        })
    }

    /// Returns the name, or the address as it was written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address if it is not a name; without the number of an interface that it names.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.literal
    }

    /// Returns the address with the present number of its interface; `None` if it is a name.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn addr(&self) -> io::Result<Option<SocketAddr>> {
        match (self.literal, &self.interface) {
            (Some(SocketAddr::V6(mut addr)), Some(interface)) => {
                addr.set_scope_id(interface_number(interface)?);
                Ok(Some(addr.into()))
            }
            (literal, _) => Ok(literal),
        }
    }

    /// Returns the same for a socket that is to be bound there.
    ///
    /// # Errors
    /// It is a name, or there is no such interface.
    pub(crate) fn bind_addr(&self) -> io::Result<SocketAddr> {
        let name =
            || io::Error::new(io::ErrorKind::InvalidInput, "an address is needed, not a name");
        self.addr()?.ok_or_else(name)
    }

    /// Returns whether both are the same address and port, or the same name, however they are written.
    pub fn is_same(&self, other: &HostPort) -> bool {
        match (self.literal, other.literal) {
            (Some(a), Some(b)) => a == b && self.interface == other.interface,
            _ => self == other,
        }
    }
}

/// Returns whether an IPv6 address is valid on one link only.
fn is_link_local(addr: SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(addr) if addr.ip().is_unicast_link_local())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn interface_number(name: &str) -> io::Result<u32> {
    let missing = |_| io::Error::new(io::ErrorKind::NotFound, format!("no interface {name}"));
    nix::net::if_::if_nametoindex(name).map_err(missing)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn interface_number(name: &str) -> io::Result<u32> {
    let text = format!("{name}: on this system interfaces have numbers only");
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
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
        HostPort { host, port: addr.port(), literal: Some(addr), interface: None }
    }
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
        // Which link?
        for text in ["[fe80::1]:22", "[fe80::1%]:22", "[fe80::1%a/b]:22", "[fe80::1%br lan]:22"] {
            assert_eq!(HostPort::parse(text), None, "{text}");
            assert_eq!(HostPort::parse_listen(text), None, "{text}");
        }
        assert_eq!(HostPort::parse_listen("localhost:22"), None);
        assert_eq!(HostPort::parse_listen("[::]:0").unwrap().port(), 0);
        assert_eq!(HostPort::parse("[::1]:0"), None);
    }

    #[test]
    fn an_interface_is_a_name_or_a_number_and_looked_up_when_it_is_needed() {
        let named = HostPort::parse("[fe80::1%no-such-if]:22").unwrap();
        assert_eq!(named.to_string(), "[fe80::1%no-such-if]:22");
        assert!(named.addr().unwrap_err().to_string().contains("no-such-if"));
        let numbered = HostPort::parse("[fe80::1%7]:22").unwrap();
        assert_eq!(numbered.to_string(), "[fe80::1%7]:22");
        let addr = numbered.addr().unwrap().unwrap();
        assert!(matches!(addr, SocketAddr::V6(v6) if v6.scope_id() == 7));
        #[cfg(target_os = "linux")]
        {
            let lo = HostPort::parse("[fe80::1%lo]:22").unwrap().addr().unwrap().unwrap();
            assert!(matches!(lo, SocketAddr::V6(v6) if v6.scope_id() == 1));
        }
        let name = HostPort::parse("router.example:22").unwrap();
        assert_eq!(name.addr().unwrap(), None);
    }

    #[test]
    fn the_same_address_is_the_same_however_it_is_written() {
        let read = |text| HostPort::parse(text).unwrap();
        assert!(read("[::]:22").is_same(&read("[0::0]:22")));
        assert!(!read("[fe80::1%a]:22").is_same(&read("[fe80::1%b]:22")));
        assert!(!read("a:22").is_same(&read("b:22")));
    }
}
