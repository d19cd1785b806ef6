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
