//! A peer that may be at several addresses.

use super::world::{addr, ms, secs, World, A, B, DELAY};
use crate::layer::crypto::secure::SecureEvent;

/// The server is at its address and at this one.
const OTHER: u8 = 88;

/// Tries the server at its address, and 250 ms later at the other one.
fn try_both(world: &mut World) {
    for number in [2, OTHER] {
        if number == OTHER {
            world.run(ms(250));
        }
        let (key, now) = (world.channel(A, B), world.now);
        world.nodes[A].table.connect(now, key, addr(number).into());
        world.flush();
    }
}

fn place(world: &World) -> std::net::SocketAddr {
    world.nodes[A].table.path(world.channel(A, B)).unwrap().peer
}

#[test]
fn whichever_address_answers_is_where_the_peer_is() {
    for dead in [addr(2), addr(OTHER)] {
        let mut world = World::pair(1);
        world.aliases.push((addr(OTHER), B));
        world.rule = Box::new(move |_, flying| match flying.to == dead {
            true => vec![],
            false => vec![ms(200)],
        });
        // It answers from where it was asked.
        world.nodes[B].addr = if dead == addr(2) { addr(OTHER) } else { addr(2) };
        try_both(&mut world);
        let took = world.run_until(secs(1), |w| w.is_ready(A, B));
        // No timer was needed: 250 and 400 ms after the first, or 400 at once.
        assert_eq!(took, if dead == addr(2) { ms(400) } else { ms(150) });
        assert_ne!(place(&world), dead);
        world.run(secs(3));
        world.assert_talks();
        let to_dead = world.captured.iter().filter(|flying| flying.to == dead).count();
        assert!(to_dead <= 2, "{to_dead}");
    }
}

#[test]
fn an_initiation_leaves_again_for_all_addresses() {
    // The first one is good, but its first datagram is lost; the second one leads nowhere.
    let mut world = World::pair(2);
    world.rule = Box::new(|n, flying| match n == 0 || flying.to == addr(OTHER) {
        true => vec![],
        false => vec![DELAY],
    });
    try_both(&mut world);
    world.run_until(secs(1), |w| w.is_ready(A, B));
    assert_eq!(place(&world), addr(2));
    world.run(secs(1));
    world.assert_talks();
}

#[test]
fn both_arrive_and_only_the_second_way_back_is_open() {
    // Both copies arrive in the same millisecond, each time; what is answered at the first goes nowhere.
    let mut world = World::pair(3);
    world.aliases.push((addr(77), A));
    let (key, now) = (world.channel(A, B), world.now);
    world.rule = Box::new(|_, flying| match flying.to == addr(1) {
        true => vec![],
        false => vec![DELAY],
    });
    world.nodes[A].table.connect(now, key, addr(2).into());
    world.flush();
    let initiation = world.captured[0].bytes.clone();
    world.hand(addr(1), B, initiation.clone());
    world.hand(addr(77), B, initiation);
    world.run(ms(50));
    assert!(world.is_ready(A, B));
}

#[test]
fn many_addresses_are_tried_and_there_is_an_end() {
    let mut world = World::pair(4);
    world.rule = Box::new(|_, _| vec![]);
    let (key, now) = (world.channel(A, B), world.now);
    for number in 100..120 {
        for _ in 0..3 {
            world.nodes[A].table.connect(now, key, addr(number).into());
        }
    }
    world.flush();
    assert_eq!(world.sent, 20, "each once");
    world.run(secs(1));
    assert_eq!(world.sent, 24, "the last four again");
    world.run(secs(200));
    assert_eq!(world.nodes[A].events, [SecureEvent::Unanswered { channel: key }]);
    assert_eq!(world.nodes[A].table.poll_timeout(), None);
    assert_eq!(world.nodes[A].table.index_count(), 0);
}

#[test]
fn a_peer_that_answers_stays_where_it_is() {
    let mut world = World::pair(5);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    let (key, sent) = (world.channel(A, B), world.sent);
    for again in 0..3 {
        if again == 2 {
            // A question is under way, and no answer is overdue.
            world.send(A, B, b"?").unwrap();
        }
        let now = world.now;
        world.nodes[A].table.connect(now, key, addr(OTHER).into());
        world.flush();
        assert_eq!(place(&world), addr(2));
    }
    world.run(secs(1));
    assert_eq!(world.sent, sent + 2, "a question and its answer");
    // The same while new keys are made.
    world.rekey(A, B);
    let now = world.now;
    world.nodes[A].table.connect(now, key, addr(OTHER).into());
    world.run(secs(1));
    assert!(world.captured.iter().all(|flying| flying.to != addr(OTHER)));
    world.assert_talks();
}

#[test]
fn a_peer_that_does_not_answer_is_looked_for_at_the_new_address_too() {
    for moved in [true, false] {
        let mut world = World::pair(6);
        world.connect(A, B);
        world.run(secs(1));
        world.assert_talks();
        // The server has another address now, or the line was cut for a while.
        match moved {
            true => world.nodes[B].addr = addr(OTHER),
            false => world.rule = Box::new(|_, _| vec![]),
        }
        world.send(A, B, b"?").unwrap();
        world.run(secs(1));
        let (key, now) = (world.channel(A, B), world.now);
        world.nodes[A].table.connect(now, key, addr(OTHER).into());
        world.flush();
        assert_eq!(place(&world), addr(2), "nothing has answered yet");
        world.rule = Box::new(|_, _| vec![DELAY]);
        let limit = if moved { 2 * DELAY } else { secs(1) };
        let handshakes = world.nodes[A].table.stats().handshakes;
        world.run_until(limit, |w| w.nodes[A].table.stats().handshakes > handshakes);
        assert_eq!(place(&world), if moved { addr(OTHER) } else { addr(2) });
        world.run(secs(1));
        world.assert_talks();
        assert_eq!((world.restarted(A), world.restarted(B)), (0, 0));
    }
}
