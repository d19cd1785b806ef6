//! Bytes as operations on two ends: what the fuzz targets and a property test run.
//!
//! Whatever the bytes say, nothing may panic, no limit may be passed, and an end that nobody injected
//! anything into must deliver exactly what was written.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use smol_smux::connection::{Connection, Event, Output, Role};
use smol_smux::{Config, Version};

/// What streams of these tests have at most, in bytes: windows close, and memory stays small.
const BUFFER: usize = 20_000;

fn config(version: Version) -> Config {
    Config {
        version,
        max_frame_size: 700,
        max_receive_buffer: BUFFER,
        max_stream_buffer: 5000,
        max_send_buffer: 2000,
        max_streams: 6,
        backlog: 3,
        ..Config::default()
    }
}

const VERSIONS: [Version; 2] = [Version::V1, Version::V2];

/// Any bytes into one end of each kind, in pieces whose lengths they say themselves. The first byte is also
/// taken for the version, so that not all that is tried ends there.
pub fn frames(bytes: &[u8]) {
    for version in VERSIONS {
        for role in [Role::Client, Role::Server] {
            hear(Connection::new(role, config(version), Duration::ZERO).unwrap(), version, bytes);
        }
    }
}

fn hear(mut end: Connection, version: Version, mut bytes: &[u8]) {
    let (mut now, mut out) = (Duration::ZERO, Output::new());
    let ours = end.open().unwrap();
    let mut streams = vec![ours];
    while let [length, rest @ ..] = bytes {
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes = behind;
        let mut piece = piece.to_vec();
        if let Some(first) = piece.first_mut().filter(|first| **first > 2) {
            *first = version.number();
        }
        now += Duration::from_millis(u64::from(*length));
        let failed = end.handle_timeout(now).and_then(|()| end.handle_input(now, &piece)).is_err();
        assert_eq!(failed, end.ended().is_some());
        end.assert_invariants();
        streams.extend(std::iter::from_fn(|| end.accept()));
        for id in &streams {
            let read = end.read(*id, &mut vec![0; usize::from(*length) * 4]);
            assert!(read.is_ok() || failed);
            let _ = end.write(*id, &piece);
            let _ = end.flush(*id);
        }
        end.poll_output(now, 1000, &mut out);
        out.advance(usize::from(*length) * 8);
        end.assert_invariants();
        assert!(end.stats().receive_buffered <= BUFFER + 255);
        if failed {
            break;
        }
    }
    streams.into_iter().for_each(|id| end.release(id));
    end.assert_invariants();
    assert!(end.ended().is_none() || end.is_idle());
}

/// Operations, a byte each with the bytes that it needs: open, accept, write, read, deliver, finish, let go,
/// let time pass, close. In the end all is delivered and compared.
pub fn operations(bytes: &[u8]) {
    VERSIONS.iter().for_each(|&version| operate(version, bytes));
}

fn operate(version: Version, bytes: &[u8]) {
    let mut world = World::new(version);
    let mut bytes = bytes.iter().copied();
    while let Some(op) = bytes.next() {
        let mut next = || bytes.next().unwrap_or(0);
        let side = usize::from(op >> 7);
        match op % 16 {
            0 | 1 => world.open(side),
            2 | 3 => world.accept(side),
            4..=6 => world.write(side, next(), usize::from(next()) * 8),
            7..=9 => world.read(side, next(), usize::from(next()) * 16),
            10 | 11 => drop(world.deliver(side, usize::from(next()) * 16)),
            12 => world.finish(side, next()),
            13 => world.release(side, next()),
            14 => world.now += Duration::from_millis(u64::from(next()) * 10),
            _ if next() < 8 => world.ends[side].connection.close(),
            _ => {}
        }
        world.check();
    }
    world.finish_all();
}

/// What is known of one end.
struct End {
    connection: Connection,
    output: Output,
    /// Streams that the application has.
    held: Vec<u32>,
}

/// What one side has written into a stream, and how far the other has read it.
#[derive(Default)]
struct Written {
    bytes: VecDeque<u8>,
    last: u8,
    finished: bool,
    end_seen: bool,
}

struct World {
    now: Duration,
    ends: [End; 2],
    /// By the side that writes and the stream.
    written: BTreeMap<(usize, u32), Written>,
}

impl World {
    fn new(version: Version) -> World {
        let end = |role| End {
            connection: Connection::new(role, config(version), Duration::ZERO).unwrap(),
            output: Output::new(),
            held: Vec::new(),
        };
        let ends = [end(Role::Client), end(Role::Server)];
        World { now: Duration::ZERO, ends, written: BTreeMap::new() }
    }

    fn pick(&self, side: usize, which: u8) -> Option<u32> {
        let held = &self.ends[side].held;
        held.get(usize::from(which) % held.len().max(1)).copied()
    }

    fn open(&mut self, side: usize) {
        if let Ok(id) = self.ends[side].connection.open() {
            self.ends[side].held.push(id);
        }
    }

    fn accept(&mut self, side: usize) {
        let end = &mut self.ends[side];
        end.held.extend(end.connection.accept());
    }

    fn write(&mut self, side: usize, which: u8, len: usize) {
        let Some(id) = self.pick(side, which) else { return };
        let written = self.written.entry((side, id)).or_default();
        let first = written.last;
        let data: Vec<u8> = (1..=len).map(|n| first.wrapping_add(n as u8)).collect();
        let Ok(Some(n)) = self.ends[side].connection.write(id, &data) else { return };
        assert!(!written.finished && n <= len && (n > 0 || len == 0));
        written.last = first.wrapping_add(n as u8);
        written.bytes.extend(&data[..n]);
    }

    fn read(&mut self, side: usize, which: u8, len: usize) {
        let Some(id) = self.pick(side, which) else { return };
        let mut buf = vec![0; len];
        let Ok(Some(n)) = self.ends[side].connection.read(id, &mut buf) else { return };
        // Of a stream that was refused, or whose other end was let go, it is an end without a finish.
        let written = self.written.entry((1 - side, id)).or_default();
        if n > 0 {
            assert!(!written.end_seen, "nothing comes after the end");
            assert!(buf[..n].iter().all(|byte| written.bytes.pop_front() == Some(*byte)));
        } else if len > 0 {
            written.end_seen = true;
            let other = &self.ends[1 - side];
            assert!(written.finished || !other.held.contains(&id) || other.connection.is_closing());
            assert!(written.bytes.is_empty(), "the end comes behind all bytes");
        }
    }

    fn finish(&mut self, side: usize, which: u8) {
        let Some(id) = self.pick(side, which) else { return };
        self.ends[side].connection.finish(id);
        self.written.entry((side, id)).or_default().finished = true;
    }

    fn release(&mut self, side: usize, which: u8) {
        let Some(id) = self.pick(side, which) else { return };
        self.ends[side].held.retain(|held| *held != id);
        self.ends[side].connection.release(id);
    }

    /// Lets up to `len` bytes of one side arrive at the other. Returns whether any did.
    fn deliver(&mut self, side: usize, len: usize) -> bool {
        let [a, b] = &mut self.ends;
        let (from, to) = if side == 0 { (a, b) } else { (b, a) };
        from.connection.handle_timeout(self.now).unwrap();
        from.connection.poll_output(self.now, 1500, &mut from.output);
        if !to.connection.wants_input() {
            return false;
        }
        let front = from.output.front();
        let bytes = front[..front.len().min(len)].to_vec();
        from.output.advance(bytes.len());
        to.connection.handle_input(self.now, &bytes).unwrap();
        !bytes.is_empty()
    }

    fn check(&mut self) {
        for end in &mut self.ends {
            end.connection.assert_invariants();
            let stats = end.connection.stats();
            assert!(stats.receive_buffered < BUFFER + 255 * 16);
            while let Some(event) = end.connection.poll_event() {
                assert!(matches!(event, Event::Incoming | Event::Readable(_) | Event::Writable(_)));
            }
        }
    }

    /// Delivers and reads everything; both sides let go of all, and nothing is left.
    fn finish_all(&mut self) {
        let settle = |world: &mut World| {
            let mut quiet = 0;
            while quiet < 2 {
                quiet += 1;
                for side in 0..2 {
                    while world.deliver(side, usize::MAX) {
                        quiet = 0;
                    }
                    let end = &mut world.ends[side];
                    end.held.extend(std::iter::from_fn(|| end.connection.accept()));
                    for which in 0..world.ends[side].held.len() {
                        world.read(side, which as u8, 2 * BUFFER);
                    }
                }
                world.check();
            }
        };
        settle(self);
        for side in 0..2 {
            while !self.ends[side].held.is_empty() {
                self.release(side, 0);
            }
        }
        settle(self);
        self.ends.iter().for_each(|end| assert!(end.connection.is_idle()));
    }
}
