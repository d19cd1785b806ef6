//! The contract of an engine, tested in virtual time: two stations, a bad network between them, and
//! a session played by the test. Every engine that is compiled in runs through the same functions.

mod again;
mod datagrams;
mod flow;
mod hostile;
mod recovered;
mod sim;
mod transfer;
mod windows;

use std::time::Duration;

pub(super) use self::sim::{pattern, Dice, Sim, Station};
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

/// An engine with what its session would do for it: answer probes.
pub(super) struct Ours {
    engine: Engine,
    out: Vec<Vec<u8>>,
}

impl Ours {
    pub(super) fn new(engine: Engine) -> Ours {
        Ours { engine, out: Vec::new() }
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
        verify(&mut self.engine);
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
        verify(&mut self.engine);
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

impl Sim {
    /// Two engines.
    pub(super) fn pair(makes: [Make; 2], config: &KcpConfig) -> Sim {
        Sim::from_setup(makes, setup(config))
    }

    /// Two engines, each of which begins with `setup`.
    pub(super) fn from_setup(makes: [Make; 2], setup: ArqParams<'_>) -> Sim {
        Sim::new(makes.map(|make| Box::new(Ours::new(make(setup).unwrap())) as Box<dyn Station>))
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
}
