//! Whether the server knows a session.
//!
//! A kcptun server that was started anew, or that sees a client come from another port because a NAT has changed its mind,
//! makes a new session of whatever arrives, acknowledges it, and delivers nothing of it: it waits for the number 0, which
//! was sent long ago. The library notices that, after the time that a datagram may be late, and ends the conversation as
//! reset. The opposite it does not tell: each datagram of a server that knows the session says so, in `una`, which is what
//! it has in order. The transport below a session looks at that, in a copy of a single datagram and only when it is
//! asked to.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use smol_kcp::kcp_go::PacketCipher;
use smol_kcp::{Datagrams, Transport, UdpTransport};

/// Bytes before the content of a datagram with parity: a number and a type, and the length.
const FEC_HEADROOM: usize = 8;
/// The types, where KCP has its command, which is another number.
const FEC_DATA: u8 = 0xf1;
const FEC_PARITY: u8 = 0xf2;

/// Where KCP has its command and `una`.
const CMD_AT: usize = 4;
const UNA_AT: usize = 16;

/// What a session hears from the transport below it. Clones hear the same.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    looks: Arc<AtomicBool>,
    /// `una` of the datagrams that were looked at.
    pub(super) unas: Receiver<u32>,
    /// Nothing was heard for seconds, although there was a question.
    silences: Receiver<()>,
}

impl Watch {
    /// Waits until somebody asks, or nothing was heard for a while although there was a question.
    pub(super) async fn reason_to_ask(&self, asked: &Receiver<()>) {
        // Both are there as long as the session is.
        let reason = future::or(asked.recv(), self.silences.recv()).await;
        if reason.is_err() {
            future::pending::<()>().await;
        }
    }

    /// Has the next datagram looked at.
    pub(super) fn look(&self) {
        self.looks.store(true, Ordering::Relaxed);
    }
}

/// A socket to one server, which never leaves its port: to kcptun another port is another client.
pub(super) struct WatchedTransport {
    socket: UdpTransport,
    crypt: PacketCipher,
    looks: Arc<AtomicBool>,
    unas: Sender<u32>,
    silences: Sender<()>,
    copy: Vec<u8>,
}

impl WatchedTransport {
    pub(super) fn new(socket: UdpTransport, crypt: PacketCipher) -> (WatchedTransport, Watch) {
        let looks = Arc::new(AtomicBool::new(false));
        let (una_sender, unas) = async_channel::bounded(4);
        let (silence_sender, silences) = async_channel::bounded(1);
        let watch = Watch { looks: Arc::clone(&looks), unas, silences };
        let (unas, silences) = (una_sender, silence_sender);
        (WatchedTransport { socket, crypt, looks, unas, silences, copy: Vec::new() }, watch)
    }

    #[cold]
    fn look_at(&mut self, batch: &Datagrams, from: usize) {
        for datagram in batch.iter().skip(from) {
            self.copy.clear();
            self.copy.extend_from_slice(datagram.payload);
            let content = self.crypt.open(&mut self.copy).and_then(|at| self.copy.get(at));
            if let Some(una) = content.and_then(una) {
                self.looks.store(false, Ordering::Relaxed);
                let _ = self.unas.try_send(una); // full: others say the same
                self.copy = Vec::new();
                return;
            }
        }
    }
}

/// What the sender of a datagram has in order; `None`: it is parity, or not KCP's.
fn una(content: &[u8]) -> Option<u32> {
    let kcp = match *content.get(CMD_AT)? {
        FEC_DATA => content.get(FEC_HEADROOM..)?,
        FEC_PARITY => return None,
        _ => content,
    };
    Some(u32::from_le_bytes(*kcp.get(UNA_AT..)?.first_chunk()?))
}

impl Transport for WatchedTransport {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let from = batch.len();
        let received = self.socket.poll_recv(cx, batch);
        if self.looks.load(Ordering::Relaxed) && batch.len() > from {
            self.look_at(batch, from);
        }
        received
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        self.socket.poll_send(cx, batch)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Only notes that the library would leave the port: the session asks, and makes room for another one.
    fn rebind(&mut self) -> io::Result<bool> {
        let _ = self.silences.try_send(()); // full: it is known
        Err(io::Error::new(io::ErrorKind::Unsupported, "to kcptun another port is another client"))
    }

    fn dropped(&self) -> u64 {
        self.socket.dropped()
    }

    fn socket_buffers(&self) -> (usize, usize) {
        self.socket.socket_buffers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_has_in_order_is_in_each_datagram_but_parity() {
        let mut kcp = [0; 24];
        kcp[CMD_AT] = 82;
        kcp[UNA_AT..][..4].copy_from_slice(&7u32.to_le_bytes());
        assert_eq!(una(&kcp), Some(7));
        let with = |kind| [&[1, 0, 0, 0, kind, 0, 26, 0], &kcp[..]].concat();
        assert_eq!((una(&with(FEC_DATA)), una(&with(FEC_PARITY))), (Some(7), None));
        for len in 0..kcp.len() {
            assert!(una(&kcp[..len]).is_none() || len >= UNA_AT + 4, "{len}");
        }
    }
}
