//! One side loses its memory.

use super::world::{ms, secs, World, A, B};

#[test]
fn a_server_that_restarts_is_found_out_in_three_round_trips() {
    for one_way in [1, 10, 50, 150] {
        let mut world = World::pair(one_way);
        world.rule = Box::new(move |_, _| vec![ms(one_way)]);
        world.connect(A, B);
        world.run(secs(2));
        world.assert_talks();
        world.run(secs(30));
        world.restart(B);
        world.send(A, B, b"?").unwrap();
        let heard = world.nodes[B].received.len();
        let began = world.now;
        world.run_until(secs(2), |w| w.restarted(A) == 1);
        world.send(A, B, b"?").unwrap();
        world.run_until(secs(2), |w| w.nodes[B].received.len() > heard);
        let took = world.now.since(began);
        assert!(took <= ms(6 * one_way).max(ms(300)), "{took:?} at {one_way} ms one way");
        world.run(secs(1));
        world.assert_talks();
        assert_eq!((world.restarted(A), world.restarted(B)), (1, 0));
    }
}

#[test]
fn a_client_that_restarts_is_known_by_its_confirmation() {
    let mut world = World::pair(3);
    world.connect(A, B);
    world.run(secs(2));
    world.assert_talks();
    world.restart(A);
    world.connect(A, B);
    world.run_until(secs(1), |w| w.is_ready(A, B));
    assert_eq!(world.restarted(B), 0, "not before it is proved");
    world.run(secs(1));
    assert_eq!((world.restarted(A), world.restarted(B)), (0, 1));
    world.assert_talks();
    assert_eq!(world.nodes[B].table.index_count(), 1, "the keys of the former run are gone");
}

#[test]
fn an_earlier_run_does_not_come_back() {
    let mut world = World::pair(8);
    // The server's answer arrives, the confirmation is held back.
    world.rule = Box::new(|n, _| if n < 2 { vec![ms(20)] } else { vec![] });
    world.connect(A, B);
    world.run(ms(100));
    let held = world.captured[2].clone();
    world.rule = Box::new(|_, _| vec![ms(20)]);
    world.restart(A);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    world.hand(held.from, B, held.bytes);
    assert_eq!(world.restarted(B), 0);
    world.assert_talks();
}

#[test]
fn a_client_that_restarts_is_looked_for_where_it_was() {
    let mut world = World::pair(4);
    world.connect(A, B);
    world.run(secs(2));
    world.restart(A);
    world.send(B, A, b"?").unwrap();
    world.run(secs(2));
    world.assert_talks();
    assert_eq!(world.restarted(B), 1);
}

#[test]
fn both_at_once_and_again_and_again() {
    let mut world = World::pair(5);
    world.connect(A, B);
    world.run(secs(2));
    for _ in 0..10 {
        world.assert_talks();
        world.restart(B);
        world.send(A, B, b"?").unwrap();
        world.run(ms(150));
        world.restart(A);
        world.connect(A, B);
        world.run(secs(30));
    }
    world.assert_talks();
}

#[test]
fn silence_costs_a_handshake_now_and_then_and_ends_nothing() {
    let mut world = World::pair(6);
    world.connect(A, B);
    world.run(secs(2));
    world.nodes[B].answers = false;
    let before = world.sent;
    for _ in 0..600 {
        world.send(A, B, b"?").unwrap();
        world.run(ms(100));
    }
    let extra = world.sent - before - 600;
    assert!(extra <= 4 * 16, "{extra} datagrams in a minute");
    assert_eq!(world.nodes[B].received.len(), 600, "all of it arrived");
}

#[test]
fn a_mere_acknowledgement_expects_nothing() {
    let mut world = World::pair(7);
    world.connect(A, B);
    world.run(secs(2));
    let before = world.sent;
    world.send(A, B, b"ack").unwrap();
    world.run(secs(60));
    assert_eq!(world.sent, before + 1);
}
