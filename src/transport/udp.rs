//! The transport over a UDP socket.

#[cfg(unix)]
mod descriptor;
mod offload;
mod options;
mod singles;

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::task::{ready, Context, Poll};

use async_io::Async;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use self::offload::Offload;
use self::options::{set_buffers, set_dscp, Options};
use self::singles::SinglesHeuristic;
use super::bind::{bind_all, check_peer};
use super::datagrams::GsoBatch;
use super::{canonical, Datagrams, Transport};
use crate::KcpConfig;

/// Carries datagrams over a UDP socket.
///
/// On Linux, neighbours in a batch that go to one peer and are of one length leave in one system
/// call, and what arrived together is received in one (UDP GSO and GRO). Where the system or the
/// network card cannot, which may show only on sending, there is one call for each datagram.
///
/// On Linux a socket that is bound to all addresses of a host answers from the one that it was asked
/// at. Elsewhere the system chooses: there, bind to each address of a host that has several.
///
/// Addresses are given in one form: IPv4 as such also on an IPv6 socket that carries both, IPv6
/// without flow label and with its scope. Datagrams longer than
/// [`mtu`](KcpConfig::mtu) or 2047 bytes, whichever is more, are [dropped](Transport::dropped)
/// and never delivered cut.
///
/// On a connected socket the system reports that nobody listens (an ICMP message) once, by the
/// next receive or send: both return it as `ConnectionRefused`, and both can go on afterwards. A
/// send that fails so was about an earlier datagram; its own is sent again before the error is
/// returned.
///
/// ```no_run
/// use smol_kcp::{KcpConfig, Transport, UdpTransport};
///
/// # fn main() -> std::io::Result<()> {
/// let config = KcpConfig { dscp: Some(46), ..Default::default() };
/// let transport = UdpTransport::bind(&config, "[::]:4000".parse().unwrap())?;
/// println!("{} with buffers of {:?} bytes", transport.local_addr()?, transport.granted_buffers());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpTransport {
    socket: Async<UdpSocket>,
    options: Options,
    /// The socket is of IPv6: IPv4 addresses must be mapped.
    v6: bool,
    peer: Option<SocketAddr>,
    /// The socket may be replaced: its port was the system's choice.
    rebinds: bool,
    granted: (usize, usize),
    offload: Offload,
    /// Datagrams of one coalesced receive that found no room in the caller's batch.
    overflow: Datagrams,
    /// The last receive has emptied the socket, so the next begins by asking the reactor.
    drained: bool,
    singles: SinglesHeuristic,
    /// An error that came after datagrams, which are delivered first.
    deferred_error: Option<io::Error>,
    dropped: u64,
    /// The socket before the last rebind, as long as neither has been heard since. The first that
    /// is heard stays: the answer may have been on its way to the old port for longer than was
    /// waited.
    previous: Option<Box<UdpTransport>>,
}

impl UdpTransport {
    /// Binds a socket to `addr`, open to every peer: for listeners and endpoints. The unspecified
    /// IPv6 address means all addresses: IPv4 too where the system allows it, and IPv4 alone where
    /// there is no IPv6.
    ///
    /// # Errors
    /// A configuration that [`KcpConfig::check`] refuses; whatever the system says.
    pub fn bind(config: &KcpConfig, addr: SocketAddr) -> io::Result<UdpTransport> {
        let options = Options::new(config)?;
        let make = |addr: SocketAddr| {
            Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))
        };
        let (socket, _) = bind_all(addr, make)?;
        UdpTransport::new(options, socket.into())
    }

    /// Makes a socket on a port of the system's choice, connected to `peer` and closed to all
    /// others. It can [`rebind`](Transport::rebind), and goes on listening at the old port
    /// until one of the two is heard.
    ///
    /// # Errors
    /// A configuration that [`KcpConfig::check`] refuses; whatever the system says.
    pub fn connect(config: &KcpConfig, peer: SocketAddr) -> io::Result<UdpTransport> {
        UdpTransport::open(Options::new(config)?, canonical(peer))
    }

    /// Takes an existing socket, connected or not. It is made non-blocking and keeps its port for
    /// good: [`rebind`](Transport::rebind) is `Ok(false)`.
    ///
    /// # Errors
    /// A configuration that [`KcpConfig::check`] refuses; whatever the system says.
    pub fn from_socket(config: &KcpConfig, socket: UdpSocket) -> io::Result<UdpTransport> {
        UdpTransport::new(Options::new(config)?, socket)
    }

    /// Returns the peer of a connected socket, in the form in which its datagrams arrive.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the bytes of the send and the receive buffer, as granted when asked for
    /// [`send_buffer`](KcpConfig::send_buffer) and [`recv_buffer`](KcpConfig::recv_buffer). Linux grants at most `net.core.wmem_max` and
    /// `net.core.rmem_max` and reports the double, for its own book-keeping.
    pub fn granted_buffers(&self) -> (usize, usize) {
        self.granted
    }

    fn open(options: Options, peer: SocketAddr) -> io::Result<UdpTransport> {
        check_peer(peer)?;
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        socket.connect(&peer.into())?;
        Ok(UdpTransport { rebinds: true, ..UdpTransport::new(options, socket.into())? })
    }

    fn new(options: Options, socket: UdpSocket) -> io::Result<UdpTransport> {
        let v6 = socket.local_addr()?.is_ipv6();
        let granted = {
            let socket = SockRef::from(&socket);
            set_buffers(&socket, options);
            if let Some(dscp) = options.dscp {
                set_dscp(&socket, v6, dscp)?;
            }
            (socket.send_buffer_size()?, socket.recv_buffer_size()?)
        };
        let peer = socket.peer_addr().ok().map(canonical);
        let is_any = socket.local_addr()?.ip().is_unspecified();
        let offload = Offload::new(&socket, v6, peer.is_none() && is_any);
        Ok(UdpTransport {
            socket: Async::new(socket)?,
            options,
            v6,
            peer,
            rebinds: false,
            granted,
            offload,
            // Holds at most what one receive brings.
            overflow: Datagrams::new(offload::MAX_ARRIVALS),
            drained: false,
            singles: SinglesHeuristic::default(),
            deferred_error: None,
            dropped: 0,
            previous: None,
        })
    }

    /// Reads once. Returns how many datagrams there were: too long ones are dropped, those without
    /// room in the batch go into `overflow`.
    fn read(&mut self, batch: &mut Datagrams) -> io::Result<usize> {
        if !self.offload.receives {
            return self.read_one(batch);
        }
        let UdpTransport { socket, options, offload, overflow, dropped, .. } = self;
        // In the midst of bulk data the batch has memory for all that one receive brings: no copy.
        if batch.has_spare(offload::SCRATCH) {
            let longest = options.longest;
            let (count, lost) =
                batch.push_segments(offload::SCRATCH, longest, overflow, |room| {
                    offload.receive_into(socket.get_ref(), room)
                })?;
            *dropped += lost as u64;
            return Ok(count);
        }
        let mut count = 0;
        offload.receive(socket.get_ref(), &mut |datagram| {
            count += 1;
            let kept = datagram.payload.len() <= options.longest
                && (batch.push(datagram) || overflow.push(datagram));
            *dropped += u64::from(!kept);
        })?;
        Ok(count)
    }

    fn read_one(&mut self, batch: &mut Datagrams) -> io::Result<usize> {
        // A datagram that fills the slot is longer than allowed, or was cut.
        let slot = self.options.longest + 1;
        let socket = self.socket.get_ref();
        let read = batch.push_with(slot, |room| {
            let (len, from) = socket.recv_from(room)?;
            // What is beyond the room is not appended.
            Ok((if len < slot { len } else { slot + 1 }, canonical(from)))
        });
        match read {
            Ok(Some(_)) => {}
            Ok(None) => self.dropped += 1,
            Err(error) if is_cut(&error) => self.dropped += 1,
            Err(error) => return Err(error),
        }
        Ok(1)
    }

    /// Delivers what an earlier receive left.
    fn deliver_overflow(&mut self, batch: &mut Datagrams) {
        while let Some(datagram) = self.overflow.front() {
            if !batch.push(datagram) {
                return;
            }
            self.overflow.pop_front();
        }
    }

    fn write(&self, addr: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = self.socket.get_ref();
        match self.target(addr) {
            None => socket.send(datagram)?,
            Some(addr) => socket.send_to(datagram, addr)?,
        };
        Ok(())
    }

    fn write_gso_batch(&self, gso: &GsoBatch<'_>) -> io::Result<()> {
        let written = self.write_from(gso, gso.path.local);
        match written {
            // The address that was asked is gone: better from another than not at all.
            Err(error) if gso.path.local.is_some() && offload::is_about_source(&error) => {
                self.write_from(gso, None)
            }
            written => written,
        }
    }

    fn write_from(&self, gso: &GsoBatch<'_>, local: Option<IpAddr>) -> io::Result<()> {
        match (gso.count, local) {
            (1, None) => self.write(gso.path.peer, gso.bytes),
            _ => {
                let to = self.target(gso.path.peer);
                self.offload.send(self.socket.get_ref(), to, local, gso)
            }
        }
    }

    /// Converts an address for the system; `None` if the socket is connected to it.
    fn target(&self, addr: SocketAddr) -> Option<SocketAddr> {
        match canonical(addr) {
            addr if Some(addr) == self.peer => None,
            SocketAddr::V4(v4) if self.v6 => {
                Some(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into())
            }
            addr => Some(addr),
        }
    }

    /// Gives a refusal the kind it has everywhere.
    fn cause(&self, error: io::Error) -> io::Error {
        // Windows reports ICMP "port unreachable" as a reset, which UDP does not have.
        if self.peer.is_some() && error.kind() == io::ErrorKind::ConnectionReset {
            return io::Error::new(io::ErrorKind::ConnectionRefused, error);
        }
        error
    }
}

impl UdpTransport {
    /// Receives by the previous socket, which takes its place again if something arrives there.
    fn poll_previous(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        let Some(mut previous) = self.previous.take() else { return Poll::Pending };
        let before = batch.len();
        match previous.poll_own(cx, batch) {
            Poll::Ready(Ok(())) if batch.len() > before => {
                previous.dropped += self.dropped;
                *self = *previous;
                return Poll::Ready(Ok(()));
            }
            // An error of a socket that sends nothing any more; datagrams may follow it.
            Poll::Ready(_) => cx.waker().wake_by_ref(),
            Poll::Pending => {}
        }
        self.previous = Some(previous);
        Poll::Pending
    }

    fn poll_own(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut reads = batch.room();
        if reads == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = self.deferred_error.take() {
            return Poll::Ready(Err(error));
        }
        if std::mem::take(&mut self.drained) {
            // The reactor's first answer may be about what was read already. The second belongs to
            // a new request, which also covers what arrived in between: no read finds nothing.
            if self.socket.poll_readable(cx)?.is_ready() {
                ready!(self.socket.poll_readable(cx))?;
            } else {
                return Poll::Pending;
            }
        }
        let before = batch.len();
        self.deliver_overflow(batch);
        reads -= batch.len() - before;
        // Dropped datagrams count as reads: a flood of them must not hold the caller for ever.
        while reads > 0 {
            match self.read(batch) {
                Ok(1) if batch.len() == 1 && self.singles.is_alone() => {
                    self.drained = true;
                    return Poll::Ready(Ok(()));
                }
                Ok(count) => reads = reads.saturating_sub(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.overflow.release();
                    if batch.len() > before {
                        self.singles.drained_after(batch.len() - before);
                        self.drained = true;
                        return Poll::Ready(Ok(()));
                    }
                    ready!(self.socket.poll_readable(cx))?;
                }
                Err(error) => {
                    let error = self.cause(error);
                    if batch.len() > before {
                        self.deferred_error = Some(error);
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
        if batch.len() > before {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Transport for UdpTransport {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let before = batch.len();
        let received = self.poll_own(cx, batch);
        if self.previous.is_none() {
            return received;
        }
        match received {
            Poll::Pending => self.poll_previous(cx, batch),
            received => {
                if batch.len() > before {
                    self.previous = None;
                }
                received
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        // Datagrams at the front to send one by one, because as a GSO batch they failed, and the
        // error if it may mean that every batch will fail.
        let (mut alone, mut suspicion) = (0_usize, None);
        loop {
            let max = if alone > 0 { 1 } else { self.offload.max_segments };
            let Some(gso) = batch.front_gso_batch(max, offload::MAX_BYTES) else {
                return Poll::Ready(Ok(()));
            };
            let error = match self.write_gso_batch(&gso) {
                Ok(()) => {
                    if let Some(error) = suspicion.take() {
                        log::debug!("UDP without trains from now on: {error}");
                        self.offload.max_segments = 1;
                    }
                    alone = alone.saturating_sub(1);
                    batch.pop_segments(gso.count);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match ready!(self.socket.poll_writable(cx)) {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) if gso.count > 1 && offload::is_about_gso(&error) => {
                    alone = gso.count;
                    // Should the first fail alone too, then the address is at fault.
                    suspicion = Some(error).filter(offload::is_unsupported);
                    continue;
                }
                Err(error) => {
                    // Where the error came by ICMP, it was reported instead of sending, and is
                    // now gone. Where it is about this datagram, it just fails again.
                    if self.peer.is_some() {
                        let first = gso.bytes.get(..gso.segment).unwrap_or_default();
                        let _ = self.write(gso.path.peer, first);
                    }
                    error
                }
            };
            batch.pop_front();
            return Poll::Ready(Err(self.cause(error)));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr().map(canonical)
    }

    fn rebind(&mut self) -> io::Result<bool> {
        let Some(peer) = self.peer.filter(|_| self.rebinds) else {
            return Ok(false);
        };
        // The previous socket goes on listening until something arrives at one of the two. An
        // earlier one is closed: a rebind every few seconds must not pile up sockets.
        let fresh = UdpTransport::open(self.options, peer)?;
        let mut previous = std::mem::replace(self, fresh);
        self.dropped = std::mem::take(&mut previous.dropped);
        previous.previous = None;
        self.previous = Some(Box::new(previous));
        Ok(true)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }

    fn socket_buffers(&self) -> (usize, usize) {
        self.granted
    }
}

/// Returns whether a datagram was cut: Windows reports WSAEMSGSIZE, others fill the slot.
fn is_cut(error: &io::Error) -> bool {
    cfg!(windows) && error.raw_os_error() == Some(10040)
}

#[cfg(test)]
mod tests;
