//! The ends of counters, indices that are taken, memory.

use super::world::{secs, World, A, B};
use crate::layer::crypto::secure::channel::Channel;
use crate::layer::crypto::secure::generator::Generator;
use crate::layer::crypto::secure::keypair::Keypair;
use crate::layer::crypto::secure::NotSealed;

#[test]
fn counters_go_on_past_32_bits_and_ask_for_new_keys() {
    let mut world = World::pair(1);
    world.connect(A, B);
    world.run(secs(1));
    world.skip_to(A, B, (1 << 31) - 5);
    world.assert_talks();
    world.skip_to(A, B, (1 << 32) - 5);
    for _ in 0..4 {
        world.send(A, B, b"forth").unwrap();
    }
    world.run(secs(1));
    assert_eq!(world.nodes[A].table.stats().handshakes, 1);
    for _ in 0..10 {
        world.send(A, B, b"forth").unwrap();
    }
    world.run(secs(1));
    assert_eq!(world.nodes[A].table.stats().handshakes, 2);
    assert_eq!(world.nodes[B].received.len(), 14 + 2);
    world.assert_talks();
}

#[test]
fn no_counter_is_used_beyond_the_last() {
    let mut world = World::pair(2);
    world.connect(A, B);
    world.run(secs(1));
    world.skip_to(A, B, (1 << 32) - 1);
    world.assert_talks();
    world.skip_to(A, B, (1 << 33) - 1);
    // Nobody answers the handshake that this asks for.
    world.rule = Box::new(|_, _| vec![]);
    world.run(secs(20));
    world.skip_to(A, B, (1 << 33) - 1);
    assert_eq!(world.send(A, B, b"last"), Ok(()));
    for _ in 0..3 {
        assert_eq!(world.send(A, B, b"more"), Err(NotSealed::NoKeys));
    }
    world.rule = Box::new(|_, _| vec![secs(0)]);
    world.run(secs(20));
    world.assert_talks();
}

#[test]
fn an_index_that_is_taken_is_not_given_out_again() {
    let mut world = World::pair(3);
    let table = &mut world.nodes[A].table;
    let mut all: Vec<u32> =
        (0..100).map(|_| table.draw_index(&mut Generator::new([1; 32]))).collect();
    all.sort_unstable();
    all.dedup();
    assert!(all.len() == 100 && !all.contains(&0), "each time the same numbers were drawn");
}

#[test]
fn a_buffer_without_room_is_refused() {
    let mut world = World::pair(4);
    world.connect(A, B);
    world.run(secs(1));
    let (key, now) = (world.channel(A, B), world.now);
    let table = &mut world.nodes[A].table;
    for (size, len) in [(0, 0), (24, 0), (30, 6), (100, usize::MAX), (100, 1000)] {
        let sealed = table.seal(now, key, &mut vec![0; size], len, false);
        assert_eq!(sealed, Err(NotSealed::NoRoom), "{size} {len}");
    }
    assert_eq!(table.seal(now, key, &mut [0; 25], 0, false).map(|sealed| sealed.len), Ok(25));
    assert_eq!(table.seal(now, 99, &mut [0; 25], 0, false), Err(NotSealed::NoChannel));
}

#[test]
fn equal_segments_stay_equal_and_padding_makes_them_so() {
    let mut world = World::pair(5);
    world.connect(A, B);
    world.run(secs(1));
    let before = world.captured.len();
    for _ in 0..64 {
        world.send(A, B, &[7; 1000]).unwrap();
    }
    assert!(world.captured[before..].iter().all(|flying| flying.bytes.len() == 1025));

    let (key, now) = (world.channel(A, B), world.now);
    world.nodes[A].table.pad_to_for_tests(64);
    for len in [0, 1, 62, 63, 64, 100] {
        let mut buf = vec![0; 300];
        let sealed = world.nodes[A].table.seal(now, key, &mut buf, len, false).unwrap();
        assert_eq!((sealed.len - 24) % 64, 0, "{len}");
        buf.truncate(sealed.len);
        let opened = world.nodes[B].table.open(now, super::world::addr(1).into(), &mut buf);
        let crate::layer::crypto::secure::Opened::Data { content, .. } = opened else { panic!() };
        assert_eq!(content.len(), len);
    }
    let sealed = world.nodes[A].table.seal(now, key, &mut [0; 100], 70, false).unwrap();
    assert_eq!(sealed.len, 100, "as far as the buffer goes");
}

#[test]
fn a_quiet_peer_needs_less_than_a_kibibyte() {
    let keys = std::mem::size_of::<Keypair>();
    let channel = std::mem::size_of::<Channel>();
    println!("a channel has {channel} bytes, a set of keys {keys}");
    // The slab's entry, those in the trees of keys, indices and deadlines, and one set of keys.
    assert!(channel + keys + 100 <= 1024, "{channel} + {keys}");
}
