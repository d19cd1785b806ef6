//! The engines beside ikcp.c in virtual time, on the bad network of their own tests.

mod ikcp;
mod repair;
#[path = "../../../../smol-kcp-proto/src/arq/tests/sim.rs"]
mod sim;

use smol_kcp::{EngineKind, KcpConfig, KcpError, KcpNoDelayConfig};
use smol_kcp_proto::arq::{ArqParams, Engine};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::wire::{self, Header, View, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_PLAIN};

use self::sim::{pattern, Dice, Sim, Station};

const CONV: u32 = 0x1122_3344;
const MTU: usize = 1400;
const MSS: usize = MTU - wire::HEADER_LEN;

/// How an engine is made.
type Make = fn(ArqParams<'_>) -> Result<Engine, KcpError>;

const ENGINES: &[Make] = &[ring, kcp];

fn ring(setup: ArqParams<'_>) -> Result<Engine, KcpError> {
    let config = setup.config.clone().with_engine(EngineKind::Ring);
    Engine::new(ArqParams { config: &config, ..setup })
}

fn kcp(setup: ArqParams<'_>) -> Result<Engine, KcpError> {
    let config = setup.config.clone().with_engine(EngineKind::Kcp);
    Engine::new(ArqParams { config: &config, ..setup })
}

fn fast() -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig { nodelay: true, interval: 10, resend: 2, nc: true },
        stream: true,
        ..KcpConfig::default()
    }
}

fn messages() -> KcpConfig {
    KcpConfig { stream: false, ..fast() }
}

/// Clocks wrap after a second; numbers begin at 0, as ikcp.c has it.
fn setup(config: &KcpConfig) -> ArqParams<'_> {
    let ts_base = u32::MAX - 1000;
    ArqParams { conv: CONV, config, mtu: MTU, now: Time::ZERO, ts_base, sn_base: 0 }
}

fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// An engine with what its session would do for it: answer probes.
struct Ours {
    engine: Engine,
    out: Vec<Vec<u8>>,
}

impl Ours {
    fn new(engine: Engine) -> Ours {
        Ours { engine, out: Vec::new() }
    }

    /// Takes what was emitted.
    fn collect(&mut self) {
        self.engine.take_output(&mut |datagram| {
            assert!(datagram.len() <= MTU);
            self.out.push(datagram.to_vec());
        });
    }
}

impl Station for Ours {
    fn input(&mut self, now: Time, datagram: &[u8]) {
        self.engine.handle_datagram(now, &View::new(datagram).unwrap()).unwrap();
        let probed = wire::segments(datagram).flatten().any(|s| s.header.cmd == CMD_WASK);
        if probed {
            self.out.push(self.engine.header(now, CMD_WINS, CODE_PLAIN).encode().to_vec());
        }
    }

    fn write(&mut self, buf: &[u8]) -> usize {
        self.engine.write(buf).unwrap()
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        let at = into.len();
        into.resize(at + self.engine.unread(), 0);
        let read = self.engine.read(&mut into[at..], true).unwrap();
        into.truncate(at + read.unwrap_or_default());
        read
    }

    fn flush(&mut self, now: Time) {
        self.collect();
        self.engine.flush(now);
        self.collect();
        assert!(!self.engine.needs_flush());
        let deadline = self.engine.poll_timeout(now);
        assert!(deadline.is_none_or(|at| at > now), "{now:?} {deadline:?}: would spin");
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
