//! The engines behind one face, each driven as its own documentation says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

use smol_kcp_proto::arq::{ArqParams, Engine};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::wire::View;
use smol_kcp_proto::{EngineKind, KcpConfig, KcpNoDelayConfig, Rate};

use crate::routed::Routed;

pub const MTU: usize = 1400;
pub const MSS: usize = MTU - 24;
pub const CONV: u32 = 0x1122_3344;

/// Milliseconds between two updates of an engine that must be ticked.
const INTERVAL: u64 = 10;

/// Datagrams that an engine has emitted, and buffers to use again; both ends share one.
#[derive(Debug, Default)]
pub struct Port {
    /// Is the engine being measured?
    pub counts: bool,
    pub out: VecDeque<Vec<u8>>,
    pub spare: Vec<Vec<u8>>,
}

impl Port {
    /// The network takes a datagram.
    #[inline(always)]
    pub fn emit(&mut self, datagram: &[u8]) {
        match self.counts {
            true => self.emit_uncounted(datagram),
            false => self.store(datagram),
        }
    }

    /// That is not the engine's work: valgrind knows this function by its name and stops counting
    /// while it runs.
    #[inline(never)]
    fn emit_uncounted(&mut self, datagram: &[u8]) {
        self.store(datagram);
    }

    /// Not inlined, or the registers that it needs would be saved where the engines are counted.
    #[inline(never)]
    fn store(&mut self, datagram: &[u8]) {
        let mut copy = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(MTU));
        copy.clear();
        copy.extend_from_slice(datagram);
        self.out.push_back(copy);
    }
}

/// Where an engine writes to, and the network reads from.
pub type Wire = Rc<RefCell<Port>>;

/// One end of a conversation. Times are milliseconds.
pub trait Arq {
    /// Takes what fits, or nothing.
    fn write(&mut self, bytes: &[u8]) -> usize;
    /// Reads the next message, or segment of the stream, into the application's memory, and returns
    /// its length.
    fn read(&mut self) -> Option<usize>;
    fn input(&mut self, now: u64, datagram: &[u8]);
    /// Emits what is due to the wire.
    fn flush(&mut self, now: u64);
    /// The same without waiting for the next update.
    fn flush_now(&mut self, now: u64);
    /// When to flush although nothing arrives.
    fn deadline(&self, now: u64) -> Option<u64>;
}

/// The contenders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ring,
    /// The `kcp` crate behind the wall of this crate.
    Wall,
    /// The `kcp` crate as it is.
    Kcp,
    Ikcp,
    /// Our engine in a router, whose path has no rate.
    Off,
    /// The same, whose path is measured.
    Auto,
}

impl Kind {
    pub const ENGINES: [Kind; 4] = [Kind::Ring, Kind::Wall, Kind::Kcp, Kind::Ikcp];
    pub const ROUTED: [Kind; 2] = [Kind::Off, Kind::Auto];

    /// Is there a router around it, which may choose the rate of its path?
    pub fn has_path(self) -> bool {
        Kind::ROUTED.contains(&self)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Ring => "ring",
            Kind::Wall => "kcp behind our wall",
            Kind::Kcp => "kcp",
            Kind::Ikcp => "ikcp.c",
            Kind::Off => "rate = off",
            Kind::Auto => "rate = auto",
        }
    }

    /// nodelay 1, interval 10, resend 2, nc 1; the window for both directions.
    pub fn make(self, window: u16, stream: bool, wire: &Wire) -> Box<dyn Arq> {
        let segments = 2 * usize::from(window);
        match self {
            Kind::Ring => Box::new(Ours::new(EngineKind::Ring, window, stream, wire)),
            Kind::Off | Kind::Auto => {
                let rate = if self == Kind::Off { Rate::Off } else { Rate::Auto };
                let config = config(EngineKind::Ring, window, stream);
                Box::new(Routed::new(KcpConfig { rate, ..config }, wire))
            }
            Kind::Wall => Box::new(Ours::new(EngineKind::Kcp, window, stream, wire)),
            Kind::Kcp => {
                let sink = Sink(Rc::clone(wire));
                let mut kcp = match stream {
                    true => kcp::Kcp::new_stream(CONV, sink),
                    false => kcp::Kcp::new(CONV, sink),
                };
                kcp.set_mtu(MTU).unwrap();
                kcp.set_wndsize(window, window);
                kcp.set_nodelay(true, INTERVAL as i32, 2, true);
                kcp.update(0).unwrap();
                Box::new(KcpCrate { kcp, segments, got: vec![0; MSS] })
            }
            Kind::Ikcp => {
                let out = Rc::clone(wire);
                let mut kcp = kcp_io::core::Kcp::new(CONV, move |datagram: &[u8]| {
                    out.borrow_mut().emit(datagram);
                    Ok(datagram.len())
                })
                .unwrap();
                kcp.set_mtu(MTU as u32).unwrap();
                kcp.set_wndsize(window.into(), window.into());
                kcp.set_nodelay(true, INTERVAL as u32, 2, true);
                kcp.set_stream_mode(stream);
                kcp.update(0);
                Box::new(IkcpC { kcp, segments: segments as u32, got: vec![0; MSS] })
            }
        }
    }
}

/// An engine of this crate: it is flushed after what arrived, and when it says.
struct Ours {
    engine: Engine,
    wire: Wire,
    got: Vec<u8>,
}

impl Ours {
    fn new(engine: EngineKind, window: u16, stream: bool, wire: &Wire) -> Ours {
        Ours {
            engine: fresh(&config(engine, window, stream)),
            wire: Rc::clone(wire),
            got: vec![0; MSS],
        }
    }
}

fn config(engine: EngineKind, window: u16, stream: bool) -> KcpConfig {
    KcpConfig {
        mtu: MTU,
        wnd_size: (window, window),
        nodelay: KcpNoDelayConfig { nodelay: true, interval: INTERVAL as u32, resend: 2, nc: true },
        send_budget: 2 * usize::from(window) * MSS,
        stream,
        ..KcpConfig::default()
    }
    .with_engine(engine)
}

/// A fresh engine of ours.
pub fn fresh(config: &KcpConfig) -> Engine {
    let (mtu, now) = (config.mtu, Time::ZERO);
    config.check().expect("a configuration that is accepted");
    let setup = ArqParams { conv: CONV, config, mtu, now, ts_base: 0, sn_base: 0 };
    Engine::new(setup).expect("an engine")
}

impl Arq for Ours {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.engine.write(bytes).unwrap_or(0)
    }

    fn read(&mut self) -> Option<usize> {
        self.engine.read(&mut self.got, true).ok()?
    }

    fn input(&mut self, now: u64, datagram: &[u8]) {
        let now = Time::from_millis(now);
        let view = View::new(datagram).expect("our own");
        assert!(self.engine.handle_datagram(now, &view).is_ok());
    }

    fn flush(&mut self, now: u64) {
        self.engine.flush(Time::from_millis(now));
        let mut wire = self.wire.borrow_mut();
        self.engine.take_output(&mut |datagram| wire.emit(datagram));
    }

    fn flush_now(&mut self, now: u64) {
        self.flush(now);
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        self.engine.poll_timeout(Time::from_millis(now)).map(Time::as_millis)
    }
}

/// The `kcp` crate, updated after what arrived, and when it says; it flushes every 10 ms.
struct KcpCrate {
    kcp: kcp::Kcp<Sink>,
    segments: usize,
    got: Vec<u8>,
}

struct Sink(Wire);

impl Write for Sink {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().emit(datagram);
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Arq for KcpCrate {
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.kcp.wait_snd() >= self.segments {
            return 0;
        }
        self.kcp.send(bytes).unwrap()
    }

    fn read(&mut self) -> Option<usize> {
        self.kcp.recv(&mut self.got).ok()
    }

    fn input(&mut self, _now: u64, datagram: &[u8]) {
        self.kcp.input(datagram).unwrap();
    }

    fn flush(&mut self, now: u64) {
        self.kcp.update(now as u32).unwrap();
    }

    fn flush_now(&mut self, _now: u64) {
        self.kcp.flush().unwrap();
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        Some(now + u64::from(self.kcp.check(now as u32).max(1)))
    }
}

/// `ikcp.c`, likewise.
struct IkcpC {
    kcp: kcp_io::core::Kcp,
    segments: u32,
    got: Vec<u8>,
}

impl Arq for IkcpC {
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.kcp.waitsnd() >= self.segments {
            return 0;
        }
        self.kcp.send(bytes).unwrap()
    }

    fn read(&mut self) -> Option<usize> {
        self.kcp.recv(&mut self.got).ok()
    }

    fn input(&mut self, _now: u64, datagram: &[u8]) {
        self.kcp.input(datagram).unwrap();
    }

    fn flush(&mut self, now: u64) {
        self.kcp.update(now as u32);
    }

    fn flush_now(&mut self, _now: u64) {
        self.kcp.flush();
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        let due = self.kcp.check(now as u32).wrapping_sub(now as u32);
        Some(now + u64::from(due.max(1)))
    }
}
