//! A side changes its address, in every state.

use super::world::{addr, ms, secs, World, A, B, DELAY};
use crate::layer::crypto::secure::Opened;

#[test]
fn the_newest_datagram_moves_the_peer() {
    let mut world = World::pair(1);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    world.nodes[A].addr = addr(77);
    world.send(A, B, b"here").unwrap();
    world.run(secs(1));
    world.assert_talks();
    assert_eq!(world.nodes[B].table.path(world.channel(B, A)), Some(addr(77).into()));
    assert_eq!(world.nodes[B].table.stats().moved, 1);
}

#[test]
fn an_address_may_change_at_any_time() {
    // Every 5 ms of a handshake, and of a rekey under load.
    for at in (0..120).step_by(5) {
        for rekey in [false, true] {
            let mut world = World::pair(at);
            world.connect(A, B);
            if rekey {
                world.run(secs(1));
                world.rekey(A, B);
            }
            for t in 0..200 {
                if t == at {
                    world.nodes[A].addr = addr(77);
                }
                let _ = world.send(A, B, b"?");
                world.run(ms(1));
            }
            world.run(secs(3));
            world.assert_talks();
            assert_eq!(world.nodes[B].table.path(world.channel(B, A)), Some(addr(77).into()));
        }
    }
}

#[test]
fn an_own_address_that_becomes_known_is_no_move() {
    let mut world = World::pair(5);
    world.connect(A, B);
    world.run(secs(1));
    world.rule = Box::new(|_, _| vec![]);
    let local = |number| Some(std::net::IpAddr::from([10, 0, 0, number]));
    let mut moves = Vec::new();
    for number in [1, 1, 2] {
        world.send(A, B, b"x").unwrap();
        let mut bytes = world.captured.last().unwrap().bytes.clone();
        let path = crate::path::Path { peer: addr(1), local: local(number), channel: None };
        let opened = world.nodes[B].table.open(world.now, path, &mut bytes);
        let Opened::Data { moved_from, .. } = opened else { panic!() };
        moves.push(moved_from.map(|path| path.local));
    }
    assert_eq!(moves, [None, None, Some(local(1))]);
}

#[test]
fn a_server_may_move_too() {
    let mut world = World::pair(2);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    world.nodes[B].addr = addr(88);
    world.send(B, A, b"here").unwrap();
    world.run(secs(1));
    world.assert_talks();
}

#[test]
fn what_is_repeated_or_late_moves_nobody() {
    let mut world = World::pair(3);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    let moved = |world: &World| world.nodes[B].table.path(world.channel(B, A)).unwrap().peer;
    world.rule = Box::new(|_, _| vec![]);
    for content in [b"one", b"two"] {
        world.send(A, B, content).unwrap();
    }
    let [.., one, two] = &world.captured[..] else { panic!() };
    let (one, two) = (one.bytes.clone(), two.bytes.clone());
    assert!(matches!(world.hand(addr(1), B, two.clone()), Opened::Data { .. }));
    let late = world.hand(addr(66), B, one);
    assert!(matches!(late, Opened::Data { moved_from: None, .. }));
    assert_eq!(world.hand(addr(66), B, two), Opened::Nothing);
    assert_eq!(moved(&world), addr(1));
    // A replayed initiation is answered where it comes from, and moves nobody either.
    let first = world.captured[0].bytes.clone();
    world.hand(addr(66), B, first);
    assert_eq!(moved(&world), addr(1));
}

#[test]
fn a_datagram_under_former_keys_moves_nobody() {
    let mut world = World::pair(4);
    world.connect(A, B);
    world.run(secs(1));
    world.rule = Box::new(|_, _| vec![]);
    world.send(A, B, b"late").unwrap();
    let late = world.captured.last().unwrap().bytes.clone();
    world.rule = Box::new(|_, _| vec![DELAY]);
    world.rekey(A, B);
    world.run(secs(1));
    world.assert_talks();
    let opened = world.hand(addr(66), B, late);
    assert!(matches!(opened, Opened::Data { moved_from: None, .. }), "but it is opened");
    world.assert_talks();
}
