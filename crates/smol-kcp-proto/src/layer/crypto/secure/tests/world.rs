//! Endpoints, the wire between them, and virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::layer::crypto::secure::{
    Acceptance, ChannelKey, Identity, NotSealed, Opened, PeerParams, PublicKey, SecretKey,
    SecureEvent, SecureParams, SecureTable, HEADROOM, TAILROOM,
};
use crate::path::Path;
use crate::random::Random;
use crate::time::Time;

/// The client, and the server.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// One way, where a test says nothing else.
pub(super) const DELAY: Duration = Duration::from_millis(20);

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An endpoint, and what it has received.
pub(super) struct Node {
    pub(super) table: SecureTable,
    pub(super) addr: SocketAddr,
    params: SecureParams,
    pub(super) received: Vec<Vec<u8>>,
    /// Where the last of it came in.
    pub(super) heard_on: Option<ChannelKey>,
    pub(super) events: Vec<SecureEvent>,
    /// It says "yes" to what begins with "?".
    pub(super) answers: bool,
    pub(super) woken: u64,
}

/// What the wire does with the `n`th datagram: after how long it arrives, each time that it does.
type Rule = Box<dyn FnMut(u64, &Flying) -> Vec<Duration>>;

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Flying {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct World {
    pub(super) now: Time,
    pub(super) nodes: Vec<Node>,
    pub(super) rule: Rule,
    /// Addresses at which nodes receive too.
    pub(super) aliases: Vec<(SocketAddr, usize)>,
    wire: BTreeMap<(Time, u64), Flying>,
    pub(super) sent: u64,
    /// All that was sent.
    pub(super) captured: Vec<Flying>,
    seeds: Random,
}

pub(super) fn identity(number: u8) -> Identity {
    Identity::new(SecretKey::from_bytes([number; 32]))
}

pub(super) fn addr(number: u8) -> SocketAddr {
    ([192, 0, 2, number], 4000).into()
}

impl World {
    /// `count` endpoints that know nobody, over a wire that delays.
    pub(super) fn new(count: usize, seed: u64) -> World {
        let mut world = World {
            now: Time::from_millis(1000),
            nodes: Vec::new(),
            rule: Box::new(|_, _| vec![DELAY]),
            aliases: Vec::new(),
            wire: BTreeMap::new(),
            sent: 0,
            captured: Vec::new(),
            seeds: Random::new([seed, 99]),
        };
        for number in 0..count {
            let params = SecureParams::new(identity(number as u8 + 1));
            world.add(params, addr(number as u8 + 1));
        }
        world
    }

    /// A and B, who know each other, and A where B is.
    pub(super) fn pair(seed: u64) -> World {
        let mut world = World::new(2, seed);
        world.introduce(A, B);
        world
    }

    pub(super) fn add(&mut self, params: SecureParams, addr: SocketAddr) -> usize {
        let table = SecureTable::new(params.clone(), self.seed());
        let (received, events) = (Vec::new(), Vec::new());
        let (heard_on, answers, woken) = (None, true, 0);
        let node = Node { table, addr, params, received, heard_on, events, answers, woken };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Adds another run of A, which knows B and where B is.
    pub(super) fn add_run(&mut self, addr: SocketAddr) -> usize {
        let run = self.add(SecureParams::new(identity(1)), addr);
        let params = self.peer(B);
        let key = self.nodes[run].table.add_peer(params).unwrap();
        let path = self.nodes[B].addr.into();
        self.nodes[run].table.set_path(key, path);
        run
    }

    /// Lets a node ask B, and returns in which channel B heard it.
    #[track_caller]
    pub(super) fn ask(&mut self, node: usize) -> ChannelKey {
        let answered = self.nodes[node].received.len();
        self.send(node, B, b"?").expect("it has keys");
        self.run(secs(1));
        assert_eq!(self.nodes[node].received.len(), answered + 1, "{node} gets no answer");
        self.nodes[B].heard_on.unwrap()
    }

    /// Counts peers that `node` has found to have lost their memory.
    pub(super) fn restarted(&self, node: usize) -> usize {
        let is = |event: &&SecureEvent| {
            matches!(event, SecureEvent::Established { restarted: true, .. })
        };
        self.nodes[node].events.iter().filter(is).count()
    }

    /// Returns whether `node` has been told that this channel is gone.
    pub(super) fn is_gone(&self, node: usize, channel: ChannelKey) -> bool {
        self.nodes[node].events.contains(&SecureEvent::Gone { channel })
    }

    pub(super) fn introduce(&mut self, a: usize, b: usize) {
        let (to_b, to_a) = (self.peer(b), self.peer(a));
        let key = self.nodes[a].table.add_peer(to_b).unwrap();
        self.nodes[b].table.add_peer(to_a).unwrap();
        let path = self.nodes[b].addr.into();
        self.nodes[a].table.set_path(key, path);
    }

    fn peer(&self, node: usize) -> PeerParams {
        PeerParams::new(*self.nodes[node].table.public_key())
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|c| c.copy_from_slice(&self.seeds.next_u64().to_le_bytes()));
        seed
    }

    /// Loses all that `node` knows but its configuration and its peers, who are where they were known to be.
    pub(super) fn restart(&mut self, node: usize) {
        let seed = self.seed();
        let old = &mut self.nodes[node];
        let mut table = SecureTable::new(old.params.clone(), seed);
        let others: Vec<usize> = (0..self.nodes.len()).filter(|&other| other != node).collect();
        for other in others {
            let params = self.peer(other);
            let old = &self.nodes[node].table;
            if let Some(known) = old.channel(&params.key) {
                let path = old.path(known);
                let key = table.add_peer(params).unwrap();
                if let Some(path) = path.filter(|_| node != B) {
                    table.set_path(key, path);
                }
            }
        }
        self.nodes[node].table = table;
    }

    pub(super) fn channel(&self, of: usize, to: usize) -> ChannelKey {
        let key = *self.nodes[to].table.public_key();
        self.nodes[of].table.channel(&key).expect("it knows the other")
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        let (key, path) = (self.channel(from, to), self.nodes[to].addr.into());
        let now = self.now;
        self.nodes[from].table.connect(now, key, path);
        self.flush();
    }

    pub(super) fn is_ready(&self, from: usize, to: usize) -> bool {
        self.nodes[from].table.is_ready(self.now, self.channel(from, to))
    }

    /// Seals, and puts on the wire.
    pub(super) fn send(&mut self, from: usize, to: usize, content: &[u8]) -> Result<(), NotSealed> {
        let key = self.channel(from, to);
        self.send_to(from, key, content)
    }

    pub(super) fn send_to(
        &mut self,
        from: usize,
        key: ChannelKey,
        content: &[u8],
    ) -> Result<(), NotSealed> {
        let mut buf = vec![0; HEADROOM + content.len() + TAILROOM];
        buf[HEADROOM..][..content.len()].copy_from_slice(content);
        let elicits = content.starts_with(b"?");
        let sealed = self.nodes[from].table.seal(self.now, key, &mut buf, content.len(), elicits);
        if let Ok(sealed) = &sealed {
            buf.truncate(sealed.len);
            self.put(self.nodes[from].addr, sealed.path.peer, buf);
        }
        self.flush();
        sealed.map(|_| ())
    }

    /// Puts a datagram on the wire, as anybody can.
    pub(super) fn put(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let flying = Flying { from, to, bytes };
        self.captured.push(flying.clone());
        for (copy, delay) in (self.rule)(self.sent, &flying).into_iter().enumerate() {
            let order = self.sent * 8 + copy as u64;
            self.wire.insert((self.now + delay, order), flying.clone());
        }
        self.sent += 1;
    }

    /// Hands a datagram to an endpoint, without a wire.
    pub(super) fn hand(&mut self, from: SocketAddr, node: usize, mut bytes: Vec<u8>) -> Opened {
        let now = self.now;
        let receiver = &mut self.nodes[node];
        let before = bytes.clone();
        let opened = receiver.table.open(now, from.into(), &mut bytes);
        match &opened {
            Opened::Data { channel, content, .. } => {
                let (channel, content) = (*channel, bytes[content.clone()].to_vec());
                let answers = receiver.answers && content.starts_with(b"?");
                receiver.received.push(content);
                receiver.heard_on = Some(channel);
                if answers {
                    let _ = self.send_to(node, channel, b"yes");
                }
            }
            Opened::Nothing => {
                // Left as it was, unless it was a probe or an answer.
                assert!(bytes == before || bytes.len() <= 25 + 63);
            }
        }
        self.flush();
        opened
    }

    /// Begins a handshake although there are keys.
    pub(super) fn rekey(&mut self, from: usize, to: usize) {
        let (key, now) = (self.channel(from, to), self.now);
        self.nodes[from].table.rekey(now, key);
        self.flush();
    }

    /// Goes on with this counter.
    pub(super) fn skip_to(&mut self, from: usize, to: usize, counter: u64) {
        let key = self.channel(from, to);
        self.nodes[from].table.skip_to(key, counter);
    }

    /// Puts on the wire what the endpoints have to say, and notes what they tell.
    pub(super) fn flush(&mut self) {
        for node in 0..self.nodes.len() {
            let mut out: Vec<(Path, Vec<u8>)> = Vec::new();
            self.nodes[node].table.transmit(&mut |path, bytes| out.push((path, bytes.to_vec())));
            for (path, bytes) in out {
                self.put(self.nodes[node].addr, path.peer, bytes);
            }
            while let Some(event) = self.nodes[node].table.poll_event() {
                self.nodes[node].events.push(event);
            }
        }
    }

    /// Lets this time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until this holds, and returns how long that took.
    #[track_caller]
    pub(super) fn run_until(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> Duration {
        let began = self.now;
        while !done(self) {
            assert!(self.step(began + limit), "it never holds");
        }
        self.now.since(began)
    }

    /// Does what comes next; `false`: nothing does until then.
    fn step(&mut self, end: Time) -> bool {
        let arrival = self.wire.first_key_value().map(|(&(at, _), _)| at);
        let timer = self.nodes.iter().filter_map(|node| node.table.poll_timeout()).min();
        let Some(next) = arrival.into_iter().chain(timer).min().filter(|&at| at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            if let Some((_, flying)) = self.wire.pop_first() {
                let alias = self.aliases.iter().find(|(addr, _)| *addr == flying.to);
                let node = self.nodes.iter().position(|node| node.addr == flying.to);
                if let Some(node) = node.or(alias.map(|&(_, node)| node)) {
                    self.hand(flying.from, node, flying.bytes);
                }
            }
            return true;
        }
        for node in &mut self.nodes {
            if node.table.poll_timeout().is_some_and(|at| at <= self.now) {
                node.woken += 1;
                node.table.handle_timeout(self.now);
                let left = node.table.poll_timeout();
                assert!(left.is_none_or(|at| at > self.now), "it stays due: {left:?}");
            }
        }
        self.flush();
        true
    }

    /// Bytes that a node has sent to an address.
    pub(super) fn bytes(&self, from: SocketAddr, to: SocketAddr) -> usize {
        let same = |flying: &&Flying| flying.from == from && flying.to == to;
        self.captured.iter().filter(same).map(|flying| flying.bytes.len()).sum()
    }

    /// Asks each side and expects the other's answer.
    #[track_caller]
    pub(super) fn assert_talks(&mut self) {
        for (from, to) in [(A, B), (B, A)] {
            let (heard, answered) =
                (self.nodes[to].received.len(), self.nodes[from].received.len());
            self.send(from, to, b"?").expect("it has keys");
            self.run(secs(1));
            assert_eq!(self.nodes[to].received.len(), heard + 1, "{from} is not heard");
            assert_eq!(self.nodes[from].received.len(), answered + 1, "{from} gets no answer");
        }
    }
}

/// Loses, repeats and delays by chance: in percent, and up to so many milliseconds.
pub(super) fn unruly(seed: u64, loss: u32, repeat: u32, jitter: u64) -> Rule {
    let mut random = Random::new([seed, 7]);
    Box::new(move |_, _| {
        let mut dice = |sides: u64| random.next_u64() % sides;
        let copies = match dice(100) as u32 {
            x if x < loss => 0,
            x if x < loss + repeat => 2,
            _ => 1,
        };
        (0..copies).map(|_| DELAY + ms(dice(jitter + 1))).collect()
    })
}

/// Parameters of a server that takes anybody with this preshared key.
pub(super) fn open_server(
    number: u8,
    psk: crate::layer::crypto::secure::PresharedKey,
) -> SecureParams {
    let mut params = SecureParams::new(identity(number));
    params.acceptance = Acceptance::AnyoneWith(psk);
    params
}

pub(super) fn public(number: u8) -> PublicKey {
    *identity(number).public_key()
}
