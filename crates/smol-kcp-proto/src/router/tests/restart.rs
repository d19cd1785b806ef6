//! The other side has lost its memory.

use super::*;
use crate::router::Router;
use crate::wire::{CMD_PUSH, CMD_WINS, CODE_RST};

/// Puts a fresh server in the place of the old one.
fn restart(world: &mut World, config: &KcpConfig) {
    let fresh = Router::new(std::sync::Arc::new(config.clone()), 0, [99, 99]);
    let host = &mut world.hosts[SERVER];
    host.router = fresh;
    host.router.set_accepting(true);
    host.apps.clear();
}

#[test]
fn a_restarted_server_is_noticed_within_a_round_trip() {
    // Few or many segments before, one or many after, after a pause or in full career, and with or
    // without anything ever received.
    for before in [0, 100, 20_000, 400_000] {
        for after in [10, 50_000] {
            for pause in [0, 5000] {
                for echoes in [false, true] {
                    let mut world = World::pair(&config(), link(40, 0), 1);
                    let app = world.connect(CLIENT, SERVER, None);
                    world.run(ms(100));
                    world.app(SERVER, 0).echoes = echoes;
                    world.app(CLIENT, app).to_write = data(before);
                    world.run(ms(300 + pause));
                    restart(&mut world, &config());
                    world.app(CLIENT, app).to_write = data(after);
                    world.run(ms(45));
                    let case = (before, after, pause, echoes);
                    let cause = world.app(CLIENT, app).cause();
                    assert!(matches!(cause, Some(KcpError::Reset)), "{case:?}: {cause:?}");
                    let stats = world.hosts[SERVER].router.stats();
                    assert_eq!(stats.accepted, 0, "{case:?}: no ghost");
                }
            }
        }
    }
}

#[test]
fn a_restart_with_a_first_flight_under_way_raises_no_ghost() {
    let mut world = World::pair(&config(), link(40, 0), 2);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    world.app(CLIENT, app).to_write = data(60_000);
    world.run(ms(10));
    restart(&mut world, &config());
    world.run(ms(50));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 0);
}

#[test]
fn an_idle_client_learns_of_a_restart_with_its_next_keepalive() {
    let config = KcpConfig { keep_alive: Some(secs(25)), ..config() };
    let mut world = World::pair(&config, link(40, 0), 3);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    restart(&mut world, &config);
    world.run(secs(26));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
}

#[test]
fn a_restarted_client_frees_what_the_server_keeps_for_it() {
    let config = KcpConfig { keep_alive: Some(secs(25)), ..config() };
    let mut world = World::pair(&config, link(40, 0), 4);
    world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    let fresh = Router::new(std::sync::Arc::new(config.clone()), 0, [99, 99]);
    world.hosts[CLIENT].router = fresh;
    world.hosts[CLIENT].apps.clear();
    world.run(secs(32));
    assert!(matches!(world.app(SERVER, 0).cause(), Some(KcpError::Reset)));
}

#[test]
fn a_client_that_begins_anew_with_the_same_number_gets_a_new_session() {
    let mut world = World::pair(&config(), link(40, 0), 5);
    world.connect(CLIENT, SERVER, Some(7));
    world.run(secs(4));
    let fresh = Router::new(std::sync::Arc::new(config()), 0, [99, 99]);
    world.hosts[CLIENT].router = fresh;
    world.hosts[CLIENT].apps.clear();
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.app(CLIENT, app).to_write = b"again".to_vec();
    world.run(secs(1));
    assert!(matches!(world.app(SERVER, 0).cause(), Some(KcpError::Reset)));
    assert_eq!(world.app(SERVER, 1).read, b"again");
}

#[test]
fn a_forged_reset_that_echoes_nothing_does_nothing_and_is_counted() {
    let mut world = World::pair(&config(), link(40, 0), 6);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(1000);
    world.run(secs(1));
    let push = world
        .sent(addr(CLIENT), addr(SERVER))
        .find(|sent| has(&sent.bytes, CMD_PUSH, 0))
        .map(|sent| headers(&sent.bytes)[0])
        .unwrap();
    let forged = |sn, ts| Header { cmd: CMD_WINS, frg: CODE_RST, sn, ts, len: 0, ..push };
    for (sn, ts) in [(0, 0), (0, push.ts.wrapping_add(1)), (push.sn + 1, push.ts), (9, 9)] {
        world.inject(CLIENT, addr(SERVER), &forged(sn, ts).encode());
    }
    assert!(world.app(CLIENT, app).failed.is_none());
    let (key, router) = (world.app(CLIENT, app).key, &world.hosts[CLIENT].router);
    assert_eq!(router.session_stats(key).rejected.reset, 4);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(5), |world| world.app(CLIENT, app).released);

    // From elsewhere, not even a true echo counts.
    let app = world.connect(CLIENT, SERVER, Some(push.conv ^ 1));
    world.run(secs(1));
    let hello = world.sent(addr(CLIENT), addr(SERVER)).last().unwrap();
    let hello = headers(&hello.bytes)[0];
    let reset = Header { cmd: CMD_WINS, frg: CODE_RST, ..hello };
    world.inject(CLIENT, addr(9), &reset.encode());
    assert!(world.app(CLIENT, app).failed.is_none());
}
