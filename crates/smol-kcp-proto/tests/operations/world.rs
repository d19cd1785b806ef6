//! Bytes as operations on two endpoints: what the fuzz targets and a property test run.
//!
//! Whatever the bytes say, nothing may panic, no limit may be passed, and a session that nobody
//! injected anything into must deliver exactly what was written.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::{EngineKind, KcpConfig};

const A: SocketAddr = addr(1);
const B: SocketAddr = addr(2);

/// Datagrams under way; the oldest makes room.
const UNDER_WAY: usize = 64;

/// A datagram older than this is lost: keys rest a little longer.
const LIFETIME: Duration = Duration::from_secs(10);

const fn addr(host: u8) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, host)), 4000)
}

/// One datagram after the other, each preceded by two bytes of length and one that says where it
/// seems to come from, into an endpoint that listens.
pub fn datagrams(bytes: &[u8]) {
    EngineKind::ALL.iter().for_each(|&engine| arrive(engine, bytes));
}

fn arrive(engine: EngineKind, mut bytes: &[u8]) {
    let mut world = World::new(engine);
    while let [lo, hi, from, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*lo, *hi])).min(rest.len());
        let (datagram, behind) = rest.split_at(len);
        bytes = behind;
        world.now = world.now + Duration::from_millis(u64::from(*from));
        world.b.handle_datagram(world.now, addr(from % 16), datagram);
        world.turn();
    }
}

/// Operations, a byte each with the bytes that it needs: write, read, deliver, lose, repeat, alter,
/// let time pass, close, forge.
pub fn operations(bytes: &[u8]) {
    EngineKind::ALL.iter().for_each(|&engine| operate(engine, bytes));
}

fn operate(engine: EngineKind, bytes: &[u8]) {
    let mut world = World::new(engine);
    let mut bytes = bytes.iter().copied();
    while let Some(op) = bytes.next() {
        let mut next = || bytes.next().unwrap_or(0);
        match op % 12 {
            0 => world.write(usize::from(next()) * 16),
            1 => world.read(),
            2..=4 => world.deliver(usize::from(next()), |_| {}),
            5 => drop(world.wire.remove(usize::from(next()) % UNDER_WAY)),
            6 => world.repeat(usize::from(next())),
            7 => {
                let (at, flip) = (next(), next());
                world.tainted = true;
                world.deliver(0, |datagram| {
                    let at = usize::from(at) % datagram.len().max(1);
                    if let Some(byte) = datagram.get_mut(at) {
                        *byte ^= flip;
                    }
                });
            }
            8 => world.now = world.now + Duration::from_millis(u64::from(next())),
            9 => world.now = world.now + Duration::from_millis(u64::from(next()) * 100),
            10 => world.close(),
            _ => {
                world.tainted = true;
                let datagram: Vec<u8> = (0..24).map(|_| next()).collect();
                world.b.handle_datagram(world.now, addr(next() % 4), &datagram);
            }
        }
        world.turn();
    }
}

/// A client, a listener, and what is under way between them.
struct World {
    now: Time,
    a: Router,
    b: Router,
    client: Option<Key>,
    servers: Vec<Key>,
    wire: VecDeque<(Time, SocketAddr, SocketAddr, Vec<u8>)>,
    written: u8,
    read: u8,
    /// A byte was altered or invented: what arrives proves nothing any more.
    tainted: bool,
}

impl World {
    fn new(engine: EngineKind) -> World {
        let config = Arc::new(KcpConfig {
            stream: true,
            engine,
            max_sessions: 8,
            max_unconfirmed: 4,
            send_budget: 16 * 1400,
            recv_budget: 16 * 1400,
            ..KcpConfig::lan()
        });
        let now = Time::from_millis(1);
        let mut a = Router::new(Arc::clone(&config), 0, [1, 2]);
        let mut b = Router::new(config, 0, [3, 4]);
        b.set_accepting(true);
        let client = a.connect(now, B, Some(0x0102_0304)).ok();
        World {
            now,
            a,
            b,
            client,
            servers: Vec::new(),
            wire: VecDeque::new(),
            written: 0,
            read: 0,
            tainted: false,
        }
    }

    /// What the driver does in a turn, and again while something is due; that must end.
    fn turn(&mut self) {
        for _ in 0..4 {
            self.flush();
            let idle = |router: &Router| {
                !router.has_transmits() && router.poll_timeout().is_none_or(|at| at > self.now)
            };
            if idle(&self.a) && idle(&self.b) {
                return self.check();
            }
        }
        panic!("it is never done: {:?} {:?}", self.a, self.b);
    }

    fn flush(&mut self) {
        let now = self.now;
        while let Some(key) = self.b.pop_incoming() {
            self.servers.push(key);
        }
        for (own, router) in [(A, &mut self.a), (B, &mut self.b)] {
            router.handle_timeout(now);
            let wire = &mut self.wire;
            router.transmit(now, &mut |to, datagram| {
                if wire.len() >= UNDER_WAY {
                    wire.pop_front();
                }
                wire.push_back((now, own, to.peer, datagram.to_vec()));
            });
            while router.pop_ready().is_some() {}
        }
    }

    fn check(&self) {
        for router in [&self.a, &self.b] {
            for (_, _, stats) in router.list() {
                assert!(stats.rto <= Duration::from_secs(60), "{stats:?}");
                assert!(stats.receive_queue <= 64 * 1024, "{stats:?}");
            }
            let stats = router.stats();
            assert!(stats.sessions <= 8 && stats.unconfirmed <= 4, "{stats:?}");
        }
    }

    fn write(&mut self, len: usize) {
        let Some(key) = self.client else { return };
        let bytes: Vec<u8> = (0..len).map(|i| self.written.wrapping_add(i as u8)).collect();
        if let Ok(Some(taken)) = self.a.write(self.now, key, &bytes) {
            self.written = self.written.wrapping_add(taken as u8);
        }
    }

    fn read(&mut self) {
        let mut buf = [0; 700];
        for &key in &self.servers {
            if let Ok(Some(n)) = self.b.read(|| self.now, key, &mut buf, false) {
                for &byte in &buf[..n] {
                    assert!(self.tainted || byte == self.read, "bytes out of order");
                    self.read = self.read.wrapping_add(1);
                }
            }
        }
    }

    fn deliver(&mut self, at: usize, alter: impl FnOnce(&mut Vec<u8>)) {
        let at = at % self.wire.len().max(1);
        let Some((sent, from, to, mut datagram)) = self.wire.remove(at) else { return };
        if self.now.since(sent) > LIFETIME {
            return;
        }
        alter(&mut datagram);
        let router = if to == A { &mut self.a } else { &mut self.b };
        router.handle_datagram(self.now, from, &datagram);
    }

    fn repeat(&mut self, at: usize) {
        let at = at % self.wire.len().max(1);
        if let Some(again) = self.wire.get(at).cloned() {
            self.wire.push_back(again);
        }
    }

    fn close(&mut self) {
        if let Some(key) = self.client {
            self.a.close(self.now, key);
        }
    }
}
