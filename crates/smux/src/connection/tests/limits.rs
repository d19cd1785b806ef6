//! What a peer may not do, and what this side does not do.

use super::*;
use crate::error::Error;
use crate::frame::ProtocolError;

#[test]
fn streams_beyond_the_limit_are_closed_at_once() {
    let mut pair = Pair::new(Config { max_streams: 2, ..Config::default() });
    let (a, _) = (pair.client.open().unwrap(), pair.client.open().unwrap());
    assert!(matches!(pair.client.open(), Err(Error::TooManyStreams { limit: 2 })));
    pair.settle();
    pair.server.handle_input(ZERO, &frame(Version::V2, Command::Syn, 7, &[])).unwrap();
    assert_eq!(said(&mut pair.server, ZERO), frame(Version::V2, Command::Fin, 7, &[]));
    assert_eq!(pair.server.stats().refused, 1);
    // Who writes to it nevertheless learns that nobody reads.
    pair.server.handle_input(ZERO, &frame(Version::V2, Command::Push, 7, b"hello")).unwrap();
    assert_eq!(said(&mut pair.server, ZERO), frame(Version::V2, Command::Fin, 7, &[]));
    pair.client.release(a);
    assert!(pair.client.open().is_err(), "its FIN has not left");
    pair.settle();
    assert_eq!(pair.client.open().unwrap(), 7);
}

#[test]
fn the_backlog_is_bounded_and_so_are_the_answers() {
    let mut server = one(Role::Server, Config { backlog: 3, ..v1() });
    for n in 1..=5000 {
        server.handle_input(ZERO, &frame(Version::V1, Command::Syn, 2 * n + 1, &[])).unwrap();
        server.assert_invariants();
    }
    assert_eq!((server.stats().accepted, server.stats().refused), (3, 4997));
    assert_eq!(said(&mut server, ZERO).len(), 1024 * 8);
    assert!([3, 5, 7].map(Some).into_iter().all(|id| server.accept() == id));
}

#[test]
fn without_anybody_who_accepts_all_are_refused() {
    let mut pair = Pair::new(Config::default());
    let id = pair.client.open().unwrap();
    pair.settle();
    pair.server.set_accepting(false);
    let late = pair.client.open().unwrap();
    pair.settle();
    for id in [id, late] {
        assert_eq!(read_all(&mut pair.client, id), (vec![], true));
    }
    assert!(pair.server.is_idle());
}

#[test]
fn numbers_run_out_at_the_end_of_32_bits() {
    let mut client = one(Role::Client, v1());
    client.next_id = Some(u32::MAX - 2);
    assert_eq!(client.open().unwrap(), u32::MAX - 2);
    assert_eq!(client.open().unwrap(), u32::MAX);
    assert!(matches!(client.open(), Err(Error::StreamIdsExhausted)));
}

#[track_caller]
fn fails(config: Config, bytes: &[u8], cause: ProtocolError) {
    let mut client = one(Role::Client, config);
    let id = client.open().unwrap();
    said(&mut client, ZERO);
    let error = client.handle_input(ZERO, bytes).unwrap_err();
    assert!(matches!(error, Error::Protocol(found) if found == cause), "{error}");
    assert!(matches!(client.read(id, &mut [0]), Err(Error::Protocol(found)) if found == cause));
    assert_eq!(client.poll_timeout(), None);
    client.assert_invariants();
}

#[test]
fn what_is_not_smux_ends_the_session_with_the_cause() {
    let version = ProtocolError::Version { expected: 2, found: b'G' };
    fails(Config::default(), b"GET / HTTP/1.1", version);
    fails(v1(), &update(3, 0, 9), ProtocolError::Version { expected: 1, found: 2 });
    let v2_only = [1, 4, 8, 0, 3, 0, 0, 0];
    fails(v1(), &v2_only, ProtocolError::Command { command: 4 });
    let ours = frame(Version::V1, Command::Syn, 9, &[]);
    fails(v1(), &ours, ProtocolError::StreamId { id: 9 });
    let nobodys = frame(Version::V1, Command::Syn, 0, &[]);
    fails(v1(), &nobodys, ProtocolError::StreamId { id: 0 });
    fails(Config::default(), &update(3, 1, 9), ProtocolError::Consumed { id: 3 });
}

#[test]
fn what_stock_peers_overlook_is_overlooked() {
    let mut server = one(Role::Server, Config::default());
    let all = [
        frame(Version::V2, Command::Fin, 77, &[]),
        frame(Version::V2, Command::Push, 77, b"for nobody"),
        update(77, 5, 5),
        frame(Version::V2, Command::Nop, 5, &[]),
        frame(Version::V2, Command::Syn, 3, &[]),
        frame(Version::V2, Command::Syn, 3, &[]),
        frame(Version::V2, Command::Push, 3, &[]),
        frame(Version::V2, Command::Push, 3, b"bytes"),
        frame(Version::V2, Command::Fin, 3, &[]),
        frame(Version::V2, Command::Push, 3, b"after the end"),
    ];
    server.handle_input(ZERO, &all.concat()).unwrap();
    assert_eq!((server.accept(), server.accept()), (Some(3), None));
    assert_eq!(read_all(&mut server, 3), (b"bytes".to_vec(), true));
    assert!(said(&mut server, ZERO).is_empty());
    server.assert_invariants();
}

#[test]
fn the_send_buffer_is_shared_and_whoever_waits_is_woken_in_order() {
    let config = Config { max_send_buffer: 1000, max_frame_size: 600, ..v1() };
    let mut client = one(Role::Client, config);
    let ids: Vec<u32> = (0..4).map(|_| client.open().unwrap()).collect();
    assert_eq!(client.write(ids[0], &[0; 999]).unwrap(), Some(600));
    assert_eq!(client.write(ids[1], &[1; 999]).unwrap(), Some(400));
    assert_eq!(client.write(ids[2], &[2; 999]).unwrap(), None);
    assert_eq!(client.write(ids[3], &[3; 999]).unwrap(), None);
    client.assert_invariants();
    let mut wire = Output::new();
    client.poll_output(ZERO, 40, &mut wire); // the SYNs and one frame
    assert_eq!(events(&mut client), [Event::Writable(ids[2])]);
    assert_eq!(client.write(ids[2], &[2; 999]).unwrap(), Some(600));
    client.poll_output(ZERO, usize::MAX, &mut wire);
    assert_eq!(events(&mut client), [Event::Writable(ids[3])]);
    // Dropped streams make room too.
    assert_eq!(client.write(ids[3], &[3; 999]).unwrap(), Some(600));
    client.fail(Error::Closed);
    ids.iter().for_each(|id| client.release(*id));
    assert_eq!((client.stats().send_buffered, client.is_idle()), (0, true));
}
