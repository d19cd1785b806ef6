//! Socket options: buffer sizes and DSCP.

use std::io;

use smol_kcp_proto::limits::RECV_WINDOW_MIN;
use socket2::Socket;

use crate::transport::receive_limit;
use crate::KcpConfig;

/// Holds the options of a configuration that concern sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Bytes of the longest datagram that is delivered.
    pub(super) longest: usize,
    buffers: (Option<usize>, Option<usize>),
    /// Bytes of a receive window.
    window: usize,
    pub(super) dscp: Option<u8>,
}

impl Options {
    pub(super) fn new(config: &KcpConfig) -> io::Result<Options> {
        config.check()?;
        Ok(Options {
            longest: receive_limit(config.mtu.max(config.max_mtu.unwrap_or(0))),
            buffers: (config.send_buffer, config.recv_buffer),
            window: usize::from(config.wnd_size.1.max(RECV_WINDOW_MIN)).saturating_mul(config.mtu),
            dscp: config.dscp,
        })
    }
}

/// What a socket says of its receive buffer, for each byte that it was asked for: Linux takes as much again for what it
/// charges beyond the bytes of a datagram (socket(7)).
const CHARGED: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 2 } else { 1 };

/// Asks for buffer sizes. The system may refuse: above their limit BSD systems return an error,
/// Linux silently grants less.
pub(super) fn set_buffers(socket: &Socket, options: Options) {
    let (send, recv) = options.buffers;
    let send = send.map(|size| socket.set_send_buffer_size(size));
    // Without a configured size the system's is only ever raised, to a receive window.
    let enough = socket.recv_buffer_size().is_ok_and(|size| size / CHARGED >= options.window);
    let recv = recv.or((!enough).then_some(options.window));
    let recv = recv.map(|size| socket.set_recv_buffer_size(size));
    for error in [send, recv].into_iter().flatten().filter_map(Result::err) {
        log::warn!("UDP socket buffers stay as they are: {error}");
    }
}

/// Sets the DSCP of what the socket sends: the upper six bits of the traffic class (RFC 2474),
/// which IPv4 calls type of service.
pub(super) fn set_dscp(socket: &Socket, v6: bool, dscp: u8) -> io::Result<()> {
    let class = u32::from(dscp) << 2;
    if !v6 {
        return set_class_v4(socket, class);
    }
    // Only a dual-stack socket needs it, and only some systems allow it.
    if let Err(error) = set_class_v4(socket, class) {
        log::debug!("no DSCP for IPv4 on an IPv6 socket: {error}");
    }
    set_class_v6(socket, class)
}

#[cfg(not(any(target_os = "redox", target_os = "solaris", target_os = "haiku")))]
fn set_class_v4(socket: &Socket, class: u32) -> io::Result<()> {
    socket.set_tos_v4(class)
}

#[cfg(any(target_os = "redox", target_os = "solaris", target_os = "haiku"))]
fn set_class_v4(_: &Socket, _: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "dscp: not available on this system"))
}

#[cfg(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
))]
fn set_class_v6(socket: &Socket, class: u32) -> io::Result<()> {
    socket.set_tclass_v6(class)
}

#[cfg(not(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
)))]
fn set_class_v6(_: &Socket, _: u32) -> io::Result<()> {
    Ok(())
}
