//! Bytes as operations on two secure endpoints: what the fuzz target and a property test run.
//!
//! Whatever the bytes say, nothing may panic, what is opened was sealed by the other side and comes once,
//! strangers get nothing, and in the end the two can talk.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use smol_kcp_proto::layer::crypto::secure::{
    Identity, Invitation, Opened, PeerParams, PublicKey, SecretKey, SecureParams, SecureTable,
    HEADROOM, TAILROOM,
};
use smol_kcp_proto::time::Time;

/// Datagrams under way; the oldest makes room.
const UNDER_WAY: usize = 64;

/// Two endpoints, each with the one channel to the other.
struct World {
    now: Time,
    tables: [SecureTable; 2],
    addrs: [SocketAddr; 2],
    wire: VecDeque<Flying>,
    seed: u8,
    /// Numbers of contents that were sealed by each, and opened by the other.
    sealed: [u32; 2],
    opened: [BTreeSet<u32>; 2],
}

#[derive(Clone)]
struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    /// What it was when it was sent; empty: an endpoint never sent it.
    original: Vec<u8>,
}

fn addr(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 4000).into()
}

fn identity(node: usize) -> Identity {
    Identity::new(SecretKey::from_bytes([node as u8 + 1; 32]))
}

/// One datagram after the other, each preceded by two bytes of length, into an endpoint that has a peer, a
/// stranger's. Texts too.
pub fn datagrams(bytes: &[u8]) {
    let mut world = World::new();
    let mut rest = bytes;
    while let [lo, hi, behind @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*lo, *hi])) % 1500;
        let (datagram, next) = behind.split_at(len.min(behind.len()));
        rest = next;
        let mut datagram = datagram.to_vec();
        let opened = world.tables[1].open(world.now, addr(9).into(), &mut datagram);
        assert_eq!(opened, Opened::Nothing);
        assert!(!world.tables[1].has_transmits(), "a stranger is answered");
        let text = String::from_utf8_lossy(&datagram);
        if let Ok(key) = text.parse::<PublicKey>() {
            assert_eq!(key.to_string(), text.trim());
        }
        if let Ok(invitation) = Invitation::parse(&text) {
            assert_eq!(*invitation.to_line(), text.trim());
        }
    }
}

/// Operations, a byte each with the bytes that it needs: seal, deliver, lose, repeat, alter, let time pass,
/// connect, restart, move, forge.
pub fn operations(bytes: &[u8]) {
    let mut world = World::new();
    let mut bytes = bytes.iter().copied();
    while let Some(op) = bytes.next() {
        let mut next = || bytes.next().unwrap_or(0);
        let node = usize::from(op / 16) % 2;
        match op % 16 {
            0..=3 => world.seal(node, usize::from(next())),
            4..=7 => world.deliver(usize::from(next())),
            8 => drop(world.wire.remove(usize::from(next()) % UNDER_WAY)),
            9 => world.repeat(usize::from(next())),
            10 => world.alter(usize::from(next()), usize::from(next()), next()),
            11 => world.now = world.now + Duration::from_millis(u64::from(next())),
            12 => world.now = world.now + Duration::from_secs(u64::from(next())),
            13 => world.connect(node),
            14 if next() % 8 == 0 => world.restart(node),
            14 => world.addrs[node] = addr(10 + 4 * node as u8 + next() % 4),
            _ => {
                let bytes = (0..next()).map(|_| next()).collect();
                world.push(Flying {
                    from: addr(9),
                    to: world.addrs[node],
                    bytes,
                    original: Vec::new(),
                });
            }
        }
        world.turn();
    }
    world.end();
}

impl World {
    fn new() -> World {
        let table = |node, seed| {
            let mut table = SecureTable::new(SecureParams::new(identity(node)), [seed; 32]);
            let peer = PeerParams::new(*identity(1 - node).public_key());
            assert_eq!(table.add_peer(peer), Ok(0));
            table
        };
        let tables = [table(0, 1), table(1, 2)];
        World {
            now: Time::from_millis(1),
            tables,
            addrs: [addr(1), addr(2)],
            wire: VecDeque::new(),
            seed: 2,
            sealed: [0; 2],
            opened: [BTreeSet::new(), BTreeSet::new()],
        }
    }

    fn restart(&mut self, node: usize) {
        self.seed = self.seed.wrapping_add(1);
        let params = SecureParams::new(identity(node));
        self.tables[node] = SecureTable::new(params, [self.seed; 32]);
        let peer = PeerParams::new(*identity(1 - node).public_key());
        assert_eq!(self.tables[node].add_peer(peer), Ok(0));
    }

    fn connect(&mut self, node: usize) {
        let path = self.addrs[1 - node].into();
        self.tables[node].connect(self.now, 0, path);
    }

    fn push(&mut self, flying: Flying) {
        if self.wire.len() >= UNDER_WAY {
            self.wire.pop_front();
        }
        self.wire.push_back(flying);
    }

    /// What the driver does in a turn; that must end.
    fn turn(&mut self) {
        for node in 0..2 {
            let (now, from) = (self.now, self.addrs[node]);
            let table = &mut self.tables[node];
            if table.poll_timeout().is_some_and(|at| at <= now) {
                table.handle_timeout(now);
                assert!(table.poll_timeout().is_none_or(|at| at > now), "it stays due");
            }
            let mut out = Vec::new();
            table.transmit(&mut |path, bytes| out.push((path.peer, bytes.to_vec())));
            while table.poll_event().is_some() {}
            assert!(table.unconfirmed() <= 4 && table.len() == 1, "{table:?}");
            for (to, bytes) in out {
                let original = bytes.clone();
                self.push(Flying { from, to, bytes, original });
            }
        }
    }

    fn seal(&mut self, node: usize, more: usize) {
        let number = self.sealed[node];
        let len = 5 + more;
        let mut buf = vec![node as u8; HEADROOM + len + TAILROOM];
        buf[HEADROOM + 1..][..4].copy_from_slice(&number.to_le_bytes());
        let elicits = more % 2 == 0;
        let Ok(sealed) = self.tables[node].seal(self.now, 0, &mut buf, len, elicits) else {
            return;
        };
        buf.truncate(sealed.len);
        self.sealed[node] += 1;
        let (from, to) = (self.addrs[node], sealed.path.peer);
        self.push(Flying { from, to, original: buf.clone(), bytes: buf });
    }

    fn deliver(&mut self, at: usize) {
        let at = at % self.wire.len().max(1);
        let Some(Flying { from, to, mut bytes, original }) = self.wire.remove(at) else { return };
        let Some(node) = self.addrs.iter().position(|&addr| addr == to) else { return };
        let is_genuine = bytes == original;
        let opened = self.tables[node].open(self.now, from.into(), &mut bytes);
        let Opened::Data { channel, content, .. } = opened else { return };
        assert!(is_genuine && channel == 0);
        let content = &bytes[content];
        let number = u32::from_le_bytes([content[1], content[2], content[3], content[4]]);
        assert_eq!(usize::from(content[0]), 1 - node, "its own comes back");
        assert!(number < self.sealed[1 - node]);
        assert!(self.opened[node].insert(number), "{number} comes twice");
    }

    fn repeat(&mut self, at: usize) {
        let at = at % self.wire.len().max(1);
        if let Some(again) = self.wire.get(at).cloned() {
            self.push(again);
        }
    }

    fn alter(&mut self, at: usize, place: usize, with: u8) {
        let at = at % self.wire.len().max(1);
        let Some(flying) = self.wire.get_mut(at) else { return };
        let place = place % flying.bytes.len().max(1);
        if let Some(byte) = flying.bytes.get_mut(place) {
            *byte ^= with.max(1);
        }
    }

    /// Whatever has happened: a wire without losses, and they talk.
    fn end(&mut self) {
        self.wire.clear();
        self.now = self.now + Duration::from_secs(10);
        self.connect(0);
        for _ in 0..200 {
            self.now = self.now + Duration::from_millis(100);
            self.turn();
            self.seal(0, 0);
            self.seal(1, 0);
            while !self.wire.is_empty() {
                self.deliver(0);
                self.turn();
            }
        }
        let heard = [self.opened[0].len(), self.opened[1].len()];
        self.seal(0, 0);
        self.seal(1, 0);
        while !self.wire.is_empty() {
            self.deliver(0);
            self.turn();
        }
        let now = [self.opened[0].len(), self.opened[1].len()];
        assert_eq!(now, [heard[0] + 1, heard[1] + 1], "they do not talk");
    }
}
