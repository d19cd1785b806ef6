//! Conversations below which there are kcp-go's layers.

mod forgotten;

use super::*;
use crate::config::KcpGoConfig;
use crate::layer::crypto::kcp_go::{derive_key, Cipher, PacketCipher};
use crate::layer::fec::is_fec;
use crate::router::tests::stock::Stock;
use crate::router::KcpGoStats;

const MTU: usize = 1350;

fn crypt(cipher: Cipher) -> PacketCipher {
    PacketCipher::new(cipher, &derive_key(b"it's a secrect"))
}

/// With this cipher, parity as it says, and nothing that asks for a sign of life.
fn with(cipher: Cipher, fec: &str) -> KcpConfig {
    let kcp_go = KcpGoConfig::new(crypt(cipher)).with_fec_mode(fec.parse().unwrap());
    KcpConfig { mtu: MTU, kcp_go: Some(kcp_go), ..config() }
}

fn stats(world: &World, host: usize) -> KcpGoStats {
    world.hosts[host].router.kcp_go_stats().unwrap()
}

fn resent(world: &World, host: usize, app: usize) -> u64 {
    let of = &world.hosts[host];
    let stats = of.router.session_stats(of.apps[app].key);
    stats.timeout_retransmits + stats.fast_retransmits
}

fn read(world: &World, host: usize, app: usize) -> usize {
    world.hosts[host].apps.get(app).map_or(0, |app| app.read.len())
}

#[test]
fn with_ten_and_three_what_gets_lost_is_there_when_its_group_is_and_not_sent_again() {
    for (fec, cipher) in [("10+3", Cipher::Aes), ("off", Cipher::Aes), ("10+3", Cipher::Aes128Gcm)]
    {
        let config = KcpConfig { rate: Rate::Off, ..with(cipher, fec) };
        let mut world = World::pair(&config, link(60, 0), 3);
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        // Ten segments at a time, which begin with a group.
        while stats(&world, CLIENT).sent.data % 10 != 0 {
            world.app(CLIENT, app).to_write = data(1);
            world.run(ms(200));
        }
        let before = read(&world, SERVER, 0);
        world.set_link(CLIENT, SERVER, &link(60, 5));
        let ten = 10 * (MTU - config.kcp_go.as_ref().unwrap().overhead() - 24);
        let mut late = 0;
        for n in 1..=100 {
            let began = world.now;
            world.app(CLIENT, app).to_write = data(ten);
            world.run_until(secs(5), |w| read(w, SERVER, 0) == before + n * ten);
            late += usize::from(world.now.since(began) > ms(30));
            world.run(ms(200));
        }
        let (resent, received) = (resent(&world, CLIENT, app), stats(&world, SERVER).received);
        match fec {
            "off" => assert!(resent > 30 && late > 25, "{resent} {late}"),
            _ => {
                assert!(received.recovered > 30, "{received:?}");
                // Of one group in three hundred more gets lost than there is parity.
                assert!(resent <= 5 && late <= 1, "{resent} {late}");
            }
        }
    }
}

#[test]
fn the_layers_take_what_they_say_and_no_datagram_is_longer_than_the_mtu() {
    for (cipher, fec, overhead) in
        [(Cipher::Null, "off", 0), (Cipher::None, "10+3", 28), (Cipher::Aes128Gcm, "2+1", 36)]
    {
        let mut world = World::pair(&with(cipher, fec), link(20, 3), 4);
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(200_000);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(30), |w| read(w, SERVER, 0) == 200_000);
        assert_eq!(world.app(SERVER, 0).read, data(200_000));
        let longest = world.log.iter().flatten().map(|sent| sent.bytes.len()).max();
        assert_eq!(longest, Some(MTU));
        let shortest = world.log.iter().flatten().map(|sent| sent.bytes.len()).min();
        assert!(shortest >= Some(24 + overhead - if fec == "off" { 0 } else { 8 }), "{shortest:?}");
        world.run(secs(60));
        world.release_all();
        world.run(secs(120));
        assert!(world.hosts.iter().all(|host| host.router.is_empty()), "{:?}", world.summary());
    }
}

#[test]
fn each_direction_has_its_own_ratio_or_none() {
    for (there, back) in [("10+3", "2+1"), ("4+2", "off"), ("off", "20+10"), ("off", "off")] {
        let mut world = World::new(link(40, 4), 5);
        world.add_server(&with(Cipher::Salsa20, back));
        world.add(&with(Cipher::Salsa20, there));
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        world.app(CLIENT, app).to_write = data(1_000_000);
        world.app(SERVER, 0).to_write = data(1_000_000);
        world.run_until(secs(60), |w| {
            read(w, SERVER, 0) == 1_000_000 && read(w, CLIENT, app) == 1_000_000
        });
        assert_eq!(world.app(SERVER, 0).read, data(1_000_000));
        assert_eq!(world.app(CLIENT, app).read, data(1_000_000));
        for (of, at) in [(there, SERVER), (back, CLIENT)] {
            let stats = stats(&world, at);
            assert_eq!(stats.received.recovered > 5, of != "off", "{of}: {stats:?}");
            assert_eq!(stats.received.parity > 0, of != "off");
            assert_eq!(stats.received.contradictory, 0);
        }
    }
}

/// Bytes of what a flood has put on the line in ten seconds, UDP and IP headers included, and of what was read.
fn flood(config: &KcpConfig, line: LinkConfig) -> (usize, usize) {
    let mut world = World::pair(config, line, 6);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).floods = true;
    world.app(SERVER, 0).arrivals = Some(Vec::new());
    world.run(secs(5));
    let arrived = |w: &World| {
        w.hosts[SERVER].apps[0].arrivals.iter().flatten().map(|&(_, n)| n).sum::<usize>()
    };
    let before = arrived(&world);
    world.log = Some(Vec::new());
    world.run(secs(10));
    let sent = world.sent(addr(CLIENT), addr(SERVER)).map(|sent| sent.bytes.len() + 28).sum();
    (sent, arrived(&world) - before)
}

#[test]
fn parity_counts_against_the_rate_that_is_set_and_the_one_that_is_found_out() {
    // 8 Mbit/s are 10 MB in ten seconds.
    for fec in ["off", "10+3", "4+2"] {
        let config = KcpConfig { rate: Rate::Fixed(8_000_000), ..with(Cipher::Aes, fec) };
        let (sent, _) = flood(&config, link(60, 1));
        assert!((9_400_000..=10_300_000).contains(&sent), "{fec}: {sent}");
    }
    let line = LinkConfig { rate: Some(8_000_000), queue_bytes: Some(60_000), ..link(60, 0) };
    for (fec, least) in [("off", 9_000_000), ("10+3", 9_000_000 / 13 * 10)] {
        let (_, read) = flood(&with(Cipher::Aes, fec), line.clone());
        assert!(read > least, "{fec}: {read}");
    }
}

#[test]
fn what_is_not_sealed_by_the_key_is_dropped_and_counted_and_never_answered() {
    let mut world = World::pair(&with(Cipher::Aes, "10+3"), link(20, 0), 7);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(20_000);
    world.run(secs(1));
    let recorded: Vec<Vec<u8>> =
        world.sent(addr(CLIENT), addr(SERVER)).map(|sent| sent.bytes.clone()).collect();
    let stranger = ([192, 0, 2, 1], 9).into();
    let mut wrong = 0;
    for bytes in recorded {
        for at in [20, bytes.len() / 2, bytes.len() - 17] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            for from in [stranger, addr(CLIENT)] {
                world.inject(SERVER, from, &flipped);
                wrong += 1;
            }
        }
    }
    world.run(secs(5));
    assert_eq!(stats(&world, SERVER).unopened, wrong);
    assert_eq!(world.sent(addr(SERVER), stranger).count(), 0);
    world.app(CLIENT, app).to_write = data(1000);
    world.run(ms(50));
    assert_eq!(read(&world, SERVER, 0), 21_000);
}

#[test]
fn recorded_datagrams_that_are_sent_again_open_no_conversation() {
    // kcp-go opens one for each port that they come from.
    let mut world = World::pair(&with(Cipher::Aes, "10+3"), link(20, 0), 8);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(50_000);
    world.run(secs(1));
    let recorded: Vec<Vec<u8>> =
        world.sent(addr(CLIENT), addr(SERVER)).map(|sent| sent.bytes.clone()).collect();
    let (mut heard, mut said) = (0, 0);
    for port in 0..100 {
        let at = ([192, 0, 2, 1], 5000 + port).into();
        for bytes in &recorded[..8] {
            heard += bytes.len();
            world.inject(SERVER, at, bytes);
        }
        world.run(secs(1));
        said += world.sent(addr(SERVER), at).map(|sent| sent.bytes.len()).sum::<usize>();
    }
    world.run(secs(10));
    assert!(said < heard, "{said} for {heard}");
    let router = &world.hosts[SERVER].router;
    assert_eq!((router.stats().accepted, router.stats().sessions), (1, 1));
    assert!(router.kcp_go_stats().unwrap().memory < 100_000);
}

#[test]
fn a_flood_of_openings_from_everywhere_takes_little_memory() {
    let config = with(Cipher::None, "10+3");
    let mut world = World::pair(&config, link(20, 0), 9);
    world.log = Some(Vec::new());
    world.connect(CLIENT, SERVER, None);
    world.hosts[CLIENT].apps[0].to_write = data(1000);
    world.run(secs(1));
    let opening = world.sent(addr(CLIENT), addr(SERVER)).map(|sent| &sent.bytes).next().cloned();
    let opening = opening.unwrap();
    let used = world.hosts[SERVER].router.stats().memory_used;
    for n in 0..3000u16 {
        let [high, low] = n.to_be_bytes();
        world.inject(SERVER, ([198, 51, high, low], 7).into(), &opening);
    }
    let router = &world.hosts[SERVER].router;
    let after = router.stats();
    assert!(after.memory_used - used < 1_000_000, "{after:?}");
    assert_eq!(after.accepted, 1);
    world.run(secs(20));
    let stats = stats(&world, SERVER);
    assert_eq!(stats.memory, 0, "{stats:?}");
}

#[test]
fn without_memory_for_parity_everything_arrives_all_the_same() {
    let mut config = with(Cipher::Aes, "20+10");
    config.memory_budget = Some(256 * 1024);
    config.max_sessions = 4;
    let mut world = World::pair(&config, link(40, 2), 10);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).to_write = data(1_000_000);
    world.run_until(secs(120), |w| {
        let most = w.hosts.iter().map(|host| host.router.kcp_go_stats().unwrap().memory).max();
        assert!(most < Some(40_000), "{most:?}");
        read(w, SERVER, 0) == 1_000_000
    });
    assert_eq!(world.app(SERVER, 0).read, data(1_000_000));
}

#[test]
fn at_rest_nobody_wakes_up_and_no_memory_is_kept() {
    let mut world = World::pair(&with(Cipher::Aes, "10+3"), link(40, 5), 11);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(300_000);
    world.run_until(secs(20), |w| read(w, SERVER, 0) == 300_000);
    assert!(stats(&world, SERVER).memory + stats(&world, CLIENT).memory > 10_000);
    world.run(secs(60));
    assert_eq!(world.next(), None);
    assert_eq!((stats(&world, SERVER).memory, stats(&world, CLIENT).memory), (0, 0));
    // It goes on where it was.
    let before = stats(&world, SERVER).received;
    world.app(CLIENT, app).to_write = data(300_000);
    world.run_until(secs(20), |w| read(w, SERVER, 0) == 600_000);
    let after = stats(&world, SERVER).received;
    assert!(after.recovered > before.recovered && after.adopted == before.adopted, "{after:?}");
}

#[test]
fn a_restarted_server_is_noticed_at_once_and_a_new_stream_has_parity() {
    let config = with(Cipher::Aes, "10+3");
    let mut world = World::pair(&config, link(40, 3), 12);
    let old = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, old).to_write = data(300_000);
    world.run_until(secs(20), |w| read(w, SERVER, 0) == 300_000);
    let mut router = world.router(&config, SERVER);
    router.set_accepting(true);
    world.hosts[SERVER].router = router;
    world.hosts[SERVER].apps.clear();
    world.app(CLIENT, old).to_write = data(1000);
    let began = world.now;
    world.run_until(secs(3), |w| w.hosts[CLIENT].apps[old].failed.is_some());
    assert!(world.now.since(began) < secs(1), "{:?}", world.now.since(began));
    assert!(matches!(world.app(CLIENT, old).cause(), Some(KcpError::Reset)));
    let new = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, new).to_write = data(500_000);
    world.run_until(secs(20), |w| read(w, SERVER, 0) == 500_000);
    assert_eq!(world.app(SERVER, 0).read, data(500_000));
    assert!(stats(&world, SERVER).received.recovered > 3);
}

#[test]
fn a_restarted_client_at_its_old_address_is_understood_and_so_is_its_parity() {
    let config = with(Cipher::Aes, "10+3");
    let mut world = World::pair(&config, link(40, 4), 13);
    let old = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, old).to_write = data(500_000);
    world.run_until(secs(20), |w| read(w, SERVER, 0) == 500_000);
    world.hosts[CLIENT].router = world.router(&config, CLIENT);
    world.hosts[CLIENT].apps.clear();
    // Its numbers are not those of its first life.
    let new = world.connect(CLIENT, SERVER, Some(77));
    let before = stats(&world, SERVER).received.recovered;
    world.app(CLIENT, new).to_write = data(500_000);
    world.run_until(secs(20), |w| read(w, SERVER, 1) == 500_000);
    assert_eq!(world.app(SERVER, 1).read, data(500_000));
    assert!(stats(&world, SERVER).received.recovered > before + 3);
}

#[test]
fn a_client_that_moves_takes_its_stream_and_its_parity_along() {
    let mut world = World::pair(&with(Cipher::Aes, "10+3"), link(40, 3), 14);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(3_000_000);
    world.run(ms(300));
    world.hosts[CLIENT].addr = ([10, 0, 0, 77], 5000).into();
    world.run_until(secs(60), |w| read(w, SERVER, 0) == 3_000_000);
    assert_eq!(world.app(SERVER, 0).read, data(3_000_000));
    let (lanes, received) = (world.hosts[SERVER].router.list().count(), stats(&world, SERVER));
    assert_eq!(lanes, 1);
    assert!(received.received.recovered > 20, "{received:?}");
}

#[test]
fn an_endpoint_without_the_layers_keeps_nothing_of_peers_that_have_left() {
    let mut world = World::pair(&config(), link(20, 0), 61);
    for _ in 0..3 {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(1000);
        world.run(secs(1));
        let key = world.hosts[CLIENT].apps[app].key;
        world.hosts[CLIENT].router.abort(world.now, key);
        world.run(secs(1));
        assert_eq!(world.hosts[CLIENT].router.stats().sessions, 0);
        assert_eq!(world.hosts[CLIENT].router.left_lanes, []);
    }
}

#[test]
fn every_cipher_carries_a_stream_and_another_key_none() {
    for &cipher in Cipher::ALL {
        let mut world = World::pair(&with(cipher, "3+2"), link(20, 2), 15);
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(50_000);
        world.run_until(secs(10), |w| read(w, SERVER, 0) == 50_000);
        assert_eq!(world.app(SERVER, 0).read, data(50_000), "{cipher}");
        if !cipher.needs_key() {
            continue;
        }
        let other = PacketCipher::new(cipher, &derive_key(b"another"));
        let config = KcpConfig { kcp_go: Some(KcpGoConfig::new(other)), ..with(cipher, "off") };
        let stranger = world.add(&config);
        world.connect(stranger, SERVER, None);
        world.run(secs(10));
        assert!(matches!(world.app(stranger, 0).cause(), Some(KcpError::TimedOut)), "{cipher}");
        assert!(stats(&world, SERVER).unopened > 3 && stats(&world, stranger).unopened == 0);
    }
}

#[test]
fn streams_of_one_peer_share_their_parity() {
    let mut world = World::pair(&with(Cipher::Aes, "10+3"), link(40, 4), 16);
    for n in 0..20 {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(30_000 + n);
    }
    world.run_until(secs(20), |w| (0..20).all(|app| read(w, SERVER, app) >= 30_000));
    let (sent, received) = (stats(&world, CLIENT).sent, stats(&world, SERVER).received);
    assert_eq!(sent.parity, sent.data / 10 * 3);
    assert!(received.recovered > 5 && received.contradictory == 0, "{received:?}");
}

/// Writes 100 kB, rests for 300 ms once they are there, and so on; how long each took.
fn pieces(world: &mut World, app: usize, count: usize) -> Vec<Duration> {
    let already = read(world, SERVER, 0);
    let took = |n: usize| {
        let began = world.now;
        world.app(CLIENT, app).to_write = data(100_000);
        world.run_until(secs(20), |w| read(w, SERVER, 0) == already + n * 100_000);
        let took = world.now.since(began);
        world.run(ms(300));
        took
    };
    (1..=count).map(took).collect()
}

#[test]
fn auto_sends_parity_where_some_gets_lost_and_ends_with_the_losses() {
    let line = LinkConfig { rate: Some(20_000_000), queue_bytes: Some(100_000), ..link(40, 0) };
    let mut world = World::pair(&with(Cipher::Aes, "auto"), line.clone(), 30);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    pieces(&mut world, app, 30);
    let sent = stats(&world, CLIENT).sent;
    assert_eq!((sent.data, sent.parity), (0, 0), "as plain as without");

    let lossy = LinkConfig { loss: Probability::percent(5), ..line.clone() };
    world.set_link(CLIENT, SERVER, &lossy);
    world.set_link(SERVER, CLIENT, &lossy);
    pieces(&mut world, app, 100);
    let (sent, received) = (stats(&world, CLIENT).sent, stats(&world, SERVER).received);
    assert!(sent.parity > 500 && sent.parity <= sent.data / 5, "{sent:?}");
    assert!(received.recovered > 100 && received.contradictory == 0, "{received:?}");
    assert_eq!(stats(&world, SERVER).sent.parity, 0, "nothing is known of the way back");

    world.set_link(CLIENT, SERVER, &line);
    world.set_link(SERVER, CLIENT, &line);
    pieces(&mut world, app, 250);
    let after = stats(&world, CLIENT).sent;
    pieces(&mut world, app, 30);
    assert_eq!(stats(&world, CLIENT).sent.parity, after.parity);
}

#[test]
fn auto_leaves_bulk_and_single_small_datagrams_without_parity() {
    let line = LinkConfig {
        rate: Some(20_000_000),
        queue_bytes: Some(100_000),
        loss: Probability::percent(5),
        ..link(40, 0)
    };
    let mut world = World::pair(&with(Cipher::Aes, "auto"), line.clone(), 31);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    pieces(&mut world, app, 20);
    let before = stats(&world, CLIENT).sent;
    for _ in 0..200 {
        world.app(CLIENT, app).to_write = data(64);
        world.run(ms(50));
    }
    let thin = stats(&world, CLIENT).sent;
    assert_eq!(thin.parity, before.parity);
    world.app(SERVER, 0).forgets = true;
    world.app(CLIENT, app).floods = true;
    world.run(secs(20));
    let bulk = stats(&world, CLIENT).sent;
    assert!(bulk.parity - thin.parity <= 50, "{bulk:?}");
}
