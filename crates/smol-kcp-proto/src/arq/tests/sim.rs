//! Two stations, the network between them and an application at each end, in virtual time.
//!
//! The package `smol-kcp-interop` includes this file too, with ikcp.c for a station: it names nothing but
//! what is public, by way of the module that it is in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{wire, Engine, Time, CMD_PUSH};

/// Bytes that differ from place to place, so that a swap shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    // A prime number of bytes, again and again: shifted by a segment it is something else.
    let period = len.min(16_381) as u32;
    let one: Vec<u8> = (0..period).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut bytes = one.repeat(len.div_ceil(one.len().max(1)));
    bytes.truncate(len);
    bytes
}

/// Numbers that look random and are the same in every run (xorshift64).
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(bound)) as u32
    }
}

/// One end of a conversation.
pub(crate) trait Station {
    fn input(&mut self, now: Time, datagram: &[u8]);
    fn write(&mut self, buf: &[u8]) -> usize;
    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize>;
    fn flush(&mut self, now: Time);
    fn take(&mut self, sink: &mut dyn FnMut(&[u8]));
    fn timeout(&self, now: Time) -> Option<Time>;
    fn as_engine(&mut self) -> Option<&mut Engine> {
        None
    }
}

/// What an application at one end does.
#[derive(Default)]
pub(crate) struct App {
    /// Still to be written: messages, or parts of the stream.
    pub to_write: VecDeque<Vec<u8>>,
    /// Everything read.
    pub got: Vec<u8>,
    /// The length of every read.
    pub lens: Vec<usize>,
    /// Does it read at present?
    pub paused: bool,
}

/// Two stations and the network between them.
pub(crate) struct Sim {
    pub now: Time,
    pub stations: [Box<dyn Station>; 2],
    pub apps: [App; 2],
    /// One way.
    pub delay: Duration,
    /// Added to it at random, which reorders.
    pub jitter: Duration,
    pub loss_percent: u32,
    pub dice: Dice,
    /// Datagrams under way, by arrival and in order of departure: to whom, and what.
    under_way: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    departed: u64,
    /// Every PUSH that left each station, lost or not.
    pub pushes: [u64; 2],
    /// Bytes that left each station.
    pub wire: [u64; 2],
    /// How long each byte occupies the line of its direction; until when that is occupied.
    pub per_byte: Duration,
    busy: [Time; 2],
}

impl Sim {
    pub(crate) fn new(stations: [Box<dyn Station>; 2]) -> Sim {
        Sim {
            now: Time::ZERO,
            stations,
            apps: Default::default(),
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            loss_percent: 0,
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            under_way: BTreeMap::new(),
            departed: 0,
            pushes: [0; 2],
            wire: [0; 2],
            per_byte: Duration::ZERO,
            busy: [Time::ZERO; 2],
        }
    }

    /// Lets the applications read and write as much as they can, then flushes and sends.
    pub(crate) fn turn(&mut self, at: usize) {
        let (station, app) = (&mut self.stations[at], &mut self.apps[at]);
        while !app.paused {
            let Some(len) = station.read(&mut app.got) else { break };
            app.lens.push(len);
        }
        while let Some(part) = app.to_write.front_mut() {
            let taken = station.write(part);
            part.drain(..taken);
            if !part.is_empty() {
                break;
            }
            app.to_write.pop_front();
        }
        station.flush(self.now);
        self.send_output(at);
    }

    fn send_output(&mut self, at: usize) {
        let mut out = Vec::new();
        self.stations[at].take(&mut |datagram| out.push(datagram.to_vec()));
        for datagram in out {
            let pushes = wire::segments(&datagram).flatten().filter(|s| s.header.cmd == CMD_PUSH);
            self.pushes[at] += pushes.count() as u64;
            self.wire[at] += datagram.len() as u64;
            let gone = self.busy[at].max(self.now) + self.per_byte * datagram.len() as u32;
            self.busy[at] = gone;
            if self.dice.below(100) < self.loss_percent {
                continue;
            }
            let jitter = self.jitter.as_micros() as u32;
            let extra = Duration::from_micros(u64::from(self.dice.below(jitter + 1)));
            self.departed += 1;
            let arrival = gone + self.delay + extra;
            self.under_way.insert((arrival, self.departed), (1 - at, datagram));
        }
    }

    /// Goes on to the next event and handles all there is at that time; `false` if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let arrival = self.under_way.keys().next().map(|key| key.0);
        let timeouts = self.stations.iter().filter_map(|station| station.timeout(self.now));
        let Some(next) = timeouts.chain(arrival).min() else { return false };
        self.now = self.now.max(next);
        let mut touched = [false; 2];
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, datagram) = entry.remove();
            self.stations[to].input(self.now, &datagram);
            touched[to] = true;
        }
        for (at, touched) in touched.into_iter().enumerate() {
            if touched || self.stations[at].timeout(self.now).is_some_and(|due| due <= self.now) {
                self.turn(at);
            }
        }
        true
    }

    /// Runs until `done`, and fails if that takes longer than `limit` of virtual time.
    #[track_caller]
    pub(crate) fn run_until(&mut self, limit: Time, mut done: impl FnMut(&mut Sim) -> bool) {
        self.turn(0);
        self.turn(1);
        while !done(self) {
            assert!(self.now < limit, "not done at {:?}", self.now);
            assert!(self.step(), "nothing left to happen at {:?}", self.now);
        }
    }

    pub(crate) fn engine(&mut self, at: usize) -> &mut Engine {
        self.stations[at].as_engine().unwrap()
    }
}
