//! Where datagrams come from and go to.

mod datagrams;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

pub use datagrams::Datagrams;

/// A carrier of datagrams. Losing, delaying, repeating and reordering them is allowed; altering
/// them is not.
///
/// `SocketAddr` stands for any address: a transport without IP addresses makes some up.
pub trait Transport: Send + 'static {
    /// Appends received datagrams to `batch` until it is [full](Datagrams::is_full) or none is
    /// there. `Ready(Ok(()))` when at least one was appended, `Pending` when none is there.
    ///
    /// # Errors
    /// An error of kind `ConnectionRefused` ends a connect that waits for an answer.
    /// `BrokenPipe` and `UnexpectedEof` say that the transport has ended for good: every stream
    /// fails. All other errors are taken as weather: counted, and the transport is polled again.
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Sends datagrams from the front of `batch` and [removes](Datagrams::pop_front) them, until
    /// it is empty or the transport takes no more. `Pending` leaves the rest in the batch.
    ///
    /// # Errors
    /// As for [`poll_recv`](Transport::poll_recv); the datagram that failed must have been removed.
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>>;

    /// The address at which this side is reached.
    ///
    /// # Errors
    /// Whatever the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Leaves the local address for a fresh one, after a silence that may mean that the old one
    /// works no more. `Ok(false)`: this transport does not do that.
    ///
    /// # Errors
    /// Whatever the system says; the old address stays.
    fn rebind(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}
