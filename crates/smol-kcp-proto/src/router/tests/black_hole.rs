//! A path that carries short datagrams only, from the beginning or from some time on, without a word
//! (RFC 8899, 4.3).

use super::*;
use crate::router::Router;
use crate::wire::{CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_PIECE, CODE_PLAIN, HEADER_LEN};

const SHORT: usize = 1252;

fn stream(engine: EngineKind) -> KcpConfig {
    KcpConfig { stream: true, mtu: 1350, engine, ..KcpConfig::wan() }
}

/// Streams over a path that swallows what is longer than [`SHORT`], each of which writes `bytes`.
fn swallow(engine: EngineKind, streams: usize, bytes: usize) -> World {
    let mut world = World::pair(&stream(engine), link(50, 0), 3);
    world.filter = Box::new(|sent| sent.bytes.len() <= SHORT);
    for _ in 0..streams {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(bytes);
    }
    world.run(secs(40));
    world
}

fn black_holes(router: &Router) -> u64 {
    router.stats().black_holes
}

#[cfg(feature = "kcp")]
#[test]
fn streams_that_a_path_swallows_are_counted_once_each() {
    let world = swallow(EngineKind::Kcp, 3, 100_000);
    let stalled = [CLIENT, SERVER].map(|host| world.hosts[host].router.stats().stalled);
    assert_eq!(stalled, [3, 0], "of the sender only");
}

#[test]
fn what_fits_the_path_is_no_stall() {
    for &engine in ENGINES {
        let world = swallow(engine, 3, 1000);
        assert!(world.hosts.iter().all(|host| host.router.stats().stalled == 0), "{engine:?}");
        assert!(world.hosts.iter().all(|host| black_holes(&host.router) == 0), "{engine:?}");
        assert!(world.hosts[SERVER].apps.iter().all(|app| app.read.len() == 1000), "{engine:?}");
    }
}

#[test]
fn streams_over_a_path_that_never_carried_so_much_go_on_with_less() {
    let world = swallow(EngineKind::Ring, 3, 100_000);
    assert!(world.hosts[SERVER].apps.iter().all(|app| app.read == data(100_000)));
    let [client, server] = [CLIENT, SERVER].map(|host| &world.hosts[host].router);
    assert_eq!((black_holes(client), black_holes(server)), (1, 0), "one path, three streams");
    assert_eq!(client.stats().stalled, 0);
    let stats = client.session_stats(world.hosts[CLIENT].apps[0].key);
    assert!((1232..=SHORT).contains(&stats.path.mtu), "{}", stats.path.mtu);
}

/// From `from` on until `until` the path swallows what is longer than `carries`, in the direction of this
/// address or in both.
fn swallow_between(
    world: &mut World,
    from: Duration,
    until: Duration,
    carries: usize,
    to: Option<usize>,
) {
    let (from, until) = (Time::ZERO + from, Time::ZERO + until);
    let to = to.map(addr);
    world.filter = Box::new(move |sent| {
        let is_there = (from..until).contains(&sent.at) && to.is_none_or(|to| to == sent.to);
        !is_there || sent.bytes.len() <= carries
    });
}

/// The same way as one of 10 Mbit/s with a queue of 100 ms.
fn line(way: LinkConfig) -> LinkConfig {
    LinkConfig { rate: Some(10_000_000), queue_bytes: Some(125_000), ..way }
}

/// The longest time between two arrivals after `from`.
fn longest_gap(arrivals: &[(Time, usize)], from: Duration) -> Duration {
    let from = Time::ZERO + from;
    let times: Vec<Time> = arrivals.iter().map(|&(at, _)| at).filter(|&at| at >= from).collect();
    let gaps = times.windows(2).map(|pair| pair[1].since(pair[0]));
    gaps.max().expect("something arrives")
}

/// A stream that writes without an end in one direction or in both, over a line of 10 Mbit/s, which reads
/// without a gap of two seconds before and after the path has changed at 3 s.
fn goes_on(config: &KcpConfig, carries: usize, both: bool, way: LinkConfig) -> World {
    let mut world = World::pair(config, line(way), 5);
    swallow_between(&mut world, secs(3), secs(1000), carries, None);
    world.hosts[SERVER].accept = Some(|key| App { arrivals: Some(Vec::new()), ..App::new(key) });
    let app = world.connect(CLIENT, SERVER, None);
    let arrivals = Some(Vec::new());
    world.run(ms(500));
    let key = world.app(CLIENT, app).key;
    *world.app(CLIENT, app) = App { floods: true, arrivals, ..App::new(key) };
    world.app(SERVER, 0).floods = both;
    world.run(secs(9));
    let readers = if both { vec![SERVER, CLIENT] } else { vec![SERVER] };
    for host in readers {
        let arrivals = world.hosts[host].apps[0].arrivals.as_deref().unwrap();
        let last = arrivals.last().unwrap().0;
        assert!(world.now.since(last) < ms(500), "{carries}: the stream stands at {last:?}");
        let gap = longest_gap(arrivals, secs(1));
        assert!(gap < secs(2), "{carries}, to {host}: {gap:?}");
        let late = |&&(at, _): &&(Time, usize)| at >= Time::ZERO + secs(6);
        let late: usize = arrivals.iter().filter(late).map(|(_, bytes)| bytes).sum();
        assert!(late > 1_000_000, "{carries}, to {host}: {late} bytes in 3.5 s");
    }
    world
}

#[test]
fn a_stream_in_bulk_goes_on_within_two_seconds_wherever_the_path_gets_narrow() {
    for (name, config) in
        [("default", KcpConfig { stream: true, ..KcpConfig::default() }), ("wan", KcpConfig::wan())]
    {
        for carries in [1272, 972, 600] {
            for both in [false, true] {
                let world = goes_on(&config, carries, both, link(50, 0));
                let stats =
                    world.hosts[CLIENT].router.session_stats(world.hosts[CLIENT].apps[0].key);
                let mtu = stats.path.mtu;
                assert!(mtu <= carries && mtu + 24 > carries, "{name}: {mtu} of {carries}");
                assert_eq!(stats.path.black_holes, 1, "{name}");
            }
        }
    }
}

#[test]
fn it_goes_on_although_one_in_ten_is_lost() {
    let config = KcpConfig::wan();
    for carries in [1272, 972] {
        let world = goes_on(&config, carries, false, link(50, 10));
        assert!(black_holes(&world.hosts[CLIENT].router) >= 1);
    }
}

#[test]
fn messages_go_on_too_whatever_their_length() {
    let config = KcpConfig { keep_alive: None, ..KcpConfig::default() };
    let mut world = World::pair(&config, link(50, 0), 5);
    swallow_between(&mut world, secs(1), secs(1000), 600, None);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(900));
    world.app(CLIENT, app).to_write = data(160_000);
    world.run(secs(10));
    assert!(world.hosts[SERVER].apps[0].read == data(160_000));
    // Written when the path is known to be narrow, in more fragments than a message may have.
    let key = world.hosts[CLIENT].apps[app].key;
    let long = data(150_000);
    let now = world.now;
    let taken = world.hosts[CLIENT].router.write(now, key, &long).unwrap();
    assert_eq!(taken, Some(150_000));
    world.app(SERVER, 0).reads = false;
    world.run(secs(10));
    let server = world.hosts[SERVER].apps[0].key;
    let mut buf = vec![0; 200_000];
    let now = world.now;
    let read = world.hosts[SERVER].router.read(|| now, server, &mut buf, true).unwrap();
    assert_eq!(read, Some(150_000), "as one message");
    assert!(buf[..150_000] == long);
}

#[test]
fn a_path_that_changes_to_and_fro_is_survived_every_time() {
    let mut world = World::pair(&KcpConfig::wan(), line(link(50, 1)), 5);
    world.filter = Box::new(|sent| sent.at.as_millis() / 1500 % 2 == 0 || sent.bytes.len() <= 1000);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(10_000_000);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(60), |world| world.hosts[CLIENT].apps[app].delivered.is_some());
    assert!(world.hosts[SERVER].apps[0].read == data(10_000_000));
    // Between two holes the size is found that passes just then; it does not grow each time.
    let holes = black_holes(&world.hosts[CLIENT].router);
    assert!((1..=3).contains(&holes), "{holes}");
}

#[test]
fn nothing_longer_than_the_size_leaves_but_probes() {
    let mut world = World::pair(&KcpConfig::wan(), line(link(50, 2)), 7);
    swallow_between(&mut world, secs(1), secs(1000), 1000, None);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(8_000_000);
    let key = world.hosts[CLIENT].apps[app].key;
    let size = |world: &World| world.hosts[CLIENT].router.session_stats(key).path.mtu;
    let (mut before, mut longest, mut probes) = (usize::MAX, 0, 0);
    while world.step(Time::ZERO + secs(20)) {
        let now = size(&world);
        for sent in std::mem::take(world.log.as_mut().unwrap()) {
            if is_probe(&sent.bytes) {
                probes += 1;
            } else if sent.from == addr(CLIENT) {
                assert!(
                    sent.bytes.len() <= before.max(now),
                    "{} at {:?}",
                    sent.bytes.len(),
                    sent.at
                );
                longest = longest.max(sent.bytes.len());
            }
        }
        before = now;
    }
    assert!(world.hosts[SERVER].apps[0].read == data(8_000_000));
    assert!(size(&world) <= 1000 && longest == KcpConfig::wan().mtu);
    assert!((5..30).contains(&probes), "{probes}");
}

#[test]
fn losses_and_outages_are_no_black_holes() {
    for loss in [2, 10, 30] {
        for seed in 0..3 {
            let mut world = World::pair(&KcpConfig::wan(), link(50, loss), seed);
            let app = world.connect(CLIENT, SERVER, None);
            world.app(CLIENT, app).to_write = data(2_000_000);
            world.run_until(secs(600), |world| {
                world.hosts[SERVER].apps.first().is_some_and(|app| app.read.len() == 2_000_000)
            });
            assert_eq!(black_holes(&world.hosts[CLIENT].router), 0, "{loss} %, {seed}");
        }
    }
    let mut world = World::pair(&KcpConfig::wan(), line(link(50, 0)), 5);
    swallow_between(&mut world, secs(1), secs(16), 0, None);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(20_000_000);
    world.run(secs(40));
    assert_eq!(black_holes(&world.hosts[CLIENT].router), 0);
    assert!(world.hosts[SERVER].apps[0].read.len() > 10_000_000, "it went on");
}

#[test]
fn full_datagrams_now_and_then_are_not_taken_for_swallowed_where_one_in_ten_is_lost() {
    let mut world = World::pair(&KcpConfig::wan(), link(50, 10), 5);
    let app = world.connect(CLIENT, SERVER, None);
    for _ in 0..600 {
        world.app(CLIENT, app).to_write = data(1300);
        world.run(secs(1));
    }
    assert_eq!(world.hosts[SERVER].apps[0].read.len(), 600 * 1300);
    assert_eq!(black_holes(&world.hosts[CLIENT].router), 0);
}

#[test]
fn it_grows_as_far_as_is_allowed_and_passes() {
    for (max, carries, least) in
        [(Some(1472), 1500, 1472), (Some(1472), 1420, 1396), (None, 1500, 1350)]
    {
        let config = KcpConfig { max_mtu: max, ..stream(EngineKind::Ring) };
        let mut world = World::pair(&config, link(50, 1), 5);
        swallow_between(&mut world, secs(0), secs(1000), carries, None);
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(5_000_000);
        world.run(secs(30));
        assert!(world.hosts[SERVER].apps[0].read == data(5_000_000));
        let router = &world.hosts[CLIENT].router;
        let mtu = router.session_stats(world.hosts[CLIENT].apps[app].key).path.mtu;
        assert!(
            (least..=max.unwrap_or(1350).min(carries)).contains(&mtu),
            "{max:?} {carries}: {mtu}"
        );
        assert_eq!(black_holes(router), 0);
    }
}

#[test]
fn a_new_stream_uses_what_is_known_of_the_path() {
    let mut world = swallow(EngineKind::Ring, 1, 100_000);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(100_000);
    world.run(secs(2));
    assert!(world.hosts[SERVER].apps[1].read == data(100_000), "nothing had to be found out");
    let sent = world.sent(addr(CLIENT), addr(SERVER)).filter(|sent| !is_probe(&sent.bytes));
    let longest = sent.map(|sent| sent.bytes.len()).max();
    assert!(longest <= Some(SHORT), "{longest:?}");
}

/// Is it a padded segment, and nothing else?
fn is_probe(datagram: &[u8]) -> bool {
    let padding = datagram.get(HEADER_LEN..).unwrap_or_default();
    has(datagram, CMD_PUSH, 0) && !padding.is_empty() && padding.iter().all(|&byte| byte == 0)
}

#[test]
fn a_stock_peer_acknowledges_probes_and_what_is_written_later_is_shorter() {
    let config = KcpConfig { stream: true, wnd_size: (128, 128), ..KcpConfig::wan() };
    let mut world = World::new(link(50, 0), 5);
    world.add_server(&config);
    world.add_stock(&config, 9, addr(SERVER));
    world.stock(1).write(b"hello");
    world.run(secs(1));
    world.app(SERVER, 0).to_write = data(30_000);
    world.run(secs(1));
    assert_eq!(world.stock(1).read.len(), 30_000, "all is well");
    // Nothing that is numbered can be cut, so that one lost segment is lost for good, as ever.
    swallow_between(&mut world, secs(2), secs(20), 1000, None);
    world.app(SERVER, 0).to_write = data(1340);
    world.run(secs(18));
    assert_eq!(world.stock(1).read.len(), 30_000);
    let router = &world.hosts[SERVER].router;
    assert_eq!(black_holes(router), 1);
    let mtu = router.session_stats(world.hosts[SERVER].apps[0].key).path.mtu;
    assert!((972..=1000).contains(&mtu), "{mtu}");
    // The path is back: what was lost and what was written meanwhile arrives as it was written.
    world.app(SERVER, 0).to_write = data(50_000);
    world.run(secs(20));
    let expected = [data(30_000), data(1340), data(50_000)].concat();
    assert!(world.stock(1).read == expected);
}

/// The peer is of our own kind, of a version that knows no pieces: it answers them as window probes.
#[test]
fn an_older_version_that_knows_no_pieces_is_sent_none_after_a_few() {
    let mut world = World::pair(&KcpConfig::wan(), link(50, 0), 5);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).to_write = data(3000);
    world.run(secs(1));
    // What an old one would make of a piece; and nothing longer than 1000 arrives.
    world.filter =
        Box::new(|sent| sent.bytes.len() <= 1000 && !has(&sent.bytes, CMD_WASK, CODE_PIECE));
    world.app(CLIENT, app).to_write = data(3000);
    let mut answered = 0;
    let mut pieces = 0;
    while world.now < Time::ZERO + secs(20) && world.step(Time::ZERO + secs(20)) {
        let log = std::mem::take(world.log.as_mut().unwrap());
        for sent in log.iter().filter(|sent| has(&sent.bytes, CMD_WASK, CODE_PIECE)) {
            pieces += 1;
            let asked = headers(&sent.bytes)[0];
            let answer = Header { cmd: CMD_WINS, frg: CODE_PLAIN, len: 0, una: 3, ..asked };
            world.inject(CLIENT, addr(SERVER), &answer.encode());
            answered += 1;
        }
    }
    assert!((3..=12).contains(&answered), "{answered} of {pieces}");
    assert_eq!(black_holes(&world.hosts[CLIENT].router), 1);
    world.filter = Box::new(|_| true);
    world.run(secs(20));
    assert_eq!(world.hosts[SERVER].apps[0].read, [data(3000), data(3000)].concat());
}

#[test]
fn probes_are_acknowledged_and_change_nothing() {
    for &engine in ENGINES {
        let mut world = World::pair(&stream(engine), link(50, 0), 5);
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(5000);
        world.run(secs(1));
        world.log = Some(Vec::new());
        let conv = world.hosts[CLIENT].router.conv(world.hosts[CLIENT].apps[app].key);
        let len = 1300;
        let probe = Header { conv, cmd: CMD_PUSH, sn: 1, ts: 77, una: 0, wnd: 128, frg: 0, len };
        let datagram = [&probe.encode()[..], &[0; 1300]].concat();
        world.inject(SERVER, addr(CLIENT), &datagram);
        world.run(secs(1));
        let acks = world.sent(addr(SERVER), addr(CLIENT)).flat_map(|sent| headers(&sent.bytes));
        let acks: Vec<_> = acks.filter(|ack| ack.cmd == CMD_ACK && ack.ts == 77).collect();
        assert_eq!(acks.iter().map(|ack| ack.sn).collect::<Vec<_>>(), [1], "{engine:?}");
        assert_eq!(world.hosts[SERVER].apps[0].read, data(5000), "{engine:?}");
    }
}
