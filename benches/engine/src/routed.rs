//! The engine behind what chooses the rate of its path: one conversation of a router, without sockets.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::KcpConfig;

use crate::arq::{Arq, Wire, MSS};

/// One end, which opens the conversation as soon as it writes, or accepts it.
pub struct Routed {
    router: Router,
    key: Option<Key>,
    now: Time,
    wire: Wire,
    got: Vec<u8>,
}

/// Both ends have this address for the other.
fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 29900))
}

impl Routed {
    pub fn new(config: KcpConfig, wire: &Wire) -> Routed {
        let mut router = Router::new(Arc::new(config), 0, [1, 2]);
        router.set_accepting(true);
        let wire = Rc::clone(wire);
        Routed { router, key: None, now: Time::ZERO, wire, got: vec![0; MSS] }
    }
}

impl Arq for Routed {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let key = match self.key {
            Some(key) => key,
            None => self.router.connect(self.now, peer(), None).expect("there is room"),
        };
        self.key = Some(key);
        self.router.write(self.now, key, bytes).expect("it lives").unwrap_or(0)
    }

    fn read(&mut self) -> Option<usize> {
        while self.router.pop_ready().is_some() {}
        if self.key.is_none() {
            self.key = self.router.pop_incoming();
        }
        let now = self.now;
        self.router.read(|| now, self.key?, &mut self.got, true).expect("it lives")
    }

    fn input(&mut self, now: u64, datagram: &[u8]) {
        self.now = Time::from_millis(now);
        self.router.handle_datagram(self.now, peer(), datagram);
    }

    fn flush(&mut self, now: u64) {
        self.now = Time::from_millis(now);
        self.router.handle_timeout(self.now);
        let mut wire = self.wire.borrow_mut();
        while self.router.transmit(self.now, &mut |_, datagram| wire.emit(datagram)) {}
    }

    fn flush_now(&mut self, now: u64) {
        self.flush(now);
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        // The network's clock has milliseconds: what is due within one is done at its end.
        let at = self.router.poll_timeout()?;
        Some(at.as_micros().div_ceil(1000).max(now + 1))
    }
}
