//! A stock peer, which knows nothing of our codes: the bare `kcp` crate, as tokio_kcp has it inside.
//!
//! ikcp.c itself needs a C compiler: the package `smol-kcp-interop` talks to it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc;

use kcp::Kcp;

use crate::config::KcpConfig;
use crate::path::Path;
use crate::time::Time;

/// What a `Kcp` writes its datagrams to; it never gives it back.
struct Sink(mpsc::Sender<Vec<u8>>);

impl Write for Sink {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.send(datagram.to_vec()).expect("a stock peer reads what it emits");
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A `Kcp`, ticked every 10 ms while it is wanted to be.
pub(super) struct Stock {
    kcp: Kcp<Sink>,
    out: mpsc::Receiver<Vec<u8>>,
    peer: SocketAddr,
    next: Option<Time>,
    pub read: Vec<u8>,
    /// When how much was read; while it is wanted, instead of what was read.
    pub arrivals: Option<Vec<(Time, usize)>>,
    pub echoes: bool,
    buf: Vec<u8>,
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Stock {
    pub(super) fn new(config: &KcpConfig, conv: u32, peer: SocketAddr) -> Stock {
        let (sink, out) = mpsc::channel();
        let mut kcp = Kcp::new_stream(conv, Sink(sink));
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_mtu(config.mtu).unwrap();
        kcp.set_wndsize(config.wnd_size.0, config.wnd_size.1);
        kcp.update(0).unwrap();
        Stock {
            kcp,
            out,
            peer,
            next: Some(Time::ZERO),
            read: Vec::new(),
            arrivals: None,
            echoes: false,
            buf: vec![0; 256 * 1024],
        }
    }

    pub(super) fn write(&mut self, buf: &[u8]) {
        for part in buf.chunks(32 * 1024) {
            self.kcp.send(part).unwrap();
        }
    }

    /// It is switched off.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    pub(super) fn input(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        if self.next.is_none() {
            return;
        }
        assert_eq!(from, self.peer);
        self.kcp.update(now.as_millis() as u32).unwrap();
        let _ = self.kcp.input(datagram);
        while let Ok(n) = self.kcp.recv(&mut self.buf) {
            match &mut self.arrivals {
                Some(arrivals) => arrivals.push((now, n)),
                None => self.read.extend_from_slice(&self.buf[..n]),
            }
            if self.echoes {
                self.kcp.send(&self.buf[..n]).unwrap();
            }
        }
    }

    pub(super) fn update(&mut self, now: Time) {
        if let Some(next) = self.next {
            if now >= next {
                self.kcp.update(now.as_millis() as u32).unwrap();
                self.next = Some(Time::from_millis(now.as_millis() / 10 * 10 + 10));
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    pub(super) fn transmit(&mut self, out: &mut dyn FnMut(Path, &[u8])) {
        for datagram in self.out.try_iter() {
            out(self.peer.into(), &datagram);
        }
    }
}
