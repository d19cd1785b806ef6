//! Strangers, replays, floods.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::world::{addr, ms, open_server, public, secs, World, A, B, DELAY};
use crate::layer::crypto::secure::keys::{Identity, PresharedKey, SecretKey};
use crate::layer::crypto::secure::message::{InitiationPayload, ResponderKeys, PROLOGUE};
use crate::layer::crypto::secure::noise::Initiator;
use crate::layer::crypto::secure::primitives::Key;
use crate::layer::crypto::secure::{Opened, SecureParams};
use crate::random::Random;

/// Someone else.
const EVE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 666);

fn fill(random: &mut Random, bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = random.next_u64() as u8);
}

#[test]
fn strangers_get_no_byte() {
    let mut world = World::pair(1);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    let sent = world.sent;
    let recorded: Vec<Vec<u8>> = world.captured.iter().map(|f| f.bytes.clone()).collect();
    let mut random = Random::new([1, 2]);
    for n in 0..100_000 {
        let dice = random.next_u64() as usize;
        let mut bytes = match n % 4 {
            0 => vec![0; dice % 600],
            // Plain KCP: a HELLO.
            1 => [&[1, 2, 3, 4, 83, 1][..], &[0; 18]].concat(),
            _ => recorded[dice % recorded.len()].clone(),
        };
        let len = bytes.len();
        match n % 4 {
            0 => fill(&mut random, &mut bytes),
            1 => {}
            2 => bytes[dice / 16 % len] ^= 1 << (dice % 8),
            _ => bytes.truncate(dice / 16 % len),
        }
        let node = dice % 2;
        assert_eq!(world.hand(EVE, node, bytes), Opened::Nothing);
    }
    assert_eq!(world.sent, sent, "nothing was said to anybody");
    world.assert_talks();
    assert_eq!(world.nodes[B].table.unconfirmed(), 0);
}

#[test]
fn a_record_of_an_hour_replayed_opens_and_disturbs_nothing() {
    let mut world = World::pair(2);
    world.connect(A, B);
    world.run(secs(1));
    for _ in 0..360 {
        world.assert_talks();
        world.run(secs(8));
    }
    let recorded = world.captured.clone();
    let heard = [A, B].map(|node| world.nodes[node].received.len());
    let handshakes = [A, B].map(|node| world.nodes[node].table.stats().handshakes);
    let before = world.sent;
    for flying in &recorded {
        for from in [flying.from, EVE] {
            for node in [A, B] {
                world.hand(from, node, flying.bytes.clone());
            }
        }
        world.run(ms(1));
    }
    assert_eq!([A, B].map(|node| world.nodes[node].received.len()), heard);
    // Of this run: nothing at all is answered.
    assert_eq!(world.sent, before);
    // Of a run that the server has forgotten: an answer at most for each, which nobody can use.
    world.restart(B);
    for flying in &recorded {
        world.hand(EVE, B, flying.bytes.clone());
        world.run(ms(30));
    }
    let answers = world.sent - before;
    assert!(answers <= 40, "{answers}");
    assert_eq!([A, B].map(|node| world.nodes[node].received.len()), heard);
    assert_eq!(world.nodes[B].table.stats().handshakes, 0);
    assert_eq!(world.nodes[A].table.stats().handshakes, handshakes[A]);
    world.run(secs(30));
    assert_eq!(world.nodes[B].table.index_count(), 0);
}

#[test]
fn a_replayed_initiation_does_not_take_the_place_of_a_true_one() {
    let mut world = World::pair(3);
    // Ten runs of the client were recorded.
    for _ in 0..10 {
        world.restart(A);
        world.connect(A, B);
        world.run(secs(1));
        world.assert_talks();
        world.run(secs(30));
    }
    let long = |f: &&super::world::Flying| f.bytes.len() >= 196 && f.to == addr(2);
    let old: Vec<Vec<u8>> = world.captured.iter().filter(long).map(|f| f.bytes.clone()).collect();
    world.restart(A);
    world.connect(A, B);
    for bytes in old.iter().take(3) {
        world.hand(EVE, B, bytes.clone());
    }
    world.run(DELAY);
    for bytes in old.iter().skip(3).take(2) {
        world.hand(EVE, B, bytes.clone());
    }
    world.run(secs(1));
    assert!(world.is_ready(A, B) && world.is_ready(B, A));
    assert_eq!(world.nodes[A].table.stats().initiations_sent, 1);
    world.assert_talks();
}

/// An initiation with a valid mac1, of a key that nobody knows. The Noise message takes long to make, and
/// it is enough to make few.
fn forged(to: &ResponderKeys, number: u64) -> Vec<u8> {
    let mut random = Random::new([number, 5]);
    let mut message = vec![0; 148];
    fill(&mut random, &mut message);
    let salt = random.next_u64().to_le_bytes();
    let salt = std::array::from_fn(|i| salt[i % 8] ^ i as u8);
    to.initiation(&message, salt, Err([7; 16])).0
}

#[test]
fn a_flood_of_forged_initiations_costs_little_and_keeps_nobody_out() {
    let mut world = World::pair(4);
    world.add(SecureParams::new(super::world::identity(3)), addr(3));
    world.introduce(2, B);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    let keys = ResponderKeys::new(&public(2));
    let flood: Vec<Vec<u8>> = (0..500).map(|n| forged(&keys, n)).collect();
    world.connect(2, B);
    let before = world.nodes[B].table.stats();
    let mut newcomer_took = None;
    for n in 0..10_000u32 {
        // 10,000 a second, from addresses of their own.
        let from = SocketAddr::from((n.to_be_bytes(), 1));
        let bytes = flood[n as usize % flood.len()].clone();
        let length = bytes.len();
        let sent = world.captured.len();
        world.hand(from, B, bytes);
        let answer: usize = world.captured[sent..].iter().map(|f| f.bytes.len()).sum();
        assert!(answer <= length, "no more out than in");
        assert!(world.nodes[B].table.unconfirmed() <= 2);
        world.run(std::time::Duration::from_micros(100));
        world.captured.clear();
        if newcomer_took.is_none() && world.is_ready(2, B) {
            newcomer_took = Some(n / 10);
        }
    }
    assert!(newcomer_took.is_some_and(|ms| ms < 1000), "{newcomer_took:?}");
    let after = world.nodes[B].table.stats();
    let computed = after.bad_initiations - before.bad_initiations;
    assert!(computed <= 32 + 2 * 20 + 2, "{computed} were computed");
    assert!(world.nodes[2].table.stats().cookies_taken >= 1);
    world.assert_talks();
}

#[test]
fn who_knows_the_secret_and_floods_takes_bounded_memory() {
    let psk = PresharedKey::from_bytes([8; 32]);
    let mut world = World::new(0, 5);
    let server = world.add(open_server(1, psk), addr(1));
    let keys = ResponderKeys::new(&public(1));
    for n in 0..400u64 {
        let mut secret = [9; 32];
        secret[..8].copy_from_slice(&n.to_le_bytes());
        let own = Identity::new(SecretKey::from_bytes(secret));
        let payload = InitiationPayload {
            instance: [1; 8],
            sequence: 0,
            index: 1,
            header_key: Key::new([2; 32]),
        };
        secret[31] ^= 1;
        let ephemeral = SecretKey::from_bytes(secret);
        let (_, message) =
            Initiator::new(&own, &public(1), ephemeral, PROLOGUE, &payload.encode(0)).unwrap();
        let (datagram, _) = keys.initiation(&message, [n as u8; 16], Err([0; 16]));
        world.hand(EVE, server, datagram);
        world.run(ms(50));
    }
    let table = &world.nodes[server].table;
    assert!(table.unconfirmed() <= 256 && table.index_count() <= 256);
    assert_eq!(table.len(), 0, "none of them is a peer");
    world.run(secs(30));
    assert_eq!(world.nodes[server].table.index_count(), 0);
}

#[test]
fn a_cookie_is_taken_from_where_it_was_asked_for_and_once() {
    let mut world = World::pair(6);
    world.rule = Box::new(|_, _| vec![]);
    world.connect(A, B);
    let keys = ResponderKeys::new(&public(2));
    let initiation = world.captured[0].bytes.clone();
    let mac1 = *keys.check(&initiation).unwrap().mac1;
    let reply = keys.cookie_reply(&mac1, [1; 16], &[2; 16], 9);
    world.hand(EVE, A, reply.clone());
    assert_eq!(world.sent, 1, "not from elsewhere");
    world.hand(addr(2), A, keys.cookie_reply(&[0; 16], [1; 16], &[2; 16], 9));
    assert_eq!(world.sent, 1, "not for another initiation");
    world.hand(addr(2), A, reply.clone());
    assert_eq!(world.sent, 2, "sent again at once, with the cookie");
    let again = world.captured[1].bytes.clone();
    assert!(keys.check(&again).unwrap().has_cookie(&[2; 16]));
    world.hand(addr(2), A, reply);
    assert_eq!(world.sent, 2, "once");
    // A server that does not know its own cookie again: no endless row of questions and answers.
    let mac1 = *keys.check(&again).unwrap().mac1;
    let another = keys.cookie_reply(&mac1, [1; 16], &[3; 16], 9);
    world.hand(addr(2), A, another);
    assert_eq!(world.sent, 2, "the next one waits for its time");
    world.run(ms(1300));
    assert_eq!(world.sent, 3);
}

#[test]
fn an_initiation_that_is_repeated_is_answered_again_but_not_for_ever() {
    let mut world = World::pair(7);
    world.rule = Box::new(|_, _| vec![]);
    world.connect(A, B);
    let initiation = world.captured[0].bytes.clone();
    for _ in 0..200 {
        world.hand(EVE, B, initiation.clone());
        world.run(ms(20));
    }
    let stats = world.nodes[B].table.stats();
    assert_eq!((stats.responses_sent, world.nodes[B].table.unconfirmed()), (8, 1));
}

proptest! {
    /// Whatever happens to what is on the wire, nothing comes twice, and in the end they talk.
    #[test]
    fn any_wire(fates in proptest::collection::vec((0u8..8, any::<u16>()), 1..60), seed: u64) {
        let mut world = World::pair(seed);
        let mut fates = fates.into_iter();
        world.rule = Box::new(move |_, _| match fates.next() {
            Some((0 | 1, _)) => vec![],
            Some((2, late)) => vec![DELAY, DELAY + ms(u64::from(late) % 3000)],
            Some((_, late)) => vec![DELAY + ms(u64::from(late) % 500)],
            None => vec![DELAY],
        });
        world.connect(A, B);
        for n in 0..25u32 {
            let _ = world.send(A, B, &[b"?", &n.to_le_bytes()[..]].concat());
            world.run(ms(u64::from(n) * 7 % 900));
        }
        world.rule = Box::new(|_, _| vec![DELAY]);
        world.run(secs(120));
        let mut heard = world.nodes[B].received.clone();
        heard.sort();
        heard.dedup();
        prop_assert_eq!(heard.len(), world.nodes[B].received.len());
        let _ = world.send(A, B, b"?");
        world.run(secs(5));
        world.assert_talks();
    }
}
