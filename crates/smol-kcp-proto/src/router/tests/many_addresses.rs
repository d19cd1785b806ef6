//! A host with two addresses answers from the one that it was asked at.

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CODE_HELLO, CODE_RST};

const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 9, 9));

fn second() -> SocketAddr {
    SocketAddr::new(SECOND, addr(SERVER).port())
}

/// A server with two addresses, and a client.
fn pair(config: &KcpConfig) -> World {
    let mut world = World::pair(config, link(40, 0), 1);
    world.hosts[SERVER].second = Some(SECOND);
    world.log = Some(Vec::new());
    world
}

/// Opens a session from the client to the second address.
fn connect(world: &mut World) -> usize {
    let now = world.now;
    let host = &mut world.hosts[CLIENT];
    let key = host.router.connect(now, second(), None).unwrap();
    host.apps.push(App { releases: true, ..App::new(key) });
    host.apps.len() - 1
}

/// Nothing has left the server from its first address.
fn assert_from_second(world: &World) {
    let own = world.sent(second(), addr(CLIENT)).count();
    assert!(own > 0);
    let all = world.log.iter().flatten().filter(|sent| sent.to == addr(CLIENT)).count();
    assert_eq!(own, all);
}

#[test]
fn a_stream_lives_and_ends_at_the_second_address() {
    for accept_unconfirmed in [false, true] {
        let mut world = pair(&KcpConfig { accept_unconfirmed, ..config() });
        let app = connect(&mut world);
        let bytes = data(100_000);
        world.app(CLIENT, app).to_write = bytes.clone();
        world.run(secs(1));
        world.app(SERVER, 0).to_write = bytes.clone();
        world.run(secs(1));
        assert!(world.app(SERVER, 0).read == bytes && world.app(CLIENT, app).read == bytes);
        world.app(CLIENT, app).closes = true;
        world.run_dry();
        assert!(world.app(CLIENT, app).released);
        assert_from_second(&world);
    }
}

#[test]
fn the_same_client_may_use_both_addresses() {
    let mut world = pair(&config());
    let apps = [world.connect(CLIENT, SERVER, None), connect(&mut world)];
    for app in apps {
        world.app(CLIENT, app).to_write = b"hello".to_vec();
    }
    world.run(secs(1));
    for app in 0..2 {
        assert_eq!(world.app(SERVER, app).read, b"hello");
        world.app(SERVER, app).to_write = b"you".to_vec();
    }
    world.run(secs(1));
    for app in apps {
        assert_eq!(world.app(CLIENT, app).read, b"you");
    }
}

#[test]
fn strangers_and_those_under_pressure_are_answered_from_there() {
    // Asked for a proof without a record.
    let mut world = pair(&KcpConfig { max_unconfirmed: 1, ..config() });
    let hello = Header { conv: 7, cmd: CMD_WASK, frg: CODE_HELLO, sn: 1, ..Header::default() };
    world.inject(SERVER, ([10, 5, 5, 5], 9).into(), &hello.encode());
    let app = connect(&mut world);
    world.app(CLIENT, app).to_write = b"hello".to_vec();
    world.run(secs(1));
    assert_eq!(world.app(SERVER, 0).read, b"hello");
    // Data of a conversation that nobody knows is reset.
    let ghost = Header { conv: 99, cmd: CMD_PUSH, sn: 500, una: 400, ..Header::default() };
    let path = crate::Path { peer: addr(CLIENT), local: Some(SECOND), channel: None };
    let now = world.now;
    world.hosts[SERVER].router.handle_datagram(now, path, &ghost.encode());
    world.run(secs(1));
    let resets = world.sent(second(), addr(CLIENT)).filter(|sent| {
        Header::decode(&sent.bytes)
            .is_some_and(|header| (header.conv, header.frg) == (99, CODE_RST))
    });
    assert_eq!(resets.count(), 1);
    assert_from_second(&world);
}

#[test]
fn who_moves_is_asked_and_served_from_there() {
    let mut world = pair(&config());
    let app = connect(&mut world);
    world.app(CLIENT, app).to_write = b"hello".to_vec();
    world.run(secs(1));
    let elsewhere = SocketAddr::from(([192, 168, 7, 7], 1234));
    world.hosts[CLIENT].addr = elsewhere;
    world.app(CLIENT, app).to_write = b"again".to_vec();
    world.run(secs(1));
    world.app(SERVER, 0).to_write = b"there".to_vec();
    world.run(secs(1));
    assert_eq!(world.app(SERVER, 0).read, b"helloagain");
    assert_eq!(world.app(CLIENT, app).read, b"there");
    assert_eq!(world.sent(addr(SERVER), elsewhere).count(), 0);
}
