//! The lines that are measured: those of the network lab, in virtual time.

use std::time::Duration;

use super::super::*;
use super::goals::Figure::{
    Cost, Dropped, FullAfter, Jain, LeftAfter, Over, Share, Used, WaitP95, P99, P999,
};
use super::goals::{at_least, at_most, Goal};
use super::scenario::{bulk, thin, Flow, Kind, Scenario, HEADERS};
use crate::layer::netem::{BlackoutConfig, MtuConfig, PolicerConfig, RateStep};

pub(super) const MBIT: u64 = 1_000_000;
/// A datagram as policers and short queues count it.
const PACKET: usize = 1500;

/// Bytes that a rate carries in a round trip.
pub(super) fn bdp(rate: u64, rtt: u64) -> usize {
    (rate * rtt / 8000) as usize
}

/// One direction: half of the round trip, and headers that count.
fn way(rtt: u64) -> LinkConfig {
    LinkConfig { overhead: HEADERS, ..link(rtt, 0) }
}

/// A bulk flow alone over `rate` bits per second, `rtt` milliseconds and a queue of so many bytes, the
/// same both ways, from the beginning to 20 s.
pub(super) fn line(name: &'static str, rate: u64, rtt: u64, queue: usize) -> Scenario {
    let way = LinkConfig { rate: Some(rate), queue_bytes: Some(queue), ..way(rtt) };
    Scenario {
        name: name.into(),
        up: way.clone(),
        down: way,
        flows: vec![bulk(0)],
        cubics: 0,
        cubic_starts: Duration::ZERO,
        length: secs(20),
        from: Duration::ZERO,
        clock: Duration::ZERO,
        seed: 1,
        goals: Vec::new(),
        stock: false,
        timer: Duration::from_micros(50), // the slack of Linux' timers
    }
}

/// 100 Mbit/s, 200 ms, one BDP, so many per cent lost each way.
fn lossy(name: &'static str, percent: u32, used: f64) -> Scenario {
    let rate = 100 * MBIT;
    let mut row = line(name, rate, 200, bdp(rate, 200));
    row.up.loss = Probability::percent(percent);
    row.down.loss = Probability::percent(percent);
    // One seed more or less makes as much as this is below.
    let goal = at_least(Used, used);
    let goal = if used == 0.95 { goal.reached(0.94) } else { goal };
    let mut goals = vec![goal, at_most(FullAfter, 5.0)];
    if percent == 10 {
        // 1.153 is the least possible: 1.038 bytes for one of payload, of which nine in ten arrive.
        goals.push(at_most(Cost, 1.15).reached(1.25));
    }
    Scenario { length: secs(15), from: secs(5), goals, ..row }
}

pub(super) fn jitter(name: &'static str, in_order: bool) -> Scenario {
    let mut row = line(name, 10 * MBIT, 100, bdp(10 * MBIT, 100));
    for way in [&mut row.up, &mut row.down] {
        way.loss = Probability::percent(10);
        (way.jitter, way.in_order) = (ms(25), in_order);
    }
    Scenario { length: secs(15), from: secs(5), goals: vec![at_least(Used, 0.85)], ..row }
}

/// A policer, and a fast line with a long queue behind it.
fn policer(name: &'static str, rate: u64, burst_bytes: usize) -> Scenario {
    let mut row = line(name, 100 * MBIT, 50, 1_000_000);
    row.up.policer = Some(PolicerConfig { rate, burst_bytes });
    let goals = vec![at_least(Used, 0.85), at_most(Dropped, 0.05)];
    Scenario { length: secs(12), from: secs(2), goals, ..row }
}

/// 50 Mbit/s, 30 ms, beside TCP flows that were there first.
fn beside(name: &'static str, cubics: usize, bdps: usize) -> Scenario {
    let row = line(name, 50 * MBIT, 30, bdp(50 * MBIT, 30) * bdps);
    let flows = vec![Flow { starts: secs(3), ..bulk(0) }];
    let goals = match cubics {
        1 => vec![at_least(Share, 1.0 / 3.0), at_most(Share, 2.0 / 3.0)],
        others => vec![at_most(Share, 2.0 / (others + 1) as f64), at_least(Share, 0.02)],
    };
    let (length, from, clock) = (secs(33), secs(8), secs(3));
    Scenario { flows, cubics, length, from, clock, goals, ..row }
}

/// Own flows have a line to themselves.
fn fair() -> Vec<Goal> {
    vec![at_least(Jain, 0.95), at_least(Used, 0.9), at_most(Cost, 1.06)]
}

fn four() -> Scenario {
    let row = line("four-of-two-clients", 20 * MBIT, 40, bdp(20 * MBIT, 40));
    let flow = |n| Flow { starts: secs(n), ..bulk(n as usize % 2) };
    let (flows, goals) = ((0..4).map(flow).collect(), fair());
    Scenario { flows, length: secs(30), from: secs(20), goals, ..row }
}

/// Two of a kind on one line, the second 3 s later.
fn twins() -> Scenario {
    let row = line("two-of-two-clients", 50 * MBIT, 30, bdp(50 * MBIT, 30));
    let flows = vec![bulk(0), Flow { starts: secs(3), ..bulk(1) }];
    Scenario { flows, length: secs(30), from: secs(10), goals: fair(), ..row }
}

fn eight() -> Scenario {
    let row = line("eight-of-one-client", 10 * MBIT, 50, bdp(10 * MBIT, 50));
    Scenario { flows: vec![bulk(0); 8], from: secs(5), goals: fair(), ..row }
}

/// 100 kB at a time: 92 ms at best.
fn pieces() -> Scenario {
    let row = line("pieces-of-100k", 20 * MBIT, 50, bdp(20 * MBIT, 50));
    let flows = vec![Flow { kind: Kind::Pieces, ..bulk(0) }];
    // 42 ms of sending and 25 on the way, and half as much again.
    Scenario { flows, from: secs(1), goals: vec![at_most(P99, 100.0).reached(110.0)], ..row }
}

fn changing() -> Scenario {
    let mut row = line("20m-5m-20m", 20 * MBIT, 50, bdp(20 * MBIT, 50));
    let step = |at, rate| RateStep { at: secs(at), rate: rate * MBIT };
    row.up.rate_steps = vec![step(8, 5), step(16, 20)];
    // 3 round trips and 200 ms.
    let goals = vec![at_least(Used, 0.9), at_most(FullAfter, 3.0), at_most(LeftAfter, 0.35)];
    Scenario { length: secs(24), clock: secs(16), goals, ..row }
}

/// A thin flow beside a bulk flow, of the same client or of another; the queue holds 200 ms.
fn beside_bulk(name: &'static str, client: usize) -> Scenario {
    let row = line(name, 10 * MBIT, 50, bdp(10 * MBIT, 200));
    let goals = vec![at_most(P99, 75.0), at_least(Used, 0.9)];
    Scenario { flows: vec![bulk(0), thin(client)], length: secs(10), from: secs(2), goals, ..row }
}

fn alone(name: &'static str, percent: u32) -> Scenario {
    let way = LinkConfig { loss: Probability::percent(percent), ..way(40) };
    let row = line(name, MBIT, 40, 0);
    // Without loss it costs 2.63: 92 bytes of headers for 64, there and in the ACK of the echo. Copies may take
    // twice as much.
    let cost = if percent == 0 { 2.64 } else { 3.0 * 2.63 };
    let goals = vec![at_most(P99, 50.0), at_most(P999, 100.0), at_most(Cost, cost)];
    let (up, down, flows) = (way.clone(), way, vec![thin(0)]);
    Scenario { up, down, flows, length: secs(61), from: secs(1), goals, ..row }
}

fn blackout() -> Scenario {
    let mut row = line("30s-blackout", 10 * MBIT, 50, bdp(10 * MBIT, 50));
    for way in [&mut row.up, &mut row.down] {
        way.blackouts = vec![BlackoutConfig { from: secs(5), lasts: secs(30) }];
    }
    let goals = vec![at_least(Used, 0.8), at_most(FullAfter, 2.5)];
    Scenario { length: secs(42), from: secs(37), clock: secs(35), goals, ..row }
}

fn black_hole(name: &'static str, bytes: usize) -> Scenario {
    let mut row = line(name, 10 * MBIT, 50, bdp(10 * MBIT, 50));
    row.up.mtu = Some(MtuConfig { bytes, from: secs(3) });
    // It goes on within 2 s.
    let goals = vec![at_least(Used, 0.9), at_most(FullAfter, 2.0)];
    Scenario { length: secs(10), from: secs(5), clock: secs(3), goals, ..row }
}

fn narrow_up() -> Scenario {
    let row = line("2m-up-40ms-64k", 2 * MBIT, 40, 64 << 10);
    let down = LinkConfig { rate: Some(16 * MBIT), queue_bytes: Some(256 << 10), ..way(40) };
    let goals = vec![at_least(Used, 0.9), at_most(WaitP95, 30.0)];
    Scenario { down, from: secs(5), goals, ..row }
}

fn narrow(name: &'static str, queue: usize, dropped: f64) -> Scenario {
    let goals = vec![at_least(Used, 0.85), at_most(Dropped, 0.05).reached(dropped)];
    Scenario { from: secs(2), goals, ..line(name, 400_000, 100, queue) }
}

fn lan() -> Scenario {
    let goals = vec![at_least(Used, 0.9), at_most(Cost, 1.06)];
    Scenario {
        length: secs(2),
        from: ms(500),
        goals,
        ..line("lan-1g-1ms", 1000 * MBIT, 1, 500_000)
    }
}

/// Lines of which a dozen take a moment.
pub(super) fn short() -> Vec<Scenario> {
    let m = MBIT;
    vec![
        Scenario {
            goals: vec![at_least(Used, 0.93), at_most(Cost, 1.06)],
            ..line("10m-50ms-1bdp", 10 * m, 50, bdp(10 * m, 50))
        },
        Scenario {
            from: secs(5),
            goals: vec![at_least(Used, 0.9), at_most(WaitP95, 25.0), at_most(Over, 1.0)],
            ..line("10m-100ms-5bdp", 10 * m, 100, bdp(10 * m, 500))
        },
        jitter("10m-10%-100+-50ms", false),
        jitter("10m-10%-in-order", true),
        narrow_up(),
        narrow("400k-100ms-1bdp", bdp(400_000, 100), 0.07), // of 3.3 datagrams
        narrow("400k-100ms-32k", 32 << 10, 0.05),
        policer("policer-10m-5-packets", 10 * m, 5 * PACKET),
        beside_bulk("thin-beside-bulk-1-endpoint", 0),
        beside_bulk("thin-beside-bulk-2-endpoints", 1),
        pieces(),
        blackout(),
        alone("thin-0%-40ms", 0),
        alone("thin-5%-40ms", 5),
        alone("thin-10%-40ms", 10),
        black_hole("mtu-1300", 1300),
        black_hole("mtu-1000", 1000),
    ]
}

/// Lines that take longer: fast ones, and many flows.
pub(super) fn long() -> Vec<Scenario> {
    vec![
        lossy("100m-200ms-1%", 1, 0.95),
        lossy("100m-200ms-5%", 5, 0.95),
        lossy("100m-200ms-10%", 10, 0.9),
        Scenario { stock: true, ..lossy("100m-200ms-5%-stock", 5, 0.85) },
        policer("policer-20m-64k", 20 * MBIT, 64 << 10),
        beside("beside-cubic-1bdp", 1, 1),
        beside("beside-cubic-2bdp", 1, 2),
        beside("beside-cubic-4bdp", 1, 4),
        beside("beside-10-cubics-1bdp", 10, 1),
        twins(),
        four(),
        eight(),
        changing(),
        lan(),
    ]
}
