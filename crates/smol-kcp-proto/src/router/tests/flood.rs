//! Everybody's address, forged.

use std::net::SocketAddr;

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO};

/// The forged sender of the `n`th datagram.
fn forged(n: u32) -> SocketAddr {
    (n.wrapping_mul(0x9e37_79b1).to_be_bytes(), 1000 + (n % 60_000) as u16).into()
}

/// First datagrams of all kinds that could open a session.
fn first(n: u32) -> Vec<u8> {
    let header = Header { conv: 1 + n, wnd: 128, ts: n, ..Header::default() };
    let hello = Header { cmd: CMD_WASK, frg: CODE_HELLO, sn: n | 1, ..header };
    let push = |len| Header { cmd: CMD_PUSH, len, ..header };
    let tail = Header { cmd: CMD_WASK, ..header };
    match n % 6 {
        0 => hello.encode().to_vec(),
        1 => [&push(5).encode()[..], b"hello"].concat(),
        2 => push(0).encode().to_vec(),
        3 => [hello.encode(), push(0).encode()].concat(),
        4 => [push(0).encode(), push(0).encode(), tail.encode()].concat(),
        _ => [&hello.encode()[..], &push(1000).encode()[..], &[7; 1000]].concat(),
    }
}

#[test]
fn a_flood_of_openings_is_bounded_and_harms_nobody() {
    let config = KcpConfig { max_sessions: 200, max_unconfirmed: 50, ..config() };
    let mut world = World::pair(&config, link(40, 0), 1);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    let bytes = data(3_000_000);
    world.app(CLIENT, app).to_write = bytes.clone();
    world.app(CLIENT, app).closes = true;
    for n in 0..10_000 {
        let datagram = first(n);
        world.log = Some(Vec::new());
        world.inject(SERVER, forged(n), &datagram);
        let answered: usize = world.sent(addr(SERVER), forged(n)).map(|s| s.bytes.len()).sum();
        assert!(answered <= datagram.len(), "{answered} bytes for {}", datagram.len());
        let stats = world.hosts[SERVER].router.stats();
        assert!(stats.unconfirmed <= 25 && stats.sessions <= 200, "{stats:?}");
        if n % 10 == 0 {
            world.run(ms(1));
        }
        if n % 1000 == 999 {
            // Honest newcomers, of our own kind and stock ones, come in through all of it.
            world.connect(CLIENT, SERVER, None);
            let stock = world.add_stock(&config, 70_000 + n, addr(SERVER));
            world.stock(stock).write(b"me too");
        }
    }
    world.run(ms(400));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.evicted, stats.refused), (21, 0, 0), "{stats:?}");
    assert!(stats.stateless > 9000, "{stats:?}");
    world.run_until(secs(20), |world| world.app(SERVER, 0).at_end);
    assert!(world.app(SERVER, 0).read == bytes);
    assert_eq!(world.hosts[SERVER].apps.len(), 21, "nobody else comes to the application");
    world.run(secs(4));
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 0, "and nothing is left of them");
    (CLIENT + 1..world.hosts.len()).for_each(|stock| world.stock(stock).stop());
    world.release_all();
    world.run_dry();
    assert!(world.hosts[SERVER].router.is_empty());
}

#[test]
fn an_application_that_asked_for_the_unproven_can_let_go_of_them() {
    let config = KcpConfig { max_unconfirmed: 6, accept_unconfirmed: true, ..config() };
    let mut world = World::pair(&config, link(40, 0), 2);
    (0..60).for_each(|n| world.inject(SERVER, forged(n), &first(n)));
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 3);
    assert_eq!(world.hosts[SERVER].apps.len(), 3);
    world.run(secs(4));
    let failed = world.hosts[SERVER].apps.iter().filter(|app| app.failed.is_some()).count();
    assert_eq!(failed, 3);
    world.release_all();
    world.run_dry();
    assert!(world.hosts[SERVER].router.is_empty());
}

#[test]
fn a_blind_sender_cannot_prove_that_it_receives() {
    let mut world = World::pair(&config(), link(40, 0), 3);
    for n in (0..60).step_by(6) {
        let hello = first(n);
        world.inject(SERVER, forged(n), &hello);
        let header = headers(&hello)[0];
        for (cmd, frg, sn, ts) in [
            (CMD_WINS, 0, 0, 0),
            (CMD_WINS, 0, 0, header.ts),
            (CMD_WINS, CODE_HELLO, 0, 0),
            (CMD_WINS, CODE_HELLO, header.sn, header.ts),
            (CMD_ACK, 0, 0, 0),
            (CMD_PUSH, 0, 0, 0),
            (CMD_WASK, 0, 0, 0),
            (CMD_WINS, 0, 0, 0),
        ] {
            let guess = Header { cmd, frg, sn, ts, ..header };
            world.inject(SERVER, forged(n), &guess.encode());
        }
    }
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 10);
}

#[test]
fn resets_are_no_longer_than_what_they_answer_and_limited_in_number() {
    let mut world = World::pair(&config(), link(40, 0), 4);
    world.log = Some(Vec::new());
    for n in 0..10_000 {
        let unknown = Header { conv: 5, cmd: CMD_PUSH, sn: n, una: 9, ..Header::default() };
        world.inject(SERVER, addr(77), &unknown.encode());
    }
    let log = world.log.as_ref().unwrap();
    assert_eq!(log.len(), 200, "to one address in one second");
    assert!(log.iter().all(|sent| sent.bytes.len() == 24));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.unknown, stats.resets_sent, stats.sessions), (10_000, 200, 0));
    // Somebody else is answered all the same.
    let unknown = Header { conv: 5, cmd: CMD_WASK, una: 9, ..Header::default() };
    world.inject(SERVER, addr(78), &unknown.encode());
    assert_eq!(world.log.as_ref().unwrap().len(), 201);
    world.run(secs(1));
    world.inject(SERVER, addr(77), &unknown.encode());
    assert_eq!(world.log.as_ref().unwrap().len(), 202);
}

#[test]
fn two_listeners_do_not_answer_each_others_answers() {
    let mut world = World::new(link(40, 0), 5);
    world.add_server(&config());
    world.add_server(&config());
    world.log = Some(Vec::new());
    for (cmd, frg) in (80..=85).flat_map(|cmd| (0..6).map(move |frg| (cmd, frg))) {
        let header = Header { conv: 5, cmd, frg, sn: 3, una: 1, ..Header::default() };
        world.inject(0, addr(1), &header.encode());
    }
    world.run_dry();
    assert!(world.log.as_ref().unwrap().len() < 40, "{:#?}", world.log);
}
