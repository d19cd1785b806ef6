//! The peer is gone, or only silent.

use super::*;
use crate::wire::{CMD_WASK, CODE_PLAIN};

fn pair(config: &KcpConfig, seed: u64) -> (World, usize) {
    let mut world = World::pair(config, link(40, 0), seed);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(200));
    (world, app)
}

#[test]
fn a_line_that_dies_in_mid_transfer_is_given_up_after_dead_link() {
    let config = KcpConfig { stall_timeout: secs(30), rate: Rate::Off, ..config() };
    let (mut world, app) = pair(&config, 1);
    world.app(CLIENT, app).to_write = data(10_000_000);
    world.run(secs(1));
    world.filter = Box::new(|_| false);
    // The last acknowledgements were under way.
    world.run(ms(30));
    let cut = world.now;
    world.run_until(secs(60), |world| world.app(CLIENT, app).failed.is_some());
    let (at, cause) = world.app(CLIENT, app).failed.clone().unwrap();
    assert!(matches!(cause, KcpError::TimedOut));
    let after = at.since(cut);
    assert!(after > secs(29) && after <= secs(30), "{after:?}");
    assert!(world.app(SERVER, 0).failed.is_none(), "it only waits for more");
}

#[test]
fn a_segment_sent_too_often_ends_the_session_after_half_of_dead_link() {
    for (most, from, to) in [(5, 10, 14), (1000, 20, 21)] {
        let config = KcpConfig { stall_timeout: secs(20), dead_link: most, ..config() };
        let (mut world, app) = pair(&config, 2);
        world.filter = Box::new(|_| false);
        world.app(CLIENT, app).to_write = data(10);
        let cut = world.now;
        world.run_until(secs(60), |world| world.app(CLIENT, app).failed.is_some());
        let after = world.now.since(cut);
        assert!(after >= secs(from) && after <= secs(to), "{most}: {after:?}");
    }
}

#[test]
fn an_idle_peer_that_is_gone_is_given_up_after_session_expire() {
    let config =
        KcpConfig { keep_alive: Some(secs(25)), session_expire: Some(secs(90)), ..config() };
    let (mut world, app) = pair(&config, 3);
    let heard = world.now;
    world.filter = Box::new(|_| false);
    world.run(secs(200));
    for (host, app) in [(CLIENT, app), (SERVER, 0)] {
        let (at, cause) = world.app(host, app).failed.clone().unwrap();
        assert!(matches!(cause, KcpError::TimedOut));
        let after = at.since(heard);
        assert!(after > secs(89) && after <= secs(90), "{after:?}");
    }
}

#[test]
fn an_idle_peer_that_is_there_is_never_given_up_and_costs_little() {
    let config =
        KcpConfig { keep_alive: Some(secs(25)), session_expire: Some(secs(90)), ..config() };
    let (mut world, app) = pair(&config, 4);
    world.log = Some(Vec::new());
    world.run(secs(120));
    let log = world.log.take().unwrap();
    let bytes: usize = log.iter().map(|sent| sent.bytes.len() + 28).sum();
    assert!(!log.is_empty());
    let asks = |sent: &&world::Sent| has(&sent.bytes, CMD_WASK, CODE_PLAIN);
    assert!(log.iter().filter(asks).all(|sent| sent.from == addr(CLIENT)), "one asks, not both");
    // Of these, 104 for the client's proof, which it repeats as nobody says a word.
    assert!(bytes <= 550, "{bytes} bytes of IP in two minutes: {log:#?}");
    world.run(secs(24 * 3600));
    assert!(world.app(CLIENT, app).failed.is_none() && world.app(SERVER, 0).failed.is_none());
}

#[test]
fn lost_keepalives_are_repeated_soon() {
    let config =
        KcpConfig { keep_alive: Some(secs(25)), session_expire: Some(secs(90)), ..config() };
    let mut world = World::pair(&config, link(40, 20), 5);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(24 * 3600));
    assert!(world.app(CLIENT, app).failed.is_none() && world.app(SERVER, 0).failed.is_none());
}

#[test]
fn a_stock_peer_that_is_there_is_never_given_up() {
    let config =
        KcpConfig { keep_alive: Some(secs(25)), session_expire: Some(secs(90)), ..config() };
    let mut world = World::new(link(40, 0), 6);
    world.add_stock(&config, 7, addr(CLIENT));
    world.add(&config);
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.run(secs(600));
    assert!(world.app(CLIENT, app).failed.is_none());
    world.stock(SERVER).stop();
    world.run(secs(120));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::TimedOut)));
}

#[test]
fn an_outage_shorter_than_dead_link_ends_nothing() {
    let (mut world, app) = pair(&config(), 7);
    let bytes = data(300_000);
    world.app(CLIENT, app).to_write = bytes.clone();
    world.run(ms(20));
    world.filter = Box::new(|_| false);
    world.run(secs(20));
    world.filter = Box::new(|_| true);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(30), |world| world.app(CLIENT, app).released);
    assert!(world.app(SERVER, 0).read == bytes);
}
