//! Both sides begin at once.

use super::world::{ms, secs, unruly, World, A, B, DELAY};

/// A world in which each knows where the other is.
fn mutual(seed: u64) -> World {
    let mut world = World::pair(seed);
    let (key, path) = (world.channel(B, A), world.nodes[A].addr.into());
    world.nodes[B].table.set_path(key, path);
    world
}

/// Returns whether each sends with the keys that the other has taken for the present ones.
fn agree(world: &World) -> bool {
    let indices = |from: usize, to: usize| {
        let channel = world.nodes[from].table.channel_for_tests(world.channel(from, to));
        channel.current.as_ref().map(|keys| (keys.own_index, keys.peer_index))
    };
    match (indices(A, B), indices(B, A)) {
        (Some(a), Some(b)) => a == (b.1, b.0),
        _ => false,
    }
}

#[test]
fn whoever_is_first_by_whatever_time_they_agree() {
    for offset in (0..100).step_by(5) {
        let mut world = mutual(offset);
        world.connect(A, B);
        world.run(ms(offset));
        world.connect(B, A);
        world.run(secs(2));
        assert!(agree(&world), "{offset} ms apart");
        world.assert_talks();
        world.run(secs(20));
        assert!(agree(&world), "{offset} ms apart, later");
        world.assert_talks();
    }
}

#[test]
fn crossed_handshakes_lose_nothing_that_is_under_way() {
    for offset in (0..45).step_by(4) {
        let mut world = mutual(offset);
        world.connect(A, B);
        world.run(secs(1));
        world.assert_talks();
        let (heard_a, heard_b) = (world.nodes[A].received.len(), world.nodes[B].received.len());
        for n in 0..120 {
            if n == 20 {
                world.rekey(A, B);
            }
            if n == 20 + offset {
                world.rekey(B, A);
            }
            world.send(A, B, b"forth").unwrap();
            world.send(B, A, b"back").unwrap();
            world.run(ms(1));
        }
        world.run(secs(1));
        assert!(agree(&world), "{offset}");
        assert_eq!(world.nodes[A].received.len(), heard_a + 120, "{offset}");
        assert_eq!(world.nodes[B].received.len(), heard_b + 120, "{offset}");
    }
}

#[test]
fn over_any_wire_they_agree_in_the_end() {
    for seed in 0..20 {
        let mut world = mutual(seed);
        world.rule = unruly(seed, 30, 20, 100);
        world.connect(A, B);
        world.connect(B, A);
        world.run_until(secs(60), |w| w.is_ready(A, B) && w.is_ready(B, A));
        for _ in 0..10 {
            let _ = world.send(A, B, b"?");
            let _ = world.send(B, A, b"?");
            world.run(secs(3));
        }
        world.rule = Box::new(|_, _| vec![DELAY]);
        world.run(secs(10));
        world.assert_talks();
    }
}
