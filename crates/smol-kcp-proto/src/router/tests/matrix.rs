//! Every profile over good and bad paths.

use std::fmt::Write as _;

use super::*;
use crate::stats::StreamStats;

/// What is transferred.
const BYTES: usize = 256 * 1024;

fn profiles() -> [(&'static str, KcpConfig); 8] {
    [
        ("lan", KcpConfig::lan()),
        ("wan", KcpConfig::wan()),
        ("high_latency", KcpConfig::high_latency()),
        ("low_bandwidth", KcpConfig::low_bandwidth()),
        ("low_memory", KcpConfig::low_memory()),
        ("gaming", KcpConfig::gaming()),
        ("realtime", KcpConfig::realtime()),
        ("file_transfer", KcpConfig::file_transfer()),
    ]
}

/// Sends `len` bytes, closes at both ends, and lets everything come to rest.
fn transfer(config: &KcpConfig, rtt: u64, loss: u32, len: usize) -> (Duration, StreamStats) {
    let mut world = World::pair(config, link(rtt, loss), rtt << 8 | u64::from(loss));
    let app = world.connect(CLIENT, SERVER, None);
    let is_connected = |world: &mut World| world.app(CLIENT, app).connected.is_some();
    world.run_until(config.connect_timeout.unwrap_or_default(), is_connected);
    let bytes = data(len);
    *world.app(CLIENT, app) =
        App { to_write: bytes.clone(), closes: true, ..App::new(world.app(CLIENT, app).key) };
    world.run_until(secs(3600), |world| {
        let client = world.app(CLIENT, app);
        client.at_end && client.delivered.is_some()
    });
    let took = world.now.since(Time::ZERO);
    let stats = world.hosts[CLIENT].router.session_stats(world.hosts[CLIENT].apps[app].key);
    world.release(CLIENT, app);
    world.run_dry();

    let server = &world.hosts[SERVER].apps;
    assert_eq!(server.len(), 1, "one session");
    assert!(server[0].read == bytes, "the bytes are the same");
    assert!(server[0].at_end && server[0].delivered.is_some() && server[0].failed.is_none());
    for host in &world.hosts {
        assert_eq!(host.router.poll_timeout(), None, "nothing is due");
        assert!(!host.router.has_transmits());
        assert!(host.router.is_empty(), "nothing is kept");
    }
    assert_eq!(stats.rejected.total(), stats.rejected.ack, "nothing is taken amiss");
    (took, stats)
}

/// The table of every profile over every path.
fn table(engine: EngineKind) -> String {
    let mut table =
        String::from("profile        RTT ms  loss %    took ms  datagrams  again  wire/payload\n");
    for (name, profile) in profiles() {
        let config =
            KcpConfig { stream: true, keep_alive: None, session_expire: None, engine, ..profile };
        for rtt in [5, 50, 300] {
            for loss in [0, 1, 5, 20] {
                let (took, stats) = transfer(&config, rtt, loss, BYTES);
                let again = stats.timeout_retransmits + stats.fast_retransmits;
                let per_mille = stats.wire_bytes_sent * 1000 / BYTES as u64;
                let (whole, part) = (per_mille / 1000, per_mille % 1000);
                let (took, datagrams) = (took.as_millis(), stats.datagrams_sent);
                writeln!(
                    table,
                    "{name:<14} {rtt:>6} {loss:>7} {took:>10} {datagrams:>10} {again:>6} {whole:>9}.{part:03}",
                )
                .unwrap();
            }
        }
    }
    table
}

/// Compares the table with the one in `file`, or takes it over.
fn compare(engine: EngineKind, file: &str, expected: &str) {
    let table = table(engine);
    if std::env::var_os("SMOL_KCP_BLESS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/router/tests/");
        std::fs::write(format!("{folder}{file}"), &table).unwrap();
        return;
    }
    let expected = expected.replace("\r\n", "\n");
    for (found, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{file}: set SMOL_KCP_BLESS to accept");
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn every_profile_delivers_over_every_path() {
    compare(EngineKind::Ring, "matrix.txt", include_str!("matrix.txt"));
}

#[test]
#[cfg(feature = "kcp")]
fn every_profile_delivers_over_every_path_with_the_other_engine_too() {
    compare(EngineKind::Kcp, "matrix_kcp.txt", include_str!("matrix_kcp.txt"));
}

/// From the connection to the last acknowledgement.
fn upload(config: &KcpConfig, rtt: u64, loss: u32, seed: u64) -> (Duration, StreamStats) {
    let mut world = World::pair(config, link(rtt, 0), seed);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(8));
    // Everything is known of the path, and from now on it loses.
    for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
        world.set_link(from, to, &link(rtt, loss));
    }
    let began = world.now;
    world.app(CLIENT, app).to_write = data(BYTES);
    world.run_until(secs(3600), |world| {
        let key = world.hosts[CLIENT].apps[app].key;
        world.hosts[CLIENT].router.session_stats(key).bytes_acked == BYTES as u64
    });
    let stats = world.hosts[CLIENT].router.session_stats(world.hosts[CLIENT].apps[app].key);
    (world.now.since(began), stats)
}

/// Times over many seeds, in milliseconds: mean, median, nine tenths; and what was sent again.
#[test]
#[ignore = "measures"]
fn measure_matrix() {
    let only = std::env::var("PROFILE").unwrap_or_default();
    let seeds: u64 = std::env::var("SEEDS").map_or(40, |seeds| seeds.parse().unwrap());
    for (name, profile) in profiles().into_iter().filter(|(name, _)| name.contains(&only)) {
        let config = KcpConfig { stream: true, keep_alive: None, session_expire: None, ..profile };
        let config = KcpConfig { connect_timeout: Some(secs(60)), ..config };
        for rtt in [5, 50, 300] {
            for loss in [1, 5, 20] {
                let mut took = Vec::new();
                let (mut again, mut vain) = (0, 0);
                for seed in 0..seeds {
                    let (spent, stats) = upload(&config, rtt, loss, seed * 7919 + 1);
                    took.push(spent.as_millis());
                    again += stats.timeout_retransmits + stats.fast_retransmits;
                    vain += stats.spurious_retransmits;
                }
                took.sort_unstable();
                let n = took.len();
                let mean = took.iter().sum::<u128>() / n as u128;
                println!(
                    "{name:<14} {rtt:>4} {loss:>3} mean {mean:>6} p50 {:>6} p90 {:>6} again {:>4} vain {:>4}",
                    took[n / 2], took[n * 9 / 10], again / seeds, vain / seeds
                );
            }
        }
    }
}

/// Round trips of pings of 64 bytes, one every 50 ms, over 20 ms each way.
#[test]
#[ignore = "measures"]
fn measure_pings() {
    for (name, config) in [("gaming", KcpConfig::gaming()), ("default", KcpConfig::default())] {
        for loss in [0, 1, 5, 10] {
            let mut rtts = Vec::new();
            let mut sent = 0;
            for seed in 0..20 {
                let mut world = World::pair(&config, link(40, loss), seed * 7919 + 1);
                world.hosts[SERVER].accept = Some(|key| App { echoes: true, ..App::new(key) });
                let app = world.connect(CLIENT, SERVER, None);
                world.run(secs(3));
                for _ in 0..1000 {
                    let (began, read) = (world.now, world.app(CLIENT, app).read.len() + 64);
                    world.app(CLIENT, app).to_write = data(64);
                    world.run_until(secs(20), |world| world.app(CLIENT, app).read.len() >= read);
                    rtts.push(world.now.since(began).as_millis());
                    let spent = world.now.since(began);
                    world.run(ms(50).saturating_sub(spent));
                }
                sent += world.hosts[CLIENT]
                    .router
                    .session_stats(world.hosts[CLIENT].apps[app].key)
                    .segments_sent;
            }
            rtts.sort_unstable();
            let n = rtts.len();
            println!(
                "{name} {loss}: p50 {} p99 {} p999 {} sent {sent}",
                rtts[n / 2],
                rtts[n * 99 / 100],
                rtts[n * 999 / 1000]
            );
        }
    }
}
