//! The line is gone for a while.

use super::*;

/// Every profile, with the outage in seconds that its documentation says streams survive.
fn profiles(engine: EngineKind) -> Vec<(&'static str, u64, KcpConfig)> {
    let profiles = [
        ("default", 25, KcpConfig::default()),
        ("lan", 15, KcpConfig::lan()),
        ("wan", 55, KcpConfig::wan()),
        ("high_latency", 115, KcpConfig::high_latency()),
        ("low_bandwidth", 55, KcpConfig::low_bandwidth()),
        ("low_memory", 55, KcpConfig::low_memory()),
        ("gaming", 15, KcpConfig::gaming()),
        ("realtime", 10, KcpConfig::realtime()),
        ("file_transfer", 55, KcpConfig::file_transfer()),
    ];
    let made = |(name, seconds, profile): (_, _, KcpConfig)| {
        (name, seconds, KcpConfig { stream: true, engine, ..profile })
    };
    profiles.map(made).into()
}

/// A client with an echo at the other end, after some talk and `idle` without.
fn echo(config: &KcpConfig, rtt: u64, idle: Duration, seed: u64) -> (World, usize) {
    let mut world = World::pair(config, link(rtt, 0), seed);
    world.hosts[SERVER].accept = Some(|key| App { echoes: true, ..App::new(key) });
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    for _ in 0..20 {
        world.app(CLIENT, app).to_write = data(1);
        world.run(ms(rtt + 100));
    }
    world.run(idle);
    assert_eq!(world.app(CLIENT, app).read.len(), 20);
    (world, app)
}

fn cut(world: &mut World) {
    world.filter = Box::new(|_| false);
}

fn mend(world: &mut World) {
    world.filter = Box::new(|_| true);
}

fn assert_alive(world: &World, what: &str) {
    for host in &world.hosts {
        assert!(host.apps.iter().all(|app| app.failed.is_none()), "{what}: {:?}", world.summary());
    }
}

#[test]
fn a_keystroke_of_an_outage_is_there_soon_after_it() {
    for &engine in ENGINES {
        for (name, longest, config) in profiles(engine) {
            for seconds in [3, 6, 10, 20, 22, 30, 40, 50, longest] {
                for after in [ms(100), secs(seconds) - ms(50)] {
                    if seconds > longest {
                        continue;
                    }
                    let what = format!("{engine:?} {name} {seconds} s, written after {after:?}");
                    let (mut world, app) = echo(&config, 50, secs(0), seconds);
                    cut(&mut world);
                    world.run(after);
                    world.app(CLIENT, app).to_write = data(1);
                    world.run(secs(seconds) - after);
                    mend(&mut world);
                    // The next question, its answer, and the echo.
                    world.run(ms(2300));
                    assert_alive(&world, &what);
                    assert_eq!(world.app(CLIENT, app).read.len(), 21, "{what}");
                }
            }
        }
    }
}

#[test]
fn every_profile_survives_the_outage_that_it_says_idle_and_busy_both_ways() {
    for &engine in ENGINES {
        for (name, longest, config) in profiles(engine) {
            for idle in [secs(0), secs(7), secs(24)] {
                let what = format!("{engine:?} {name} {longest} s after {idle:?}");
                let (mut world, app) = echo(&config, 50, idle, 3);
                cut(&mut world);
                world.run(secs(longest));
                mend(&mut world);
                world.run(secs(5));
                assert_alive(&world, &what);
                world.app(CLIENT, app).to_write = data(1);
                world.run(secs(1));
                assert_eq!(world.app(CLIENT, app).read.len(), 21, "{what}");
            }
            let (mut world, app) = echo(&config, 50, secs(0), 4);
            world.app(CLIENT, app).to_write = data(600_000);
            world.run(ms(120));
            cut(&mut world);
            world.run(secs(longest));
            mend(&mut world);
            let all = |world: &mut World| world.app(CLIENT, app).read.len() == 600_020;
            world.run_until(secs(120), all);
            assert_alive(&world, name);
        }
    }
}

#[test]
fn what_leaves_when_the_line_is_back_is_no_flood() {
    for &engine in ENGINES {
        let config = KcpConfig { stream: true, engine, ..KcpConfig::wan() };
        let (mut world, app) = echo(&config, 50, secs(0), 5);
        world.app(CLIENT, app).to_write = data(600_000);
        world.run(ms(20));
        cut(&mut world);
        world.run(secs(30));
        mend(&mut world);
        let heard = |world: &World| {
            let key = world.hosts[CLIENT].apps[app].key;
            world.hosts[CLIENT].router.session_stats(key).datagrams_received
        };
        let before = heard(&world);
        world.log = Some(Vec::new());
        while heard(&world) == before {
            assert!(world.step(Time::from_micros(u64::MAX)));
        }
        world.turn();
        let now = world.now;
        let first = world.sent(addr(CLIENT), addr(SERVER)).filter(|s| s.at == now).count();
        assert!((1..=12).contains(&first), "{engine:?}: {first} datagrams at once");
        world.run_until(secs(10), |world| world.app(CLIENT, app).read.len() == 600_020);
    }
}

#[test]
fn a_line_that_is_back_and_loses_does_not_stop_a_stream_for_long() {
    for &engine in ENGINES {
        for (seconds, seed) in [10, 50].into_iter().flat_map(|s| (1..=5u32).map(move |n| (s, n))) {
            let config = KcpConfig { stream: true, engine, ..KcpConfig::wan() };
            let (mut world, app) = echo(&config, 50, secs(0), 9);
            world.app(CLIENT, app).to_write = data(600_000);
            world.run(ms(20));
            cut(&mut world);
            world.run(secs(seconds));
            // One of ten is lost from now on.
            let back = world.now;
            let mut state = seed;
            world.filter = Box::new(move |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16 >= 6554
            });
            world.run_until(secs(300), |world| world.app(CLIENT, app).read.len() == 600_020);
            let took = world.now.since(back);
            assert!(took <= secs(4), "{engine:?} after {seconds} s, {seed}: {took:?}");
        }
    }
}

#[test]
fn a_peer_that_answers_questions_and_acknowledges_nothing_is_gone_after_dead_link() {
    for &engine in ENGINES {
        let config = KcpConfig { stream: true, engine, ..KcpConfig::wan() };
        let (mut world, app) = echo(&config, 50, secs(0), 6);
        // A router that drops every datagram with data.
        world.filter = Box::new(|sent| !has(&sent.bytes, crate::wire::CMD_PUSH, 0));
        world.app(CLIENT, app).to_write = data(100_000);
        let cut = world.now;
        world.run_until(secs(200), |world| world.app(CLIENT, app).failed.is_some());
        let after = world.app(CLIENT, app).failed.clone().unwrap().0.since(cut);
        assert!(after >= secs(60) && after <= secs(61), "{engine:?}: {after:?}");
    }
}

#[test]
fn a_peer_that_comes_and_goes_and_acknowledges_nothing_is_gone_in_the_end() {
    let config = KcpConfig { stream: true, ..KcpConfig::wan() };
    let (mut world, app) = echo(&config, 50, secs(0), 7);
    world.filter = Box::new(|sent| {
        let gone = sent.at.as_millis() / 10_000 % 2 == 0;
        !gone && !has(&sent.bytes, crate::wire::CMD_PUSH, 0)
    });
    world.app(CLIENT, app).to_write = data(100_000);
    let cut = world.now;
    world.run_until(secs(2000), |world| world.app(CLIENT, app).failed.is_some());
    let after = world.app(CLIENT, app).failed.clone().unwrap().0.since(cut);
    assert!(after > secs(61) && after <= secs(241), "{after:?}");
}

#[test]
fn an_outage_that_ends_just_before_dead_link_is_survived_once_the_peer_is_heard() {
    let config = KcpConfig { stream: true, ..KcpConfig::wan() };
    let (mut world, app) = echo(&config, 50, secs(0), 8);
    cut(&mut world);
    world.app(CLIENT, app).to_write = data(1);
    // Words of the peer pass again, ours not yet.
    world.run(secs(57));
    world.filter = Box::new(|sent| !has(&sent.bytes, crate::wire::CMD_PUSH, 0));
    world.run(secs(20));
    assert_alive(&world, "heard after 57 s");
    mend(&mut world);
    world.run(secs(30));
    assert_eq!(world.app(CLIENT, app).read.len(), 21);
}
