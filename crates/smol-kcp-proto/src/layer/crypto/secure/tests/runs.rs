//! Several running programs with one key.

use super::world::{addr, identity, ms, open_server, public, secs, World, A, B, DELAY};
use crate::layer::crypto::secure::{
    Identity, PeerParams, PresharedKey, SecureEvent, SecureParams, SharedSecret,
};

/// A and another run of it, both connected with B, and in which channels.
fn two_runs(seed: u64) -> (World, usize, [usize; 2]) {
    let mut world = World::pair(seed);
    let run = world.add_run(addr(11));
    world.connect(A, B);
    world.connect(run, B);
    world.run(secs(1));
    let channels = [A, run].map(|node| world.ask(node));
    assert_ne!(channels[0], channels[1]);
    (world, run, channels)
}

/// A server that takes so many runs of A's key.
fn server_for(runs: usize, seed: u64) -> World {
    let mut world = World::new(1, seed);
    let mut params = SecureParams::new(identity(2));
    params.max_channels_per_key = runs;
    world.add(params, addr(2));
    world.introduce(A, B);
    world
}

#[test]
fn each_run_has_a_channel_of_its_own() {
    let (mut world, run, channels) = two_runs(1);
    assert_eq!(world.channel(B, A), channels[0], "the first one has the peer's");
    for round in 0..200 {
        for (node, channel) in [(A, channels[0]), (run, channels[1])] {
            assert_eq!(world.ask(node), channel, "round {round}");
            world.send_to(B, channel, b"?").unwrap();
            world.run(secs(1));
            assert_eq!(world.nodes[B].heard_on, Some(channel));
            let table = &world.nodes[B].table;
            assert_eq!(table.peer_key(channel), Some(&public(1)));
            assert_eq!(table.path(channel).unwrap().peer, world.nodes[node].addr);
        }
    }
    for node in [A, B, run] {
        assert_eq!(world.restarted(node), 0, "{node}");
        assert!(world.nodes[node].table.stats().handshakes > 5, "keys have changed");
    }
    assert_eq!(world.nodes[B].table.len(), 2);
}

#[test]
fn many_runs_that_begin_at_once_are_all_served() {
    let mut world = World::pair(2);
    let mut runs: Vec<usize> = (0..15).map(|n| world.add_run(addr(20 + n))).collect();
    runs.push(A);
    runs.iter().for_each(|&run| world.connect(run, B));
    world.run(secs(1));
    let mut channels: Vec<usize> = runs.iter().map(|&run| world.ask(run)).collect();
    channels.sort_unstable();
    channels.dedup();
    assert_eq!(channels.len(), 16);
    let handshakes: Vec<u64> =
        runs.iter().map(|&run| world.nodes[run].table.stats().handshakes).collect();
    assert_eq!(handshakes, [1; 16], "none had to begin again");
}

#[test]
fn the_one_that_is_silent_for_longest_and_not_held_makes_room() {
    let mut world = server_for(4, 3);
    let runs: Vec<usize> = (0..4).map(|n| world.add_run(addr(20 + n))).collect();
    let mut channels = Vec::new();
    for &run in [A].iter().chain(&runs[..3]) {
        world.connect(run, B);
        world.run(secs(1));
        channels.push(world.ask(run));
    }
    // The peer's own is the oldest, and stays; the next one is held; the third is not.
    world.nodes[B].table.hold(channels[1]);
    world.connect(runs[3], B);
    world.run(secs(1));
    let last = world.ask(runs[3]);
    assert!(world.is_gone(B, channels[2]) && !channels.contains(&last));
    assert_eq!(world.nodes[B].table.len(), 4);
    for (node, channel) in [(A, channels[0]), (runs[0], channels[1]), (runs[2], channels[3])] {
        assert_eq!(world.ask(node), channel);
    }
    // Who had to go comes back by itself when it has something to say, and now all are held.
    for channel in [channels[3], last] {
        world.nodes[B].table.hold(channel);
    }
    world.send(runs[1], B, b"?").unwrap();
    world.run(secs(3));
    world.ask(runs[1]);
    assert!(world.is_gone(B, last), "{:?}", world.nodes[B].events);
    assert_eq!(world.nodes[B].table.len(), 4);
}

#[test]
fn where_one_is_all_that_may_be_the_newest_has_it() {
    let mut world = server_for(1, 4);
    let run = world.add_run(addr(11));
    world.connect(A, B);
    world.run(secs(1));
    let channel = world.ask(A);
    world.connect(run, B);
    world.run(secs(1));
    assert_eq!((world.ask(run), world.restarted(B)), (channel, 1));
    assert_eq!(world.nodes[B].table.len(), 1);
}

#[test]
fn a_channel_of_another_run_goes_with_its_keys_unless_it_is_held() {
    let (mut world, run, channels) = two_runs(5);
    world.nodes[B].table.hold(channels[1]);
    world.run(secs(300));
    assert_eq!((world.nodes[B].table.len(), world.is_gone(B, channels[1])), (2, false));
    world.send(run, B, b"?").unwrap_err();
    world.run(secs(1));
    assert_eq!(world.ask(run), channels[1], "it comes back to its place");
    world.nodes[B].table.release(channels[1]);
    world.run(secs(300));
    assert_eq!((world.nodes[B].table.len(), world.is_gone(B, channels[1])), (1, true));
    assert_eq!(world.channel(B, A), channels[0], "the peer's own stays without keys");
    // And now leads to whichever run comes first.
    world.send(run, B, b"?").unwrap_err();
    world.run(secs(1));
    assert_eq!(world.ask(run), channels[0]);
}

#[test]
fn a_run_that_restarts_ends_its_own_streams_and_not_the_others() {
    let (mut world, run, channels) = two_runs(6);
    world.restart(run);
    world.connect(run, B);
    world.run(secs(1));
    let established = |channel: usize| {
        let is = |event: &&SecureEvent| match event {
            SecureEvent::Established { channel: of, restarted, .. } => *of == channel && *restarted,
            _ => false,
        };
        world.nodes[B].events.iter().filter(is).count()
    };
    assert_eq!(channels.map(established), [0, 1]);
    assert_eq!([world.ask(A), world.ask(run)], channels);
    assert_eq!(world.nodes[B].table.index_count(), 2, "the keys of the former run are gone");
}

#[test]
fn a_run_that_comes_from_another_port_is_another_one() {
    let (mut world, run, channels) = two_runs(7);
    world.restart(run);
    world.nodes[run].addr = addr(12);
    world.connect(run, B);
    world.run(secs(1));
    let third = world.ask(run);
    assert!(!channels.contains(&third) && world.restarted(B) == 0);
    assert_eq!(world.ask(A), channels[0]);
}

#[test]
fn a_server_that_restarts_loses_each_run_once() {
    let (mut world, run, _) = two_runs(8);
    world.restart(B);
    for node in [A, run] {
        world.send(node, B, b"?").unwrap();
    }
    world.run(secs(1));
    assert_eq!((world.restarted(A), world.restarted(run)), (1, 1));
    assert_ne!(world.ask(A), world.ask(run));
}

/// Lets the run's handshake end but for its confirmation, and returns that.
fn held_confirmation(world: &mut World, run: usize) -> super::world::Flying {
    let from = world.nodes[run].addr;
    let before = world.captured.len();
    let is_first = std::cell::Cell::new(true);
    world.rule = Box::new(move |_, flying| match flying.from == from && !is_first.take() {
        true => vec![],
        false => vec![DELAY],
    });
    world.connect(run, B);
    world.run(ms(60));
    world.rule = Box::new(|_, _| vec![DELAY]);
    let mut sent = world.captured[before..].iter().filter(|flying| flying.from == from);
    sent.nth(1).expect("it has confirmed").clone()
}

#[test]
fn an_earlier_run_that_is_late_takes_nothing_from_the_present_ones() {
    // It began at its own address, and what it said comes from there, from the present run's, from nowhere.
    for from in [addr(11), addr(1), addr(66)] {
        let mut world = World::pair(9);
        let run = world.add_run(addr(11));
        let late = held_confirmation(&mut world, run);
        world.restart(run);
        world.connect(A, B);
        world.connect(run, B);
        world.run(secs(1));
        let channels = [world.ask(A), world.ask(run)];
        world.hand(from, B, late.bytes.clone());
        assert_eq!(world.restarted(B), 0, "{from}");
        assert_eq!([world.ask(A), world.ask(run)], channels, "{from}");
        assert!(channels.iter().all(|&channel| !world.is_gone(B, channel)));
        world.run(secs(300));
        assert!(world.nodes[B].table.len() == 1, "{from}: nothing is left of it");
    }
}

#[test]
fn an_earlier_run_that_is_late_makes_nobody_go() {
    for limit in [1, 2] {
        let mut world = server_for(limit, 10);
        let run = world.add_run(addr(11));
        let late = held_confirmation(&mut world, run);
        let second = world.add_run(addr(12));
        for node in [A, second].into_iter().take(limit) {
            world.connect(node, B);
            world.run(secs(1));
        }
        let channels: Vec<usize> = [A, second][..limit].iter().map(|&n| world.ask(n)).collect();
        world.hand(addr(66), B, late.bytes.clone());
        let now: Vec<usize> = [A, second][..limit].iter().map(|&n| world.ask(n)).collect();
        assert_eq!((now, world.restarted(B)), (channels, 0));
    }
}

#[test]
fn a_copy_of_a_new_run_does_not_end_another_one_by_its_address() {
    // An observer is quicker with each datagram of the second run, and says that it comes from the first.
    let mut world = World::pair(11);
    let run = world.add_run(addr(11));
    world.connect(A, B);
    world.run(secs(1));
    let channel = world.ask(A);
    for _ in 0..3 {
        let before = world.captured.len();
        world.connect(run, B);
        for _ in 0..60 {
            world.run(ms(1));
            let own = |flying: &&super::world::Flying| flying.from == addr(11);
            let copies: Vec<_> = world.captured[before..].iter().filter(own).cloned().collect();
            for copy in copies {
                world.hand(addr(1), B, copy.bytes);
            }
        }
        world.run(secs(1));
        assert_eq!(world.restarted(B), 0);
        assert!(world.ask(run) != channel && world.ask(A) == channel);
        world.restart(run);
        world.nodes[run].addr = addr(11);
        world.run(secs(300));
        let _ = world.send(A, B, b"?");
        world.run(secs(1));
        assert_eq!(world.ask(A), channel);
    }
}

#[test]
fn a_run_that_answers_in_another_ones_stead_disturbs_nobody() {
    let (mut world, run, channels) = two_runs(12);
    // What the server sends the second run is taken to the first, which has the same key and answers.
    let before = world.captured.len();
    world.rule = Box::new(|_, flying| match flying.to == addr(11) {
        true => vec![],
        false => vec![DELAY],
    });
    let now = world.now;
    world.nodes[B].table.rekey(now, channels[1]);
    world.flush();
    let initiation = world.captured[before].bytes.clone();
    assert_eq!(world.captured[before].to, addr(11));
    world.hand(addr(2), A, initiation);
    world.run(ms(100));
    assert_eq!(world.nodes[A].table.stats().responses_sent, 1);
    world.rule = Box::new(|_, _| vec![DELAY]);
    assert_eq!((world.restarted(B), world.nodes[B].table.len()), (0, 2));
    assert_eq!([world.ask(A), world.ask(run)], channels);
}

#[test]
fn a_peer_that_is_met_twice_is_one_in_the_end() {
    // The server restarts. It writes first, from another address than the one that it is known by, and so is
    // another run at first; then the client asks where it knew the server.
    let mut world = World::pair(13);
    world.connect(A, B);
    world.run(secs(1));
    world.assert_talks();
    world.restart(B);
    world.aliases.push((addr(2), B));
    world.nodes[B].addr = addr(88);
    let to_a = world.channel(B, A);
    let now = world.now;
    world.nodes[B].table.connect(now, to_a, addr(1).into());
    world.flush();
    world.run(secs(1));
    world.send(B, A, b"?").unwrap();
    world.run(ms(100));
    let second = world.nodes[A].heard_on.unwrap();
    assert!(second != world.channel(A, B) && world.nodes[A].table.len() == 2);
    world.send(A, B, b"?").unwrap();
    world.run(secs(2));
    assert!(world.is_gone(A, second) && world.nodes[A].table.len() == 1);
    assert_eq!((world.restarted(A), world.restarted(B)), (1, 0));
    for _ in 0..5 {
        world.assert_talks();
        assert_eq!(world.nodes[A].heard_on, Some(world.channel(A, B)));
        assert_eq!(world.nodes[B].heard_on, Some(to_a));
        // Whoever begins next is understood: nobody counts from 0 again.
        let before = [A, B].map(|node| world.nodes[node].table.stats().handshakes);
        world.rekey(A, B);
        world.run(secs(11));
        world.rekey(B, A);
        world.run(secs(11));
        let after = [A, B].map(|node| world.nodes[node].table.stats().handshakes);
        assert_eq!(after, [before[0] + 2, before[1] + 2]);
    }
}

#[test]
fn another_preshared_key_and_another_name_are_for_all_runs() {
    let (mut world, run, channels) = two_runs(14);
    let mut params = PeerParams::new(public(1));
    params.name = Some("alice".into());
    world.nodes[B].table.add_peer(params.clone()).unwrap();
    let third = world.add_run(addr(12));
    world.connect(third, B);
    world.run(secs(1));
    for channel in [channels[0], channels[1], world.ask(third)] {
        let name = world.nodes[B].table.peer_name(channel);
        assert_eq!(name.map(|name| &**name), Some("alice"));
    }
    world.nodes[B].table.hold(channels[1]);
    params.psk = PresharedKey::from_bytes([7; 32]);
    world.nodes[B].table.add_peer(params).unwrap();
    world.flush();
    let table = &world.nodes[B].table;
    assert!(channels.iter().all(|&channel| !table.is_ready(world.now, channel)));
    assert_eq!((table.len(), table.index_count()), (2, 0), "the held one and the peer's own");
    let _ = run;
}

#[test]
fn a_peer_that_is_removed_is_removed_with_all_its_runs() {
    let (mut world, run, channels) = two_runs(15);
    let late = world.add_run(addr(12));
    held_confirmation(&mut world, late);
    assert_eq!(world.nodes[B].table.unconfirmed(), 1);
    assert_eq!(world.nodes[B].table.remove_peer(&public(1)), Some(channels[0]));
    world.flush();
    assert!(channels.iter().all(|&channel| world.is_gone(B, channel)));
    let table = &world.nodes[B].table;
    assert_eq!((table.len(), table.index_count(), table.unconfirmed()), (0, 0, 0));
    let sent = world.bytes(addr(2), addr(1)) + world.bytes(addr(2), addr(11));
    for node in [A, run] {
        world.send(node, B, b"?").unwrap();
    }
    world.run(secs(30));
    assert_eq!(world.bytes(addr(2), addr(1)) + world.bytes(addr(2), addr(11)), sent);
}

#[test]
fn who_was_forgotten_and_comes_back_still_hears_what_the_server_begins() {
    let secret = SharedSecret::from_bytes([77; 32]);
    let mut world = World::new(1, 16);
    let mut params = open_server(2, secret.preshared_key());
    params.identity = Identity::new(secret.server_key());
    let server = world.add(params, addr(2));
    let mut peer = PeerParams::new(*world.nodes[server].table.public_key());
    peer.psk = secret.preshared_key();
    world.nodes[A].table.add_peer(peer).unwrap();
    for _ in 0..3 {
        world.connect(A, server);
        world.run(secs(1));
        world.rekey(server, A);
        world.run(secs(1));
        assert_eq!(world.nodes[A].table.stats().replayed_initiations, 0);
        world.run(secs(300));
        assert!(world.nodes[server].table.is_empty(), "nobody holds it");
    }
    assert_eq!(world.nodes[A].table.stats().handshakes, 6);
}
