//! Addresses change under conversations.

use std::net::SocketAddr;

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CMD_WINS, CODE_PATH, CODE_PLAIN};

fn elsewhere() -> SocketAddr {
    ([192, 168, 7, 7], 1234).into()
}

#[test]
fn a_transfer_goes_on_from_another_address() {
    for (upload, loss) in [(true, 0), (false, 0), (true, 5), (false, 5)] {
        let mut world = World::pair(&config(), link(40, loss), 1);
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        let bytes = data(2_000_000);
        let (from, to) = if upload { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        world.app(from, 0).to_write = bytes.clone();
        world.run(ms(60));
        assert!(!world.app(to, 0).read.is_empty() && world.app(to, 0).read.len() < bytes.len());
        world.hosts[CLIENT].addr = elsewhere();
        let moved = world.now;
        world.log = Some(Vec::new());
        world.app(CLIENT, app).closes = true;
        world.app(SERVER, 0).closes = true;
        world.run_until(secs(30), |world| world.app(to, 0).at_end);
        assert!(world.app(to, 0).read == bytes);
        let router = &world.hosts[SERVER].router;
        assert_eq!(router.stats().accepted, 1, "no second session");
        let first = world.sent(addr(SERVER), elsewhere()).next().unwrap();
        assert_eq!(first.bytes.len(), 24, "nothing but the question before the proof");
        assert!(first.at.since(moved) < secs(2));
        world.run_dry();
        assert!(world.app(CLIENT, app).released);
    }
}

#[test]
fn a_session_that_moved_is_counted_and_found_under_its_new_address_only() {
    let mut world = World::pair(&config(), link(40, 0), 2);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.hosts[CLIENT].addr = elsewhere();
    world.app(CLIENT, app).to_write = b"I am here now".to_vec();
    world.run(secs(1));
    let key = world.app(SERVER, 0).key;
    let router = &world.hosts[SERVER].router;
    assert_eq!(router.peer(key), Some(elsewhere()));
    assert_eq!(router.session_stats(key).roamed, 1);
    assert_eq!(router.list().map(|(_, peer, _)| peer).collect::<Vec<_>>(), [elsewhere()]);
    assert_eq!(world.app(SERVER, 0).read, b"I am here now");
}

#[test]
fn a_stock_peer_roams_too() {
    let mut world = World::new(link(40, 0), 3);
    world.add_server(&config());
    world.add_stock(&config(), 77, addr(SERVER));
    world.stock(CLIENT).write(b"before");
    world.run(secs(1));
    world.app(SERVER, 0).echoes = true;
    world.hosts[CLIENT].addr = elsewhere();
    world.stock(CLIENT).write(b", and after");
    world.run(secs(3));
    assert_eq!(world.app(SERVER, 0).read, b"before, and after");
    assert_eq!(world.stock(CLIENT).read, b", and after");
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
}

/// A pair that has exchanged something, a forged datagram that could be the client's next, and
/// where it seems to come from.
fn spoofed(seed: u64) -> (World, usize, Header) {
    let mut world = World::pair(&config(), link(40, 0), seed);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(SERVER, 0).echoes = true;
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(3000);
    world.run(secs(1));
    let push = world.sent(addr(CLIENT), addr(SERVER)).find(|s| has(&s.bytes, CMD_PUSH, 0)).unwrap();
    let push = headers(&push.bytes)[0];
    // Whoever sends it has seen the clock and knows the numbers.
    let key = world.app(SERVER, 0).key;
    let una = world.hosts[SERVER].router.session_stats(key).segments_sent as u32;
    let ts = push.ts.wrapping_add(1000);
    let forged = Header { cmd: CMD_PUSH, ts, sn: push.sn + 3, una, len: 0, ..push };
    world.log = Some(Vec::new());
    (world, app, forged)
}

#[test]
fn a_spoofed_datagram_moves_nothing_and_draws_one_question_at_a_time() {
    let (mut world, app, forged) = spoofed(4);
    for _ in 0..100 {
        world.inject(SERVER, elsewhere(), &forged.encode());
        world.run(ms(10));
    }
    let asked: Vec<_> = world.sent(addr(SERVER), elsewhere()).cloned().collect();
    assert!((1..=2).contains(&asked.len()), "once a second at most: {asked:#?}");
    assert!(asked.iter().all(|sent| sent.bytes.len() == 24));
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(CLIENT)));
    // From many addresses: no more questions than places for them.
    for host in 20..120 {
        world.inject(SERVER, addr(host), &forged.encode());
    }
    let asked = world.log.iter().flatten().filter(|s| s.to != addr(CLIENT)).count();
    assert!(asked <= 2 + 4, "{asked}");
    world.app(CLIENT, app).to_write = data(3000);
    world.run(secs(1));
    assert_eq!(world.app(CLIENT, app).read.len(), 6000, "the conversation is undisturbed");
}

#[test]
fn a_stranger_who_reads_the_question_still_cannot_answer_it() {
    let (mut world, _, forged) = spoofed(5);
    world.inject(SERVER, elsewhere(), &forged.encode());
    let asked = world.sent(addr(SERVER), elsewhere()).next().map(|s| headers(&s.bytes)[0]).unwrap();
    assert_eq!((asked.cmd, asked.frg, asked.una), (CMD_WASK, CODE_PATH, 0));
    let guesses = [(asked.sn, asked.ts), (asked.ts, asked.sn), (0, 0), (1, 1)];
    for (frg, (sn, ts)) in guesses
        .map(|guess| (CODE_PATH, guess))
        .into_iter()
        .chain([(CODE_PLAIN, (asked.sn, asked.ts)), (wire::CODE_RST, (asked.sn, asked.ts))])
    {
        let wins = Header { cmd: CMD_WINS, frg, sn, ts, ..forged };
        world.inject(SERVER, elsewhere(), &wins.encode());
        // A forged address does not help either.
        world.inject(SERVER, addr(CLIENT), &wins.encode());
    }
    world.inject(SERVER, elsewhere(), &proof(&asked).encode());
    world.run(secs(5));
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(CLIENT)));
    assert!(world.app(SERVER, 0).failed.is_none());
}

#[test]
fn a_guessed_number_without_the_clock_is_answered_like_any_unknown_number() {
    let (mut world, _, forged) = spoofed(9);
    let answers = |world: &mut World, header: Header| {
        world.log = Some(Vec::new());
        world.inject(SERVER, elsewhere(), &header.encode());
        let codes = world.sent(addr(SERVER), elsewhere()).map(|s| codes(&s.bytes)).collect();
        world.run(secs(2));
        codes
    };
    for cmd in [CMD_PUSH, CMD_WASK, CMD_WINS, wire::CMD_ACK] {
        for off in [3000, 1 << 20, 1 << 31] {
            let ts = forged.ts.wrapping_add(off);
            for (sn, una) in [(forged.sn, forged.una), (0, 0), (9, 9)] {
                let hit = Header { cmd, sn, una, ts, ..forged };
                let miss = Header { conv: hit.conv ^ 1, ..hit };
                let hit: Vec<Vec<(u8, u8)>> = answers(&mut world, hit);
                let miss: Vec<Vec<(u8, u8)>> = answers(&mut world, miss);
                assert_eq!(hit, miss, "cmd {cmd} clock off by {off} sn {sn} una {una}");
            }
        }
    }
}

#[test]
fn a_stock_client_does_not_move_while_its_old_address_answers() {
    let mut world = World::new(link(40, 0), 10);
    world.add_server(&config());
    world.add_stock(&config(), 77, addr(SERVER));
    world.log = Some(Vec::new());
    world.stock(CLIENT).write(b"before");
    world.run(secs(1));
    let push = world.sent(addr(CLIENT), addr(SERVER)).next().map(|s| headers(&s.bytes)[0]).unwrap();
    // Somebody who has seen everything answers from elsewhere, again and again.
    for n in 0..10 {
        let ts = push.ts.wrapping_add(1000 * (n + 1));
        let forged = Header { ts, sn: 1, una: 0, len: 0, ..push };
        world.log = Some(Vec::new());
        world.inject(SERVER, elsewhere(), &forged.encode());
        for sent in world.sent(addr(SERVER), elsewhere()).cloned().collect::<Vec<_>>() {
            world.inject(SERVER, elsewhere(), &proof(&headers(&sent.bytes)[0]).encode());
        }
        world.run(secs(1));
    }
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(CLIENT)));
    assert_eq!(world.hosts[SERVER].router.stats().moved, 0);
}

#[test]
fn a_stock_client_that_only_receives_is_found_at_its_new_address() {
    let mut world = World::new(link(40, 0), 11);
    world.add_server(&config());
    world.add_stock(&config(), 77, addr(SERVER));
    world.stock(CLIENT).write(b"send me much");
    world.run(secs(1));
    let bytes = data(3_000_000);
    world.app(SERVER, 0).to_write = bytes.clone();
    world.run(ms(100));
    world.hosts[CLIENT].addr = elsewhere();
    world.run_until(secs(30), |world| world.stock(CLIENT).read.len() == bytes.len());
    assert!(world.stock(CLIENT).read == bytes);
    assert_eq!(world.hosts[SERVER].router.stats().moved, 1);
}

#[test]
fn a_stock_client_that_moves_before_its_first_acknowledgement_stays_in_its_stream() {
    let mut world = World::new(link(40, 0), 14);
    world.add_server(&config());
    world.add_stock(&config(), 77, addr(SERVER));
    world.stock(CLIENT).write(b"hello");
    // The question arrives, and what acknowledges the first words does not.
    world.filter = Box::new(|sent| sent.from != addr(SERVER) || has(&sent.bytes, CMD_PUSH, 0));
    world.run_until(secs(1), |world| !world.hosts[SERVER].apps.is_empty());
    world.hosts[CLIENT].addr = elsewhere();
    world.filter = Box::new(|_| true);
    world.stock(CLIENT).write(b", where am I?");
    world.run(secs(3));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
    assert_eq!(world.app(SERVER, 0).read, b"hello, where am I?");
}

#[test]
fn all_streams_of_a_client_move_with_the_first() {
    let mut world = World::pair(&config(), link(40, 0), 12);
    for _ in 0..100 {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = b"hello".to_vec();
    }
    world.run(secs(1));
    world.hosts[CLIENT].addr = elsewhere();
    let now = world.now;
    world.hosts[CLIENT].router.ping_all(now);
    world.run(ms(200));
    assert_eq!(world.hosts[SERVER].router.stats().moved, 100, "within a few round trips");
}

#[test]
fn a_stock_client_whose_first_datagram_is_lost_takes_nothing_from_one_with_its_number() {
    for speaks in [false, true] {
        let mut world = World::new(link(40, 0), 13);
        world.add_server(&config());
        for client in [1, 2] {
            let host = world.add_stock(&config(), 7, addr(SERVER));
            let mut lost = client == 2;
            let from = addr(host);
            world.filter = Box::new(move |sent| {
                let hit = lost && sent.from == from && headers(&sent.bytes)[0].sn == 0;
                lost &= !hit;
                !hit
            });
            // Two datagrams, the first of which is lost.
            world.stock(host).write(&vec![client as u8; 2000]);
            world.run(ms(500));
            if speaks && client == 1 {
                world.app(SERVER, 0).to_write = data(5000);
                world.run(ms(500));
            }
            world.stock(host).write(&vec![client as u8; 3000]);
            world.run(secs(3));
        }
        let read: Vec<_> = world.hosts[SERVER].apps.iter().map(|app| &app.read).collect();
        assert_eq!(read, [&vec![1; 5000], &vec![2; 5000]]);
    }
}

#[test]
fn what_comes_from_elsewhere_before_the_proof_does_not_count() {
    let (mut world, _, forged) = spoofed(6);
    let before = world.app(SERVER, 0).read.clone();
    let datagram = [&Header { len: 4, ..forged }.encode()[..], b"evil"].concat();
    world.inject(SERVER, elsewhere(), &datagram);
    world.run(secs(1));
    assert_eq!(world.app(SERVER, 0).read, before);
}

#[test]
fn two_clients_with_the_same_number_live_side_by_side() {
    for gap in [0, 500] {
        let mut world = World::new(link(40, 5), 7);
        world.add_server(&config());
        let clients = [world.add(&config()), world.add(&config())];
        for client in clients {
            let app = world.connect(client, SERVER, Some(7));
            world.app(client, app).to_write = vec![client as u8; 50_000];
            world.app(client, app).closes = true;
            world.run(ms(gap));
        }
        world.run_until(secs(20), |world| {
            clients.iter().all(|&client| world.app(client, 0).released)
        });
        let mut read: Vec<_> = world.hosts[SERVER].apps.iter().map(|app| &app.read).collect();
        read.sort();
        assert_eq!(read, [&vec![1; 50_000], &vec![2; 50_000]]);
    }
}

#[test]
fn two_stock_clients_with_the_same_number_live_side_by_side() {
    let mut world = World::new(link(40, 0), 8);
    world.add_server(&config());
    for client in [1, 2] {
        world.add_stock(&config(), 7, addr(SERVER));
        world.stock(client).write(&vec![client as u8; 5000]);
        world.run(secs(1));
    }
    world.run(secs(5));
    let read: Vec<_> = world.hosts[SERVER].apps.iter().map(|app| &app.read).collect();
    assert_eq!(read, [&vec![1; 5000], &vec![2; 5000]]);
}
