//! Lines that are too narrow for what is sent.

use super::*;

/// `streams` at once over `kbit` and a queue of so many datagrams, three seconds of the line in all; the
/// most transmissions of one segment are of no account.
fn crowd(engine: EngineKind, streams: usize, kbit: u64, queue: usize) {
    let config = KcpConfig { stream: true, dead_link: 20, engine, ..KcpConfig::wan() };
    let narrow = LinkConfig {
        rate: Some(kbit * 1000),
        queue_datagrams: Some(queue),
        delay: ms(25),
        ..LinkConfig::default()
    };
    let mut world = World::pair(&config, narrow, 9);
    let bytes = data((kbit * 1000 / 8 * 3) as usize / streams);
    let apps: Vec<_> = (0..streams).map(|_| world.connect(CLIENT, SERVER, None)).collect();
    for &app in &apps {
        world.app(CLIENT, app).to_write = bytes.clone();
        world.app(CLIENT, app).closes = true;
    }
    world.run_until(secs(300), |world| {
        let apps = &world.hosts[CLIENT].apps;
        apps.iter().all(|app| app.released || app.failed.is_some())
    });
    let failed: Vec<_> =
        world.hosts[CLIENT].apps.iter().filter_map(App::cause).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{engine:?}: {} of {streams}: {failed:?}", failed.len());
    assert!(world.hosts[SERVER].apps.iter().all(|app| app.read == bytes));
}

#[test]
fn a_stream_that_is_acknowledged_lives_however_often_a_segment_is_sent() {
    for &engine in ENGINES {
        crowd(engine, 1, 4000, 50);
    }
}

#[test]
fn a_crowd_on_a_narrow_line_lives() {
    for &engine in ENGINES {
        crowd(engine, 6, 20_000, 100);
        crowd(engine, 12, 20_000, 300);
    }
}
