//! One end, and two ends with an ideal wire between them, in virtual time.

mod closing;
mod limits;
mod time;
mod windows;

use std::time::Duration;

use super::{Connection, Event, Output, Role};
use crate::config::Config;
use crate::frame::{Command, Header, Update, Version};

const ZERO: Duration = Duration::ZERO;

/// Two ends and what is under way between them.
struct Pair {
    now: Duration,
    client: Connection,
    server: Connection,
    from_client: Output,
    from_server: Output,
}

impl Pair {
    fn new(config: Config) -> Pair {
        Pair {
            now: ZERO,
            client: Connection::new(Role::Client, config.clone(), ZERO).unwrap(),
            server: Connection::new(Role::Server, config, ZERO).unwrap(),
            from_client: Output::new(),
            from_server: Output::new(),
        }
    }

    /// Lets everything arrive that both sides say, as far as they want to hear it. Fails on an error.
    #[track_caller]
    fn settle(&mut self) {
        loop {
            let there =
                deliver(self.now, &mut self.client, &mut self.from_client, &mut self.server);
            let back = deliver(self.now, &mut self.server, &mut self.from_server, &mut self.client);
            if !there && !back {
                return;
            }
        }
    }

    /// Opens a stream of the client and accepts it.
    #[track_caller]
    fn open(&mut self) -> u32 {
        let id = self.client.open().unwrap();
        self.settle();
        assert_eq!(self.server.accept(), Some(id));
        id
    }
}

fn deliver(now: Duration, from: &mut Connection, wire: &mut Output, to: &mut Connection) -> bool {
    from.handle_timeout(now).unwrap();
    from.poll_output(now, 4096, wire);
    from.assert_invariants();
    if wire.is_empty() || !to.wants_input() {
        return false;
    }
    let bytes = wire.front().to_vec();
    wire.advance(bytes.len());
    to.handle_input(now, &bytes).unwrap();
    to.assert_invariants();
    from.poll_output(now, 0, wire); // what was written is noted
    true
}

fn one(role: Role, config: Config) -> Connection {
    Connection::new(role, config, ZERO).unwrap()
}

fn v1() -> Config {
    Config { version: Version::V1, ..Config::default() }
}

/// Takes everything that `connection` has to say now.
fn said(connection: &mut Connection, now: Duration) -> Vec<u8> {
    let mut wire = Output::new();
    let mut all = Vec::new();
    loop {
        connection.poll_output(now, usize::MAX, &mut wire);
        if wire.is_empty() {
            return all;
        }
        while !wire.is_empty() {
            let bytes = wire.front().to_vec();
            wire.advance(bytes.len());
            all.extend(bytes);
        }
        if !connection.has_output() {
            return all;
        }
    }
}

fn frame(version: Version, command: Command, id: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header { command, length: payload.len() as u16, id };
    [&header.encode(version)[..], payload].concat()
}

fn update(id: u32, consumed: u32, window: u32) -> Vec<u8> {
    let update = Update { consumed, window };
    frame(Version::V2, Command::Update, id, &update.encode())
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// Reads what is there; whether the end was seen.
#[track_caller]
fn read_all(connection: &mut Connection, id: u32) -> (Vec<u8>, bool) {
    let (mut all, mut buf) = (Vec::new(), [0; 1000]);
    loop {
        match connection.read(id, &mut buf).unwrap() {
            None => return (all, false),
            Some(0) => return (all, true),
            Some(n) => all.extend(&buf[..n]),
        }
    }
}

#[test]
fn bytes_go_both_ways_and_ends_are_seen() {
    for config in [v1(), Config::default()] {
        let mut pair = Pair::new(config);
        let id = pair.open();
        assert_eq!(pair.client.write(id, b"question").unwrap(), Some(8));
        pair.client.finish(id);
        pair.settle();
        assert_eq!(read_all(&mut pair.server, id), (b"question".to_vec(), true));
        // The other half goes on.
        assert_eq!(pair.server.write(id, b"answer").unwrap(), Some(6));
        pair.settle();
        assert_eq!(read_all(&mut pair.client, id), (b"answer".to_vec(), false));
        pair.server.release(id);
        pair.settle();
        assert_eq!(read_all(&mut pair.client, id), (vec![], true));
        pair.client.release(id);
        pair.settle();
        assert!(pair.client.is_idle() && pair.server.is_idle());
    }
}

#[test]
fn both_sides_open_with_numbers_of_their_own() {
    let mut pair = Pair::new(Config::default());
    assert_eq!([pair.client.open().unwrap(), pair.client.open().unwrap()], [3, 5]);
    assert_eq!([pair.server.open().unwrap(), pair.server.open().unwrap()], [2, 4]);
    pair.settle();
    assert_eq!(
        [pair.server.accept(), pair.server.accept(), pair.server.accept()],
        [Some(3), Some(5), None]
    );
    assert_eq!(
        [pair.client.accept(), pair.client.accept(), pair.client.accept()],
        [Some(2), Some(4), None]
    );
}

#[test]
fn small_writes_share_a_frame_and_streams_take_turns() {
    let mut client = one(Role::Client, Config { max_frame_size: 4, ..v1() });
    let (a, b) = (client.open().unwrap(), client.open().unwrap());
    said(&mut client, ZERO);
    assert_eq!(client.write(a, b"ab").unwrap(), Some(2));
    assert_eq!(client.write(a, b"cdef").unwrap(), Some(2));
    assert_eq!(client.write(a, b"ef").unwrap(), None);
    assert_eq!(client.write(b, b"xy").unwrap(), Some(2));
    let expected = [
        frame(Version::V1, Command::Push, a, b"abcd"),
        frame(Version::V1, Command::Push, b, b"xy"),
    ];
    assert_eq!(said(&mut client, ZERO), expected.concat());
    assert_eq!(events(&mut client), [Event::Writable(a)]);
}

#[test]
fn a_flush_waits_until_everything_has_left() {
    let mut client = one(Role::Client, v1());
    let id = client.open().unwrap();
    assert_eq!(client.write(id, b"abc").unwrap(), Some(3));
    assert_eq!(client.flush(id).unwrap(), None);
    let mut wire = Output::new();
    client.poll_output(ZERO, usize::MAX, &mut wire);
    events(&mut client); // a writer may wait too
    assert_eq!(client.flush(id).unwrap(), None);
    wire.advance(wire.len() - 1);
    client.poll_output(ZERO, usize::MAX, &mut wire);
    assert_eq!((events(&mut client), client.flush(id).unwrap()), (vec![], None));
    wire.advance(1);
    client.poll_output(ZERO, usize::MAX, &mut wire);
    assert_eq!(events(&mut client), [Event::Writable(id)]);
    assert_eq!(client.flush(id).unwrap(), Some(()));
}

#[test]
fn nothing_is_read_of_an_empty_buffer_and_nothing_written_of_an_empty_one() {
    let mut client = one(Role::Client, v1());
    let id = client.open().unwrap();
    assert_eq!(client.read(id, &mut []).unwrap(), Some(0));
    assert_eq!(client.write(id, &[]).unwrap(), Some(0));
    assert_eq!(said(&mut client, ZERO), frame(Version::V1, Command::Syn, 3, &[]));
}
