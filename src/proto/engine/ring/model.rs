//! The engine against a model of it: sorted maps, looked through from end to end for everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::config::KcpConfig;
use crate::proto::engine::tests::{
    messages, ms, pattern, ring, setup, CONV, MSS, SN_BASE, TS_BASE,
};
use crate::proto::engine::Engine;
use crate::time::Time;
use crate::wire::{self, Header, CMD_ACK, CMD_PUSH, CMD_WINS};

const WINDOW: u64 = 128;
const RESEND: u32 = 2;
const FAST_LIMIT: u32 = 5;

#[derive(Clone, Debug)]
enum Op {
    Write(usize),
    /// ACKs of segments in flight, by their place among them, of the latest or the first
    /// transmission; and by how much the peer's `una` goes on.
    Acks(Vec<(prop::sample::Index, bool)>, u64),
    PeerWindow(u16),
    /// PUSHes by their distance from what is expected.
    Pushes(Vec<i64>),
    Read,
    Wait(u64),
    /// Goes on to the next deadline.
    Timeout,
    Flush,
}

fn op() -> impl Strategy<Value = Op> {
    let acks =
        prop::collection::vec((any::<prop::sample::Index>(), prop::bool::weighted(0.8)), 1..6);
    let una = prop_oneof![2 => Just(0u64), 1 => 1u64..20];
    prop_oneof![
        3 => (1usize..8 * MSS).prop_map(Op::Write),
        6 => (acks, una).prop_map(|(acks, una)| Op::Acks(acks, una)),
        1 => (1u16..200).prop_map(Op::PeerWindow),
        4 => prop::collection::vec(-5i64..140, 1..8).prop_map(Op::Pushes),
        2 => Just(Op::Read),
        3 => (0u64..80).prop_map(Op::Wait),
        1 => Just(Op::Timeout),
        6 => Just(Op::Flush),
    ]
}

/// A segment in flight.
#[derive(Debug)]
struct Sent {
    first: u64,
    last: u64,
    rto: u64,
    due: u64,
    /// Place of the latest transmission among all.
    turn: u64,
    transmits: u32,
    skips: u32,
}

impl Sent {
    fn is_lost(&self) -> bool {
        self.skips >= RESEND && self.transmits <= FAST_LIMIT
    }
}

/// Numbers are counted from 0 and clocks in milliseconds.
#[derive(Default)]
struct Model {
    now: u64,
    waiting: u64,
    una: u64,
    nxt: u64,
    flying: BTreeMap<u64, Sent>,
    turns: u64,
    peer_window: u64,
    /// What was received and not read.
    held: BTreeMap<u64, Vec<u8>>,
    read: u64,
    acks: Vec<u64>,
    reopened: bool,
}

impl Model {
    fn admits(&self) -> bool {
        self.waiting > 0 && self.nxt - self.una < WINDOW.min(self.peer_window)
    }

    fn settle(&mut self, una: u64) {
        self.flying.retain(|&sn, _| sn >= una);
        self.una = self.flying.keys().next().copied().unwrap_or(self.nxt);
    }

    fn contiguous(&self) -> u64 {
        (self.read..).find(|sn| !self.held.contains_key(sn)).unwrap()
    }

    fn rcv_nxt(&self) -> u64 {
        self.contiguous().min(self.read + WINDOW)
    }

    fn free(&self) -> u64 {
        WINDOW - (self.rcv_nxt() - self.read)
    }
}

fn sn(number: u64) -> u32 {
    SN_BASE.wrapping_add(number as u32)
}

fn ts(clock: u64) -> u32 {
    TS_BASE.wrapping_add(clock as u32)
}

/// Everything that both can be asked.
fn compare(engine: &Engine, model: &Model) {
    let stats = engine.stats();
    assert_eq!((stats.in_flight, engine.unsent()), (model.flying.len(), model.waiting as usize));
    assert_eq!(engine.snd_nxt(), sn(model.nxt));
    let due = model.flying.values().map(|sent| sent.due).min();
    assert_eq!(engine.poll_timeout(ms(model.now)), due.map(Time::from_millis));
    let worst = model.flying.values().map(|sent| sent.transmits).max();
    assert_eq!(engine.worst_transmits(), worst.unwrap_or(0));
    for (&number, sent) in &model.flying {
        assert!(engine.in_flight(sn(number), ts(sent.last)));
        assert!(engine.in_flight(sn(number), ts(sent.first)));
        assert!(!engine.in_flight(sn(number), ts(sent.last + 1)));
    }
    let news = !model.acks.is_empty() || model.reopened;
    let lost = model.flying.values().any(Sent::is_lost);
    assert_eq!(engine.needs_flush(), news || lost || model.admits());
    assert_eq!(engine.rcv_nxt(), sn(model.contiguous()));
    let header = engine.header(ms(model.now), CMD_WINS, 0);
    assert_eq!((header.wnd, header.una), (model.free() as u16, sn(model.rcv_nxt())));
}

fn heard(model: &Model, cmd: u8) -> Header {
    let wnd = model.peer_window as u16;
    Header { conv: CONV, cmd, wnd, una: sn(model.una), ..Header::default() }
}

fn hear_acks(
    engine: &mut Engine,
    model: &mut Model,
    acks: &[(prop::sample::Index, bool)],
    una: u64,
) {
    if model.flying.is_empty() {
        return;
    }
    let una = (model.una + una).min(model.nxt);
    let mut datagram = Vec::new();
    let mut flying: Vec<u64> = model.flying.keys().copied().collect();
    let (mut highest, mut latest) = (None, None);
    for (index, last) in acks {
        if flying.is_empty() {
            break;
        }
        let number = flying.remove(index.index(flying.len()));
        let sent = model.flying.remove(&number).unwrap();
        let clock = if *last { sent.last } else { sent.first };
        highest = highest.max(Some(number));
        if clock == sent.last {
            latest = latest.max(Some(sent.turn));
        }
        let header =
            Header { sn: sn(number), ts: ts(clock), una: sn(una), ..heard(model, CMD_ACK) };
        datagram.extend(header.encode());
    }
    model.settle(una);
    for (&number, sent) in &mut model.flying {
        let overtaken = match sent.transmits {
            1 => highest > Some(number),
            _ => latest > Some(sent.turn),
        };
        sent.skips += u32::from(overtaken);
    }
    let handled = engine.handle_datagram(ms(model.now), &datagram).unwrap();
    assert!(handled.proven && handled.progress && !handled.pushed);
}

fn hear_pushes(engine: &mut Engine, model: &mut Model, offsets: &[i64]) {
    let mut datagram = Vec::new();
    for offset in offsets {
        let expected = model.rcv_nxt() as i64;
        let number = (expected + offset).max(0) as u64;
        let payload = number.to_le_bytes();
        let header = Header { sn: sn(number), ts: 9, len: 8, ..heard(model, CMD_PUSH) };
        datagram.extend(header.encode());
        datagram.extend(payload);
        if number < model.rcv_nxt() + WINDOW {
            model.acks.push(number);
            if number >= model.read {
                model.held.insert(number, payload.to_vec());
            }
        }
    }
    engine.handle_datagram(ms(model.now), &datagram).unwrap();
}

fn flush(engine: &mut Engine, model: &mut Model) {
    let rto = u64::from(engine.stats().rto_ms);
    engine.flush(ms(model.now));
    let (mut pushes, mut acks, mut windows) = (Vec::new(), Vec::new(), 0);
    engine.take_output(&mut |datagram| {
        for segment in wire::segments(datagram) {
            let header = segment.unwrap().header;
            match header.cmd {
                CMD_PUSH => pushes.push((header.sn.wrapping_sub(SN_BASE) as u64, header.ts)),
                CMD_ACK => acks.push(header.sn.wrapping_sub(SN_BASE) as u64),
                _ => windows += 1,
            }
        }
    });
    assert_eq!(acks, std::mem::take(&mut model.acks));
    assert_eq!(windows, u32::from(std::mem::take(&mut model.reopened)));

    let mut expected = Vec::new();
    for (&number, sent) in &mut model.flying {
        let timeout = sent.due <= model.now;
        if timeout {
            sent.rto = (sent.rto + sent.rto / 2).min(60_000);
        }
        if timeout || sent.is_lost() {
            sent.transmits += 1;
            sent.skips = 0;
            sent.due = model.now + sent.rto;
            sent.last = model.now;
            expected.push(number);
        }
    }
    while model.admits() {
        let (now, due) = (model.now, model.now + rto);
        let sent = Sent { first: now, last: now, rto, due, turn: 0, transmits: 1, skips: 0 };
        model.flying.insert(model.nxt, sent);
        expected.push(model.nxt);
        model.nxt += 1;
        model.waiting -= 1;
    }
    let mut sorted: Vec<u64> = pushes.iter().map(|push| push.0).collect();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    // Within a flush the order is the engine's own.
    for (number, clock) in pushes {
        assert_eq!(clock, ts(model.now));
        model.turns += 1;
        model.flying.get_mut(&number).unwrap().turn = model.turns;
    }
}

fn run(ops: &[Op]) {
    let config = KcpConfig { wnd_size: (WINDOW as u16, WINDOW as u16), ..messages() };
    let mut engine = ring(setup(&config)).unwrap();
    let mut model = Model { peer_window: 128, ..Model::default() };
    for op in ops {
        match op {
            Op::Write(len) => {
                let taken = engine.write(&pattern(*len)).unwrap();
                model.waiting += taken.div_ceil(MSS) as u64;
            }
            Op::Acks(acks, una) => hear_acks(&mut engine, &mut model, acks, *una),
            Op::PeerWindow(window) => {
                model.peer_window = u64::from(*window);
                let news = heard(&model, CMD_WINS).encode();
                engine.handle_datagram(ms(model.now), &news).unwrap();
            }
            Op::Pushes(offsets) => hear_pushes(&mut engine, &mut model, offsets),
            Op::Read => {
                let closed = model.free() == 0;
                let mut into = Vec::new();
                let expected = match model.contiguous() > model.read {
                    true => model.held.remove(&model.read),
                    false => None,
                };
                model.read += u64::from(expected.is_some());
                model.reopened |= closed && model.free() > 0;
                assert_eq!(engine.read(&mut into), expected.as_ref().map(Vec::len));
                assert_eq!(into, expected.unwrap_or_default());
            }
            Op::Wait(millis) => model.now += millis,
            Op::Timeout => {
                let due = engine.poll_timeout(ms(model.now));
                model.now = due.map_or(model.now, |due| due.as_millis().max(model.now));
            }
            Op::Flush => flush(&mut engine, &mut model),
        }
        compare(&engine, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: std::env::var("MODEL_CASES").map_or(200, |cases| cases.parse().unwrap()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_does_what_its_model_does(ops in prop::collection::vec(op(), 1..400)) {
        run(&ops);
    }
}
