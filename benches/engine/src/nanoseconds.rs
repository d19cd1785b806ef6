//! Single operations in nanoseconds, by criterion; medians.

#![allow(clippy::disallowed_methods)] // a bench reads the clock

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion};
use smol_kcp_proto::arq::Engine;
use smol_kcp_proto::time::Time;
use smol_kcp_proto::wire::{Header, View, CMD_PUSH, CMD_WINS};
use smol_kcp_proto::{EngineKind, KcpConfig, KcpNoDelayConfig};

use crate::arq::{fresh, Arq, Kind, Wire, CONV, MSS};

/// Largest number of segments in flight, and the window of both ends.
const WINDOW: u16 = 4096;

/// Sends between two acknowledgements.
const ROW: u64 = 16;

const NOW: Time = Time::from_millis(1);

/// Measures everything and prints a table.
pub fn print() {
    let results = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("criterion")))
        .unwrap_or_else(|| PathBuf::from("criterion"));
    let mut criterion = Criterion::default()
        .output_directory(&results)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    let mut rows = Vec::new();
    let mut row = |name: String, engine: Kind, run: &mut dyn FnMut(&mut Bencher<'_>)| {
        let id = format!("{name} {}", engine.name()).replace(' ', "-");
        criterion.bench_function(&id, |bencher| run(bencher));
        rows.push((name, engine, median(&results.join(id))));
    };

    let header = Header { conv: CONV, cmd: CMD_PUSH, wnd: 128, len: 64, ..Header::default() };
    let bytes = header.encode();
    row("header encode".into(), Kind::Ring, &mut |b| b.iter(|| black_box(&header).encode()));
    row("header decode".into(), Kind::Ring, &mut |b| {
        b.iter(|| Header::decode(black_box(&bytes[..])));
    });
    for (name, kind) in [(Kind::Ring, EngineKind::Ring), (Kind::Wall, EngineKind::Kcp)] {
        row("send 64 B + flush".into(), name, &mut |b| send(b, kind));
        for flying in [0, 128, 1024, 4096] {
            let mut engine = in_flight(kind, flying);
            row(format!("flush, nothing due, {flying} in flight"), name, &mut |b| {
                b.iter(|| engine.flush(black_box(NOW)));
            });
        }
        let engine = in_flight(kind, WINDOW);
        row(format!("next deadline, {WINDOW} in flight"), name, &mut |b| {
            b.iter(|| black_box(&engine).poll_timeout(NOW));
        });
        let (mut engine, mut got) = (in_flight(kind, WINDOW), [0; MSS]);
        row("receive, nothing there".into(), name, &mut |b| {
            b.iter(|| black_box(&mut engine).read(&mut got, true).ok());
        });
    }
    for kind in [Kind::Kcp, Kind::Ikcp] {
        row("send 64 B + flush".into(), kind, &mut |b| Stock::new(kind, true).send(b));
        for flying in [0, 128, 1024, 4096] {
            let mut stock = Stock::in_flight(kind, flying);
            row(format!("flush, nothing due, {flying} in flight"), kind, &mut |b| {
                b.iter(|| stock.arq.flush_now(1));
            });
        }
        let mut stock = Stock::in_flight(kind, WINDOW);
        row(format!("next deadline, {WINDOW} in flight"), kind, &mut |b| {
            b.iter(|| black_box(&stock.arq).deadline(1));
        });
        row("receive, nothing there".into(), kind, &mut |b| {
            b.iter(|| black_box(&mut stock.arq).read());
        });
    }
    let names = Kind::ENGINES.map(Kind::name).join(" | ");
    println!("\nMedians in nanoseconds:\n\n| | {names} |\n|---|---|---|---|---|");
    for (name, ..) in rows.iter().filter(|(_, kind, _)| *kind == Kind::Ring) {
        let cells = Kind::ENGINES.map(|kind| {
            let found = rows.iter().find(|(n, k, _)| n == name && *k == kind);
            found.map_or("–".into(), |(_, _, nanoseconds)| format!("{nanoseconds:.1}"))
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// The median that criterion has written below `results`.
fn median(results: &Path) -> f64 {
    let text = std::fs::read_to_string(results.join("new/estimates.json")).expect("estimates");
    let estimates: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    estimates["median"]["point_estimate"].as_f64().expect("a median")
}

/// An engine whose peer has announced a large window.
fn engine(kind: EngineKind, stream: bool) -> Engine {
    let config = KcpConfig {
        wnd_size: (WINDOW, WINDOW),
        nodelay: KcpNoDelayConfig::fastest(),
        send_budget: usize::from(WINDOW) * MSS,
        stream,
        ..KcpConfig::default()
    }
    .with_engine(kind);
    let mut engine = fresh(&config);
    hear(&mut engine, 0);
    engine
}

/// The peer has everything below `una`.
fn hear(engine: &mut Engine, una: u32) {
    let header = Header { conv: CONV, cmd: CMD_WINS, wnd: WINDOW, una, ..Header::default() };
    let datagram = header.encode();
    let view = View::new(&datagram).expect("our own");
    assert!(engine.handle_datagram(NOW, &view).is_ok());
}

/// An engine with so many segments in flight.
fn in_flight(kind: EngineKind, segments: u16) -> Engine {
    let mut engine = engine(kind, false);
    for _ in 0..segments {
        assert_eq!(engine.write(&[7; 64]).unwrap(), 64);
    }
    engine.flush(NOW);
    let mut bytes = 0;
    engine.take_output(&mut |datagram| bytes += datagram.len());
    assert_eq!(bytes, usize::from(segments) * 88);
    engine
}

/// Writes 64 bytes, flushes and takes the datagram, `ROW` times; the ACK is not measured.
fn send(bencher: &mut Bencher<'_>, kind: EngineKind) {
    let mut engine = engine(kind, true);
    let mut sent = 0u32;
    bencher.iter_custom(|iterations| {
        let mut spent = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let row = left.min(ROW);
            let start = Instant::now();
            for _ in 0..row {
                engine.write(black_box(&[7; 64])).unwrap();
                engine.flush(NOW);
                engine.take_output(&mut |datagram| {
                    black_box(datagram);
                });
            }
            spent += start.elapsed();
            left -= row;
            sent = sent.wrapping_add(row as u32);
            hear(&mut engine, sent);
        }
        spent
    });
}

/// An engine that is not ours, in the same roles.
struct Stock {
    arq: Box<dyn Arq>,
    wire: Wire,
}

impl Stock {
    fn new(kind: Kind, stream: bool) -> Stock {
        let wire = Wire::default();
        let mut stock = Stock { arq: kind.make(WINDOW, stream, &wire), wire };
        stock.hear(0);
        stock
    }

    fn hear(&mut self, una: u32) {
        let header = Header { conv: CONV, cmd: CMD_WINS, wnd: WINDOW, una, ..Header::default() };
        self.arq.input(1, &header.encode());
    }

    fn in_flight(kind: Kind, segments: u16) -> Stock {
        let mut stock = Stock::new(kind, false);
        for _ in 0..segments {
            assert_eq!(stock.arq.write(&[7; 64]), 64);
        }
        stock.arq.flush_now(1);
        let sent: usize =
            stock.wire.borrow_mut().out.drain(..).map(|datagram| datagram.len()).sum();
        assert_eq!(sent, usize::from(segments) * 88);
        stock
    }

    fn send(mut self, bencher: &mut Bencher<'_>) {
        let mut sent = 0u32;
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let row = left.min(ROW);
                let start = Instant::now();
                for _ in 0..row {
                    self.arq.write(black_box(&[7; 64]));
                    self.arq.flush_now(1);
                }
                spent += start.elapsed();
                left -= row;
                sent = sent.wrapping_add(row as u32);
                let mut wire = self.wire.borrow_mut();
                let datagrams: Vec<_> = wire.out.drain(..).collect();
                wire.spare.extend(datagrams);
                drop(wire);
                self.hear(sent);
            }
            spent
        });
    }
}
