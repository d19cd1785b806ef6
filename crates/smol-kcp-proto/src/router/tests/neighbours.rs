//! What one session learns of a restart, the others of that peer learn at once.

use super::*;
use crate::router::Router;

fn forgetful(world: &mut World, host: usize) {
    let fresh = Router::new(std::sync::Arc::new(patient()), 0, [99, 99]);
    world.hosts[host].router = fresh;
    world.hosts[host].router.set_accepting(true);
    world.hosts[host].apps.clear();
}

/// Nothing is sent and nothing expires for a long time.
fn patient() -> KcpConfig {
    KcpConfig { keep_alive: Some(secs(600)), session_expire: Some(secs(2000)), ..config() }
}

fn silent(world: &mut World, count: usize) -> Vec<usize> {
    let apps: Vec<usize> = (0..count).map(|_| world.connect(CLIENT, SERVER, None)).collect();
    for &app in &apps {
        world.app(CLIENT, app).to_write = b"hello".to_vec();
    }
    world.run(secs(20));
    apps
}

fn ended(world: &mut World, apps: &[usize]) -> usize {
    let reset = |&&app: &&usize| matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset));
    apps.iter().filter(reset).count()
}

#[test]
fn ten_silent_streams_learn_of_a_restart_within_a_round_trip_of_the_first() {
    let mut world = World::pair(&patient(), link(40, 0), 1);
    let apps = silent(&mut world, 11);
    forgetful(&mut world, SERVER);
    world.app(CLIENT, apps[0]).to_write = b"are you there?".to_vec();
    world.run(ms(45));
    assert_eq!(ended(&mut world, &apps[..1]), 1);
    world.run(ms(45));
    assert_eq!(ended(&mut world, &apps), 11);
}

#[test]
fn a_new_connection_finds_out_what_became_of_the_old_ones() {
    let mut world = World::pair(&patient(), link(40, 0), 2);
    let apps = silent(&mut world, 10);
    forgetful(&mut world, SERVER);
    let new = world.connect(CLIENT, SERVER, None);
    world.run(ms(200));
    assert_eq!(ended(&mut world, &apps), 10);
    assert!(world.app(CLIENT, new).cause().is_none());
}

#[test]
fn a_stream_that_is_reset_alone_costs_its_neighbours_nothing_or_one_question_a_second() {
    let mut world = World::pair(&patient(), link(40, 0), 3);
    let apps = silent(&mut world, 30);
    let sent = |world: &World| world.hosts[CLIENT].router.stats().bytes_sent;
    let reset = |world: &mut World, server_app: usize| {
        let (now, key) = (world.now, world.app(SERVER, server_app).key);
        world.hosts[SERVER].router.abort(now, key);
        world.run(ms(50));
    };
    // Quiet ones are not answered but ended.
    let before = sent(&world);
    (0..10).for_each(|app| reset(&mut world, app));
    assert_eq!((ended(&mut world, &apps), sent(&world)), (10, before));
    // Of these the server might have lost its memory.
    let before = sent(&world);
    for (app, &client_app) in apps.iter().enumerate().take(20).skip(10) {
        let (now, key) = (world.now, world.app(CLIENT, client_app).key);
        world.hosts[CLIENT].router.write(now, key, b"word").unwrap();
        reset(&mut world, app);
    }
    let sent = sent(&world) - before - 10 * 28;
    assert_eq!(ended(&mut world, &apps), 20);
    assert!((1..=19 * 24).contains(&sent), "{sent} bytes");
    world.run(secs(20));
    assert_eq!(ended(&mut world, &apps), 20, "the others live");
}

#[test]
fn a_new_connection_asks_one_old_stream_at_most_and_none_that_was_heard_lately() {
    let mut world = World::pair(&patient(), link(40, 0), 4);
    silent(&mut world, 10);
    let datagrams = |world: &World| world.hosts[CLIENT].router.stats().datagrams_sent;
    let before = datagrams(&world);
    world.connect(CLIENT, SERVER, None);
    world.run(ms(500));
    let with_silent = datagrams(&world) - before;
    let mut fresh = World::pair(&patient(), link(40, 0), 4);
    fresh.connect(CLIENT, SERVER, None);
    fresh.run(ms(500));
    assert_eq!(with_silent, datagrams(&fresh) + 1);
}
