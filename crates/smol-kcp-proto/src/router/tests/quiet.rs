//! Sessions that have nothing to do cost nothing.

use std::sync::Arc;

use super::*;
use crate::router::Router;

#[test]
fn a_thousand_idle_sessions_wake_nobody_before_they_expire() {
    let config = KcpConfig { session_expire: Some(secs(90)), ..config() };
    let mut world = World::pair(&config, link(40, 0), 1);
    for _ in 0..1000 {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = b"hello".to_vec();
    }
    world.run(secs(5));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 1000);
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 0);
    let settled = world.now;
    world.log = Some(Vec::new());
    world.run(secs(60));
    assert!(world.log.as_ref().unwrap().is_empty(), "not a datagram");
    for host in &world.hosts {
        assert!(!host.router.has_transmits());
        let wakes = host.router.poll_timeout().unwrap();
        assert!(wakes > settled + secs(80), "{wakes:?}");
    }
    world.run(secs(60));
    for host in &world.hosts {
        assert_eq!(host.router.stats().sessions, 0);
        assert_eq!(host.router.poll_timeout(), None);
    }
}

#[test]
fn without_any_timeout_an_idle_session_has_no_deadline_at_all() {
    let mut world = World::pair(&config(), link(40, 0), 2);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(10_000);
    world.run_dry();
    assert_eq!(world.app(SERVER, 0).read.len(), 10_000);
    // The last thing that happens is that they give their memory back.
    assert!(world.now < Time::from_millis(11_000), "{:?}", world.now);
    assert!(world.hosts.iter().all(|host| host.router.poll_timeout().is_none()));
}

#[test]
fn a_deadline_in_the_past_is_dealt_with_once() {
    // A machine that slept: everything is due at once.
    let config = KcpConfig { keep_alive: Some(secs(25)), ..config() };
    let mut world = World::pair(&config, link(40, 0), 3);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).to_write = data(10_000);
    world.turn();
    world.now = world.now + secs(20);
    let now = world.now;
    world.hosts[CLIENT].router.handle_timeout(now);
    world.turn();
    assert!(world.hosts[CLIENT].router.poll_timeout().unwrap() > now);
    world.run(secs(5));
    assert_eq!(world.app(SERVER, 0).read.len(), 10_000);
}

#[test]
fn no_datagram_is_longer_than_the_layers_leave_room_for() {
    // 50 is the smallest MTU: two headers and two bytes, fewer than a busy session's codes.
    for (mtu, overhead) in [(50, 0), (1400, 40), (90, 40)] {
        let config = KcpConfig { mtu, wnd_size: (128, 128), connect_timeout: None, ..config() };
        let mut world = World::pair(&config, link(40, 5), 4);
        for host in [SERVER, CLIENT] {
            let router = Router::new(Arc::new(config.clone()), overhead, [4, host as u64]);
            world.hosts[host].router = router;
        }
        world.hosts[SERVER].router.set_accepting(true);
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(10_000);
        for _ in 0..50 {
            let now = world.now;
            world.hosts.iter_mut().for_each(|host| host.router.ping_all(now));
            world.run(ms(10));
        }
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(30), |world| world.app(CLIENT, app).released);
        assert_eq!(world.app(SERVER, 0).read, data(10_000));
        let longest = world.log.iter().flatten().map(|sent| sent.bytes.len()).max().unwrap();
        assert!(longest <= mtu - overhead && longest + 24 > mtu - overhead, "{longest}");
    }
}
