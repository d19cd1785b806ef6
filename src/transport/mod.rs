//! Transports: what carries the datagrams of an endpoint.

mod bind;
mod datagrams;
mod framed;
mod memory;
mod udp;

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::task::{Context, Poll};

pub use bind::bind_all;
pub(crate) use bind::check_port;
pub use datagrams::{Datagram, Datagrams};
pub use framed::{FrameLengthError, FramedTransport};
pub use memory::MemoryTransport;
pub use udp::UdpTransport;

/// Carries datagrams. It may lose, delay, repeat and reorder them, but not alter them.
///
/// `SocketAddr` stands for any address: a transport without IP addresses makes some up. An answer
/// must reach the peer by the address of its datagram, which is the same for all of one peer.
///
/// A transport has one owner, and one task at a time polls it.
pub trait Transport: Send + 'static {
    /// Appends received datagrams to `batch` until it is [full](Datagrams::is_full) or none is
    /// there. `Ready(Ok(()))` when at least one was appended, or the batch was full before;
    /// `Pending` when none is there, and only then the task is woken by the next one.
    ///
    /// # Errors
    /// An error of kind `ConnectionRefused` ends a connect that waits for an answer. `BrokenPipe`
    /// and `UnexpectedEof` say that the transport has ended for good: every stream fails. All other
    /// errors are transient: they are counted, and the transport is polled again, unless there have
    /// been 1000 of them in a row.
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Sends datagrams from the front of `batch` and [removes](Datagrams::pop_front) them, until
    /// it is empty or the transport takes no more. `Pending` leaves the rest in the batch and
    /// wakes the task when it is worth to call again, with an empty batch too: what was removed
    /// may still be on its way out.
    ///
    /// # Errors
    /// As for [`poll_recv`](Transport::poll_recv); the datagram that failed must have been removed.
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Returns the address at which this side is reached.
    ///
    /// # Errors
    /// Whatever the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Leaves the local address for a fresh one, after a silence that may mean that the old one
    /// works no more; what comes to the old one until the fresh one is heard should be delivered
    /// all the same. `Ok(false)`: this transport does not do that. After `Ok(true)` both directions
    /// must be polled again: what waited at the old address is not woken.
    ///
    /// # Errors
    /// Whatever the system says; the old address stays.
    fn rebind(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Counts the datagrams that this transport itself has dropped so far: too long, without a
    /// receiver, or for a full queue.
    fn dropped(&self) -> u64 {
        0
    }

    /// Returns the bytes of the socket's send and receive buffer, as the system grants them; zero
    /// without a socket.
    fn socket_buffers(&self) -> (usize, usize) {
        (0, 0)
    }
}

/// Returns the bytes of the longest datagram that is received under `mtu`. Every peer may use an
/// MTU of its own, and those of the common link layers fit into 2047 bytes.
pub(crate) fn receive_limit(mtu: usize) -> usize {
    mtu.clamp(2047, usize::from(u16::MAX))
}

/// Returns the form of an address that identifies a peer: IPv4 as such also when it came through an
/// IPv6 socket, and no flow label. The scope of a link-local address stays.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => (ip, v6.port()).into(),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:9".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.7:9".parse().unwrap());
        let local = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 77, 3);
        let plain = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, 3);
        assert_eq!(canonical(local.into()), plain.into());
    }
}
