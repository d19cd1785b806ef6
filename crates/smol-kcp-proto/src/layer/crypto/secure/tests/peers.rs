//! Who is accepted, and who is not any more.

use super::world::{addr, identity, open_server, public, secs, World, A, B};
use crate::layer::crypto::secure::{
    NotSealed, PeerParams, PeerRefused, PresharedKey, SecureEvent, SecureParams, SharedSecret,
};

#[test]
fn keys_that_cannot_be_are_refused() {
    let mut world = World::new(1, 1);
    let table = &mut world.nodes[A].table;
    let mut add = |key| table.add_peer(PeerParams::new(key));
    assert_eq!(add(public(1)), Err(PeerRefused::OwnKey));
    let zero = crate::layer::crypto::secure::PublicKey::from_bytes([0; 32]);
    assert_eq!(add(zero), Err(PeerRefused::ZeroKey));
    assert_eq!(add(public(2)), add(public(2)));
    assert_eq!((table.len(), table.is_empty()), (1, false));
}

#[test]
fn a_peer_that_is_removed_is_a_stranger_and_the_others_stay() {
    let mut world = World::new(3, 2);
    world.introduce(A, B);
    world.introduce(2, B);
    for client in [A, 2] {
        world.connect(client, B);
    }
    world.run(secs(1));
    world.assert_talks();
    let gone = world.channel(B, 2);
    assert_eq!(world.nodes[B].table.remove_peer(&public(3)), Some(gone));
    world.flush();
    assert!(world.nodes[B].events.contains(&SecureEvent::Gone { channel: gone }));
    let before = world.bytes(addr(2), addr(3));
    world.send(2, B, b"?").unwrap();
    world.run(secs(60));
    assert_eq!(world.bytes(addr(2), addr(3)), before, "it hears nothing");
    assert!(world.nodes[B].table.stats().refused > 0);
    world.assert_talks();
    assert_eq!(world.nodes[B].table.index_count(), 1);
}

#[test]
fn another_preshared_key_takes_effect_at_once() {
    let mut world = World::pair(3);
    world.connect(A, B);
    world.run(secs(1));
    let psk = |byte| PresharedKey::from_bytes([byte; 32]);
    for (node, other) in [(A, 2), (B, 1)] {
        let mut params = PeerParams::new(public(other));
        (params.psk, params.name) = (psk(5), Some("other".into()));
        world.nodes[node].table.add_peer(params.clone()).unwrap();
        assert!(!world.is_ready(node, 1 - node), "the keys are gone");
        world.nodes[node].table.add_peer(params).unwrap();
    }
    assert_eq!(world.send(A, B, b"?"), Err(NotSealed::NoKeys));
    world.run(secs(1));
    world.assert_talks();
    let mut params = PeerParams::new(public(2));
    params.psk = psk(5);
    world.nodes[A].table.add_peer(params).unwrap();
    assert!(world.is_ready(A, B), "the same one changes nothing");
}

#[test]
fn one_secret_for_many_clients() {
    let secret = SharedSecret::from_bytes([77; 32]);
    let mut world = World::new(0, 4);
    let identity_of_server = crate::layer::crypto::secure::Identity::new(secret.server_key());
    let mut params = open_server(1, secret.preshared_key());
    params.identity = identity_of_server.clone();
    let server = world.add(params, addr(50));
    let mut clients = Vec::new();
    for number in 1..=3 {
        let client = world.add(SecureParams::new(identity(number)), addr(number));
        let mut peer = PeerParams::new(*identity_of_server.public_key());
        // The third has another secret.
        peer.psk = match number {
            3 => PresharedKey::from_bytes([1; 32]),
            _ => secret.preshared_key(),
        };
        world.nodes[client].table.add_peer(peer).unwrap();
        world.connect(client, server);
        clients.push(client);
    }
    world.run(secs(2));
    let ready: Vec<bool> = clients.iter().map(|&c| world.is_ready(c, server)).collect();
    assert_eq!(ready, [true, true, false]);
    assert_eq!(world.nodes[server].table.len(), 2, "the third has proved nothing");
    for &client in &clients[..2] {
        let to_client = world.channel(server, client);
        world.send(client, server, b"?").unwrap();
        world.run(secs(1));
        assert_eq!(world.nodes[client].received, [b"yes"]);
        assert_eq!(world.nodes[server].table.peer_key(to_client), Some(&public(client as u8)));
    }
    // Nobody holds the second; its keys end, and with them the channel.
    let held = world.channel(server, clients[0]);
    world.nodes[server].table.hold(held);
    world.run(secs(300));
    assert_eq!(world.nodes[server].table.len(), 1);
    world.send(clients[0], server, b"?").unwrap_err();
    world.run(secs(1));
    assert_eq!(world.channel(server, clients[0]), held, "it comes back to its place");
    world.run(secs(300));
    world.nodes[server].table.release(held);
    assert_eq!(world.nodes[server].table.len(), 0);
    assert_eq!(world.nodes[server].table.index_count(), 0);
}
