//! How well the engines repair losses, in virtual time. Ignored, because it measures and does not
//! test:
//!
//! ```text
//! cargo test --release -p smol-kcp-interop measure_repair -- --ignored --nocapture
//! ```
//!
//! `WHO=ring` measures one of them only, and `QUICK=1` only 40 ms and a gigabit.

use std::time::Duration;

use super::ikcp::Reference;
use super::*;

const WINDOW: u16 = 1024;

/// Who is measured, at both ends.
#[derive(Clone, Copy, Debug)]
enum Who {
    Engine(&'static str, Make),
    /// ikcp.c with a tick of 10 ms.
    Ticked,
    /// ikcp.c that flushes in every turn.
    Eager,
}

fn all() -> Vec<Who> {
    vec![Who::Engine("ring", ring), Who::Engine("kcp", kcp), Who::Ticked, Who::Eager]
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Who::Engine(name, _) => name,
            Who::Ticked => "ikcp.c",
            Who::Eager => "ikcp.c eager",
        }
    }

    fn station(self, config: &KcpConfig) -> Box<dyn Station> {
        let eager = matches!(self, Who::Eager);
        match self {
            Who::Engine(_, make) => Box::new(Ours::new(make(setup(config)).unwrap())),
            Who::Ticked | Who::Eager => {
                let most_waiting = 2 * usize::from(WINDOW);
                let mut reference = Reference::new(config);
                (reference.eager, reference.most_waiting) = (eager, most_waiting);
                Box::new(reference)
            }
        }
    }

    fn sim(self, config: &KcpConfig, path: Path) -> Sim {
        let mut sim = Sim::new([self.station(config), self.station(config)]);
        sim.loss_percent = path.loss;
        sim.delay = Duration::from_micros(path.one_way_ms * 1000 + 137);
        sim.per_byte = path.per_byte;
        sim.jitter = path.jitter;
        sim.dice = Dice(0x1234_5678_9abc_def1 ^ path.seed << 20);
        sim
    }
}

#[derive(Clone, Copy)]
struct Path {
    loss: u32,
    one_way_ms: u64,
    per_byte: Duration,
    jitter: Duration,
    seed: u64,
}

/// Megabytes a second one way, bytes on the wire in both directions per byte delivered, and share of
/// segments sent more than once.
fn bulk(who: Who, config: &KcpConfig, path: Path) -> [f64; 3] {
    let mut sim = who.sim(config, path);
    let bytes = if path.one_way_ms > 100 { 40_000_000 } else { 20_000_000 };
    let part = pattern(64 * MSS);
    sim.apps[0].to_write = (0..bytes / part.len()).map(|_| part.clone()).collect();
    let bytes = bytes / part.len() * part.len();
    sim.run_until(ms(600_000), |sim| sim.apps[1].got.len() >= bytes);
    let wire = (sim.wire[0] + sim.wire[1]) as f64;
    let segments = bytes as f64 / MSS as f64;
    [
        bytes as f64 / sim.now.as_micros() as f64,
        wire / bytes as f64,
        sim.pushes[0] as f64 / segments - 1.0,
    ]
}

/// Round trips of 64 bytes that are echoed, one after the other: median, 99th percentile, longest
/// and mean in milliseconds; bytes on the wire per round trip. There are so many in all, and so many
/// of them in each conversation.
fn ping(who: Who, config: &KcpConfig, path: Path, [all, each]: [usize; 2]) -> [f64; 5] {
    let mut took = Vec::new();
    let mut wire = 0;
    for part in 0..all / each {
        let mut sim = who.sim(config, Path { seed: path.seed + (part << 8) as u64, ..path });
        converse(&mut sim, each, &mut took);
        wire += sim.wire[0] + sim.wire[1];
    }
    took.sort_by(f64::total_cmp);
    let count = took.len();
    let mean = took.iter().sum::<f64>() / count as f64;
    [took[count / 2], took[count * 99 / 100], took[count - 1], mean, wire as f64 / count as f64]
}

fn converse(sim: &mut Sim, rounds: usize, took: &mut Vec<f64>) {
    for round in 1..=rounds {
        let begun = sim.now;
        sim.apps[0].to_write.push_back(pattern(64));
        sim.turn(0);
        while sim.apps[1].got.len() < round * 64 {
            assert!(sim.step());
        }
        sim.apps[1].to_write.push_back(pattern(64));
        sim.turn(1);
        while sim.apps[0].got.len() < round * 64 {
            assert!(sim.step());
        }
        took.push(sim.now.since(begun).as_micros() as f64 / 1000.0);
    }
}

fn mean<const N: usize>(runs: u64, mut run: impl FnMut(u64) -> [f64; N]) -> [f64; N] {
    let mut sum = [0.0; N];
    for seed in 0..runs {
        for (sum, one) in sum.iter_mut().zip(run(seed)) {
            *sum += one / runs as f64;
        }
    }
    sum
}

#[test]
#[ignore = "measures"]
fn measure_repair() {
    let config = KcpConfig {
        wnd_size: (WINDOW, WINDOW),
        send_budget: 2 * usize::from(WINDOW) * MSS,
        recv_budget: 2 << 20,
        ..fast()
    };
    let wanted = std::env::var("WHO").unwrap_or_default();
    // 0, and a gigabit a second.
    let quick = std::env::var_os("QUICK").is_some();
    for per_byte in [Duration::ZERO, Duration::from_nanos(8)] {
        for one_way_ms in [20, 150] {
            if quick && (one_way_ms > 20 || per_byte.is_zero()) {
                continue;
            }
            for (loss, jitter) in [(0, 0), (1, 0), (5, 0), (10, 0), (20, 0), (0, 5), (5, 5)] {
                let jitter = Duration::from_millis(jitter);
                for who in all() {
                    if !(who.name() == wanted || wanted.is_empty()) {
                        continue;
                    }
                    let path = |seed| Path { loss, one_way_ms, per_byte, jitter, seed };
                    let [speed, wire, again] = mean(3, |seed| bulk(who, &config, path(seed)));
                    let [p50, p99, max, avg, bytes] =
                        mean(3, |seed| ping(who, &config, path(seed), [4000, 4000]));
                    let [_, short, ..] = mean(3, |seed| ping(who, &config, path(seed), [6000, 60]));
                    println!(
                        "{:3} ns/B, {:3} ms RTT, jitter {:2} ms, loss {loss:2} %, {:12}: {speed:5.1} MB/s, wire/payload \
                         {wire:.3}, sent again {:4.1} %; ping p50 {p50:5.1} p99 {p99:5.1} max {max:5.1} \
                         mean {avg:5.1} ms, {bytes:5.1} B; of short conversations p99 {short:5.1} ms",
                        per_byte.as_nanos(),
                        2 * one_way_ms,
                        jitter.as_millis(),
                        who.name(),
                        again * 100.0,
                    );
                }
            }
        }
    }
}
