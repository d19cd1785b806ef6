//! Another process, or a fast LAN: round trips that are shorter than the clock of the wire tells.

use super::*;

/// Bytes that have arrived `span` after a client has begun to write without end, over so many Mbit/s and
/// microseconds each way.
fn begun(rate: Rate, (mbit, delay): (u64, u64), span: Duration) -> (usize, World) {
    let config = KcpConfig { rate, ..config() };
    let delay = Duration::from_micros(delay);
    let lan = LinkConfig { rate: Some(mbit * 1_000_000), delay, ..LinkConfig::default() };
    let mut world = World::pair(&config, lan, 3);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    world.app(CLIENT, app).to_write = data(20_000_000);
    world.run(span);
    (world.hosts[SERVER].apps.first().map_or(0, |app| app.read.len()), world)
}

#[test]
fn a_start_nearby_is_over_within_a_few_milliseconds() {
    for delay in [20, 50, 200, 450] {
        let (off, _) = begun(Rate::Off, (2000, delay), ms(10));
        let (auto, world) = begun(Rate::Auto, (2000, delay), ms(10));
        let key = world.hosts[CLIENT].apps[0].key;
        let path = world.hosts[CLIENT].router.session_stats(key).path;
        assert!(auto * 4 >= off * 3, "{delay} µs: {auto} of {off} bytes, {path:?}");
        assert!(path.pace == 0 && path.bandwidth > 100_000_000, "{delay} µs: {path:?}");
    }
}

#[test]
fn a_lan_is_filled_although_its_round_trip_is_shorter_than_the_clock_tells() {
    for (mbit, delay) in [(100, 50), (500, 100), (500, 300)] {
        let (off, _) = begun(Rate::Off, (mbit, delay), ms(300));
        let (auto, world) = begun(Rate::Auto, (mbit, delay), ms(300));
        let key = world.hosts[CLIENT].apps[0].key;
        let path = world.hosts[CLIENT].router.session_stats(key).path;
        assert!(auto * 10 >= off * 9, "{mbit} Mbit/s, {delay} µs: {auto} of {off} bytes, {path:?}");
    }
}
