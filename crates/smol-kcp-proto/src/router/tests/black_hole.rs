//! A path that carries short datagrams only, without a word (RFC 8899, 4.3).

use super::*;

const SHORT: usize = 1252;

/// Streams over a path that swallows what is longer than [`SHORT`], each of which writes `bytes`.
fn swallow(engine: EngineKind, streams: usize, bytes: usize) -> World {
    let config = KcpConfig { stream: true, mtu: 1350, engine, ..KcpConfig::wan() };
    let mut world = World::pair(&config, link(50, 0), 3);
    world.filter = Box::new(|sent| sent.bytes.len() <= SHORT);
    for _ in 0..streams {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(bytes);
    }
    world.run(secs(40));
    world
}

#[test]
fn streams_that_a_path_swallows_are_counted_once_each() {
    for &engine in ENGINES {
        let world = swallow(engine, 3, 100_000);
        let stalled = [CLIENT, SERVER].map(|host| world.hosts[host].router.stats().stalled);
        assert_eq!(stalled, [3, 0], "{engine:?}: of the sender only");
    }
}

#[test]
fn what_fits_the_path_is_no_stall() {
    for &engine in ENGINES {
        let world = swallow(engine, 3, 1000);
        assert!(world.hosts.iter().all(|host| host.router.stats().stalled == 0), "{engine:?}");
        assert!(world.hosts[SERVER].apps.iter().all(|app| app.read.len() == 1000), "{engine:?}");
    }
}
