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

#[test]
fn a_window_far_above_the_line_kills_no_stream() {
    let narrow = LinkConfig {
        rate: Some(400_000),
        queue_bytes: Some(5_000),
        delay: ms(50),
        ..LinkConfig::default()
    };
    for config in [KcpConfig::default(), KcpConfig::wan(), KcpConfig::file_transfer()] {
        // A tenth of the time that each gives a peer that says nothing, and ikcp.c's count.
        let config = KcpConfig { stream: true, dead_link: 20, stall_timeout: secs(12), ..config };
        let mut world = World::pair(&config, narrow.clone(), 11);
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(400_000);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(600), |world| {
            assert!(world.app(CLIENT, app).failed.is_none(), "{:?}", world.summary());
            world.hosts[SERVER].apps.first().is_some_and(|app| app.read.len() == 400_000)
        });
    }
}
