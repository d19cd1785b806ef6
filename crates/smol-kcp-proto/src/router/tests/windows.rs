//! Receive windows that grow with what is measured, within one budget, and come back.

use proptest::prelude::*;

use super::*;
use crate::budget::{Account, MemoryBudget};
use crate::router::Key;
use crate::stats::StreamStats;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of a full segment without its header.
const MSS: usize = 1376;

/// Segments that the default window begins with, and that may be received beyond what is acknowledged.
const BEGIN: u32 = 256;
const REACH: u32 = BEGIN + 512 * 1024 / MSS as u32;

/// One direction of a line of so many Mbit/s, with a queue that drops nothing.
fn line(mbit: u64, rtt: u64, loss: u32) -> LinkConfig {
    LinkConfig { rate: Some(mbit * 1_000_000), queue_datagrams: Some(20_000), ..link(rtt, loss) }
}

/// Reads, and forgets what.
fn reader(key: Key) -> App {
    App { forgets: true, closes_at_end: true, releases: true, ..App::new(key) }
}

/// A server that reads, and so many streams to it from a client that may have `window` segments of each
/// in flight. As nothing paces it yet, that is what it sends.
fn world(config: &KcpConfig, line: LinkConfig, streams: usize, window: u16) -> World {
    let mut world = World::new(line, 1);
    world.add_server(config);
    world.hosts[SERVER].accept = Some(reader);
    world.add(&KcpConfig { mtu: config.mtu, ..sender(window) });
    open(&mut world, CLIENT, streams);
    world
}

fn sender(window: u16) -> KcpConfig {
    KcpConfig {
        wnd_size: (window, 256),
        send_budget: usize::from(window) * 2 * MSS,
        memory_budget: Some(1024 * MIB),
        stall_timeout: secs(300),
        // The windows alone are looked at here.
        rate: Rate::Off,
        ..config()
    }
}

fn open(world: &mut World, client: usize, streams: usize) {
    for _ in 0..streams {
        let app = world.connect(client, SERVER, None);
        world.app(client, app).never_done = true;
    }
}

/// A line of 357 segments in a round trip of 200 ms, and a stream that just fills it.
const PRODUCT: u32 = 20_000_000 / 8 / 5 / 1400;

fn ordinary() -> World {
    world(&config(), line(20, 200, 0), 1, 380)
}

/// Figures of the server's session with this number.
fn at_server(world: &World, app: usize) -> StreamStats {
    let host = &world.hosts[SERVER];
    host.router.session_stats(host.apps[app].key)
}

/// What the client has been told that it may send.
fn told(world: &World, app: usize) -> u32 {
    let host = &world.hosts[CLIENT];
    host.router.session_stats(host.apps[app].key).peer_window
}

/// What the server's budget says is in use.
fn used(world: &World) -> usize {
    world.hosts[SERVER].router.stats().memory_used
}

/// What a budget may be overdrawn by: see the tests of the budget.
fn overdraft(config: &KcpConfig, sessions: usize) -> usize {
    let floor = Account::new(config, MemoryBudget::new(config.memory_budget.unwrap())).floor();
    sessions * (4 * floor + 8 * KIB)
}

/// Checks that the budget holds, and that what peers were told beyond what windows begin with is a part
/// of what is in use.
fn check(world: &World, config: &KcpConfig) -> Result<(), String> {
    let server = &world.hosts[SERVER];
    let (used, sessions) = (used(world), server.apps.len());
    let bound = config.memory_budget.unwrap() + overdraft(config, sessions);
    let reach = REACH.max(config.wnd_size.1.into());
    let wide = (0..sessions).map(|app| at_server(world, app)).filter(|s| s.receive_window > reach);
    let promised: usize = wide.map(|s| s.receive_window as usize * config.mss()).sum();
    match promised <= used && used <= bound {
        true => Ok(()),
        false => Err(format!("{promised} promised, {used} used of {bound}")),
    }
}

#[test]
fn a_long_fat_path_has_four_products_within_seconds() {
    let product = 2_500_000 / 1400;
    let mut world = world(&config(), line(100, 200, 0), 1, product as u16 + 50);
    world.run(secs(2));
    assert!((4 * product * 9 / 10..5 * product).contains(&told(&world, 0)), "{}", told(&world, 0));
    // A window of 256 carries 1.8 MB/s. It is not the whole line, as this sender repeats what has only
    // waited in the queue.
    let before = at_server(&world, 0).bytes_received;
    world.run(secs(1));
    let rate = at_server(&world, 0).bytes_received - before;
    assert!(rate > 5_000_000, "{rate} bytes/s");
}

#[test]
fn losses_neither_keep_a_window_narrow_nor_make_it_absurdly_wide() {
    let mut world = world(&config(), line(20, 200, 10), 1, 450);
    world.run(secs(8));
    let window = at_server(&world, 0).receive_window;
    assert!((3 * PRODUCT..16 * PRODUCT).contains(&window), "{window}");
}

#[test]
fn a_stock_peer_fills_the_line_too() {
    let bytes = |max_wnd_size| {
        let config = KcpConfig { max_wnd_size, ..config() };
        let mut world = World::new(line(20, 400, 0), 1);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(reader);
        let wide = KcpConfig { wnd_size: (800, 256), ..config };
        let client = world.add_stock(&wide, 7, addr(SERVER));
        world.stock(client).write(&vec![7; 10 * MIB]);
        world.run(secs(4));
        at_server(&world, 0).bytes_received
    };
    let (fixed, grows) = (bytes((1, 1)), bytes((u16::MAX, u16::MAX)));
    assert!(grows > fixed * 3 / 2, "{grows} bytes, {fixed} with a fixed window");
}

#[test]
fn a_send_window_is_as_wide_as_it_is_set_and_as_memory_allows() {
    // 714 segments in a round trip of 400 ms.
    let rate = |window: u32, memory: usize| {
        let mut world = world(&config(), line(20, 400, 0), 0, 256);
        let client =
            world.add(&KcpConfig { memory_budget: Some(memory), rate: Rate::Off, ..config() });
        open(&mut world, client, 1);
        let key = world.hosts[client].apps[0].key;
        for _ in 0..20 {
            world.run(ms(400));
            let now = world.now;
            let router = &mut world.hosts[client].router;
            router.with_session(now, key, |session| session.set_send_window(window)).unwrap();
        }
        let stats = world.hosts[client].router.session_stats(key);
        assert!(stats.in_flight <= window.max(BEGIN) as usize, "{stats:?}");
        let used = world.hosts[client].router.stats().memory_used;
        assert!(used <= memory + 16 * KIB, "{used} of {memory}");
        (stats.in_flight, stats.send_window, at_server(&world, 0).bytes_received)
    };
    let (usual, wide, poor) = (rate(1, 64 * MIB), rate(800, 64 * MIB), rate(800, MIB));
    assert_eq!((usual.1, wide.1), (BEGIN, 800));
    assert!(wide.0 > 700 && poor.0 < 500, "{wide:?} {poor:?}");
    assert!(wide.2 > usual.2 * 3 / 2, "{wide:?} {usual:?}");
}

#[test]
fn a_ceiling_holds() {
    let config = KcpConfig { max_wnd_size: (65_535, 500), ..config() };
    let mut world = world(&config, line(20, 200, 0), 1, 400);
    world.run(secs(2));
    assert_eq!((told(&world, 0), at_server(&world, 0).receive_window), (500, 500));
}

#[test]
fn one_stream_has_most_of_a_small_budget_until_others_come() {
    let config = KcpConfig {
        memory_budget: Some(4 * MIB),
        wnd_size: (256, 128),
        recv_budget: 64 * KIB,
        max_sessions: 64,
        ..config()
    };
    let mut world = world(&config, line(40, 200, 0), 1, 800);
    world.run(secs(2));
    let bytes = at_server(&world, 0).receive_window as usize * MSS;
    assert!((5 * MIB / 2..=3 * MIB).contains(&bytes), "{bytes}");

    // Ten more come: after some seconds each has as much as the first, and nobody was told more than
    // there is.
    let more = world.add(&sender(100));
    open(&mut world, more, 10);
    for _ in 0..50 {
        world.run(ms(100));
        check(&world, &config).unwrap();
    }
    let windows: Vec<u32> = (0..11).map(|app| at_server(&world, app).receive_window).collect();
    let (least, most) = (windows.iter().min().unwrap(), windows.iter().max().unwrap());
    assert!(*least > 128 && *most <= least * 3 / 2, "{windows:?}");
}

#[test]
fn a_hundred_streams_stay_within_the_budget_and_share_it() {
    let config = KcpConfig { memory_budget: Some(8 * MIB), ..config() };
    let mut world = world(&config, line(100, 200, 0), 100, 20);
    let received = |world: &World| -> Vec<u64> {
        (0..100).map(|app| at_server(world, app).bytes_received).collect()
    };
    world.run(secs(1));
    let before = received(&world);
    for _ in 0..10 {
        world.run(ms(200));
        check(&world, &config).unwrap();
    }
    let rates: Vec<u64> =
        received(&world).iter().zip(before).map(|(now, then)| now - then).collect();
    let (least, most) = (rates.iter().min().unwrap(), rates.iter().max().unwrap());
    assert!(*least > 0 && *most <= least * 2, "{rates:?}");
}

#[test]
fn a_reader_that_stops_closes_its_window_at_what_it_has() {
    let mut world = ordinary();
    world.run(secs(2));
    let granted = at_server(&world, 0).receive_window;
    assert!(granted > 2 * REACH, "{granted}");
    world.app(SERVER, 0).reads = false;
    world.run(secs(30));
    let stats = at_server(&world, 0);
    assert!(stats.receive_window <= granted, "{stats:?}");
    assert_eq!(told(&world, 0), 0);
    let held = used(&world);
    assert!(held <= granted as usize * MSS * 105 / 100, "{held} of {granted}");
    let refused = stats.rejected.window + stats.rejected.budget;
    assert_eq!(refused, 0, "what was told was kept: {stats:?}");
    // It goes on where it stopped.
    world.app(SERVER, 0).reads = true;
    world.run(secs(1));
    assert!(at_server(&world, 0).bytes_received > stats.bytes_received + 2_000_000);
}

#[test]
fn a_slow_reader_does_not_make_a_window_grow() {
    let mut world = world(&config(), line(20, 200, 0), 0, 380);
    world.hosts[SERVER].accept = Some(|key| App { reads: false, ..App::new(key) });
    open(&mut world, CLIENT, 1);
    world.run(secs(1));
    for _ in 0..100 {
        // A twentieth of the line.
        let (now, key) = (world.now, world.hosts[SERVER].apps[0].key);
        let mut some = [0; 12_500];
        world.hosts[SERVER].router.read(|| now, key, &mut some, false).unwrap();
        world.run(ms(100));
    }
    assert!(at_server(&world, 0).bytes_received > 1_000_000);
    assert_eq!(at_server(&world, 0).receive_window, BEGIN);
}

#[test]
fn silence_gives_a_window_back_and_the_peer_is_told() {
    let mut world = ordinary();
    world.run(secs(2));
    assert!(used(&world) > 2 * REACH as usize * MSS);
    world.app(CLIENT, 0).never_done = false;
    world.run(secs(14));
    assert!(used(&world) <= 16 * KIB, "{}", used(&world));
    assert_eq!((told(&world, 0), at_server(&world, 0).receive_window), (BEGIN, BEGIN));
    // And nothing else is said in it.
    world.log = Some(Vec::new());
    world.run(secs(60));
    assert!(world.log.as_ref().is_some_and(Vec::is_empty));
    // Another burst has it again.
    world.app(CLIENT, 0).never_done = true;
    world.run(secs(2));
    assert!(told(&world, 0) > 2 * REACH, "{}", told(&world, 0));
}

#[test]
fn a_trickle_does_not_keep_what_a_burst_had() {
    let mut world = ordinary();
    world.run(secs(2));
    world.app(CLIENT, 0).never_done = false;
    for _ in 0..25 {
        world.app(CLIENT, 0).to_write = vec![1];
        world.run(secs(1));
    }
    assert_eq!((told(&world, 0), at_server(&world, 0).receive_window), (BEGIN, BEGIN));
    assert!(used(&world) < MIB, "{}", used(&world));
}

#[test]
fn the_end_of_a_stream_gives_its_window_back_at_once() {
    let mut world = ordinary();
    world.run(secs(2));
    let key = world.hosts[CLIENT].apps[0].key;
    let (now, before) = (world.now, used(&world));
    world.hosts[CLIENT].router.abort(now, key);
    world.run(secs(1));
    // The handle is still there.
    assert!(at_server(&world, 0).bytes_received > 0);
    assert!(used(&world) < before / 4, "{} of {before}", used(&world));
    world.release_all();
    assert_eq!(used(&world), 0);
}

#[test]
fn a_peer_without_a_proof_of_its_address_has_the_window_that_all_have() {
    // Segments so short that a window of them is less than what is taken unproven.
    let config = KcpConfig { mtu: 60, accept_unconfirmed: true, ..config() };
    let windows = [true, false].map(|proves| {
        let mut world = World::new(line(100, 20, 0), 1);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(reader);
        let wide = KcpConfig { wnd_size: (1000, 256), ..config.clone() };
        let client = world.add_stock(&wide, 7, addr(SERVER));
        // ACKs arrive, and the questions that ask for a proof do not.
        world.filter = Box::new(move |sent| {
            proves || sent.from == addr(client) || !has(&sent.bytes, wire::CMD_PUSH, 0)
        });
        (0..30).for_each(|_| world.stock(client).write(&[7; 2 * KIB]));
        world.run(ms(400));
        assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, usize::from(!proves));
        let stats = at_server(&world, 0);
        assert!(stats.segments_received > u64::from(BEGIN), "{stats:?}");
        stats.receive_window
    });
    assert!(windows[0] > BEGIN && windows[1] == BEGIN, "{windows:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever streams and readers do, all that peers were told beyond what they began with is in the
    /// budget.
    #[test]
    fn what_peers_are_told_is_covered(
        budget in prop::sample::select(vec![MIB, 4 * MIB, 16 * MIB]),
        loss in 0..5_u32,
        rtt in prop::sample::select(vec![30, 100, 300_u64]),
        stories in prop::collection::vec((0..4_u8, 50..800_u64), 1..12),
    ) {
        let config = KcpConfig { memory_budget: Some(budget), ..config() };
        let mut world = world(&config, line(10, rtt, loss), 1, 300);
        for (habit, pause) in stories {
            world.run(ms(pause));
            let (clients, servers) = (world.hosts[CLIENT].apps.len(), world.hosts[SERVER].apps.len());
            match habit {
                0 => open(&mut world, CLIENT, 1),
                1 => {
                    let app = pause as usize % clients;
                    let app = world.app(CLIENT, app);
                    app.never_done = !app.never_done;
                }
                _ if servers > 0 => {
                    let app = world.app(SERVER, pause as usize % servers);
                    app.reads = !app.reads;
                }
                _ => {}
            }
            for _ in 0..5 {
                world.run(ms(20));
                prop_assert_eq!(check(&world, &config), Ok(()));
            }
        }
        world.accept_none();
        world.release_all();
        world.run_dry();
        prop_assert_eq!(used(&world), 0);
    }
}
