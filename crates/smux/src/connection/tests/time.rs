//! Signs of life.

use super::*;
use crate::error::Error;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_side_says_that_it_lives_and_a_talking_one_need_not() {
    let mut client = one(Role::Client, v1());
    let nop = frame(Version::V1, Command::Nop, 0, &[]);
    assert_eq!(client.poll_timeout(), Some(10 * SECOND));
    client.handle_timeout(9 * SECOND).unwrap();
    assert!(said(&mut client, 9 * SECOND).is_empty());
    client.handle_timeout(10 * SECOND).unwrap();
    assert_eq!(said(&mut client, 10 * SECOND), nop);
    let id = client.open().unwrap();
    assert!(client.write(id, b"x").unwrap().is_some());
    said(&mut client, 15 * SECOND);
    assert_eq!(client.poll_timeout(), Some(25 * SECOND));
    client.handle_timeout(25 * SECOND).unwrap();
    assert_eq!(said(&mut client, 25 * SECOND), nop);
}

#[test]
fn a_transport_that_takes_nothing_does_not_collect_signs_of_life() {
    let mut client = one(Role::Client, Config { keep_alive_timeout: None, ..v1() });
    let mut wire = Output::new();
    for n in 1..100 {
        client.handle_timeout(n * 10 * SECOND).unwrap();
        client.poll_output(n * 10 * SECOND, usize::MAX, &mut wire);
    }
    assert_eq!(wire.len(), 8);
}

#[test]
fn a_silent_peer_is_given_up() {
    let mut client = one(Role::Client, Config { keep_alive: None, ..v1() });
    let id = client.open().unwrap();
    client.handle_input(5 * SECOND, &frame(Version::V1, Command::Nop, 0, &[])).unwrap();
    assert_eq!(client.poll_timeout(), Some(35 * SECOND));
    client.handle_timeout(34 * SECOND).unwrap();
    assert!(matches!(client.handle_timeout(35 * SECOND), Err(Error::TimedOut)));
    assert!(matches!(client.read(id, &mut [0]), Err(Error::TimedOut)));
}

#[test]
fn without_both_there_is_no_deadline() {
    let config = Config { keep_alive: None, keep_alive_timeout: None, ..v1() };
    let mut client = one(Role::Client, config);
    assert_eq!(client.poll_timeout(), None);
    client.handle_timeout(Duration::MAX).unwrap();
    let eternal = Some(Duration::MAX);
    let config = Config { keep_alive: eternal, keep_alive_timeout: eternal, ..v1() };
    let client = Connection::new(Role::Client, config, SECOND).unwrap();
    assert_eq!(client.poll_timeout(), eternal);
}

#[test]
fn who_does_not_read_does_not_blame_the_peer() {
    let config = Config { max_receive_buffer: 10, max_stream_buffer: 1, ..v1() };
    let mut server = one(Role::Server, Config { keep_alive: None, ..config });
    server.handle_input(ZERO, &frame(Version::V1, Command::Syn, 3, &[])).unwrap();
    server.handle_input(ZERO, &frame(Version::V1, Command::Push, 3, &[7; 10])).unwrap();
    assert_eq!(server.poll_timeout(), None);
    server.handle_timeout(100 * SECOND).unwrap();
    assert_eq!(read_all(&mut server, 3).0.len(), 10);
    server.handle_timeout(100 * SECOND).unwrap();
    assert_eq!(server.poll_timeout(), Some(130 * SECOND), "from when it reads again");
    assert!(matches!(server.handle_timeout(130 * SECOND), Err(Error::TimedOut)));
}
