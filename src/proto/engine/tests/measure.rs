//! What the engines cost, in virtual time. Ignored, because it measures and does not test; from a
//! release build:
//!
//! ```text
//! cargo test --release --lib measure -- --ignored --nocapture --test-threads 1
//! ```
//!
//! For instructions per segment, run the test binary under
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measure::engine_turn*'` with
//! `transfer --ignored --nocapture`, choose a case with `ENGINE=ring|kcp`, `WINDOW` and `LOSS`, and
//! divide by the number of segments that is printed.

use super::*;
use crate::proto::engine::{EngineStats, Pool};

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
    while ends[1].received < bytes {
        for at in 0..2 {
            let arrived = ends[at].incoming.front().is_some_and(|(due, _)| *due <= now);
            let due = ends[at].engine.poll_timeout(now).is_some_and(|due| due <= now);
            if !(arrived || due || now == Time::ZERO) {
                continue;
            }
            let source = if at == 0 { &source[..] } else { &[] };
            engine_turn(&mut ends[at], now, source, &mut out, &mut spare);
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
                     time, wire/payload {:.3}; timeouts {}, fast {}, received twice {}",
                    f.segments,
                    f.goodput,
                    f.overhead,
                    f.stats.timeout_retransmits,
                    f.stats.fast_retransmits,
                    f.duplicates,
                );
            }
        }
    }
}
