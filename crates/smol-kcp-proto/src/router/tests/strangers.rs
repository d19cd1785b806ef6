//! What people can do who have proved nothing: next to nothing.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, HEADER_LEN};

fn victim() -> SocketAddr {
    ([192, 0, 2, 1], 53).into()
}

fn hello(conv: u32, nonce: u32) -> Header {
    Header { conv, cmd: CMD_WASK, frg: CODE_HELLO, wnd: 65_535, sn: nonce, ..Header::default() }
}

/// The third leg that answers a HELLO_ACK.
fn third(answer: &Header) -> Header {
    Header { sn: answer.ts, ts: answer.sn, ..*answer }
}

/// The first header of the last datagram to `to`.
fn last_to(world: &World, to: SocketAddr) -> Option<Header> {
    world.sent(addr(SERVER), to).last().map(|sent| headers(&sent.bytes)[0])
}

/// An application that says a lot as soon as it has a session, whatever it is told.
fn talker(key: crate::router::Key) -> App {
    App { to_write: data(100_000), ..App::new(key) }
}

/// A well-formed datagram of one to three segments, as a stranger would try.
fn attempt() -> impl Strategy<Value = Vec<u8>> {
    let segment = (
        0..3u32,
        CMD_PUSH..=CMD_WINS,
        prop_oneof![0..6u8, any::<u8>()],
        any::<u16>(),
        prop_oneof![Just(0), Just(u32::MAX), any::<u32>()],
        prop_oneof![0..3u32, Just(u32::MAX), any::<u32>()],
        prop_oneof![Just(0), Just(u32::MAX), any::<u32>()],
        0..60usize,
    );
    prop::collection::vec(segment, 1..4).prop_map(|segments| {
        let conv = segments[0].0;
        let mut datagram = Vec::new();
        for (_, cmd, frg, wnd, ts, sn, una, len) in segments {
            let header = Header { conv, cmd, frg, wnd, ts, sn, una, len: len as u32 };
            datagram.extend_from_slice(&header.encode());
            datagram.resize(datagram.len() + len, 7);
        }
        datagram
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nobody_unproven_gets_more_than_it_sent_whatever_the_application_does(
        attempts in prop::collection::vec((attempt(), 0..5000u64), 1..4),
        accept_unconfirmed: bool,
        pressed: bool,
        engine in prop::sample::select(ENGINES),
    ) {
        let max_unconfirmed = if pressed { 1 } else { 256 };
        let config = KcpConfig {
            accept_unconfirmed,
            max_unconfirmed,
            engine,
            keep_alive: Some(secs(5)),
            session_expire: Some(secs(60)),
            ..config()
        };
        let mut world = World::pair(&config, link(40, 0), 1);
        world.hosts[SERVER].accept = Some(talker);
        if pressed {
            world.inject(SERVER, addr(9), &hello(9, 9).encode());
        }
        world.log = Some(Vec::new());
        let (mut bytes, mut datagrams) = (0, 0);
        for (datagram, wait) in attempts {
            bytes += datagram.len();
            datagrams += 1;
            world.inject(SERVER, victim(), &datagram);
            world.run(ms(wait));
        }
        world.run(secs(200));
        let out: Vec<usize> = world.sent(addr(SERVER), victim()).map(|s| s.bytes.len()).collect();
        prop_assert!(out.iter().sum::<usize>() <= bytes, "{out:?} for {bytes}");
        prop_assert!(out.len() <= datagrams, "{out:?} for {datagrams} datagrams");
        let stats = world.hosts[SERVER].router.stats();
        prop_assert_eq!((stats.sessions, stats.unconfirmed), (0, 0));
    }
}

#[test]
fn a_forged_hello_changes_nothing_until_the_newcomer_has_proved_itself() {
    let config = KcpConfig { keep_alive: Some(secs(25)), ..config() };
    let mut world = World::pair(&config, link(40, 0), 2);
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.app(CLIENT, app).to_write = b"hello".to_vec();
    world.run(secs(1));
    world.log = Some(Vec::new());
    for quiet in [0, 4, 60] {
        world.run(secs(quiet));
        world.inject(SERVER, addr(CLIENT), &hello(7, 99).encode());
        world.run(secs(1));
    }
    world.app(CLIENT, app).to_write = b", and still here".to_vec();
    world.run(secs(1));
    assert_eq!(world.app(SERVER, 0).read, b"hello, and still here");
    assert!(world.app(CLIENT, app).failed.is_none() && world.hosts[SERVER].apps.len() == 1);
    // Another life of the client answers what it is told.
    let answer = world.sent(addr(SERVER), addr(CLIENT)).map(|s| headers(&s.bytes)[0]);
    let answer = answer.filter(|header| header.frg == CODE_HELLO).last().unwrap();
    world.inject(SERVER, addr(CLIENT), &third(&answer).encode());
    assert!(matches!(world.app(SERVER, 0).cause(), Some(KcpError::Reset)));
    assert_eq!(world.hosts[SERVER].apps.len(), 2);
}

#[test]
fn a_guessed_cookie_opens_nothing() {
    let config = KcpConfig { max_unconfirmed: 1, ..config() };
    let mut world = World::pair(&config, link(40, 0), 3);
    world.inject(SERVER, addr(9), &hello(9, 9).encode());
    world.log = Some(Vec::new());
    world.inject(SERVER, victim(), &hello(7, 5).encode());
    let answer = last_to(&world, victim()).unwrap();
    let good = third(&answer);
    for wrong in [
        Header { sn: good.sn ^ 1, ..good },
        Header { ts: good.ts ^ 1, ..good },
        Header { conv: 8, ..good },
        Header { sn: 0, ts: 0, ..good },
        Header { cmd: CMD_ACK, frg: 0, sn: u32::MAX, ts: good.sn, ..good },
    ] {
        world.inject(SERVER, victim(), &wrong.encode());
    }
    world.inject(SERVER, addr(8), &good.encode());
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 0);
    world.inject(SERVER, victim(), &good.encode());
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
    world.inject(SERVER, victim(), &good.encode());
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1, "once");
}

#[test]
fn an_honest_handshake_costs_what_it_did() {
    for pressed in [false, true] {
        let max_unconfirmed = if pressed { 1 } else { 256 };
        let mut world = World::pair(&KcpConfig { max_unconfirmed, ..config() }, link(40, 0), 4);
        if pressed {
            world.inject(SERVER, addr(9), &hello(9, 9).encode());
        }
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, None);
        world.run(ms(500));
        assert!(world.app(CLIENT, app).connected.is_some());
        let between = |sent: &&world::Sent| sent.from == addr(CLIENT) || sent.to == addr(CLIENT);
        let bytes: usize = world.log.iter().flatten().filter(between).map(|s| s.bytes.len()).sum();
        assert_eq!(bytes, 3 * HEADER_LEN);
        let stats = world.hosts[SERVER].router.stats();
        assert_eq!((stats.accepted, stats.stateless), (1, u64::from(pressed)));
    }
}

#[test]
fn a_proof_that_comes_after_data_or_lost_under_pressure_ends_no_stream() {
    let mut world = World::pair(&KcpConfig { max_unconfirmed: 1, ..config() }, link(40, 0), 5);
    world.inject(SERVER, addr(9), &hello(9, 9).encode());
    let app = world.connect(CLIENT, SERVER, None);
    let mut lost = 0;
    world.filter = Box::new(move |sent| {
        let third = sent.from == addr(CLIENT) && has(&sent.bytes, CMD_WINS, CODE_HELLO);
        lost += usize::from(third);
        !third || lost > 1
    });
    world.run(ms(60));
    world.app(CLIENT, app).to_write = data(20_000);
    world.run(secs(3));
    assert!(world.app(CLIENT, app).failed.is_none());
    assert_eq!(world.app(SERVER, 0).read, data(20_000));
}

/// A server that is full of sessions from one address, and who they belong to.
fn full(max_sessions: usize, prefixes: usize) -> World {
    let config = KcpConfig { max_sessions, ..config() };
    let mut world = World::pair(&config, link(40, 0), 6);
    world.hosts[SERVER].accept = Some(App::new);
    world.log = Some(Vec::new());
    for n in 0..max_sessions {
        let from = addr(100 + n % prefixes);
        world.inject(SERVER, from, &hello(1000 + n as u32, n as u32 + 1).encode());
        let answer = last_to(&world, from).unwrap();
        world.inject(SERVER, from, &third(&answer).encode());
        world.run(ms(10));
    }
    world
}

#[test]
fn one_network_gets_its_share_and_leaves_the_rest_to_others() {
    let mut world = full(40, 1);
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.sessions, stats.accepted), (10, 10), "a quarter");
    assert_eq!(stats.refused, 30);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = b"me".to_vec();
    world.run(secs(1));
    assert_eq!(world.hosts[SERVER].apps.last().unwrap().read, b"me");
}

#[test]
fn who_is_refused_learns_of_it_at_once() {
    for pressed in [false, true] {
        let max_unconfirmed = if pressed { 1 } else { 256 };
        let config = KcpConfig { max_sessions_per_prefix: Some(1), max_unconfirmed, ..config() };
        let mut world = World::pair(&config, link(40, 0), 8);
        world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        if pressed {
            world.inject(SERVER, addr(9), &hello(9, 9).encode());
        }
        let app = world.connect(CLIENT, SERVER, None);
        world.run(ms(90));
        assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::NoRoom)), "{pressed}");
        assert_eq!(world.hosts[SERVER].router.stats().refused, 1);
    }
}

#[test]
fn when_all_is_full_the_idlest_session_of_the_largest_network_makes_room() {
    let mut world = full(40, 4);
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 40);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = b"me".to_vec();
    world.run(secs(1));
    assert_eq!(world.hosts[SERVER].apps.last().unwrap().read, b"me");
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.sessions, stats.evicted), (40, 1));
    let turned_out =
        |app: &App| matches!(app.cause(), Some(KcpError::TooManySessions { limit: 40 }));
    let out: Vec<usize> = (0..40).filter(|&n| turned_out(&world.hosts[SERVER].apps[n])).collect();
    assert!(matches!(out[..], [0..=3]), "the oldest of one of four: {out:?}");
    // Who has proved nothing makes nobody go.
    for n in 0..1000 {
        world.inject(SERVER, ([10, 9, (n >> 8) as u8, n as u8], 1).into(), &hello(n, 1).encode());
    }
    assert_eq!(world.hosts[SERVER].router.stats().evicted, 1);
}

#[test]
fn a_share_is_given_back_when_its_session_ends() {
    let mut world = full(40, 1);
    let (now, apps) = (world.now, world.hosts[SERVER].apps.len());
    for at in 0..apps {
        let key = world.hosts[SERVER].apps[at].key;
        world.hosts[SERVER].router.abort(now, key);
        world.release(SERVER, at);
    }
    world.inject(SERVER, addr(100), &hello(1, 1).encode());
    let answer = last_to(&world, addr(100)).unwrap();
    world.inject(SERVER, addr(100), &third(&answer).encode());
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 1);
}

#[test]
fn a_stranger_who_fills_the_first_flight_holds_little() {
    let mut world = World::pair(&config(), link(40, 0), 7);
    let push = |sn| {
        let header = Header { conv: 7, cmd: CMD_PUSH, sn, len: 1000, ..Header::default() };
        [&header.encode()[..], &[7; 1000]].concat()
    };
    for sn in 0..120 {
        world.inject(SERVER, victim(), &push(sn));
    }
    let held = world.hosts[SERVER].router.list().next().map(|(_, _, stats)| stats.receive_queue);
    assert!(held.unwrap() <= 17_000, "{held:?}");
}
