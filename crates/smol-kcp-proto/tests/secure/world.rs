//! Bytes as operations on secure endpoints, a server and two runs of one client: what the fuzz target and a property
//! test run.
//!
//! Whatever the bytes say, nothing may panic, what is opened was sealed by the other side and comes once,
//! strangers get nothing, and in the end the server can talk with both.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use smol_kcp_proto::layer::crypto::secure::{
    ChannelKey, Identity, Invitation, Opened, PeerParams, PublicKey, SecretKey, SecureParams,
    SecureTable, HEADROOM, TAILROOM,
};
use smol_kcp_proto::time::Time;

/// Datagrams under way; the oldest makes room.
const UNDER_WAY: usize = 64;

/// The server, and the two runs of one client.
const SERVER: usize = 2;
const NODES: usize = 3;

/// Three endpoints, two of which have one key.
struct World {
    now: Time,
    tables: [SecureTable; NODES],
    addrs: [SocketAddr; NODES],
    wire: VecDeque<Flying>,
    seed: u8,
    /// Numbers of contents that were sealed by each, and what was opened of each.
    sealed: [u32; NODES],
    opened: [BTreeSet<u32>; NODES],
    /// The channel in which the other side was heard last: of the clients, the server; of the server, each
    /// client.
    heard_on: [ChannelKey; NODES],
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
    Identity::new(SecretKey::from_bytes([1 + u8::from(node == SERVER); 32]))
}

fn table(node: usize, seed: u8) -> SecureTable {
    let mut table = SecureTable::new(SecureParams::new(identity(node)), [seed; 32]);
    let other = if node == SERVER { 0 } else { SERVER };
    assert_eq!(table.add_peer(PeerParams::new(*identity(other).public_key())), Ok(0));
    table
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
        let opened = world.tables[SERVER].open(world.now, addr(9).into(), &mut datagram);
        assert_eq!(opened, Opened::Nothing);
        assert!(!world.tables[SERVER].has_transmits(), "a stranger is answered");
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
        let node = usize::from(op / 16) % NODES;
        match op % 16 {
            0..=3 => world.seal(node, usize::from(op / 64), usize::from(next())),
            4..=7 => world.deliver(usize::from(next())),
            8 => drop(world.wire.remove(usize::from(next()) % UNDER_WAY)),
            9 => world.repeat(usize::from(next())),
            10 => world.alter(usize::from(next()), usize::from(next()), next()),
            11 => world.now = world.now + Duration::from_millis(u64::from(next())),
            12 => world.now = world.now + Duration::from_secs(u64::from(next())),
            13 => world.connect(node, usize::from(op / 64)),
            14 if next() % 8 == 0 => world.restart(node),
            // The runs may get an address that the other one had.
            14 => {
                let number = if node == SERVER { 20 + next() % 4 } else { 10 + next() % 6 };
                if !world.addrs.contains(&addr(number)) {
                    world.addrs[node] = addr(number);
                }
            }
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
        World {
            now: Time::from_millis(1),
            tables: std::array::from_fn(|node| table(node, node as u8 + 1)),
            addrs: [addr(1), addr(3), addr(2)],
            wire: VecDeque::new(),
            seed: NODES as u8,
            sealed: [0; NODES],
            opened: Default::default(),
            heard_on: [0; NODES],
        }
    }

    fn restart(&mut self, node: usize) {
        self.seed = self.seed.wrapping_add(1);
        self.tables[node] = table(node, self.seed);
    }

    fn connect(&mut self, node: usize, client: usize) {
        let other = if node == SERVER { client % SERVER } else { SERVER };
        let path = self.addrs[other].into();
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
        for node in 0..NODES {
            let (now, from) = (self.now, self.addrs[node]);
            let table = &mut self.tables[node];
            if table.poll_timeout().is_some_and(|at| at <= now) {
                table.handle_timeout(now);
                assert!(table.poll_timeout().is_none_or(|at| at > now), "it stays due");
            }
            let mut out = Vec::new();
            table.transmit(&mut |path, bytes| out.push((path.peer, bytes.to_vec())));
            while table.poll_event().is_some() {}
            assert!(table.unconfirmed() <= 16 && (1..=16).contains(&table.len()), "{table:?}");
            for (to, bytes) in out {
                let original = bytes.clone();
                self.push(Flying { from, to, bytes, original });
            }
        }
    }

    /// The server seals for the client that it heard in its `client`th place last.
    fn seal(&mut self, node: usize, client: usize, more: usize) {
        let key = match node {
            SERVER => self.heard_on[client % SERVER],
            _ => 0,
        };
        let number = self.sealed[node];
        let len = 5 + more;
        let mut buf = vec![node as u8; HEADROOM + len + TAILROOM];
        buf[HEADROOM + 1..][..4].copy_from_slice(&number.to_le_bytes());
        let elicits = more % 2 == 0;
        let Ok(sealed) = self.tables[node].seal(self.now, key, &mut buf, len, elicits) else {
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
        assert!(is_genuine);
        let content = &bytes[content];
        let number = u32::from_le_bytes([content[1], content[2], content[3], content[4]]);
        let sender = usize::from(content[0]);
        assert_eq!(sender == SERVER, node != SERVER, "its own comes back");
        assert!(number < self.sealed[sender]);
        assert!(self.opened[sender].insert(number), "{number} comes twice");
        self.heard_on[if node == SERVER { sender } else { SERVER }] = channel;
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

    /// Whatever has happened: a wire without losses, and they talk, each in a channel of its own.
    fn end(&mut self) {
        self.wire.clear();
        self.now = self.now + Duration::from_secs(10);
        for _ in 0..100 {
            // As often as a name is resolved again: the server may have moved while nobody heard it.
            for client in 0..SERVER {
                self.connect(client, 0);
            }
            self.now = self.now + Duration::from_millis(100);
            self.turn();
            self.exchange();
        }
        let before = self.opened.each_ref().map(BTreeSet::len);
        self.exchange();
        let after = self.opened.each_ref().map(BTreeSet::len);
        assert_eq!(after, [before[0] + 1, before[1] + 1, before[2] + 2], "they do not talk");
        assert_ne!(self.heard_on[0], self.heard_on[1]);
    }

    /// Each client says something, and the server says something to each.
    fn exchange(&mut self) {
        for client in 0..SERVER {
            self.seal(client, 0, 0);
            self.deliver_all();
            self.seal(SERVER, client, 0);
            self.deliver_all();
        }
    }

    fn deliver_all(&mut self) {
        while !self.wire.is_empty() {
            self.deliver(0);
            self.turn();
        }
    }
}
