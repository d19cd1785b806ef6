//! The listening TCP socket of a client.

use std::io;
use std::net::{SocketAddr, TcpListener};

use async_io::Async;
use socket2::{Domain, Protocol, Socket, Type};

use smol_kcp::bind_all;

/// Limits the connections that wait in the kernel to be accepted; it may grant less.
const BACKLOG: i32 = 1024;

/// Listens at `addr`; the unspecified IPv6 address means all addresses, IPv4 too.
pub(super) fn listen(addr: SocketAddr) -> io::Result<Async<TcpListener>> {
    let (socket, _) = bind_all(addr, |addr| {
        let domain = Domain::for_address(addr);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // So that connections which have ended do not keep a successor from listening. On Windows
        // it would mean another thing.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        Ok(socket)
    })?;
    socket.listen(BACKLOG)?;
    Async::new(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn all_there_is_is_ipv4_too() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.get_ref().local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
