//! What the engines cost. Ignored, because these measure and do not test; from a release build:
//!
//! ```text
//! cargo test --release --lib measure -- --ignored --nocapture --test-threads 1
//! ```
//!
//! For instructions per segment, run the test binary under
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measure::engine_turn*'` with
//! `transfer --ignored --nocapture`, choose a case with `ENGINE=ring|kcp`, `WINDOW` and `LOSS`, and
//! divide by the number of segments that is printed.

#![allow(clippy::disallowed_methods)] // it measures real time, of what runs in virtual time

use std::hint::black_box;
use std::time::Instant;

use super::*;
use crate::proto::engine::{EngineStats, Pool};
use crate::wire::CMD_ACK;

/// One end, and what is on its way to it.
struct End {
    engine: Engine,
    incoming: VecDeque<(Time, Vec<u8>)>,
    got: Vec<u8>,
    received: usize,
    wire: usize,
}

/// Buffers of the network, used again.
type Spare = Vec<Vec<u8>>;

/// Everything that is counted: all of a turn of one engine, with one copy into the network's memory.
#[inline(never)]
fn engine_turn(
    end: &mut End,
    now: Time,
    source: &[u8],
    out: &mut VecDeque<Vec<u8>>,
    spare: &mut Spare,
) {
    while end.incoming.front().is_some_and(|(at, _)| *at <= now) {
        let (_, datagram) = end.incoming.pop_front().unwrap();
        end.engine.handle_datagram(now, &datagram).unwrap();
        spare.push(datagram);
    }
    while let Some(len) = end.engine.read(&mut end.got) {
        end.received += len;
    }
    end.got.clear();
    if !source.is_empty() {
        while end.engine.write(source).unwrap() > 0 {}
    }
    end.engine.flush(now);
    end.engine.take_output(&mut |datagram| {
        let mut copy = spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(datagram);
        out.push_back(copy);
    });
}

struct Figures {
    segments: usize,
    goodput: f64,
    overhead: f64,
    nanos_per_kib: f64,
    stats: EngineStats,
    duplicates: u64,
}

/// Sends `bytes` one way over 25 ms each way, and loses datagrams both ways.
fn transfer(make: Make, window: u16, loss: u32, bytes: usize) -> Figures {
    let config = KcpConfig {
        wnd_size: (window, window),
        send_budget: 2 * usize::from(window) * MSS,
        ..fast()
    };
    let pool = Pool::new(1 << 14);
    let shared = || {
        let mut engine = make(setup(&config)).unwrap();
        engine.share(&pool);
        engine
    };
    let end = || End {
        engine: shared(),
        incoming: VecDeque::new(),
        got: Vec::new(),
        received: 0,
        wire: 0,
    };
    let mut ends = [end(), end()];
    let source = pattern(64 * MSS);
    let delay = Duration::from_millis(25);
    let (mut dice, mut out, mut spare) = (
        Dice(0x1234_5678_9abc_def1 ^ (numbers("SEED", &[0u64])[0] << 20)),
        VecDeque::new(),
        Vec::new(),
    );
    let mut now = Time::ZERO;
    let mut spent = Duration::ZERO;
    while ends[1].received < bytes {
        for at in 0..2 {
            let arrived = ends[at].incoming.front().is_some_and(|(due, _)| *due <= now);
            let due = ends[at].engine.poll_timeout(now).is_some_and(|due| due <= now);
            if !(arrived || due || now == Time::ZERO) {
                continue;
            }
            let source = if at == 0 { &source[..] } else { &[] };
            let begun = Instant::now();
            engine_turn(&mut ends[at], now, source, &mut out, &mut spare);
            spent += begun.elapsed();
            for datagram in out.drain(..) {
                ends[at].wire += datagram.len();
                if dice.below(100) < loss {
                    spare.push(datagram);
                } else {
                    ends[1 - at].incoming.push_back((now + delay, datagram));
                }
            }
        }
        let events = ends.iter().flat_map(|end| {
            let arrival = end.incoming.front().map(|(at, _)| *at);
            arrival.into_iter().chain(end.engine.poll_timeout(now))
        });
        now = events.min().unwrap();
    }
    let received = ends[1].received as f64;
    Figures {
        segments: ends[1].received / MSS,
        goodput: received / now.as_micros() as f64,
        overhead: (ends[0].wire + ends[1].wire) as f64 / received,
        stats: ends[0].engine.stats(),
        duplicates: ends[1].engine.stats().duplicates,
        nanos_per_kib: spent.as_nanos() as f64 / (received / 1024.0),
    }
}

fn engines() -> Vec<(&'static str, Make)> {
    let all: &[(&str, Make)] = &[
        ("ring", ring),
        #[cfg(feature = "kcp")]
        ("kcp", kcp),
    ];
    let wanted = std::env::var("ENGINE").unwrap_or_default();
    all.iter().filter(|(name, _)| name.contains(&wanted)).copied().collect()
}

fn numbers<T: std::str::FromStr + Copy>(name: &str, all: &[T]) -> Vec<T> {
    std::env::var(name).ok().and_then(|only| only.parse().ok()).map_or(all.to_vec(), |n| vec![n])
}

#[test]
#[ignore = "measures"]
fn measure_transfer() {
    let bytes = numbers("MEGABYTES", &[20])[0] * 1_000_000;
    for window in numbers("WINDOW", &[128, 1024, 4096]) {
        for loss in numbers("LOSS", &[0, 5, 20]) {
            for (name, make) in engines() {
                let f = transfer(make, window, loss, bytes);
                println!(
                    "{name:4} window {window:4} loss {loss:2} %: {} segments, {:.1} MB/s in virtual \
                     time, wire/payload {:.3}, {:.0} ns/KiB; timeouts {}, fast {}, received twice {}",
                    f.segments,
                    f.goodput,
                    f.overhead,
                    f.nanos_per_kib,
                    f.stats.timeout_retransmits,
                    f.stats.fast_retransmits,
                    f.duplicates,
                );
            }
        }
    }
}

/// Nanoseconds per call of `what`, the best of several rounds.
fn nanos(calls: u32, mut round: impl FnMut()) -> f64 {
    let once = |round: &mut dyn FnMut()| {
        let begun = Instant::now();
        round();
        begun.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    (0..20).map(|_| once(&mut round)).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures"]
fn measure_single_calls() {
    for (name, make) in engines() {
        for flying in [0u32, 128, 1024, 4096] {
            let config =
                KcpConfig { wnd_size: (8192, 8192), send_budget: 10_000 * MSS, ..messages() };
            let mut engine = make(setup(&config)).unwrap();
            let wide =
                Header { conv: CONV, cmd: CMD_WINS, wnd: 8192, una: SN_BASE, ..Header::default() };
            engine.handle_datagram(ms(0), &wide.encode()).unwrap();
            for _ in 0..flying {
                assert_eq!(engine.write(&[7; 64]).unwrap(), 64);
            }
            engine.flush(ms(1));
            engine.take_output(&mut |datagram| _ = black_box(datagram));
            let idle = nanos(10_000, || (0..10_000).for_each(|_| engine.flush(black_box(ms(1)))));
            let check = nanos(10_000, || {
                (0..10_000).for_each(|_| _ = black_box(engine.poll_timeout(black_box(ms(1)))));
            });
            let mut into = Vec::new();
            let read = nanos(10_000, || {
                (0..10_000).for_each(|_| assert!(black_box(engine.read(&mut into)).is_none()));
            });
            println!("{name:4} {flying:4} in flight: flush {idle:.1} ns, deadline {check:.1} ns, receive nothing {read:.1} ns");
        }
        for len in [64, 1024] {
            let config =
                KcpConfig { wnd_size: (2048, 2048), send_budget: 5_000 * MSS, ..messages() };
            let mut engine = make(setup(&config)).unwrap();
            let mut wide =
                Header { conv: CONV, cmd: CMD_WINS, wnd: 2048, una: SN_BASE, ..Header::default() };
            engine.handle_datagram(ms(0), &wide.encode()).unwrap();
            let payload = vec![7; len];
            let mut best = [f64::INFINITY; 2];
            for _ in 0..20 {
                let send = Instant::now();
                for _ in 0..1000 {
                    engine.write(black_box(&payload)).unwrap();
                    engine.flush(ms(1));
                    engine.take_output(&mut |datagram| _ = black_box(datagram));
                }
                best[0] = best[0].min(send.elapsed().as_nanos() as f64 / 1000.0);
                wide.cmd = CMD_ACK;
                wide.ts = TS_BASE.wrapping_add(1);
                let hear = Instant::now();
                for at in 0..999u32 {
                    wide.sn = engine.snd_nxt().wrapping_sub(1000 - at);
                    wide.una = wide.sn.wrapping_add(1);
                    engine.handle_datagram(ms(1), &wide.encode()).unwrap();
                }
                best[1] = best[1].min(hear.elapsed().as_nanos() as f64 / 999.0);
                wide.cmd = CMD_WINS;
                wide.una = engine.snd_nxt().wrapping_sub(1);
            }
            println!(
                "{name:4} {len} B: send + flush {:.1} ns, one ACK in {:.1} ns",
                best[0], best[1]
            );
        }
    }
}
