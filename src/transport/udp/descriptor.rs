//! The socket's descriptor, for whoever sets options on it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::UdpTransport;

impl AsFd for UdpTransport {
    /// Borrows the descriptor of the socket, for options that have no field in [`KcpConfig`](crate::KcpConfig). A
    /// [`rebind`](crate::Transport::rebind) replaces it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for UdpTransport {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
