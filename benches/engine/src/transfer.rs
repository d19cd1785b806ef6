//! The scenario of which instructions and allocations are counted: one way over 25 ms each way in
//! virtual time, as much as the windows let through, with datagrams lost both ways. Who chooses its
//! rate has a line to fill, which carries a window in a round trip.

use std::collections::VecDeque;

use crate::arq::{Arq, Kind, Wire, MSS, MTU};
use crate::heap;

/// Milliseconds one way.
const DELAY: u64 = 25;

/// What is sent, how.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub kind: Kind,
    pub window: u16,
    /// Per cent of the datagrams.
    pub loss: u32,
    /// Bytes of a segment: a full one of a stream, or a message of its own.
    pub payload: usize,
    pub segments: usize,
}

/// What was counted after the first windows, when everything has found its size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub segments: usize,
    pub allocations: usize,
}

/// One end, and what is on its way to it.
struct End {
    arq: Box<dyn Arq>,
    /// Nanoseconds that the line to it takes for a byte, and when it has taken all that was sent.
    pace: u64,
    free_at: u64,
    incoming: VecDeque<(u64, Vec<u8>)>,
    arrived: Vec<Vec<u8>>,
    received: usize,
    due: Option<u64>,
}

impl End {
    fn new(case: Case, wire: &Wire) -> End {
        let arq = case.kind.make(case.window, case.payload == MSS, wire);
        let (incoming, arrived) = (VecDeque::new(), Vec::new());
        let pace = if case.kind.has_path() {
            2 * DELAY * 1_000_000 / (u64::from(case.window) * MTU as u64)
        } else {
            0
        };
        End { arq, pace, free_at: 0, incoming, arrived, received: 0, due: Some(0) }
    }

    /// The network carries a datagram to it.
    fn carry(&mut self, now: u64, datagram: Vec<u8>) {
        self.free_at = self.free_at.max(now * 1_000_000) + self.pace * datagram.len() as u64;
        self.incoming.push_back((self.free_at.div_ceil(1_000_000) + DELAY, datagram));
    }

    fn next(&self) -> u64 {
        let arrival = self.incoming.front().map(|(at, _)| *at);
        arrival.into_iter().chain(self.due).min().unwrap_or(u64::MAX)
    }

    /// Takes from the network what has arrived.
    fn arrive(&mut self, now: u64) {
        while self.incoming.front().is_some_and(|(at, _)| *at <= now) {
            self.arrived.extend(self.incoming.pop_front().map(|(_, datagram)| datagram));
        }
    }

    /// All that the user of an engine does in a turn.
    fn turn(&mut self, now: u64, source: &[u8]) {
        for datagram in &self.arrived {
            self.arq.input(now, datagram);
        }
        while let Some(len) = self.arq.read() {
            self.received += len;
        }
        if !source.is_empty() {
            while self.arq.write(source) > 0 {}
        }
        self.arq.flush(now);
        self.due = self.arq.deadline(now);
    }

    /// The same. Valgrind knows it by its name and counts while it runs.
    #[inline(never)]
    fn counted_turn(&mut self, now: u64, source: &[u8], counted: &mut Counted) {
        let (received, allocations) = (self.received, heap::allocations());
        self.turn(now, source);
        counted.segments += self.received - received;
        counted.allocations += heap::allocations() - allocations;
    }
}

/// Runs a case.
pub fn run(case: Case) -> Counted {
    let wire = Wire::default();
    // The network allocates nothing while the engines are counted.
    let under_way = 4 * usize::from(case.window);
    wire.borrow_mut().spare.extend((0..under_way).map(|_| Vec::with_capacity(MTU)));
    wire.borrow_mut().out.reserve(under_way);
    let mut ends = [End::new(case, &wire), End::new(case, &wire)];
    // A stream is written many segments at a time.
    let source = vec![7; if case.payload == MSS { 64 * MSS } else { case.payload }];
    let warm = (case.segments / 4).max(6 * usize::from(case.window)) * case.payload;
    let until = warm + case.segments * case.payload;
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut counted = Counted::default();
    let mut now = 0;
    while ends[1].received < until {
        let counts = ends[1].received >= warm;
        for at in [0, 1] {
            if ends[at].next() > now {
                continue;
            }
            wire.borrow_mut().counts = counts;
            let source = if at == 0 { &source[..] } else { &[] };
            ends[at].arrive(now);
            match counts {
                true => ends[at].counted_turn(now, source, &mut counted),
                false => ends[at].turn(now, source),
            }
            let mut wire = wire.borrow_mut();
            wire.spare.append(&mut ends[at].arrived);
            while let Some(datagram) = wire.out.pop_front() {
                if dice.per_cent(case.loss) {
                    wire.spare.push(datagram);
                } else {
                    ends[1 - at].carry(now, datagram);
                }
            }
        }
        now = ends[0].next().min(ends[1].next());
    }
    counted.segments /= case.payload;
    counted
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn per_cent(&mut self, chance: u32) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % 100 < u64::from(chance)
    }
}

fn every() -> impl Iterator<Item = Kind> {
    Kind::ENGINES.into_iter().chain(Kind::ROUTED)
}

impl Case {
    /// The case as arguments of this program, which then runs it and prints the segments counted.
    pub fn to_args(self) -> [String; 6] {
        let kind = every().position(|kind| kind == self.kind).unwrap_or_default();
        [
            "case".into(),
            kind.to_string(),
            self.window.to_string(),
            self.loss.to_string(),
            self.payload.to_string(),
            self.segments.to_string(),
        ]
    }

    /// The reverse.
    pub fn from_args(args: &[String]) -> Option<Case> {
        let [word, kind, window, loss, payload, segments] = args else { return None };
        Some(Case {
            kind: every().nth(kind.parse::<usize>().ok().filter(|_| word == "case")?)?,
            window: window.parse().ok()?,
            loss: loss.parse().ok()?,
            payload: payload.parse().ok()?,
            segments: segments.parse().ok()?,
        })
    }
}
