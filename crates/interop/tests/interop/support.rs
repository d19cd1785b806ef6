//! What every test here needs: a limit in time, data, and eyes for what is on the wire.

use std::cell::Cell;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use smol_kcp::{EngineKind, KcpConfig, KcpNoDelayConfig, LinkConfig, NetemConfig, Probability};

/// No test takes a quarter of this, but machines that run many at once are slow.
const LIMIT: Duration = Duration::from_secs(60);

const ENGINES: &[EngineKind] = EngineKind::ALL;

thread_local! {
    static ENGINE: Cell<EngineKind> = Cell::default();
}

/// Runs `test` with each engine on our side, on a tokio runtime, which tokio_kcp needs and ours
/// does not mind.
pub fn run_with_each_engine<F: Future<Output = ()>>(test: impl Fn() -> F + Copy + Send + 'static) {
    for &engine in ENGINES {
        let (over, ended) = channel::<()>();
        let runner = thread::spawn(move || {
            ENGINE.set(engine);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(test());
            drop(over);
        });
        match ended.recv_timeout(LIMIT) {
            Err(RecvTimeoutError::Timeout) => panic!("the test has no end with {engine:?}"),
            _ => runner.join().unwrap_or_else(|cause| {
                eprintln!("so with {engine:?}");
                resume_unwind(cause)
            }),
        }
    }
}

/// Our side: quick to notice, unless a test says otherwise.
pub fn config(stream: bool) -> KcpConfig {
    let engine = ENGINE.get();
    KcpConfig { stream, engine, nodelay: KcpNoDelayConfig::fastest(), ..KcpConfig::default() }
}

/// Loses `percent` of the datagrams in each direction.
pub fn lossy(config: KcpConfig, percent: u32, seed: u64) -> KcpConfig {
    let link = LinkConfig { loss: Probability::percent(percent), ..LinkConfig::default() };
    KcpConfig { netem: Some(NetemConfig { seed, send: link.clone(), receive: link }), ..config }
}

/// `len` bytes that do not repeat where segments or messages do.
pub fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(step).take(len).collect()
}

/// Messages of `total` bytes together: of one byte, just around one segment, and longer.
pub fn messages(seed: u32, total: usize) -> Vec<Vec<u8>> {
    let all = pattern(seed, total);
    let mut lens = [1, 1375, 1376, 1377, 16_000, 4096, 30_000].into_iter().cycle();
    let (mut rest, mut messages) = (&all[..], Vec::new());
    while let Some(len) = lens.next().filter(|_| !rest.is_empty()) {
        let (message, behind) = rest.split_at(len.min(rest.len()));
        messages.push(message.to_vec());
        rest = behind;
    }
    messages
}

/// Streams keep bytes, messages keep their boundaries too.
#[track_caller]
pub fn assert_same(stream: bool, got: &[Vec<u8>], sent: &[Vec<u8>]) {
    if !stream {
        let lens = |parts: &[Vec<u8>]| parts.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(got), lens(sent));
    }
    assert!(got.concat() == sent.concat(), "other bytes than were sent");
}

pub const PUSH: u8 = 81;
pub const ACK: u8 = 82;
pub const WASK: u8 = 83;
pub const WINS: u8 = 84;

/// One segment as it travels; little endian, WIRE order.
#[derive(Clone, Debug)]
pub struct Segment {
    pub conv: u32,
    pub cmd: u8,
    pub frg: u8,
    pub wnd: u16,
    pub sn: u32,
    pub una: u32,
    pub payload: Vec<u8>,
}

/// Reads a datagram that must be a row of segments without a fault.
#[track_caller]
pub fn segments(mut datagram: &[u8]) -> Vec<Segment> {
    let mut found = Vec::new();
    while !datagram.is_empty() {
        let (header, rest) = datagram.split_at(24);
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let (payload, rest) = rest.split_at(word(20) as usize);
        found.push(Segment {
            conv: word(0),
            cmd: header[4],
            frg: header[5],
            wnd: u16::from_le_bytes([header[6], header[7]]),
            sn: word(12),
            una: word(16),
            payload: payload.to_vec(),
        });
        datagram = rest;
    }
    found
}
