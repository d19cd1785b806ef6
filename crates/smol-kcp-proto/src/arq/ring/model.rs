//! The engine against a model of it: sorted maps, looked through from end to end for everything.

mod due;
mod ops;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use self::due::{move_edge, Tail};
use self::ops::{op, Op};
use crate::arq::knobs::BURST;
use crate::arq::tests::{messages, ms, pattern, ring, setup, CONV, MSS, SN_BASE, TS_BASE};
use crate::arq::Engine;
use crate::config::KcpConfig;
use crate::time::Time;
use crate::wire::{self, Header, CMD_ACK, CMD_PUSH, CMD_WINS};

const WINDOW: u64 = 128;
const RESEND: u32 = 2;
/// Segments that the budget has room for beyond the window.
const BEYOND: u64 = 12;
/// Bytes of a message that is received.
const LONG: usize = MSS;

/// A segment in flight.
#[derive(Debug, Default)]
struct Sent {
    first: u64,
    last: u64,
    rto: u64,
    /// When its timeout passes at the earliest; `None`: as its age says, as long as it was sent once.
    due: Option<u64>,
    /// Place of the latest transmission among all.
    turn: u64,
    transmits: u32,
    skips: u32,
    /// When it was suspected often enough, and whether it was sent again for that.
    suspected: Option<u64>,
    lost: bool,
    hasty: bool,
}

/// Numbers are counted from 0 and clocks in milliseconds.
#[derive(Default)]
struct Model {
    now: u64,
    /// The time that the engine has heard of.
    told_time: u64,
    waiting: u64,
    una: u64,
    nxt: u64,
    flying: BTreeMap<u64, Sent>,
    turns: u64,
    peer_window: u64,
    /// The number from which on the peer has said that it has no room.
    edge: u64,
    /// What can be read, the number after it, and what was received from there on.
    unread: VecDeque<u64>,
    read: u64,
    held: BTreeSet<u64>,
    acks: Vec<u64>,
    /// Acknowledged by the last flush, and how many ACKs may be repeated.
    told: Vec<u64>,
    credit: usize,
    reopened: bool,
    /// How long what was suspected is waited for, and losses since something came late.
    wait: u64,
    losses: u64,
    tail: Tail,
}

impl Model {
    fn admits(&self) -> bool {
        let flying = self.flying.len() as u64;
        self.waiting > 0 && flying < WINDOW && self.nxt - self.una < self.peer_window
    }

    fn lost_at(&self, sent: &Sent) -> Option<u64> {
        sent.suspected.filter(|_| sent.lost).map(|at| at + self.wait)
    }

    fn late(&mut self, by: u64, srtt: u64) {
        if by >= srtt / 2 {
            return;
        }
        if by >= self.wait / 2 {
            self.losses = 0;
        }
        self.wait = self.wait.max(by + 1);
    }

    fn settle(&mut self, una: u64) {
        let covered = self.flying.range(..una).filter(|(_, sent)| sent.transmits == 1);
        let newest = covered.map(|(_, sent)| sent.turn).max();
        self.tail.on_ack(newest.unwrap_or(0));
        self.flying.retain(|&sn, _| sn >= una);
        self.una = self.flying.keys().next().copied().unwrap_or(self.nxt);
    }

    fn contiguous(&self) -> u64 {
        (self.read..).find(|sn| !self.held.contains(sn)).unwrap()
    }

    fn rcv_nxt(&self) -> u64 {
        self.contiguous().min(self.read + WINDOW)
    }

    fn free(&self) -> u64 {
        let queued = self.rcv_nxt() - self.read;
        let held = self.held.len() as u64;
        let ahead = held - (self.contiguous() - self.read);
        let bytes = (WINDOW + BEYOND).saturating_sub(held) * MSS as u64;
        let room = bytes.saturating_sub(self.unread.len() as u64 * LONG as u64) / MSS as u64;
        let missing = room.min(WINDOW - queued);
        if missing == 0 && !self.unread.is_empty() {
            return 0;
        }
        (ahead + missing.max(1)).min(WINDOW + BEYOND)
    }

    /// Messages go to the reader as long as those before them leave room.
    fn fill(&mut self) {
        while self.unread.len() * (LONG + size_of::<usize>()) < BEYOND as usize * MSS
            && self.held.remove(&self.read)
        {
            self.unread.push_back(self.read);
            self.read += 1;
        }
    }
}

fn sn(number: u64) -> u32 {
    SN_BASE.wrapping_add(number as u32)
}

fn ts(clock: u64) -> u32 {
    TS_BASE.wrapping_add(clock as u32)
}

/// Everything that both can be asked.
fn compare(engine: &mut Engine, model: &mut Model) {
    model.adopt(engine);
    let waits = model.waits(engine);
    let stats = engine.stats();
    assert_eq!((stats.in_flight, engine.unsent()), (model.flying.len(), model.waiting as usize));
    assert_eq!(engine.snd_nxt(), sn(model.nxt));
    // What stands in a queue is looked at when its time has come.
    let at = |sent: &Sent| sent.due.unwrap_or_else(|| model.due(sent, waits));
    let due = model.flying.values().map(at).min();
    let lost = model.flying.values().filter_map(|sent| model.lost_at(sent)).min();
    let due = due.map(|due| lost.map_or(due, |lost| lost.min(due)));
    assert_eq!(engine.poll_timeout(ms(model.now)), due.map(Time::from_millis));
    let worst = model.flying.values().map(|sent| sent.transmits).max();
    assert_eq!(engine.worst_transmits(), worst.unwrap_or(0));
    for (&number, sent) in &model.flying {
        assert!(engine.in_flight(sn(number), ts(sent.last)));
        assert!(engine.in_flight(sn(number), ts(sent.first)));
        assert!(!engine.in_flight(sn(number), ts(sent.last + 1)));
    }
    let news = !model.acks.is_empty() || model.reopened;
    let lost = lost.is_some_and(|at| at <= model.told_time);
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
    let (mut datagram, srtt) = (Vec::new(), u64::from(engine.stats().srtt_ms));
    let mut flying: Vec<u64> = model.flying.keys().copied().collect();
    // A younger transmission cannot be suspected.
    let known = u64::from(super::tests::inner(engine).rtt.min);
    let mut measured = u64::MAX;
    let (mut highest, mut latest) = (Vec::new(), Vec::new());
    for (index, last) in acks {
        if flying.is_empty() {
            break;
        }
        let number = flying.remove(index.index(flying.len()));
        let sent = model.flying.remove(&number).unwrap();
        let clock = if *last { sent.last } else { sent.first };
        if let Some(at) = sent.suspected.filter(|_| sent.lost || (sent.hasty && clock != sent.last))
        {
            model.late(model.now - at, srtt);
        }
        measured = measured.min(model.now - clock);
        highest.push(number);
        if clock == sent.last {
            latest.push(sent.turn);
        }
        let header =
            Header { sn: sn(number), ts: ts(clock), una: sn(una), ..heard(model, CMD_ACK) };
        datagram.extend(header.encode());
    }
    model.settle(una);
    model.tail.on_ack(latest.iter().copied().max().unwrap_or(0));
    let youngest = if known == u64::from(u32::MAX) { measured } else { known - known / 8 };
    let now = model.now;
    // What was sent once by number, then what was sent again by transmission; one datagram makes no
    // more than so many count as lost, and counts no further then.
    let place = |(&number, sent): (&u64, &Sent)| match sent.transmits {
        1 => (false, number, number),
        _ => (true, sent.turn, number),
    };
    let mut order: Vec<_> = model.flying.iter().map(place).collect();
    order.sort_unstable();
    let mut left = BURST;
    for (_, _, number) in order {
        let sent = model.flying.get_mut(&number).unwrap();
        if now - sent.last < youngest || left == 0 {
            continue;
        }
        let later = match sent.transmits {
            1 => highest.iter().filter(|&&other| other > number).count(),
            _ => latest.iter().filter(|&&other| other > sent.turn).count(),
        };
        if later > 0 && !sent.lost {
            sent.skips += later.min(2) as u32;
            if sent.skips >= RESEND || model.waiting == 0 {
                sent.lost = true;
                sent.suspected = Some(model.now);
                left -= 1;
            }
        }
    }
    let handled = engine.hear(ms(model.now), &datagram).unwrap();
    assert!(handled.proven && handled.progress && !handled.pushed);
    model.told_time = model.now;
    move_edge(engine, model, una);
}

/// What the peer sends under this number.
fn message(number: u64) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(LONG).collect()
}

fn hear_pushes(engine: &mut Engine, model: &mut Model, offsets: &[i64]) {
    let mut datagram = Vec::new();
    for offset in offsets {
        let expected = model.rcv_nxt() as i64;
        let number = (expected + offset).max(0) as u64;
        let header = Header { sn: sn(number), ts: 9, len: LONG as u32, ..heard(model, CMD_PUSH) };
        datagram.extend(header.encode());
        datagram.extend(message(number));
        if number < model.rcv_nxt() + WINDOW + BEYOND {
            model.acks.push(number);
            if number < model.rcv_nxt() || model.held.contains(&number) {
                model.credit = (model.credit + 58).min(WINDOW as usize);
            }
            if number >= model.read {
                model.held.insert(number);
            }
        }
    }
    let before = model.unread.len();
    model.fill();
    let handled = engine.hear(ms(model.now), &datagram).unwrap();
    assert_eq!(handled.readable, model.unread.len() > before);
    model.told_time = model.now;
    move_edge(engine, model, model.una);
}

fn flush(engine: &mut Engine, model: &mut Model) {
    let waits = model.waits(engine);
    let rtt = &super::tests::inner(engine).rtt;
    let [rto, probe] = [rtt.rto, rtt.tail_probe_timeout()].map(u64::from);
    let min = rtt.is_measured().then_some(u64::from(rtt.min));
    engine.flush(ms(model.now));
    model.told_time = model.now;
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
    if !model.acks.is_empty() || model.reopened {
        let una = model.rcv_nxt();
        let again = model.told.iter().copied().filter(|&number| number >= una);
        let again: Vec<u64> = again.take(model.credit).collect();
        model.credit -= again.len();
        let newest = model.acks.split_off(model.acks.len().saturating_sub(8));
        model.acks.retain(|&number| number >= una);
        model.acks.extend(newest);
        assert_eq!(acks, [again, model.acks.clone()].concat());
        model.told = std::mem::take(&mut model.acks);
    } else {
        assert_eq!(acks, []);
    }
    assert_eq!(windows, u32::from(std::mem::take(&mut model.reopened)));

    let mut expected = Vec::new();
    let is_thin = model.is_thin();
    let flying: Vec<u64> = model.flying.keys().copied().collect();
    // What timed out is sent before what was suspected, and each of the latter shortens the wait.
    let timed_out =
        |model: &Model, number: &u64| model.due(&model.flying[number], waits) <= model.now;
    let (due, mut rest): (Vec<u64>, Vec<u64>) =
        flying.into_iter().partition(|number| timed_out(model, number));
    // Of a silent tail a few ask; which ones is the engine's choice.
    let (asks, mut timeouts): (Vec<u64>, Vec<u64>) =
        due.into_iter().partition(|number| model.is_limited(&model.flying[number]));
    let most = model.tail.left.filter(|_| min.is_some());
    let most = most.map_or(asks.len(), |left| asks.len().min(left as usize));
    let (asked, quiet): (Vec<u64>, Vec<u64>) =
        asks.into_iter().partition(|&number| due::has_timed_out(engine, number, &pushes));
    assert_eq!(asked.len(), most, "of those that nothing answers");
    rest.extend(quiet);
    if min.is_some() {
        asked.iter().for_each(|&number| model.on_timeout(number, waits));
    }
    timeouts.extend(asked);
    let mut rest: Vec<u64> =
        rest.into_iter().filter(|number| model.lost_at(&model.flying[number]).is_some()).collect();
    rest.sort_by_key(|number| model.flying[number].suspected);
    let timeouts = timeouts.into_iter().map(|number| (number, true));
    for (number, timeout) in timeouts.chain(rest.into_iter().map(|number| (number, false))) {
        let lost = model.lost_at(&model.flying[&number]).is_some_and(|at| at <= model.now);
        if !timeout && lost {
            model.losses += 1;
            if model.losses == 64 {
                (model.losses, model.wait) = (0, model.wait / 2);
            }
        }
        let sent = model.flying.get_mut(&number).unwrap();
        if (timeout || lost) && min.is_some_and(|min| sent.rto < min) {
            sent.rto = rto;
        }
        if timeout && (!is_thin || sent.transmits > 6) {
            sent.rto = (sent.rto + sent.rto / 2).min(60_000);
        }
        if timeout || lost {
            sent.hasty = !timeout;
            sent.transmits += 1;
            sent.skips = 0;
            sent.lost = false;
            sent.due = Some(model.now + sent.rto);
            sent.last = model.now;
            expected.push(number);
        }
    }
    // A thin stream asks sooner.
    let rto = if model.flying.len() + model.waiting as usize <= 4 { probe } else { rto };
    while model.admits() {
        let now = model.now;
        let sent = Sent { first: now, last: now, rto, transmits: 1, ..Sent::default() };
        model.flying.insert(model.nxt, sent);
        expected.push(model.nxt);
        model.nxt += 1;
        model.waiting -= 1;
    }
    let mut sorted: Vec<u64> = pushes.iter().map(|push| push.0).collect();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    // Within a flush the order is the engine's own.
    for (number, clock) in pushes {
        assert_eq!(clock, ts(model.now));
        model.turns += 1;
        model.flying.get_mut(&number).unwrap().turn = model.turns;
    }
}

fn run(ops: &[Op]) {
    let (wnd_size, recv_budget) = ((WINDOW as u16, WINDOW as u16), BEYOND as usize * MSS);
    let config = KcpConfig { wnd_size, recv_budget, ..messages() };
    let mut engine = ring(setup(&config)).unwrap();
    // Otherwise most waits for the first measurement.
    engine.seed_rtt(ms(0), std::time::Duration::from_millis(100), true);
    let mut model = Model { peer_window: 128, edge: 128, ..Model::default() };
    for op in ops {
        match op {
            Op::Write(len) => {
                model.waiting += engine.write(&pattern(*len)).unwrap().div_ceil(MSS) as u64;
            }
            Op::Acks(acks, una) => hear_acks(&mut engine, &mut model, acks, *una),
            Op::PeerWindow(window) => {
                model.peer_window = u64::from(*window);
                let news = heard(&model, CMD_WINS).encode();
                engine.hear(ms(model.now), &news).unwrap();
                model.told_time = model.now;
                let una = model.una;
                move_edge(&mut engine, &mut model, una);
            }
            Op::Pushes(offsets) => hear_pushes(&mut engine, &mut model, offsets),
            Op::Read => {
                let closed = model.free() == 0;
                let mut into = Vec::new();
                let expected = model.unread.pop_front().map(message);
                model.fill();
                model.reopened |= closed && model.free() > 0;
                assert_eq!(engine.read_into(&mut into), expected.as_ref().map(Vec::len));
                assert_eq!(into, expected.unwrap_or_default());
            }
            Op::Wait(millis) => model.now += millis,
            Op::Timeout => {
                let due = engine.poll_timeout(ms(model.now)).map_or(0, Time::as_millis);
                model.now = model.now.max(due);
            }
            Op::Flush => flush(&mut engine, &mut model),
        }
        compare(&mut engine, &mut model);
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
