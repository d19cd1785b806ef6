//! A peer that is ikcp.c and knows nothing of our codes.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use kcp_io::core::Kcp;

use crate::config::KcpConfig;
use crate::path::Path;
use crate::time::Time;

/// ikcp.c, ticked every 10 ms while it is wanted to be.
pub(super) struct Stock {
    kcp: Kcp,
    out: Rc<RefCell<Vec<Vec<u8>>>>,
    peer: SocketAddr,
    next: Option<Time>,
    pub read: Vec<u8>,
    pub echoes: bool,
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Stock {
    pub(super) fn new(config: &KcpConfig, conv: u32, peer: SocketAddr) -> Stock {
        let out = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&out);
        let mut kcp = Kcp::new(conv, move |datagram: &[u8]| {
            sink.borrow_mut().push(datagram.to_vec());
            Ok(datagram.len())
        })
        .unwrap();
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_mtu(config.mtu as u32).unwrap();
        kcp.set_wndsize(u32::from(config.wnd_size.0), u32::from(config.wnd_size.1));
        kcp.set_stream_mode(true);
        kcp.update(0);
        Stock { kcp, out, peer, next: Some(Time::ZERO), read: Vec::new(), echoes: false }
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
        self.kcp.update(now.as_millis() as u32);
        let _ = self.kcp.input(datagram);
        let mut buf = vec![0; 256 * 1024];
        while let Ok(n) = self.kcp.recv(&mut buf) {
            self.read.extend_from_slice(&buf[..n]);
            if self.echoes {
                self.kcp.send(&buf[..n]).unwrap();
            }
        }
    }

    pub(super) fn update(&mut self, now: Time) {
        if let Some(next) = self.next {
            if now >= next {
                self.kcp.update(now.as_millis() as u32);
                self.next = Some(Time::from_millis(now.as_millis() / 10 * 10 + 10));
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    pub(super) fn transmit(&mut self, out: &mut dyn FnMut(Path, &[u8])) {
        for datagram in self.out.borrow_mut().drain(..) {
            out(self.peer.into(), &datagram);
        }
    }
}
