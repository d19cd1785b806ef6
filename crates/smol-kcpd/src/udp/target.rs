//! The target of a conversation, and what is known of it.

use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use async_io::Async;

use crate::health::{Concern, Health};
use crate::runtime::now;
use crate::HostPort;

/// Datagrams of a direction that one poll carries at most, so that other tasks run in between.
pub(super) const BATCH: usize = 32;

/// For so long a target takes datagrams that was in doubt: a host says once a second at least that a port is closed
/// (Linux, icmp_ratelimit), so that some of it would have come.
const TAKES: Duration = Duration::from_secs(10);

/// Where the datagrams of one source go.
pub(super) struct Target {
    /// Connected: it hears of nobody else.
    socket: Async<UdpSocket>,
    at: HostPort,
    health: Rc<Health>,
    /// Since when it takes datagrams, as far as is known, without having answered.
    doubted: Option<Instant>,
}

impl Target {
    pub(super) fn new(socket: Async<UdpSocket>, at: HostPort, health: Rc<Health>) -> Target {
        Target { socket, at, health, doubted: Some(now()) }
    }

    /// Hands `take` the next datagram; ready with `false` if none will come.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        take: impl FnOnce(&[u8]),
    ) -> Poll<bool> {
        let mut errors = 0;
        loop {
            match self.socket.get_ref().recv(buf) {
                Ok(n) => {
                    self.doubted = None;
                    self.health.works(Concern::UdpTarget);
                    take(buf.get(..n).unwrap_or_default());
                    return Poll::Ready(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if ready!(self.socket.poll_readable(cx)).is_err() {
                        return Poll::Ready(false);
                    }
                }
                // That a port is closed, or a host away, may change: it is UDP.
                Err(error) if errors < BATCH => {
                    errors += 1;
                    self.refused(&error);
                }
                Err(_) => return Poll::Ready(false),
            }
        }
    }

    /// Returns whether it left: a socket that is full has no room for it.
    pub(super) fn send(&mut self, datagram: &[u8]) -> bool {
        let sent = self.socket.get_ref().send(datagram).or_else(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(error);
            }
            // Linux tells here what became of an earlier one, and has not sent this one.
            self.refused(&error);
            self.socket.get_ref().send(datagram)
        });
        if sent.is_ok() && self.doubted.is_some_and(|since| since.elapsed() >= TAKES) {
            self.doubted = None;
            self.health.works(Concern::UdpTarget);
        }
        sent.is_ok()
    }

    fn refused(&mut self, error: &io::Error) {
        self.doubted = Some(now());
        let at = &self.at;
        self.health.failed(Concern::UdpTarget, format_args!("udp_target {at}: {error}"));
    }
}
