//! Hours and days: keys come and go, and who is quiet costs nothing.

use super::world::{ms, secs, unruly, World, A, B};
use crate::layer::crypto::secure::NotSealed;

#[test]
fn a_day_of_traffic_loses_nothing() {
    let mut world = World::pair(1);
    world.connect(A, B);
    world.run(secs(1));
    world.nodes.iter_mut().for_each(|node| node.answers = false);
    let all: Vec<Vec<u8>> = (0..24 * 360u32).map(|n| n.to_le_bytes().to_vec()).collect();
    for content in &all {
        world.send(A, B, content).unwrap();
        world.send(B, A, content).unwrap();
        world.run(secs(10));
        world.captured.clear();
    }
    assert!(world.nodes[A].received == all && world.nodes[B].received == all);
    let stats = world.nodes[A].table.stats();
    assert!((660..=730).contains(&stats.handshakes), "{stats:?}");
    assert_eq!(stats.initiations_sent, stats.handshakes, "none of them by the responder");
    for node in &world.nodes {
        assert!(node.table.index_count() <= 2);
    }
}

#[test]
fn hours_over_a_bad_wire() {
    let mut world = World::pair(2);
    world.rule = unruly(2, 20, 10, 100);
    world.connect(A, B);
    world.run(secs(10));
    for _ in 0..4 * 1200 {
        let _ = world.send(A, B, b"?");
        world.run(secs(3));
        assert!(world.nodes.iter().all(|node| node.table.index_count() <= 8));
        world.captured.clear();
    }
    let answers = world.nodes[A].received.len();
    assert!(answers > 4 * 1200 / 2, "{answers}");
}

#[test]
fn a_rekey_under_load_loses_and_delays_nothing() {
    let mut world = World::pair(3);
    world.connect(A, B);
    world.run(secs(1));
    world.run(secs(117));
    world.nodes.iter_mut().for_each(|node| node.answers = false);
    for n in 0..4000u32 {
        let (from, to) = if n % 2 == 0 { (A, B) } else { (B, A) };
        world.send(from, to, &n.to_le_bytes()).unwrap();
        world.run(ms(1));
        world.captured.clear();
    }
    world.run(secs(1));
    let all = [A, B].map(|node| world.nodes[node].received.len());
    assert_eq!(all, [2000, 2000]);
    assert_eq!(world.nodes[A].table.stats().handshakes, 2);
}

#[test]
fn a_pair_that_is_idle_for_a_day_wakes_to_erase_its_keys_and_never_again() {
    let mut world = World::pair(4);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    let (sent, woken) = (world.sent, [A, B].map(|node| world.nodes[node].woken));
    world.run(secs(24 * 3600));
    assert_eq!(world.sent, sent);
    for node in [A, B] {
        let node = &world.nodes[node];
        assert!(node.woken - woken.iter().min().unwrap() <= 5, "{}", node.woken);
        assert_eq!((node.table.poll_timeout(), node.table.index_count()), (None, 0));
    }
    assert_eq!(world.send(A, B, b"?"), Err(NotSealed::NoKeys));
    world.run(secs(1));
    world.assert_talks();
}

#[test]
fn keys_are_refused_when_they_are_too_old() {
    let mut world = World::pair(5);
    world.connect(A, B);
    world.run(secs(1));
    world.rule = Box::new(|_, _| vec![]);
    world.send(A, B, b"late").unwrap();
    let late = world.captured.last().unwrap().clone();
    world.run(secs(178));
    // Nobody has called for a timeout: a datagram alone must not be enough to be believed.
    let now = world.now + secs(3);
    let opened = world.nodes[B].table.open(now, late.from.into(), &mut late.bytes.clone());
    assert_eq!(opened, crate::layer::crypto::secure::Opened::Nothing);
    assert_eq!(world.nodes[B].table.stats().expired, 1);
    world.run(secs(3));
    assert_eq!(world.send(A, B, b"new"), Err(NotSealed::NoKeys));
}

#[test]
fn who_only_receives_gets_new_keys_too() {
    let mut world = World::pair(6);
    world.connect(A, B);
    world.run(secs(1));
    for _ in 0..1000 {
        world.send(B, A, b"news").unwrap();
        world.run(secs(1));
    }
    assert_eq!(world.nodes[A].received.len(), 1000);
    assert!(world.nodes[A].table.stats().handshakes >= 8);
}
