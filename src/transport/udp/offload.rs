//! UDP GSO and GRO: many datagrams in one system call.
//!
//! Linux cuts one large send into datagrams on its way out (UDP GSO, 4.18) and hands over datagrams
//! that arrived together in one piece (UDP GRO, 5.0); both save nearly all of what a datagram costs
//! in the system. Other systems, older kernels and network cards that cannot do it get one call per
//! datagram.
//!
//! The same calls tell which address of the host a datagram came to, and choose the one that it leaves
//! from.
//!
//! `nix` makes the calls, since this crate has no unsafe code. The alternatives: `quinn-udp` writes
//! the ECN bits into every datagram and with them resets the DSCP, forbids fragmentation (an `mtu`
//! above the path's would end all traffic), asks for control messages that nobody reads here, and
//! needs Rust 1.88; `rustix` knows neither option nor control message; what `socket2` receives can
//! only be read with unsafe code.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use smol_kcp_proto::limits::MTU_MAX;
use smol_kcp_proto::Path;

use super::super::canonical;
use super::super::datagrams::{Datagram, GsoBatch};

/// Datagrams of one GSO batch: `UDP_MAX_SEGMENTS` of Linux up to 6.8; later ones take 128.
const MAX_SEGMENTS: usize = 64;

/// Bytes of one GSO batch: the longest UDP datagram over IPv4, which a GSO batch is to begin with.
pub(super) const MAX_BYTES: usize = MTU_MAX;

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
    /// A receive may bring several datagrams (GRO), or the address that they came to.
    pub(super) receives: bool,
}

impl Offload {
    /// Turns GRO on and finds out what the system offers. `tells_local`: datagrams come with the
    /// address that they came to.
    pub(super) fn new(socket: &UdpSocket, v6: bool, tells_local: bool) -> Offload {
        let max_segments = if sys::supports_gso(socket) { MAX_SEGMENTS } else { 1 };
        let tells_local = tells_local && sys::set_packet_info(socket, v6);
        Offload { max_segments, receives: sys::set_gro(socket, true) || tells_local }
    }

    /// Sends a GSO batch, from `local` if it is given.
    pub(super) fn send(
        self,
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        local: Option<IpAddr>,
        gso: &GsoBatch<'_>,
    ) -> io::Result<()> {
        let segment = match gso.count {
            1 => None,
            _ => Some(u16::try_from(gso.segment).map_err(io::Error::other)?),
        };
        sys::send(socket, to, local, gso.bytes, segment)
    }

    /// Receives once and hands over each datagram, whose length only [`SCRATCH`] bounds.
    pub(super) fn receive(
        self,
        socket: &UdpSocket,
        into: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<()> {
        ARRIVALS.with_borrow_mut(|scratch| {
            if scratch.is_empty() {
                *scratch = vec![0; SCRATCH];
            }
            let (path, len, segment) = self.receive_into(socket, scratch)?;
            let bytes = scratch.get(..len).unwrap_or_default();
            match segment {
                0 => into(Datagram::on(path, bytes)),
                _ => bytes.chunks(segment).for_each(|one| into(Datagram::on(path, one))),
            }
            Ok(())
        })
    }

    /// Receives once into `room`, which should have [`SCRATCH`] bytes: addresses, bytes, and bytes
    /// of each datagram, 0 if it is a single one.
    pub(super) fn receive_into(
        self,
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(Path, usize, usize)> {
        let (from, local, len, segment) = sys::receive(socket, room)?;
        // Nobody can answer from an address that many have.
        let local = local.map(|ip| canonical((ip, 0).into()).ip());
        let local = local.filter(|ip| !(ip.is_multicast() || ip.is_unspecified()));
        let path = Path { peer: canonical(from), local, channel: None };
        Ok((path, len, if segment < len { segment } else { 0 }))
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

/// Returns whether an error may mean that the host does not have the address that a datagram is to leave
/// from.
pub(super) fn is_about_source(error: &io::Error) -> bool {
    is_one_of(error, &sys::NO_SOURCE)
}

fn is_one_of(error: &io::Error, codes: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
    use std::os::fd::AsRawFd;

    use nix::errno::Errno;
    use nix::libc::{in6_addr, in6_pktinfo, in_addr, in_pktinfo};
    use nix::sys::socket::{
        getsockopt, recvmsg, sendmsg, setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, UdpGroSegment, UdpGsoSegment},
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

    /// No interface has the address.
    pub(super) const NO_SOURCE: [i32; 2] = [Errno::EINVAL as i32, Errno::EADDRNOTAVAIL as i32];

    /// Room for the control messages of GRO and of the address, and for others that the owner of an existing
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

    /// Asks for the address that datagrams come to; on a socket of IPv6 that of IPv4 is mapped.
    pub(super) fn set_packet_info(socket: &UdpSocket, v6: bool) -> bool {
        match v6 {
            true => setsockopt(socket, Ipv6RecvPacketInfo, &true).is_ok(),
            false => setsockopt(socket, Ipv4PacketInfo, &true).is_ok(),
        }
    }

    pub(super) fn send(
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        local: Option<IpAddr>,
        bytes: &[u8],
        segment: Option<u16>,
    ) -> io::Result<()> {
        let to = to.map(SockaddrStorage::from);
        let bytes = [IoSlice::new(bytes)];
        let (v4, v6);
        let from = match local {
            Some(IpAddr::V4(ip)) => {
                let s_addr = u32::from_ne_bytes(ip.octets());
                let ipi_addr = in_addr { s_addr: 0 };
                v4 = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: in_addr { s_addr }, ipi_addr };
                Some(ControlMessage::Ipv4PacketInfo(&v4))
            }
            Some(IpAddr::V6(ip)) => {
                let ipi6_addr = in6_addr { s6_addr: ip.octets() };
                v6 = in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
                Some(ControlMessage::Ipv6PacketInfo(&v6))
            }
            None => None,
        };
        let cut = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
        let (controls, count) = match (cut, from) {
            (Some(cut), Some(from)) => ([cut, from], 2),
            (Some(one), None) | (None, Some(one)) => ([one; 2], 1),
            (None, None) => ([ControlMessage::UdpGsoSegments(&0); 2], 0),
        };
        sendmsg(fd, &bytes, &controls[..count], flags, to.as_ref())?;
        Ok(())
    }

    /// Sender, address that it was sent to, bytes together, bytes of each datagram (0: it is one).
    pub(super) fn receive(
        socket: &UdpSocket,
        room: &mut [u8],
    ) -> io::Result<(SocketAddr, Option<IpAddr>, usize, usize)> {
        let mut room = [IoSliceMut::new(room)];
        let mut control = Control([0; 256]);
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut room,
            Some(&mut control.0),
            MsgFlags::empty(),
        )?;
        let from = message.address.as_ref().and_then(addr).ok_or(io::ErrorKind::InvalidData)?;
        let (mut local, mut segment) = (None, 0);
        for item in message.cmsgs()? {
            match item {
                ControlMessageOwned::UdpGroSegments(bytes) => {
                    segment = usize::try_from(bytes).unwrap_or(0);
                }
                // What a broadcast came to is the address of the interface.
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    local = Some(info.ipi_spec_dst.s_addr.to_ne_bytes().into());
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    local = Some(info.ipi6_addr.s6_addr.into());
                }
                _ => {}
            }
        }
        Ok((from, local, message.bytes, segment))
    }

    fn addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = storage.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use std::io;
    use std::net::{IpAddr, SocketAddr, UdpSocket};

    pub(super) const UNSUPPORTED: [i32; 0] = [];
    pub(super) const TOO_LONG: [i32; 0] = [];
    pub(super) const NO_SOURCE: [i32; 0] = [];

    pub(super) fn supports_gso(_: &UdpSocket) -> bool {
        false
    }

    pub(super) fn set_gro(_: &UdpSocket, _: bool) -> bool {
        false
    }

    pub(super) fn set_packet_info(_: &UdpSocket, _: bool) -> bool {
        false
    }

    pub(super) fn send(
        _: &UdpSocket,
        _: Option<SocketAddr>,
        _: Option<IpAddr>,
        _: &[u8],
        _: Option<u16>,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn receive(
        _: &UdpSocket,
        _: &mut [u8],
    ) -> io::Result<(SocketAddr, Option<IpAddr>, usize, usize)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
