//! One budget for many sessions: those that hold on to what they have, and those that do not.

use proptest::prelude::*;

use super::*;
use crate::budget::{Account, MemoryBudget};
use crate::router::Key;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Sessions of the server that does not read.
fn mute(key: Key) -> App {
    App { reads: false, releases: true, ..App::new(key) }
}

/// Reads, and says all it has.
fn talker(key: Key) -> App {
    App { to_write: data(2 * MIB), releases: true, closes_at_end: true, ..App::new(key) }
}

fn tight(engine: EngineKind, memory_budget: usize) -> KcpConfig {
    let keep_alive = Some(secs(5));
    KcpConfig { engine, memory_budget: Some(memory_budget), keep_alive, ..config() }
}

/// A client whom its own budget never stops.
fn plenty() -> KcpConfig {
    tight(EngineKind::Ring, 1024 * MIB)
}

fn used(world: &World, host: usize) -> usize {
    world.hosts[host].router.stats().memory_used
}

/// What the budget may be overdrawn by: floors in both directions, of which as much as twice is
/// held of what comes next, and records.
fn overdraft(config: &KcpConfig, sessions: usize) -> usize {
    let floor = Account::new(config, MemoryBudget::new(config.memory_budget.unwrap())).floor();
    sessions * (4 * floor + 8 * KIB)
}

/// Opens `count` sessions, one after the other, of which each has `bytes` to say.
fn crowd(world: &mut World, client: usize, count: usize, bytes: usize) -> Vec<usize> {
    let open = |world: &mut World| {
        let app = world.connect(client, SERVER, None);
        world.app(client, app).to_write = data(bytes);
        world.run(ms(100));
        app
    };
    (0..count).map(|_| open(world)).collect()
}

#[test]
fn sessions_that_nobody_reads_stay_within_the_budget() {
    for &engine in ENGINES {
        let config = tight(engine, 2 * MIB);
        let mut world = World::new(link(20, 0), 1);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(mute);
        let client = world.add(&plenty());
        crowd(&mut world, client, 100, MIB / 2);
        world.run(secs(20));
        let held = used(&world, SERVER);
        assert!(held <= 2 * MIB + 100 * 8 * KIB, "{engine:?}: {held}");
        // Each holds something, and none has ended for it.
        for app in &world.hosts[SERVER].apps {
            let stats = world.hosts[SERVER].router.session_stats(app.key);
            assert!(stats.receive_queue > 0, "{stats:?}");
        }
        assert!(world.hosts[client].apps.iter().all(|app| app.failed.is_none()));

        // All is there once it is read, with not a byte missing.
        for app in 0..100 {
            world.app(SERVER, app).reads = true;
            world.app(client, app).closes = true;
        }
        world.run_until(secs(600), |world| {
            world.hosts[SERVER].apps.iter().all(|app| app.read.len() == MIB / 2)
        });
        assert!(world.hosts[SERVER].apps.iter().all(|app| app.read == data(MIB / 2)));
    }
}

#[test]
fn peers_that_never_acknowledge_are_told_no_more_than_the_budget() {
    for &engine in ENGINES {
        let config = KcpConfig { stall_timeout: secs(300), ..tight(engine, 2 * MIB) };
        let mut world = World::new(link(20, 0), 2);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(|key| App { to_write: data(2 * MIB), ..App::new(key) });
        let client = world.add(&config);
        for _ in 0..50 {
            world.connect(client, SERVER, None);
            world.filter = Box::new(|_| true);
            world.run(ms(50));
            world.filter = Box::new(move |sent| sent.to != addr(client) || sent.bytes.len() < 100);
            world.run(ms(100));
        }
        world.run(secs(2));
        let held = used(&world, SERVER);
        assert!(held > MIB, "{engine:?}: {held}");
        assert!(held <= 2 * MIB + overdraft(&config, 50), "{engine:?}: {held}");
        assert!(held <= 2 * MIB + MIB / 2, "{engine:?}: {held}");
    }
}

#[test]
fn who_reads_has_the_line_while_others_do_not() {
    let alone = who_reads_beside(0);
    let beside = who_reads_beside(100);
    assert!(beside <= alone * 3, "{alone:?} alone, {beside:?} beside 100 that do not read");
}

/// How long eight megabytes take beside so many sessions that nobody reads.
fn who_reads_beside(mutes: usize) -> Duration {
    let config = KcpConfig { max_sessions: 512, ..tight(EngineKind::Ring, 8 * MIB) };
    let mut world = World::new(link(50, 0), 3);
    world.add_server(&config);
    world.hosts[SERVER].accept = Some(mute);
    let client = world.add(&plenty());
    crowd(&mut world, client, mutes, 2 * MIB);
    world.run(secs(10));
    let reader = world.hosts[SERVER].apps.len();
    world.hosts[SERVER].accept =
        Some(|key| App { closes_at_end: true, releases: true, ..App::new(key) });
    let app = world.connect(client, SERVER, None);
    let bytes = data(8_000_000);
    world.app(client, app).to_write = bytes.clone();
    world.app(client, app).closes = true;
    let began = world.now;
    world.run_until(secs(600), |world| world.app(client, app).released);
    assert!(world.app(SERVER, reader).read == bytes);
    world.now.since(began)
}

#[test]
fn windows_that_the_budget_closed_open_again_in_a_few_datagrams() {
    let config = tight(EngineKind::Ring, MIB);
    let mut world = World::new(link(20, 0), 4);
    world.add_server(&config);
    world.hosts[SERVER].accept = Some(mute);
    let client = world.add(&plenty());
    crowd(&mut world, client, 60, MIB);
    world.run(secs(30));
    // Half of them are gone. The others, which nobody reads, say nothing of it by themselves: what
    // they hold would close their windows at once.
    world.log = Some(Vec::new());
    for app in 0..30 {
        world.release(SERVER, app);
    }
    world.run(secs(1));
    let told = world.sent(addr(SERVER), addr(client)).count();
    assert!(told < 30 * 12, "{told} datagrams");
    // Who is read goes on within a round trip, not when it is asked.
    world.app(SERVER, 40).reads = true;
    let before = world.app(SERVER, 40).read.len();
    world.run(ms(60));
    let first = world.app(SERVER, 40).read.len();
    world.run(ms(500));
    assert!(before < first && first < world.app(SERVER, 40).read.len());
    world.run_until(secs(30), |world| world.app(SERVER, 40).read.len() == MIB);
}

#[test]
fn a_writer_whom_the_budget_stopped_is_woken() {
    for &engine in ENGINES {
        let config = tight(engine, 256 * KIB);
        let mut world = World::new(link(20, 5), 5);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(talker);
        let client = world.add(&plenty());
        for app in crowd(&mut world, client, 20, 0) {
            world.app(client, app).closes = true;
        }
        world.run_until(secs(600), |world| {
            world.hosts[client].apps.iter().all(|app| app.read.len() == 2 * MIB)
        });
        let budget = 256 * KIB + overdraft(&config, 20);
        assert!(used(&world, SERVER) <= budget);
    }
}

#[test]
fn a_message_that_arrives_through_small_windows_is_put_together() {
    for &engine in ENGINES {
        let config = KcpConfig { stream: false, ..tight(engine, 256 * KIB) };
        let mut world = World::new(link(20, 2), 7);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(mute);
        let client = world.add(&KcpConfig { stream: false, mtu: 600, ..plenty() });
        let app = world.connect(client, SERVER, None);
        world.run(secs(1));
        crowd(&mut world, client, 40, 64 * KIB);
        // The server says by now that it has little room.
        let key = world.app(client, app).key;
        let messages = [vec![1], data(127 * 576), data(100 * 576)];
        for message in &messages {
            let now = world.now;
            let written = world.hosts[client].router.write(now, key, message).unwrap();
            assert_eq!(written, Some(message.len()));
            world.run(secs(10));
        }
        let reader = world.hosts[SERVER].apps[0].key;
        let mut read = vec![0; 127 * 576];
        for message in &messages {
            let now = world.now;
            let len = world.hosts[SERVER].router.read(|| now, reader, &mut read, true).unwrap();
            assert_eq!(len, Some(message.len()), "{engine:?}");
            assert!(read[..message.len()] == message[..]);
            world.run(secs(30));
        }
    }
}

#[test]
fn long_messages_pass_however_little_is_free() {
    for &engine in ENGINES {
        let config = KcpConfig { stream: false, ..tight(engine, 256 * KIB) };
        let small = KcpConfig { mtu: 600, ..config.clone() };
        for sender in [config.clone(), small] {
            let mut world = World::new(link(20, 2), 6);
            world.add_server(&config);
            world.hosts[SERVER].accept = Some(mute);
            let client = world.add(&KcpConfig { stream: false, mtu: sender.mtu, ..plenty() });
            crowd(&mut world, client, 40, 64 * KIB);
            let app = world.connect(client, SERVER, None);
            let key = world.app(client, app).key;
            let message = data(sender.max_message_len());
            let now = world.now;
            let written = world.hosts[client].router.write(now, key, &message).unwrap();
            assert_eq!(written, Some(message.len()), "alone it always goes");
            world.run(secs(20));
            let conv = world.hosts[client].router.conv(key);
            let server = &world.hosts[SERVER];
            let is_its = |app: &&App| server.router.conv(app.key) == conv;
            let reader = server.apps.iter().find(is_its).expect("accepted").key;
            let mut read = vec![0; message.len()];
            let router = &mut world.hosts[SERVER].router;
            let len = router.read(|| now, reader, &mut read, true).unwrap();
            assert_eq!(len, Some(message.len()), "{engine:?}");
            assert!(read == message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever sessions do, the budget holds, and all of it comes back when they are gone.
    #[test]
    fn the_budget_holds_and_comes_back(
        seed in any::<u64>(),
        engine in prop::sample::select(ENGINES),
        loss in 0..20_u32,
        budget in prop::sample::select(vec![256 * KIB, MIB]),
        stories in prop::collection::vec((0..300 * KIB, 0..300 * KIB, 0..6_u8, 1..300_u64), 1..40),
    ) {
        let config = tight(engine, budget);
        let mut world = World::new(link(30, loss), seed);
        world.add_server(&config);
        world.hosts[SERVER].accept = Some(mute);
        let client = world.add(&config);
        let bound = budget + overdraft(&config, stories.len());
        for (up, down, habit, pause) in stories {
            let app = world.connect(client, SERVER, None);
            world.app(client, app).to_write = data(up);
            world.app(client, app).reads = habit & 1 == 0;
            world.run(ms(100));
            if let Some(at) = world.hosts[SERVER].apps.len().checked_sub(1) {
                let server = world.app(SERVER, at);
                server.to_write = data(down);
                server.reads = habit & 2 == 0;
            }
            if habit == 5 {
                world.release(client, app);
            }
            world.run(ms(pause));
            for host in [SERVER, client] {
                prop_assert!(used(&world, host) <= bound, "{} of {bound}", used(&world, host));
            }
        }
        world.run(secs(5));
        for host in [SERVER, client] {
            prop_assert!(used(&world, host) <= bound, "{} of {bound}", used(&world, host));
        }
        world.accept_none();
        world.release_all();
        world.run_dry();
        for host in [SERVER, client] {
            let stats = world.hosts[host].router.stats();
            prop_assert_eq!((stats.sessions, stats.memory_used), (0, 0));
        }
    }
}
