//! What a crate must be able to do to be measured.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use crate::runtime::{Bytes, Runtime};

/// KCP's parameters, the same for all: nodelay 1, interval 10, resend 2, nc 1, stream mode.
pub const INTERVAL: u32 = 10;
pub const RESEND: u32 = 2;
pub const WINDOW: u16 = 1024;
pub const MTU: usize = 1400;

/// What differs from the crate's own ways.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// All connections of a client over one socket, where the crate can.
    pub one_socket: bool,
    /// All that travels encrypted, where the crate can.
    pub secure: bool,
}

/// Flow control by the application, for those who have none: the receiver answers a byte each
/// `every` bytes, the sender keeps at most `ahead` unanswered.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    pub every: usize,
    pub ahead: usize,
}

/// One crate, with the runtime it is made for.
pub trait Peer: 'static {
    const CREDIT: Option<Credit> = None;

    type Runtime: Runtime;
    type Listener: Send;
    type Stream: Bytes<Self::Runtime>;

    fn bind(
        options: Options,
    ) -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;
    fn accept(
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(
        options: Options,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Prints what the crate itself knows of a connection, as lines of `key value`.
    fn report(_: &Self::Stream) {}
}

/// Any error, as the one that all have.
pub fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
