//! Handshakes over wires that lose, repeat, delay and reorder.

use super::world::{ms, secs, unruly, World, A, B, DELAY};
use crate::layer::crypto::secure::{NotSealed, SecureEvent};

#[test]
fn data_leave_after_one_round_trip() {
    let mut world = World::pair(1);
    assert_eq!(world.send(A, B, b"?"), Err(NotSealed::NoKeys), "it begins the handshake");
    assert_eq!(world.run_until(secs(1), |w| w.is_ready(A, B)), 2 * DELAY);
    let [SecureEvent::Established { restarted: false, round_trip, .. }] = world.nodes[A].events[..]
    else {
        panic!("{:?}", world.nodes[A].events)
    };
    assert_eq!(round_trip, Some(2 * DELAY));
    assert!(!world.is_ready(B, A), "nobody has confirmed");
    world.run(DELAY);
    assert!(world.is_ready(B, A));
    world.assert_talks();
    // Initiation, response, probe, answer; question and answer, twice.
    assert_eq!(world.sent, 8);
    let handshakes = world.nodes.iter().map(|node| node.table.stats().handshakes);
    assert_eq!(handshakes.sum::<u64>(), 2);
}

#[test]
fn a_server_that_was_not_told_where_its_peer_is_cannot_begin() {
    let mut world = World::pair(1);
    assert_eq!(world.send(B, A, b"?"), Err(NotSealed::NoPath));
    assert_eq!(world.nodes[B].table.poll_timeout(), None);
}

#[test]
fn each_datagram_may_be_lost_repeated_or_late() {
    for (n, fate) in (0..4).flat_map(|n| (0..3).map(move |fate| (n, fate))) {
        let mut world = World::pair(n * 3 + fate);
        world.rule = Box::new(move |i, _| match (i == n, fate) {
            (false, _) => vec![DELAY],
            (true, 0) => vec![],
            (true, 1) => vec![DELAY, DELAY, DELAY + ms(300)],
            (true, _) => vec![DELAY + ms(1500)],
        });
        world.connect(A, B);
        world.run_until(secs(2), |w| w.is_ready(A, B));
        world.run_until(secs(2), |w| w.is_ready(B, A));
        world.run(secs(5));
        world.assert_talks();
        world.run(secs(5));
        let later = world.sent;
        world.run(secs(60));
        assert_eq!(world.sent, later, "the channel itself is quiet");
    }
}

#[test]
fn every_wire_is_survived_and_nothing_comes_twice() {
    for seed in 0..20 {
        let mut world = World::pair(seed);
        world.rule = unruly(seed, 30, 20, 200);
        world.connect(A, B);
        world.run_until(secs(60), |w| w.is_ready(A, B) && w.is_ready(B, A));
        for n in 0..200u32 {
            let (from, to) = if n % 2 == 0 { (A, B) } else { (B, A) };
            world.send(from, to, &n.to_le_bytes()).unwrap();
            world.run(ms(5));
        }
        world.run(secs(2));
        for node in &mut world.nodes {
            let count = node.received.len();
            assert!(count > 40, "{count} of 100 arrived");
            node.received.sort();
            node.received.dedup();
            assert_eq!(node.received.len(), count);
        }
    }
}

#[test]
fn a_path_of_seconds_needs_no_luck() {
    let mut world = World::pair(1);
    world.rule = Box::new(|_, _| vec![ms(1500)]);
    world.connect(A, B);
    assert_eq!(world.run_until(secs(10), |w| w.is_ready(A, B)), secs(3));
    world.run(secs(20));
    assert!(world.is_ready(B, A));
    assert_eq!(world.nodes[A].table.stats().handshakes, 1);
}

#[test]
fn who_gets_no_answer_gives_up_says_so_and_begins_again() {
    let mut world = World::pair(1);
    world.rule = Box::new(|_, _| vec![]);
    world.connect(A, B);
    world.run(secs(200));
    assert_eq!(world.nodes[A].events, [SecureEvent::Unanswered { channel: 0 }]);
    assert_eq!(world.nodes[A].table.poll_timeout(), None);
    assert!((12..25).contains(&world.sent), "{}", world.sent);
    world.rule = Box::new(|_, _| vec![DELAY]);
    assert_eq!(world.send(A, B, b"?"), Err(NotSealed::NoKeys));
    world.run(secs(1));
    world.assert_talks();
}

#[test]
fn waits_for_an_answer_are_not_those_of_others() {
    let times = |seed| {
        let mut world = World::pair(seed);
        world.rule = Box::new(|_, _| vec![]);
        world.connect(A, B);
        world.run_until(secs(9), |w| w.sent == 4);
        world.now
    };
    assert_ne!(times(1), times(2));
}

#[test]
fn other_keys_are_met_with_silence() {
    // Another preshared key: the response does not open; another server key: nothing comes back at all.
    let mut world = World::pair(1);
    let mut params = crate::layer::crypto::secure::PeerParams::new(super::world::public(1));
    params.psk = crate::layer::crypto::secure::PresharedKey::from_bytes([9; 32]);
    world.nodes[B].table.add_peer(params).unwrap();
    world.connect(A, B);
    world.run(secs(100));
    assert!(!world.is_ready(A, B) && !world.is_ready(B, A));
    assert!(world.nodes[A].table.stats().forged > 0);
    assert_eq!(world.nodes[B].table.unconfirmed(), 0, "they are forgotten");

    let mut world = World::new(3, 1);
    world.introduce(A, 2);
    let key = world.channel(A, 2);
    world.nodes[A].table.connect(world.now, key, super::world::addr(2).into());
    world.run(secs(100));
    assert_eq!(world.bytes(super::world::addr(2), super::world::addr(1)), 0);
    assert!(world.nodes[B].table.stats().strangers > 10);
}
