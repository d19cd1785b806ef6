//! Ends: of a direction, of a stream, of a session.

use super::*;
use crate::error::Error;

#[test]
fn a_dropped_stream_says_its_last_bytes_and_one_fin() {
    let mut pair = Pair::new(Config::default());
    let id = pair.open();
    assert_eq!(pair.client.write(id, b"last").unwrap(), Some(4));
    pair.client.release(id);
    assert_eq!(pair.client.stats().streams, 1);
    let expected =
        [frame(Version::V2, Command::Push, id, b"last"), frame(Version::V2, Command::Fin, id, &[])];
    assert_eq!(said(&mut pair.client, ZERO), expected.concat());
    assert_eq!(pair.client.stats().streams, 0);
}

#[test]
fn a_writer_learns_that_nobody_reads_any_more() {
    let mut pair = Pair::new(Config::default());
    let id = pair.open();
    pair.server.release(id);
    pair.settle();
    // It is only an end as long as nothing is written.
    assert_eq!(read_all(&mut pair.client, id), (vec![], true));
    assert_eq!(pair.client.write(id, b"for nobody").unwrap(), Some(10));
    pair.settle();
    assert!(matches!(pair.client.write(id, b"more"), Err(Error::PeerClosed)));
    assert!(matches!(pair.client.flush(id), Err(Error::PeerClosed)));
    // Once is enough.
    pair.server.handle_input(ZERO, &frame(Version::V2, Command::Push, id, b"late")).unwrap();
    assert!(said(&mut pair.server, ZERO).is_empty());
    pair.client.release(id);
    pair.settle();
    assert!(pair.client.is_idle() && pair.server.is_idle());
}

#[test]
fn a_writer_that_waits_for_a_window_learns_it_too() {
    let config = Config { max_send_buffer: 1 << 20, ..Config::default() };
    let mut pair = Pair::new(config);
    let id = pair.open();
    while pair.client.write(id, &[7; 8192]).unwrap().is_some() {
        pair.settle();
    }
    events(&mut pair.client);
    assert_eq!(pair.client.write(id, b"more").unwrap(), None);
    pair.server.release(id); // with a window full of bytes that it has not read
    pair.settle();
    assert_eq!(events(&mut pair.client), [Event::Writable(id)]);
    assert!(matches!(pair.client.write(id, b"more"), Err(Error::PeerClosed)));
}

#[test]
fn a_second_fin_is_sent_behind_what_waits() {
    let mut server = one(Role::Server, v1());
    server.handle_input(ZERO, &frame(Version::V1, Command::Syn, 3, &[])).unwrap();
    let id = server.accept().unwrap();
    assert_eq!(server.write(id, b"answer").unwrap(), Some(6));
    server.handle_input(ZERO, &frame(Version::V1, Command::Push, id, b"unread")).unwrap();
    server.release(id);
    let fin = frame(Version::V1, Command::Fin, id, &[]);
    let expected = [frame(Version::V1, Command::Push, id, b"answer"), fin.clone(), fin].concat();
    assert_eq!(said(&mut server, ZERO), expected);
    assert!(server.is_idle());
}

#[test]
fn who_has_finished_is_not_told_again() {
    let mut server = one(Role::Server, v1());
    server.handle_input(ZERO, &frame(Version::V1, Command::Syn, 3, &[])).unwrap();
    let id = server.accept().unwrap();
    server.handle_input(ZERO, &frame(Version::V1, Command::Push, id, b"unread")).unwrap();
    server.handle_input(ZERO, &frame(Version::V1, Command::Fin, id, &[])).unwrap();
    server.release(id);
    assert_eq!(said(&mut server, ZERO), frame(Version::V1, Command::Fin, id, &[]));
}

#[test]
fn after_a_close_streams_end_and_none_begins() {
    let mut pair = Pair::new(Config::default());
    let id = pair.open();
    assert_eq!(pair.client.write(id, b"bytes").unwrap(), Some(5));
    pair.client.close();
    assert!(matches!(pair.client.open(), Err(Error::Closed)));
    assert!(matches!(pair.client.write(id, b"more"), Err(Error::Closed)));
    let refused = pair.server.open().unwrap();
    pair.settle();
    assert_eq!(read_all(&mut pair.server, id), (b"bytes".to_vec(), true));
    assert_eq!(read_all(&mut pair.server, refused), (vec![], true));
    assert_eq!(pair.client.stats().refused, 1);
    assert!(!pair.client.is_idle());
    pair.client.release(id);
    assert!(pair.client.is_idle());
}

#[test]
fn what_had_arrived_is_read_before_the_cause() {
    let mut pair = Pair::new(Config::default());
    let (id, waiting) = (pair.open(), pair.client.open().unwrap());
    assert_eq!(pair.client.write(id, b"bytes").unwrap(), Some(5));
    pair.settle();
    pair.server.fail(Error::TimedOut);
    pair.server.fail(Error::Closed);
    assert_eq!(pair.server.accept(), None, "{waiting} is gone");
    let mut buf = [0; 9];
    assert_eq!(pair.server.read(id, &mut buf).unwrap(), Some(5));
    assert!(matches!(pair.server.read(id, &mut buf), Err(Error::TimedOut)));
    assert!(matches!(pair.server.write(id, b"x"), Err(Error::TimedOut)));
    assert!(matches!(pair.server.open(), Err(Error::TimedOut)));
    pair.server.release(id);
    assert!(pair.server.is_idle());
    pair.server.assert_invariants();
}

#[test]
fn an_end_that_was_told_is_not_the_cause() {
    let mut pair = Pair::new(Config::default());
    let id = pair.open();
    pair.client.finish(id);
    pair.settle();
    pair.server.fail(Error::TransportClosed);
    assert_eq!(read_all(&mut pair.server, id), (vec![], true));
}
