//! The contract of an engine, tested in virtual time: two stations, a bad network between them, and
//! a session played by the test. Every engine that is compiled in runs through the same functions.

mod again;
mod hostile;
mod interop;
mod repair;
mod transfer;
mod windows;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{ArqParams, Engine, Kind, Received, Rejection};
use crate::config::{EngineKind, KcpConfig, KcpNoDelayConfig};
use crate::error::KcpError;
use crate::time::Time;
use crate::wire::{self, Header, View, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_PLAIN};

pub(super) const CONV: u32 = 0x1122_3344;
pub(super) const MTU: usize = 1400;
pub(super) const MSS: usize = MTU - wire::HEADER_LEN;

impl Engine {
    /// Acts on a datagram as it comes from the wire.
    pub(crate) fn hear(&mut self, now: Time, datagram: &[u8]) -> Result<Received, Rejection> {
        let view = View::new(datagram).map_err(|_| Rejection::Malformed)?;
        self.handle_datagram(now, &view)
    }

    /// Appends the next message, or what is there of a stream, and returns its length.
    pub(crate) fn read_into(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        let mut buf = vec![0; self.unread()];
        let len = self.read(&mut buf, true).unwrap()?;
        into.extend_from_slice(&buf[..len]);
        Some(len)
    }
}

/// How an engine is made.
pub(super) type Make = fn(ArqParams<'_>) -> Result<Engine, KcpError>;

/// Every engine there is; a second one is added here and runs through all tests, against itself and
/// against the others.
pub(super) const ENGINES: &[Make] = &[
    ring,
    #[cfg(feature = "kcp")]
    kcp,
];

pub(super) fn ring(setup: ArqParams<'_>) -> Result<Engine, KcpError> {
    let config = setup.config.clone().with_engine(EngineKind::Ring);
    Engine::new(ArqParams { config: &config, ..setup })
}

#[cfg(feature = "kcp")]
pub(super) fn kcp(setup: ArqParams<'_>) -> Result<Engine, KcpError> {
    let config = setup.config.clone().with_engine(EngineKind::Kcp);
    Engine::new(ArqParams { config: &config, ..setup })
}

/// Where numbers and clocks begin in most tests: the clock wraps after a second, and the numbers do
/// after three segments.
pub(super) const TS_BASE: u32 = u32::MAX - 1000;
pub(super) const SN_BASE: u32 = u32::MAX - 2;

pub(super) fn fast() -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig { nodelay: true, interval: 10, resend: 2, nc: true },
        stream: true,
        ..KcpConfig::default()
    }
}

pub(super) fn messages() -> KcpConfig {
    KcpConfig { stream: false, ..fast() }
}

pub(super) fn setup(config: &KcpConfig) -> ArqParams<'_> {
    let now = Time::ZERO;
    ArqParams { conv: CONV, config, mtu: MTU, now, ts_base: TS_BASE, sn_base: SN_BASE }
}

pub(super) fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Bytes that differ from place to place, so that a swap shows.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    // A prime number of bytes, again and again: shifted by a segment it is something else.
    let period = len.min(16_381) as u32;
    let one: Vec<u8> = (0..period).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut bytes = one.repeat(len.div_ceil(one.len().max(1)));
    bytes.truncate(len);
    bytes
}

/// Numbers that look random and are the same in every run (xorshift64).
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(bound)) as u32
    }
}

/// One end of a conversation.
pub(super) trait Station {
    fn input(&mut self, now: Time, datagram: &[u8]);
    fn write(&mut self, buf: &[u8]) -> usize;
    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize>;
    fn flush(&mut self, now: Time);
    fn take(&mut self, sink: &mut dyn FnMut(&[u8]));
    fn timeout(&self, now: Time) -> Option<Time>;
    fn as_engine(&mut self) -> Option<&mut Engine> {
        None
    }
}

/// An engine with what its session would do for it: answer probes.
pub(super) struct Ours {
    engine: Engine,
    out: Vec<Vec<u8>>,
    /// Does it look at everything after every operation? Not where speed is measured.
    verified: bool,
}

impl Ours {
    pub(super) fn new(engine: Engine) -> Ours {
        Ours { engine, out: Vec::new(), verified: true }
    }

    pub(super) fn unverified(engine: Engine) -> Ours {
        Ours { verified: false, ..Ours::new(engine) }
    }

    fn verify(&mut self) {
        if self.verified {
            verify(&mut self.engine);
        }
    }

    /// Takes what was emitted.
    fn collect(&mut self) {
        self.engine.take_output(&mut |datagram| {
            assert!(datagram.len() <= MTU);
            for segment in wire::segments(datagram) {
                let header = segment.unwrap().header;
                let plain = (header.frg, header.sn, header.len) == (CODE_PLAIN, 0, 0);
                assert!(plain || ![CMD_WASK, CMD_WINS].contains(&header.cmd), "{header:?}");
            }
            self.out.push(datagram.to_vec());
        });
    }
}

impl Station for Ours {
    fn input(&mut self, now: Time, datagram: &[u8]) {
        self.engine.hear(now, datagram).unwrap();
        let probed = wire::segments(datagram).flatten().any(|s| s.header.cmd == CMD_WASK);
        if probed {
            self.out.push(self.engine.header(now, CMD_WINS, CODE_PLAIN).encode().to_vec());
        }
        self.verify();
    }

    fn write(&mut self, buf: &[u8]) -> usize {
        self.engine.write(buf).unwrap()
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        self.engine.read_into(into)
    }

    fn flush(&mut self, now: Time) {
        self.collect();
        let due = self.engine.poll_timeout(now).is_some_and(|at| at <= now);
        let announced = self.engine.needs_flush() || due;
        let before = self.out.len();
        self.engine.flush(now);
        self.collect();
        if !announced {
            // A flush may send something again a second time, as ikcp.c does, and nothing else.
            let emitted = self.out[before..].iter().flat_map(|datagram| wire::segments(datagram));
            assert!(emitted.flatten().all(|s| s.header.cmd == CMD_PUSH), "not announced");
        }
        assert!(!self.engine.needs_flush());
        let deadline = self.engine.poll_timeout(now);
        assert!(deadline.is_none_or(|at| at > now), "{now:?} {deadline:?}: would spin");
        self.verify();
    }

    fn take(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.collect();
        for datagram in self.out.drain(..) {
            sink(&datagram);
        }
    }

    fn timeout(&self, now: Time) -> Option<Time> {
        self.engine.poll_timeout(now)
    }

    fn as_engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }
}

/// What an engine can check about itself, by looking at all of it: always while little is in flight, else
/// now and then.
fn verify(engine: &mut Engine) {
    let at = engine.snd_nxt().wrapping_add(engine.rcv_nxt());
    if engine.unacked() > 16 && at % 8 != 0 {
        return;
    }
    match engine {
        Engine(Kind::Ring(engine)) => engine.assert_invariants(),
        #[cfg(feature = "kcp")]
        Engine(Kind::Kcp(engine)) => engine.assert_in_step(),
    }
}

/// What an application at one end does.
#[derive(Default)]
pub(super) struct App {
    /// Still to be written: messages, or parts of the stream.
    pub to_write: VecDeque<Vec<u8>>,
    /// Everything read.
    pub got: Vec<u8>,
    /// The length of every read.
    pub lens: Vec<usize>,
    /// Does it read at present?
    pub paused: bool,
}

/// Two stations and the network between them.
pub(super) struct Sim {
    pub now: Time,
    pub stations: [Box<dyn Station>; 2],
    pub apps: [App; 2],
    /// One way.
    pub delay: Duration,
    /// Added to it at random, which reorders.
    pub jitter: Duration,
    pub loss_percent: u32,
    pub dice: Dice,
    /// Datagrams under way, by arrival and in order of departure: to whom, and what.
    under_way: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    departed: u64,
    /// Every PUSH that left each station, lost or not.
    pub pushes: [u64; 2],
    /// Bytes that left each station.
    pub wire: [u64; 2],
    /// How long each byte occupies the line of its direction; until when that is occupied.
    pub per_byte: Duration,
    busy: [Time; 2],
}

impl Sim {
    pub(super) fn new(stations: [Box<dyn Station>; 2]) -> Sim {
        Sim {
            now: Time::ZERO,
            stations,
            apps: Default::default(),
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            loss_percent: 0,
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            under_way: BTreeMap::new(),
            departed: 0,
            pushes: [0; 2],
            wire: [0; 2],
            per_byte: Duration::ZERO,
            busy: [Time::ZERO; 2],
        }
    }

    /// Two engines.
    pub(super) fn pair(makes: [Make; 2], config: &KcpConfig) -> Sim {
        Sim::from_setup(makes, setup(config))
    }

    /// Two engines, each of which begins with `setup`.
    pub(super) fn from_setup(makes: [Make; 2], setup: ArqParams<'_>) -> Sim {
        Sim::new(makes.map(|make| Box::new(Ours::new(make(setup).unwrap())) as Box<dyn Station>))
    }

    /// Lets the applications read and write as much as they can, then flushes and sends.
    pub(super) fn turn(&mut self, at: usize) {
        let (station, app) = (&mut self.stations[at], &mut self.apps[at]);
        while !app.paused {
            let Some(len) = station.read(&mut app.got) else { break };
            app.lens.push(len);
        }
        while let Some(part) = app.to_write.front_mut() {
            let taken = station.write(part);
            part.drain(..taken);
            if !part.is_empty() {
                break;
            }
            app.to_write.pop_front();
        }
        station.flush(self.now);
        self.send_output(at);
    }

    fn send_output(&mut self, at: usize) {
        let mut out = Vec::new();
        self.stations[at].take(&mut |datagram| out.push(datagram.to_vec()));
        for datagram in out {
            let pushes = wire::segments(&datagram).flatten().filter(|s| s.header.cmd == CMD_PUSH);
            self.pushes[at] += pushes.count() as u64;
            self.wire[at] += datagram.len() as u64;
            let gone = self.busy[at].max(self.now) + self.per_byte * datagram.len() as u32;
            self.busy[at] = gone;
            if self.dice.below(100) < self.loss_percent {
                continue;
            }
            let jitter = self.jitter.as_micros() as u32;
            let extra = Duration::from_micros(u64::from(self.dice.below(jitter + 1)));
            self.departed += 1;
            let arrival = gone + self.delay + extra;
            self.under_way.insert((arrival, self.departed), (1 - at, datagram));
        }
    }

    /// Goes on to the next event and handles all there is at that time; `false` if there is none.
    pub(super) fn step(&mut self) -> bool {
        let arrival = self.under_way.keys().next().map(|key| key.0);
        let timeouts = self.stations.iter().filter_map(|station| station.timeout(self.now));
        let Some(next) = timeouts.chain(arrival).min() else { return false };
        self.now = self.now.max(next);
        let mut touched = [false; 2];
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, datagram) = entry.remove();
            self.stations[to].input(self.now, &datagram);
            touched[to] = true;
        }
        for (at, touched) in touched.into_iter().enumerate() {
            if touched || self.stations[at].timeout(self.now).is_some_and(|due| due <= self.now) {
                self.turn(at);
            }
        }
        true
    }

    /// Runs from one turn of both until nothing is left to happen.
    #[track_caller]
    pub(super) fn run_dry(&mut self) {
        self.turn(0);
        self.turn(1);
        for _ in 0..1_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("events without end");
    }

    /// Runs until `done`, and fails if that takes longer than `limit` of virtual time.
    #[track_caller]
    pub(super) fn run_until(&mut self, limit: Time, mut done: impl FnMut(&mut Sim) -> bool) {
        self.turn(0);
        self.turn(1);
        while !done(self) {
            assert!(self.now < limit, "not done at {:?}", self.now);
            assert!(self.step(), "nothing left to happen at {:?}", self.now);
        }
    }

    pub(super) fn engine(&mut self, at: usize) -> &mut Engine {
        self.stations[at].as_engine().unwrap()
    }
}
