//! Binding a socket to all addresses, and refusing addresses that no socket can use.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::Socket;

/// Binds the socket that `make` gives for an address; the unspecified IPv6 address means all
/// addresses: IPv4 too, whatever `net.ipv6.bindv6only` says, and IPv4 alone where the system has no
/// IPv6. Returns the socket and the address that was bound.
/// [`UdpTransport::bind`](crate::UdpTransport::bind) uses it; this is for sockets of other kinds.
///
/// ```
/// use smol_kcp::bind_all;
/// use socket2::{Domain, Socket, Type};
///
/// # fn main() -> std::io::Result<()> {
/// let make = |addr| Socket::new(Domain::for_address(addr), Type::STREAM, None);
/// let (listener, addr) = bind_all("[::]:0".parse().unwrap(), make)?;
/// assert!(addr.ip().is_unspecified());
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A link-local address without its interface; whatever the system says.
pub fn bind_all(
    addr: SocketAddr,
    make: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> io::Result<(Socket, SocketAddr)> {
    check_scope(addr)?;
    let all = addr.is_ipv6() && addr.ip().is_unspecified();
    let bound = make(addr).and_then(|socket| {
        if all {
            // Where it is refused (OpenBSD) the socket serves IPv6 alone.
            if let Err(error) = socket.set_only_v6(false) {
                log::debug!("socket at {addr} without IPv4: {error}");
            }
        }
        socket.bind(&addr.into())?;
        Ok((socket, addr))
    });
    match bound {
        Err(error) if all && error.kind() != io::ErrorKind::AddrInUse => {
            let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()));
            let Ok(socket) = make(four) else { return Err(error) };
            socket.bind(&four.into())?;
            log::info!("no IPv6 on this system ({error}): {four} instead of {addr}");
            Ok((socket, four))
        }
        bound => bound,
    }
}

/// Refuses a peer's address with the reason, where the system would say `EINVAL`.
///
/// # Errors
/// Port 0; a link-local address without its interface.
pub(crate) fn check_peer(addr: SocketAddr) -> io::Result<()> {
    check_port(addr)?;
    check_scope(addr)
}

/// Refuses port 0, where no peer is.
///
/// # Errors
/// Port 0.
pub(crate) fn check_port(addr: SocketAddr) -> io::Result<()> {
    match addr.port() {
        0 => Err(invalid(format!("{addr}: a peer's port is 1 to 65535"))),
        _ => Ok(()),
    }
}

fn check_scope(addr: SocketAddr) -> io::Result<()> {
    match addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            let (ip, port) = (v6.ip(), v6.port());
            let text = format!("{addr}: a link-local address needs its interface, as in ");
            Err(invalid(format!("{text}[{ip}%eth0]:{port}")))
        }
        _ => Ok(()),
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Type};

    use super::*;

    fn datagrams(addr: SocketAddr) -> io::Result<Socket> {
        Socket::new(Domain::for_address(addr), Type::DGRAM, None)
    }

    #[test]
    fn without_ipv6_all_there_is_is_ipv4() {
        // As a kernel booted with ipv6.disable=1.
        let make = |addr: SocketAddr| match addr {
            SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
            SocketAddr::V4(_) => datagrams(addr),
        };
        let (socket, at) = bind_all("[::]:0".parse().unwrap(), make).unwrap();
        assert_eq!(at, "0.0.0.0:0".parse().unwrap());
        assert!(socket.local_addr().unwrap().as_socket_ipv4().is_some());
        // An address of its own stands for itself.
        let one = bind_all("[::1]:0".parse().unwrap(), make).unwrap_err();
        assert_eq!(one.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn out_of_sockets_the_cause_is_told() {
        let none = |_| Err(io::ErrorKind::OutOfMemory.into());
        let error = bind_all("[::]:0".parse().unwrap(), none).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn all_there_is_hears_ipv4_whatever_the_system_s_default() {
        let make = |addr: SocketAddr| {
            let socket = datagrams(addr)?;
            if addr.is_ipv6() {
                socket.set_only_v6(true)?; // net.ipv6.bindv6only=1
            }
            Ok(socket)
        };
        let (socket, at) = bind_all("[::]:0".parse().unwrap(), make).unwrap();
        assert!(at.is_ipv4() || !socket.only_v6().unwrap());
    }

    #[test]
    fn what_no_socket_can_use_is_told_with_what_is_missing() {
        let told = |text: &str| check_peer(text.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(told("127.0.0.1:0"), "127.0.0.1:0: a peer's port is 1 to 65535");
        let scope = told("[fe80::1]:9");
        assert!(scope.ends_with("needs its interface, as in [fe80::1%eth0]:9"), "{scope}");
        assert!(check_peer("[fe80::1%1]:9".parse().unwrap()).is_ok());
        assert!(check_peer("[2001:db8::1]:9".parse().unwrap()).is_ok());
    }
}
