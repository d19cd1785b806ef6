//! UDP GSO and GRO: many datagrams in one system call.
//!
//! Linux cuts one large send into datagrams on its way out (UDP GSO, 4.18) and hands over datagrams
//! that arrived together in one piece (UDP GRO, 5.0); both save nearly all of what a datagram costs
//! in the system. Other systems, older kernels and network cards that cannot do it get one call per
//! datagram.
//!
//! `nix` makes the calls, since this crate has no unsafe code. The alternatives: `quinn-udp` writes
//! the ECN bits into every datagram and with them resets the DSCP, forbids fragmentation (an `mtu`
//! above the path's would end all traffic), asks for control messages that nobody reads here, and
//! needs Rust 1.88; `rustix` knows neither option nor control message; what `socket2` receives can
//! only be read with unsafe code.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::super::datagrams::GsoBatch;

/// Datagrams of one GSO batch: `UDP_MAX_SEGMENTS` of Linux up to 6.8; later ones take 128.
const MAX_SEGMENTS: usize = 64;

/// Bytes of one GSO batch: the longest UDP datagram over IPv4, which a GSO batch is to begin with.
pub(super) const MAX_BYTES: usize = 65507;

/// Datagrams that one receive can bring: what Linux sends in one piece to itself.
pub(super) const MAX_ARRIVALS: usize = 128;

/// Bytes that one receive can bring, in whatever number of datagrams.
pub(super) const SCRATCH: usize = 65535;

thread_local! {
    /// Where coalesced datagrams arrive before they are cut. One for all sockets of a thread, so
    /// that many sockets need no more memory than one; taken when first needed. It costs one copy
    /// of each datagram and saves every batch from holding room for 64 KiB.
    static ARRIVALS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the system offers on one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offload {
    /// Datagrams per send at most; 1: no GSO.
    pub(super) max_segments: usize,
    /// A receive may bring several datagrams (GRO).
    pub(super) receives: bool,
}

impl Offload {
    /// Turns GRO on and finds out what the system offers.
    pub(super) fn new(socket: &UdpSocket) -> Offload {
        let max_segments = if sys::supports_gso(socket) { MAX_SEGMENTS } else { 1 };
        Offload { max_segments, receives: sys::set_gro(socket, true) }
    }

    /// Sends a GSO batch of two or more.
    pub(super) fn send(
        self,
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        gso: &GsoBatch<'_>,
    ) -> io::Result<()> {
        let segment = u16::try_from(gso.segment).map_err(io::Error::other)?;
        sys::send(socket, to, gso.bytes, segment)
    }

    /// Receives once and hands over each datagram, whose length only [`SCRATCH`] bounds.
    pub(super) fn receive(
        self,
        socket: &UdpSocket,
        into: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> io::Result<()> {
        ARRIVALS.with_borrow_mut(|scratch| {
            if scratch.is_empty() {
                *scratch = vec![0; SCRATCH];
            }
            let (from, len, segment) = sys::receive(socket, scratch)?;
            let bytes = scratch.get(..len).unwrap_or_default();
            match segment {
                1.. if segment < len => bytes.chunks(segment).for_each(|one| into(from, one)),
                _ => into(from, bytes),
            }
            Ok(())
        })
    }

    /// Receives once into `room`, which should have [`SCRATCH`] bytes: sender, bytes, and bytes
    /// of each datagram, 0 if it is a single one.
    pub(super) fn receive_into(
        self,
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(SocketAddr, usize, usize)> {
        let (from, len, segment) = sys::receive(socket, room)?;
        Ok((from, len, if segment < len { segment } else { 0 }))
    }

    /// Offers what a system does that has GSO and GRO only in the wanted directions.
    #[cfg(test)]
    pub(super) fn only(self, socket: &UdpSocket, sends: bool, receives: bool) -> Offload {
        sys::set_gro(socket, receives);
        let max_segments = if sends { self.max_segments } else { 1 };
        Offload { max_segments, receives: self.receives && receives }
    }
}

/// Returns whether an error is about the batch and not about its datagrams, which may leave one by
/// one.
pub(super) fn is_about_gso(error: &io::Error) -> bool {
    is_unsupported(error) || is_one_of(error, &sys::TOO_LONG)
}

/// Returns whether an error means that the socket cannot send any GSO batch.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    is_one_of(error, &sys::UNSUPPORTED)
}

fn is_one_of(error: &io::Error, codes: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
    use std::os::fd::AsRawFd;

    use nix::errno::Errno;
    use nix::sys::socket::{
        getsockopt, recvmsg, sendmsg, setsockopt,
        sockopt::{UdpGroSegment, UdpGsoSegment},
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage,
    };

    /// EIO comes from network cards that compute no checksums, EINVAL from kernels with other
    /// limits than ours.
    pub(super) const UNSUPPORTED: [i32; 4] = [
        Errno::EIO as i32,
        Errno::EINVAL as i32,
        Errno::ENOPROTOOPT as i32,
        Errno::EOPNOTSUPP as i32,
    ];
    /// The path does not carry datagrams of this length in one piece. Alone they are fragmented.
    pub(super) const TOO_LONG: [i32; 1] = [Errno::EMSGSIZE as i32];

    /// Room for the control message of GRO, and for others that the owner of an existing
    /// socket may have asked for. Its items are aligned as the system's.
    #[repr(align(8))]
    struct Control([u8; 256]);

    /// Asks the kernel beforehand: an older one ignores the control message and would send a GSO
    /// batch as one datagram.
    pub(super) fn supports_gso(socket: &UdpSocket) -> bool {
        getsockopt(socket, UdpGsoSegment).is_ok()
    }

    pub(super) fn set_gro(socket: &UdpSocket, on: bool) -> bool {
        setsockopt(socket, UdpGroSegment, &on).is_ok() && on
    }

    pub(super) fn send(
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        bytes: &[u8],
        segment: u16,
    ) -> io::Result<()> {
        let to = to.map(SockaddrStorage::from);
        let cut = [ControlMessage::UdpGsoSegments(&segment)];
        let bytes = [IoSlice::new(bytes)];
        sendmsg(socket.as_raw_fd(), &bytes, &cut, MsgFlags::empty(), to.as_ref())?;
        Ok(())
    }

    /// Sender, bytes together, bytes of each datagram (0: it is one).
    pub(super) fn receive(
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(SocketAddr, usize, usize)> {
        let mut room = [IoSliceMut::new(room)];
        let mut control = Control([0; 256]);
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut room,
            Some(&mut control.0),
            MsgFlags::empty(),
        )?;
        let from = message.address.as_ref().and_then(addr).ok_or(io::ErrorKind::InvalidData)?;
        let segment = message.cmsgs()?.find_map(|item| match item {
            ControlMessageOwned::UdpGroSegments(segment) => usize::try_from(segment).ok(),
            _ => None,
        });
        Ok((from, message.bytes, segment.unwrap_or(0)))
    }

    fn addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = storage.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use std::io;
    use std::net::{SocketAddr, UdpSocket};

    pub(super) const UNSUPPORTED: [i32; 0] = [];
    pub(super) const TOO_LONG: [i32; 0] = [];

    pub(super) fn supports_gso(_: &UdpSocket) -> bool {
        false
    }

    pub(super) fn set_gro(_: &UdpSocket, _: bool) -> bool {
        false
    }

    pub(super) fn send(_: &UdpSocket, _: Option<SocketAddr>, _: &[u8], _: u16) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn receive(_: &UdpSocket, _: &mut [u8]) -> io::Result<(SocketAddr, usize, usize)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
