//! Readers that do not read.

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH};

#[test]
fn a_slow_reader_stalls_its_own_stream_only_and_within_its_budget() {
    let config = KcpConfig { recv_budget: 64 * 1024, ..config() };
    let mut world = World::pair(&config, link(40, 0), 1);
    let slow = world.connect(CLIENT, SERVER, None);
    let quick = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    let bytes = data(3_000_000);
    for app in [slow, quick] {
        world.app(CLIENT, app).to_write = bytes.clone();
        world.app(CLIENT, app).closes = true;
    }
    let key = world.app(CLIENT, slow).key;
    let conv = world.hosts[CLIENT].router.conv(key);
    let reader = (0..2)
        .find(|&app| world.hosts[SERVER].router.conv(world.hosts[SERVER].apps[app].key) == conv)
        .unwrap();
    world.app(SERVER, reader).reads = false;
    world.run_until(secs(20), |world| world.app(CLIENT, quick).released);

    // What waits is the budget, and at most one segment that crossed the line. The rest of the
    // window's worth stays in the engine and closes the window.
    let key = world.app(SERVER, reader).key;
    let stats = world.hosts[SERVER].router.session_stats(key);
    assert!(stats.receive_queue >= 64 * 1024);
    assert!(stats.receive_queue < 64 * 1024 + 1400, "{}", stats.receive_queue);
    let window = u64::from(stats.receive_window) * 1400;
    assert!(stats.wire_bytes_received < 64 * 1024 * 2 + 2 * window);

    world.app(SERVER, reader).reads = true;
    world.run_until(secs(20), |world| world.app(CLIENT, slow).released);
    assert!(world.app(SERVER, reader).read == bytes);
}

#[test]
fn a_stall_longer_than_dead_link_is_no_death_while_the_peer_answers() {
    for keep_alive in [None, Some(secs(25))] {
        for loss in [0, 5] {
            let config = KcpConfig { stall_timeout: secs(10), keep_alive, ..config() };
            let mut world = World::pair(&config, link(40, loss), 2);
            let app = world.connect(CLIENT, SERVER, None);
            world.run(secs(2));
            let bytes = data(2_000_000);
            world.app(CLIENT, app).to_write = bytes.clone();
            world.app(CLIENT, app).closes = true;
            world.app(SERVER, 0).reads = false;
            world.run(secs(600));
            assert!(world.app(CLIENT, app).failed.is_none(), "{keep_alive:?} {loss}");
            world.app(SERVER, 0).reads = true;
            world.run_until(secs(60), |world| world.app(CLIENT, app).released);
            assert!(world.app(SERVER, 0).read == bytes);
        }
    }
}

#[test]
fn a_peer_that_dies_while_its_window_is_closed_is_given_up() {
    let config = KcpConfig { stall_timeout: secs(10), ..config() };
    let mut world = World::pair(&config, link(40, 0), 3);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(2));
    world.app(CLIENT, app).to_write = data(2_000_000);
    world.app(SERVER, 0).reads = false;
    world.run(secs(60));
    world.filter = Box::new(|_| false);
    world.run(secs(11));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::TimedOut)));
}

#[test]
fn messages_wait_within_the_budget_and_one_message_more() {
    let config =
        KcpConfig { stream: false, recv_budget: 32 * 1024, max_message: Some(20_000), ..config() };
    let mut world = World::pair(&config, link(40, 0), 4);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(SERVER, 0).reads = false;
    world.app(CLIENT, app).to_write = data(16 * 1024 * 30);
    world.run(secs(5));
    let key = world.app(SERVER, 0).key;
    let waits = world.hosts[SERVER].router.session_stats(key).receive_queue;
    assert!((32 * 1024..32 * 1024 + 20_000).contains(&waits), "{waits}");
    world.app(SERVER, 0).reads = true;
    world.run(secs(5));
    assert_eq!(world.app(SERVER, 0).read, data(16 * 1024 * 30));
}

#[test]
fn small_writes_wait_for_company_and_large_ones_do_not() {
    let config = KcpConfig { flush_write: false, ..config() };
    let mut world = World::pair(&config, link(40, 0), 5);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(900));
    world.log = Some(Vec::new());
    let began = world.now;
    world.app(CLIENT, app).to_write = data(10);
    world.run(ms(5));
    world.app(CLIENT, app).to_write = data(10);
    world.run(ms(50));
    let sent: Vec<_> = world.sent(addr(CLIENT), addr(SERVER)).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].at.since(began), ms(u64::from(config.nodelay.interval)));
    assert_eq!(sent[0].bytes.len(), 24 + 20);

    // Flushed, they leave at once.
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(10);
    world.turn();
    assert_eq!(world.sent(addr(CLIENT), addr(SERVER)).count(), 0);
    let (began, key) = (world.now, world.app(CLIENT, app).key);
    world.hosts[CLIENT].router.flush_writes(began, key).unwrap();
    world.turn();
    let sent: Vec<_> = world.sent(addr(CLIENT), addr(SERVER)).collect();
    assert_eq!((sent.len(), sent[0].at, sent[0].bytes.len()), (1, began, 24 + 10));

    world.run(ms(50));
    world.log = Some(Vec::new());
    let began = world.now;
    world.app(CLIENT, app).to_write = data(10_000);
    world.turn();
    let sent: usize = world.sent(addr(CLIENT), addr(SERVER)).map(|s| s.bytes.len()).sum();
    assert!(sent > 10_000, "at once at {began:?}: {sent}");
}

#[test]
fn an_acknowledgement_is_company_enough() {
    let config = KcpConfig { flush_write: false, ..config() };
    let mut world = World::pair(&config, link(40, 0), 6);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(SERVER, 0).to_write = data(2000);
    world.turn();
    let began = world.now;
    world.run(ms(18));
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(10);
    world.run(secs(1));
    let first = world.sent(addr(CLIENT), addr(SERVER)).next().unwrap();
    assert!(has(&first.bytes, CMD_ACK, 0) && has(&first.bytes, CMD_PUSH, 0), "{first:?}");
    assert_eq!(first.at.since(began), ms(20), "when what it acknowledges arrives");
}

#[test]
fn a_writer_with_a_small_budget_is_woken_by_every_acknowledgement() {
    for stream in [true, false] {
        let config =
            KcpConfig { send_budget: 20_000, max_message: Some(16_384), stream, ..config() };
        let mut world = World::pair(&config, link(40, 1), 7);
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        let bytes = data(400_000);
        world.app(CLIENT, app).to_write = bytes.clone();
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(20), |world| world.hosts[CLIENT].apps[app].released);
        assert!(world.app(SERVER, 0).read == bytes);
    }
}
