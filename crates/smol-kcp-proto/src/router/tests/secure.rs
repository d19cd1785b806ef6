//! Conversations inside encrypted channels.

use proptest::prelude::*;

use super::*;
use crate::config::{SecureConfig, SecurePeer};
use crate::layer::crypto::secure::tests::random_looks::{deviate, repeated};
use crate::layer::crypto::secure::{SecretKey, OVERHEAD};
use crate::router::tests::world::Sent;
use crate::router::Router;
use crate::session::Role;

const MTU: usize = 1400;

fn secret(host: usize) -> SecretKey {
    SecretKey::from_bytes([host as u8 + 1; 32])
}

fn peer(host: usize) -> SecurePeer {
    SecurePeer::new(secret(host).public_key())
}

/// What a server of these clients, or a client of the server, is made with.
fn keys(config: &KcpConfig, host: usize, clients: &[usize]) -> KcpConfig {
    let own = SecureConfig::new(secret(host));
    let secure = match host {
        SERVER => SecureConfig { clients: clients.iter().map(|&n| peer(n)).collect(), ..own },
        _ => own.with_server(peer(SERVER)),
    };
    KcpConfig { secure: Some(secure), ..config.clone() }
}

/// A server and a client that know each other.
fn pair(config: &KcpConfig, link: LinkConfig, seed: u64) -> World {
    let mut world = World::new(link, seed);
    world.add_server(&keys(config, SERVER, &[CLIENT]));
    world.add(&keys(config, CLIENT, &[]));
    world
}

/// Puts a fresh server in the place of the old one.
fn restart(world: &mut World) {
    let mut router = world.router(&keys(&config(), SERVER, &[CLIENT]), SERVER);
    router.set_accepting(true);
    world.hosts[SERVER].router = router;
    world.hosts[SERVER].apps.clear();
}

fn move_to(world: &mut World, host: usize, ip: u8, port: u16) {
    world.hosts[host].addr = ([10, 0, 0, ip], port).into();
}

fn read(world: &mut World, host: usize, app: usize) -> usize {
    world.hosts[host].apps.get(app).map_or(0, |app| app.read.len())
}

#[test]
fn the_first_stream_speaks_after_one_round_trip_and_the_second_at_once() {
    let mut world = pair(&config(), link(100, 0), 1);
    let first = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, first).to_write = data(1000);
    world.run_until(ms(149), |w| w.hosts[CLIENT].apps[0].connected.is_some());
    assert_eq!(world.now, Time::from_millis(100));
    world.run_until(ms(60), |w| read(w, SERVER, 0) == 1000);
    assert_eq!(world.now.as_millis(), 150);
    world.run(secs(1));
    let asked = world.now;
    let second = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, second).to_write = data(1000);
    world.run_until(ms(60), |w| read(w, SERVER, 1) == 1000);
    assert_eq!(world.now.since(asked), ms(50));
    assert_eq!(world.hosts[CLIENT].apps[1].connected, Some(asked));
}

#[test]
fn a_client_that_never_says_a_word_is_heard_of() {
    let mut world = pair(&config(), link(40, 0), 2);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    world.app(SERVER, 0).to_write = data(5000);
    world.run(ms(100));
    assert_eq!(world.app(CLIENT, app).read, data(5000));
}

#[test]
fn whatever_the_line_does_all_arrives_and_no_datagram_is_too_long() {
    for (seed, loss) in [(3, 0), (4, 10), (5, 30)] {
        let jitter = LinkConfig { jitter: ms(20), ..link(60, loss) };
        let mut world = pair(&config(), jitter, seed);
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(3));
        world.app(SERVER, 0).to_write = data(300_000);
        world.app(CLIENT, app).to_write = data(400_000);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(60), |w| {
            read(w, SERVER, 0) == 400_000 && read(w, CLIENT, app) == 300_000
        });
        assert_eq!(world.app(SERVER, 0).read, data(400_000));
        assert_eq!(world.app(CLIENT, app).read, data(300_000));
        let lengths = || world.log.iter().flatten().map(|sent| sent.bytes.len());
        assert_eq!(lengths().max(), Some(MTU), "and none is shorter than it could be");
        world.run(secs(30));
        world.release_all();
        world.run(secs(60));
        assert!(world.hosts.iter().all(|host| host.router.is_empty()));
    }
}

#[test]
fn a_restarted_server_takes_new_streams_in_three_round_trips_and_ends_the_old_ones_in_one_more() {
    for rtt in [4, 40, 200] {
        let mut world = pair(&config(), link(rtt, 0), 6);
        let old = world.connect(CLIENT, SERVER, None);
        world.run(secs(5));
        world.app(CLIENT, old).to_write = data(1000);
        world.run(secs(5));
        restart(&mut world);
        let began = world.now;
        let new = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, new).to_write = data(1000);
        world.run_until(secs(2), |w| read(w, SERVER, 0) == 1000);
        let took = world.now.since(began);
        assert!(took <= ms(3 * rtt).max(ms(300)), "{took:?} at {rtt} ms");
        let cause = world.app(CLIENT, old).cause();
        assert!(matches!(cause, Some(KcpError::Reset)), "{cause:?}");
        assert!(world.app(CLIENT, new).failed.is_none());
        assert_eq!(world.app(SERVER, 0).read, data(1000));
    }
}

#[test]
fn a_stream_under_way_learns_of_a_restart_by_its_next_words() {
    let mut world = pair(&config(), link(40, 0), 7);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(100_000);
    world.run(secs(3));
    restart(&mut world);
    world.app(CLIENT, app).to_write = data(1000);
    world.run(ms(120).max(ms(300)));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 0, "no ghost");
}

#[test]
fn another_port_another_address_and_both_with_new_keys_lose_nothing() {
    let line = LinkConfig { rate: Some(20_000_000), ..link(60, 1) };
    let mut world = pair(&config(), line, 8);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).to_write = data(2_000_000);
    world.app(SERVER, 0).to_write = data(2_000_000);
    world.run(ms(500));
    move_to(&mut world, CLIENT, 2, 5000);
    world.run(ms(500));
    move_to(&mut world, CLIENT, 77, 6000);
    world.run_until(secs(60), |w| {
        read(w, SERVER, 0) == 2_000_000 && read(w, CLIENT, app) == 2_000_000
    });
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(([10, 0, 0, 77], 6000).into()));
    assert_eq!(world.app(SERVER, 0).read, data(2_000_000));
    assert_eq!(world.app(CLIENT, app).read, data(2_000_000));
}

#[test]
fn an_address_that_changes_while_keys_do_loses_nothing() {
    let line = LinkConfig { rate: Some(8_000_000), ..link(60, 0) };
    let mut world = pair(&config(), line, 9);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).floods = true;
    world.app(SERVER, 0).arrivals = Some(Vec::new());
    // Keys are 120 s old at about here.
    world.run(ms(119_020));
    for n in 0..10 {
        move_to(&mut world, CLIENT, 2 + n, 5000 + u16::from(n));
        world.run(ms(15));
    }
    let handshakes = |w: &World| w.hosts[SERVER].router.secure_stats().unwrap().handshakes;
    world.run(secs(2));
    assert_eq!(handshakes(&world), 2);
    let before = arrived(&mut world);
    world.run(secs(5));
    assert!(arrived(&mut world) > before + 100_000, "it goes on");
    assert!(world.app(CLIENT, app).failed.is_none());
}

fn arrived(world: &mut World) -> usize {
    world.hosts[SERVER].apps[0].arrivals.iter().flatten().map(|&(_, bytes)| bytes).sum()
}

#[test]
fn new_keys_under_full_load_stall_nothing() {
    let mut world = pair(&config(), LinkConfig { rate: Some(8_000_000), ..link(60, 0) }, 10);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).floods = true;
    world.app(SERVER, 0).arrivals = Some(Vec::new());
    world.run(secs(300));
    let stats = world.hosts[SERVER].router.secure_stats().unwrap();
    assert!(stats.handshakes >= 3, "{stats:?}");
    let arrivals = world.app(SERVER, 0).arrivals.clone().unwrap();
    let late = arrivals.iter().filter(|(at, _)| *at > Time::from_millis(5000));
    let times: Vec<Time> = late.map(|&(at, _)| at).collect();
    let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
    assert!(longest < ms(60 + 10), "{longest:?}");
    let key = world.app(CLIENT, app).key;
    let stats = world.hosts[CLIENT].router.session_stats(key);
    assert_eq!(stats.timeout_retransmits + stats.fast_retransmits, 0, "{stats:?}");
}

#[test]
fn after_a_long_silence_the_first_words_wait_for_keys_and_are_not_lost() {
    let mut world = pair(&config(), link(100, 0), 11);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(100);
    world.run(secs(1000));
    assert_eq!(world.next(), None, "nobody wakes up for a channel at rest");
    let began = world.now;
    world.app(SERVER, 0).to_write = data(8000);
    world.run_until(secs(1), |w| read(w, CLIENT, app) == 8000);
    assert_eq!(world.now.since(began), ms(150), "a handshake and the way");
}

#[test]
fn who_is_not_known_hears_nothing() {
    let mut world = World::new(link(20, 0), 12);
    world.add_server(&keys(&config(), SERVER, &[CLIENT]));
    let timeout = KcpConfig { connect_timeout: Some(secs(5)), ..config() };
    world.add(&keys(&timeout, CLIENT, &[]));
    let stranger = world.add(&keys(&timeout, 2, &[]));
    let plain = world.add(&timeout);
    world.log = Some(Vec::new());
    for host in [stranger, plain] {
        let app = world.connect(host, SERVER, None);
        world.app(host, app).to_write = data(1000);
    }
    world.run(secs(30));
    for host in [stranger, plain] {
        assert!(matches!(world.app(host, 0).cause(), Some(KcpError::TimedOut)));
        assert!(world.sent(addr(host), addr(SERVER)).count() > 3);
        assert_eq!(world.sent(addr(SERVER), addr(host)).count(), 0);
    }
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 0);
}

#[test]
fn who_is_removed_loses_its_streams_and_nobody_else_does() {
    let mut world = World::new(link(20, 0), 13);
    world.add_server(&keys(&config(), SERVER, &[1, 2]));
    let clients = [1, 2].map(|host| {
        assert_eq!(world.add(&keys(&config(), host, &[])), host);
        world.connect(host, SERVER, None)
    });
    world.run(secs(1));
    let now = world.now;
    world.hosts[SERVER].router.set_clients(now, vec![peer(2)]).unwrap();
    world.run(ms(30));
    assert!(matches!(world.app(1, clients[0]).cause(), Some(KcpError::Reset)));
    world.app(2, clients[1]).to_write = data(1000);
    let again = world.connect(1, SERVER, None);
    world.app(1, again).to_write = data(1000);
    world.run(secs(10));
    let heard: Vec<usize> = (0..2).map(|app| read(&mut world, SERVER, app)).collect();
    assert_eq!(heard.iter().sum::<usize>(), 1000, "{heard:?}");
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 2);
    let twice = world.hosts[SERVER].router.set_clients(now, vec![peer(2), peer(2)]).unwrap_err();
    assert!(twice.to_string().contains("each key once"), "{twice}");
}

#[test]
fn a_whole_recorded_session_played_again_opens_and_disturbs_nothing() {
    let mut world = pair(&config(), link(20, 0), 14);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(50_000);
    world.run(secs(1));
    let recorded: Vec<Sent> = world.sent(addr(CLIENT), addr(SERVER)).cloned().collect();
    for life in 0..2 {
        let answered = world.sent(addr(SERVER), addr(CLIENT)).count();
        for at in [addr(CLIENT), ([192, 0, 2, 1], 9).into()] {
            for sent in &recorded {
                world.inject(SERVER, at, &sent.bytes);
            }
        }
        world.run(secs(10));
        let accepted = world.hosts[SERVER].router.stats().accepted;
        let live = u64::from(life == 0);
        assert_eq!(accepted, live, "the one that there was");
        let elsewhere = world.sent(addr(SERVER), ([192, 0, 2, 1], 9).into()).count();
        assert!(elsewhere <= life, "an initiation of another life gets one answer: {elsewhere}");
        if life == 0 {
            assert_eq!(world.sent(addr(SERVER), addr(CLIENT)).count(), answered);
            world.app(CLIENT, app).to_write = data(1000);
            world.run(ms(50));
            assert_eq!(read(&mut world, SERVER, 0), 51_000);
            restart(&mut world);
        }
    }
}

/// Both sides say the same again and again, so that what is not encrypted, or twice in the same way, would show.
#[test]
fn whole_sessions_look_like_noise() {
    let mut world = pair(&config(), link(20, 5), 17);
    world.log = Some(Vec::new());
    for _ in 0..3 {
        for stream in 0..4 {
            let app = world.connect(CLIENT, SERVER, None);
            world.app(CLIENT, app).to_write = b"the same words ".repeat(1600);
            world.run(secs(5));
            let there = world.app(SERVER, stream);
            assert_eq!(there.read.len(), 24_000);
            there.to_write = std::mem::take(&mut there.read);
            world.run(secs(5));
        }
        restart(&mut world);
    }
    let log = world.log.take().unwrap_or_default();
    let all: Vec<&[u8]> = log.iter().map(|sent| &*sent.bytes).collect();
    assert!(all.len() > 600, "{}", all.len());
    assert_eq!(repeated(&all), None);
    let mut bytes = vec![0; 256];
    all.iter().copied().flatten().for_each(|&byte| bytes[usize::from(byte)] += 1);
    assert!(deviate(&bytes).abs() < 5.0, "{}", deviate(&bytes));
    // Of the headers, each bit by itself.
    for bit in 0..26 * 8 {
        let mut counts = [0; 2];
        let is_set = |datagram: &[u8]| datagram[bit / 8] >> (bit % 8) & 1;
        all.iter().for_each(|datagram| counts[usize::from(is_set(datagram))] += 1);
        assert!(deviate(&counts).abs() < 5.0, "bit {bit}: {counts:?}");
    }
}

#[test]
fn two_who_are_each_other_s_server_need_one_channel() {
    let mut world = World::new(link(50, 0), 15);
    for host in [0, 1] {
        let other = peer(1 - host);
        let secure = SecureConfig::new(secret(host)).with_client(other.clone()).with_server(other);
        world.add_server(&KcpConfig { secure: Some(secure), ..config() });
    }
    for host in [0, 1] {
        let app = world.connect(host, 1 - host, None);
        world.app(host, app).to_write = data(1000 + host);
    }
    world.run(secs(2));
    for host in [0, 1] {
        assert_eq!(read(&mut world, host, 1), 1000 + (1 - host));
    }
}

#[test]
fn who_is_only_connected_to_may_not_open_streams_itself() {
    let mut world = World::new(link(50, 0), 16);
    world.add_server(&keys(&config(), SERVER, &[CLIENT]));
    world.add_server(&keys(&config(), CLIENT, &[]));
    world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    // A server that turns round.
    let (known, now) = (world.app(SERVER, 0).key, world.now);
    let router = &mut world.hosts[SERVER].router;
    let path = router.session(known).unwrap().path();
    let key = router.open(now, path, 77, Role::Client).unwrap();
    router.with_session(now, key, |session| session.handle_timeout(now));
    world.hosts[SERVER].apps.push(App::new(key));
    world.run(secs(2));
    assert!(world.hosts[SERVER].apps[1].failed.is_some());
    assert_eq!(world.hosts[CLIENT].router.stats().accepted, 0);
}

#[test]
fn a_configuration_with_keys_never_speaks_in_the_clear() {
    let mut router =
        Router::new(std::sync::Arc::new(keys(&config(), SERVER, &[CLIENT])), 0, [1, 2]);
    router.set_accepting(true);
    let mut said = data(24);
    said[4] = crate::wire::CMD_PUSH;
    router.receive(Time::ZERO, addr(CLIENT), &mut said);
    assert!(router.connect(Time::ZERO, addr(CLIENT), None).is_err());
    assert!(!router.transmit(Time::ZERO, &mut |_, _| panic!("nothing leaves")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_a_stranger_makes_up_is_answered(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..20),
        cut in 1..300usize,
        bit in 0..8 * 300usize,
    ) {
        let mut world = pair(&config(), link(20, 0), 17);
        world.log = Some(Vec::new());
        world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        let stranger = ([192, 0, 2, 1], 9).into();
        let mut all = datagrams;
        for sent in world.sent(addr(CLIENT), addr(SERVER)) {
            all.push(sent.bytes[..cut.min(sent.bytes.len() - 1)].to_vec());
            let mut flipped = sent.bytes.clone();
            let at = bit % (8 * flipped.len());
            flipped[at / 8] ^= 1 << (at % 8);
            all.push(flipped);
        }
        for datagram in &all {
            world.inject(SERVER, stranger, datagram);
        }
        world.run(secs(5));
        prop_assert_eq!(world.sent(addr(SERVER), stranger).count(), 0);
        prop_assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
        prop_assert_eq!(OVERHEAD, 25);
    }
}
