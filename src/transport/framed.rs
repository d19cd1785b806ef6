//! A transport over a stream of bytes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::{canonical, receive_limit, Datagram, Datagrams, Transport};
use crate::KcpConfig;

/// Bytes of the length before each datagram.
const PREFIX: usize = 2;

/// Bytes that are gathered for one write; one frame more may lie on top.
const GATHER: usize = 8 * 1024;

/// Carries datagrams to one peer over a stream of bytes (TCP, TLS, a pipe, a serial line): each is
/// preceded by its length, two bytes, big endian.
///
/// Datagrams of 1 byte up to [`mtu`](KcpConfig::mtu) or 2047 bytes, whichever is more, are carried;
/// sending others is an error of kind `InvalidInput` about that datagram only. Datagrams for
/// another address than the peer's are [dropped](Transport::dropped).
///
/// The end of the stream is an error of kind `UnexpectedEof`. A received length out of range and an
/// error of the stream itself end the transport too, since nothing after them can be understood:
/// the kind is `BrokenPipe`, and [`get_ref`](io::Error::get_ref) has the cause, a
/// [`FrameLengthError`] or the stream's error in an [`Arc`]. An end is final, and the same for both
/// directions.
///
/// ```
/// use smol_kcp::{FramedTransport, KcpConfig};
/// use std::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind(("127.0.0.1", 0))?;
/// let tcp = async_io::Async::new(TcpStream::connect(listener.local_addr()?)?)?;
/// let (local, peer) = (tcp.get_ref().local_addr()?, tcp.get_ref().peer_addr()?);
/// let transport = FramedTransport::new(&KcpConfig::default(), tcp, local, peer);
/// # drop(transport);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FramedTransport<S> {
    stream: S,
    local: SocketAddr,
    peer: SocketAddr,
    max: usize,
    /// Received bytes that are not yet delivered are `input[start..end]`.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Frames on their way out, of which `written` bytes have gone.
    output: Vec<u8>,
    written: usize,
    /// Something was written since the last flush.
    unflushed: bool,
    ended: Option<End>,
    dropped: u64,
}

/// Reports the length of a datagram that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameLengthError {
    /// Bytes, as announced or as given.
    pub len: usize,
    /// Bytes of the longest datagram that is accepted; the shortest has 1.
    pub max: usize,
}

impl fmt::Display for FrameLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "datagram of {} bytes, accepted: 1..={}", self.len, self.max)
    }
}

impl std::error::Error for FrameLengthError {}

/// Tells why the transport has ended.
#[derive(Clone, Debug)]
enum End {
    Eof,
    Length(FrameLengthError),
    Stream(Arc<io::Error>),
}

impl From<&End> for io::Error {
    fn from(end: &End) -> io::Error {
        use io::ErrorKind::{BrokenPipe, UnexpectedEof};
        match end {
            End::Eof => io::Error::new(UnexpectedEof, "the peer ended the stream"),
            End::Length(length) => io::Error::new(BrokenPipe, *length),
            End::Stream(error) => io::Error::new(BrokenPipe, error.clone()),
        }
    }
}

impl<S> FramedTransport<S> {
    /// Wraps `stream`. `peer` is the address that stands for its other side and `local` the one
    /// for this side; both may be made up.
    pub fn new(
        config: &KcpConfig,
        stream: S,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> FramedTransport<S> {
        FramedTransport {
            stream,
            local: canonical(local),
            peer: canonical(peer),
            max: receive_limit(config.mtu),
            input: Vec::new(),
            start: 0,
            end: 0,
            output: Vec::new(),
            written: 0,
            unflushed: false,
            ended: None,
            dropped: 0,
        }
    }

    /// Appends the datagrams that have arrived completely.
    fn deliver(&mut self, batch: &mut Datagrams) -> Result<(), End> {
        while let Some((prefix, rest)) = self.input[self.start..self.end].split_first_chunk() {
            let len = usize::from(u16::from_be_bytes(*prefix));
            check(len, self.max).map_err(End::Length)?;
            match rest.get(..len) {
                Some(datagram) if batch.push(Datagram::new(self.peer, datagram)) => {
                    self.start += PREFIX + len
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Takes datagrams off `batch` until enough bytes lie together for one write.
    fn gather(&mut self, batch: &mut Datagrams) -> Result<(), FrameLengthError> {
        while let Some(Datagram { peer, payload, .. }) =
            batch.front().filter(|_| self.output.len() < GATHER)
        {
            let checked = check(payload.len(), self.max);
            if peer != self.peer && canonical(peer) != self.peer {
                self.dropped += 1;
            } else if let Ok(len) = checked {
                self.output.extend_from_slice(&len.to_be_bytes());
                self.output.extend_from_slice(payload);
            } else {
                batch.pop_front();
                return checked.map(|_| ());
            }
            batch.pop_front();
        }
        Ok(())
    }

    fn end(&mut self, end: End) -> Poll<io::Result<()>> {
        let error = io::Error::from(&end);
        self.ended = Some(end);
        (self.input, self.start, self.end) = (Vec::new(), 0, 0);
        (self.output, self.written) = (Vec::new(), 0);
        Poll::Ready(Err(error))
    }
}

/// Converts a length to its prefix.
fn check(len: usize, max: usize) -> Result<u16, FrameLengthError> {
    match u16::try_from(len) {
        Ok(prefix) if (1..=max).contains(&len) => Ok(prefix),
        _ => Err(FrameLengthError { len, max }),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FramedTransport<S> {
    /// Reads from the stream; `Ok` when something has arrived.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.input.is_empty() {
            self.input = vec![0; PREFIX + self.max];
        }
        // Only a part of one frame is left here, so this makes room for its rest.
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            let room = &mut self.input[self.end..];
            match ready!(Pin::new(&mut self.stream).poll_read(cx, room)) {
                Ok(0) => return Poll::Ready(Err(End::Eof)),
                Ok(len) => {
                    self.end += len;
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(End::Stream(Arc::new(error)))),
            }
        }
    }

    /// Writes the gathered frames.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Poll::Ready(Err(End::Stream(Arc::new(error))));
                }
                Ok(len) => {
                    self.written += len;
                    self.unflushed = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(End::Stream(Arc::new(error)))),
            }
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes the gathered frames and flushes the stream's own buffers.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        ready!(self.poll_drain(cx))?;
        while self.unflushed {
            match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
                Ok(()) => self.unflushed = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(End::Stream(Arc::new(error)))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for FramedTransport<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if batch.is_full() {
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = &self.ended {
            return Poll::Ready(Err(end.into()));
        }
        // A caller with nothing to send does not call poll_send; what that has taken is written
        // here.
        if let Poll::Ready(Err(end)) = self.poll_write_out(cx) {
            return self.end(end);
        }
        let before = batch.len();
        loop {
            let delivered = self.deliver(batch);
            // An error comes again when what stood before it has been delivered.
            if batch.is_full() || (batch.len() > before && delivered.is_err()) {
                return Poll::Ready(Ok(()));
            }
            if let Err(end) = delivered {
                return self.end(end);
            }
            let end = match self.poll_fill(cx) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(end)) => self.end(end),
                Poll::Pending => Poll::Pending,
            };
            // The end is kept and comes with the next call.
            return if batch.len() > before { Poll::Ready(Ok(())) } else { end };
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        if let Some(end) = &self.ended {
            let error = end.into();
            batch.pop_front();
            return Poll::Ready(Err(error));
        }
        loop {
            if let Err(end) = ready!(self.poll_drain(cx)) {
                batch.pop_front();
                return self.end(end);
            }
            if batch.is_empty() {
                break;
            }
            if let Err(length) = self.gather(batch) {
                let error = io::Error::new(io::ErrorKind::InvalidInput, length);
                return Poll::Ready(Err(error));
            }
        }
        match ready!(self.poll_write_out(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(end) => self.end(end),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests;
