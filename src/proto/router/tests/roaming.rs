//! Addresses change under conversations.

use std::net::SocketAddr;

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CMD_WINS, CODE_PLAIN};

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
    let forged = Header { cmd: CMD_PUSH, sn: push.sn + 3, una: 0, len: 0, ..push };
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
    assert!((1..=2).contains(&asked.len()), "twice a second at most: {asked:#?}");
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
fn an_answer_that_was_not_asked_for_or_is_made_up_moves_nothing() {
    let (mut world, _, forged) = spoofed(5);
    let wins = Header { cmd: CMD_WINS, frg: CODE_PLAIN, sn: 1, ..forged };
    world.inject(SERVER, elsewhere(), &wins.encode());
    world.inject(SERVER, elsewhere(), &wins.encode());
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(CLIENT)));
    let asked = world.sent(addr(SERVER), elsewhere()).next().map(|s| headers(&s.bytes)[0]).unwrap();
    assert_eq!(asked.cmd, CMD_WASK);
    // Only who has read the question knows its number.
    let wins = Header { sn: asked.sn, ..wins };
    world.inject(SERVER, elsewhere(), &wins.encode());
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(elsewhere()));
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
