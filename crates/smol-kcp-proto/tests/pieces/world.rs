//! Bytes as operations on two endpoints over a path that carries shorter datagrams than it did, so that what was
//! numbered before travels in pieces: what the fuzz target and a property test run.
//!
//! Whatever the bytes say, nothing may panic, no limit may be passed, and where nothing was altered or forged
//! what is read is what was written, and in the end all of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::KcpConfig;

/// Datagrams under way; the oldest makes room.
const UNDER_WAY: usize = 64;

/// A datagram older than this is lost: keys rest a little longer.
const LIFETIME: Duration = Duration::from_secs(10);

/// What the path carries in the end, and before the operations begin. Half of it is to be found out.
const CARRIES: usize = 1000;

/// A window probe that is a piece, as docs/wire.md has it, and where its parts are.
const CMD_WASK: u8 = 83;
const CODE_PIECE: u8 = 5;
const HEADER: usize = 24;
const PREFIX: usize = 6;

/// A client, a server, and what is under way between them.
struct World {
    now: Time,
    routers: [Router; 2],
    keys: [Key; 2],
    wire: VecDeque<(Time, usize, Vec<u8>)>,
    /// Bytes of the longest datagram that arrives.
    carries: usize,
    /// A piece that was under way, with its prefix.
    piece: Option<Vec<u8>>,
    pieces: u32,
    /// Of the client, and of the server.
    written: u64,
    read: u64,
    /// A byte was altered or invented: what arrives proves nothing any more.
    tainted: bool,
}

const fn addr(host: usize) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, host as u8 + 1)), 4000)
}

/// The byte at a place of the stream.
fn byte_at(place: u64) -> u8 {
    (place * 7 / 3) as u8
}

/// Operations, a byte each with the bytes that it needs: write, read, deliver, lose, repeat, change what the path
/// carries, let time pass, alter, forge. Returns how many pieces have left.
pub fn operations(bytes: &[u8]) -> u32 {
    let mut world = World::new();
    let mut bytes = bytes.iter().copied();
    while let Some(op) = bytes.next() {
        let mut next = || bytes.next().unwrap_or(0);
        match op % 16 {
            0 => world.write(usize::from(next()) * 16),
            1 => world.read(),
            2..=6 => world.deliver(usize::from(next()), |_| {}),
            7 => drop(world.wire.remove(usize::from(next()) % UNDER_WAY)),
            8 => world.repeat(usize::from(next())),
            9 => world.carries = 560 + usize::from(next()) * 4,
            10 | 11 => world.now = world.now + Duration::from_millis(u64::from(next())),
            12 => world.now = world.now + Duration::from_millis(u64::from(next()) * 20),
            13 => world.deliver_all(),
            14 => {
                let (which, at, flip) = (next(), next(), next());
                world.tainted = true;
                world.deliver(usize::from(which), |datagram| {
                    // Heads and prefixes are where a mistake would be.
                    let at = usize::from(at) % datagram.len().clamp(1, 2 * (HEADER + PREFIX));
                    if let Some(byte) = datagram.get_mut(at) {
                        *byte ^= flip;
                    }
                });
            }
            _ => world.forge([next(), next(), next(), next(), next(), next()]),
        }
        world.turn();
    }
    world.end();
    world.pieces
}

impl World {
    /// A stream whose segments were cut for more than the path carries since.
    fn new() -> World {
        let config = Arc::new(KcpConfig {
            stream: true,
            max_sessions: 4,
            send_budget: 32 * 1400,
            recv_budget: 32 * 1400,
            ..KcpConfig::wan()
        });
        let now = Time::from_millis(1);
        let mut client = Router::new(Arc::clone(&config), 0, [1, 2]);
        let server = Router::new(config, 0, [3, 4]);
        let key = client.connect(now, addr(1), Some(0x0102_0304)).expect("a session");
        let mut world = World {
            now,
            routers: [client, server],
            keys: [key, key],
            wire: VecDeque::new(),
            carries: 1400,
            piece: None,
            pieces: 0,
            written: 0,
            read: 0,
            tainted: false,
        };
        world.routers[1].set_accepting(true);
        world.write(4000);
        world.go_on(20);
        world.keys[1] = world.routers[1].pop_incoming().expect("a session");
        world.read();
        assert_eq!(world.read, 4000);
        world.carries = CARRIES;
        world.write(20 * 1376);
        for _ in 0..400 {
            if world.pieces > 0 {
                return world;
            }
            world.go_on(1);
        }
        panic!("no pieces");
    }

    /// So many times 10 ms in which everything arrives that is short enough.
    fn go_on(&mut self, times: usize) {
        for _ in 0..times {
            self.now = self.now + Duration::from_millis(10);
            self.turn();
            self.deliver_all();
            self.turn();
        }
    }

    /// What the driver does in a turn, and again while something is due; that must end.
    fn turn(&mut self) {
        for _ in 0..4 {
            for host in 0..2 {
                self.flush(host);
            }
            let idle = |router: &Router| {
                !router.has_transmits() && router.poll_timeout().is_none_or(|at| at > self.now)
            };
            if self.routers.iter().all(idle) {
                return self.check();
            }
        }
        panic!("it is never done: {:?}", self.routers);
    }

    fn flush(&mut self, host: usize) {
        let mut out = Vec::new();
        let router = &mut self.routers[host];
        router.handle_timeout(self.now);
        router.transmit(self.now, &mut |_, datagram| out.push(datagram.to_vec()));
        while router.pop_ready().is_some() {}
        for datagram in out {
            if (datagram.get(4), datagram.get(5)) == (Some(&CMD_WASK), Some(&CODE_PIECE)) {
                self.pieces += 1;
                self.piece = Some(datagram.clone());
            }
            if datagram.len() > self.carries {
                continue;
            }
            if self.wire.len() >= UNDER_WAY {
                self.wire.pop_front();
            }
            self.wire.push_back((self.now, host, datagram));
        }
    }

    fn check(&self) {
        for router in &self.routers {
            let stats = router.stats();
            assert!(stats.sessions <= 4, "{stats:?}");
            // Budgets of a stream, segments in pieces, and what a session itself takes.
            assert!(stats.memory_used <= 400_000, "{stats:?}");
            assert!(router.list().all(|(_, _, stats)| stats.receive_queue <= 64 * 1024));
        }
    }

    fn write(&mut self, len: usize) {
        let bytes: Vec<u8> = (0..len as u64).map(|n| byte_at(self.written + n)).collect();
        if let Ok(Some(taken)) = self.routers[0].write(self.now, self.keys[0], &bytes) {
            self.written += taken as u64;
        }
    }

    fn read(&mut self) {
        let mut buf = [0; 1500];
        while let Ok(Some(n @ 1..)) =
            self.routers[1].read(|| self.now, self.keys[1], &mut buf, false)
        {
            for &byte in &buf[..n] {
                assert!(self.tainted || byte == byte_at(self.read), "at {}", self.read);
                self.read += 1;
            }
        }
    }

    fn deliver(&mut self, at: usize, alter: impl FnOnce(&mut Vec<u8>)) {
        let at = at % self.wire.len().max(1);
        let Some((sent, from, mut datagram)) = self.wire.remove(at) else { return };
        if self.now.since(sent) > LIFETIME {
            return;
        }
        alter(&mut datagram);
        self.routers[1 - from].handle_datagram(self.now, addr(from), &datagram);
    }

    fn deliver_all(&mut self) {
        (0..self.wire.len()).for_each(|_| self.deliver(0, |_| {}));
    }

    fn repeat(&mut self, at: usize) {
        let at = at % self.wire.len().max(1);
        if let Some(again) = self.wire.get(at).cloned() {
            self.wire.push_back(again);
        }
    }

    /// A piece that nobody has sent, of a segment that somebody might have.
    fn forge(&mut self, [sn, offset, total, len, frg, flags]: [u8; 6]) {
        let Some(mut piece) = self.piece.clone() else { return };
        self.tainted = true;
        let word = |place: u8| (u16::from(place) * 11).to_le_bytes();
        piece.truncate(HEADER + PREFIX);
        piece.resize(HEADER + PREFIX + usize::from(len), flags);
        piece[12] = piece[12].wrapping_add(sn % 64);
        piece[20..24].copy_from_slice(&(PREFIX as u32 + u32::from(len)).to_le_bytes());
        piece[24..26].copy_from_slice(&word(offset));
        piece[26..28].copy_from_slice(&word(total));
        piece[28..30].copy_from_slice(&[frg % 4, flags % 4]);
        self.routers[1].handle_datagram(self.now, addr(0), &piece);
    }

    /// What was written arrives, unless somebody has meddled with it, or the session ended in between. Datagrams
    /// that were ten seconds late make timeouts of twenty, and it takes several to find out what the path carries.
    fn end(&mut self) {
        self.carries = CARRIES;
        for _ in 0..300 {
            self.go_on(100);
            self.read();
            let is_over = self.routers[0].is_delivered(self.keys[0]).is_err();
            if self.tainted || is_over || self.read == self.written {
                return;
            }
        }
        panic!("{} of {} bytes arrive", self.read, self.written);
    }
}
