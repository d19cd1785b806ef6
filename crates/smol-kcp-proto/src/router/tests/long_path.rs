//! Round trips of seconds, without any loss.

use super::*;

const BYTES: usize = 300_000;
const ROUND_TRIPS: [u64; 6] = [600, 1000, 1200, 2000, 3500, 5000];

fn patient(engine: EngineKind) -> KcpConfig {
    KcpConfig { stream: true, connect_timeout: Some(secs(20)), engine, ..KcpConfig::wan() }
}

/// Every engine on every path.
fn each() -> impl Iterator<Item = (&'static EngineKind, u64)> {
    ENGINES.iter().flat_map(|engine| ROUND_TRIPS.map(|rtt| (engine, rtt)))
}

/// Bytes that `from` has sent to `to`, for each byte of payload in thousandths.
fn per_mille(world: &World, from: usize, to: usize, payload: usize) -> usize {
    let sent: usize = world.sent(addr(from), addr(to)).map(|sent| sent.bytes.len()).sum();
    sent * 1000 / payload
}

#[test]
fn nothing_is_sent_again_before_an_answer_can_be_here() {
    for &engine in ENGINES {
        for profile in [KcpConfig::wan(), KcpConfig::high_latency(), KcpConfig::low_memory()] {
            let config = KcpConfig { nodelay: profile.nodelay, ..patient(engine) };
            let config = KcpConfig { wnd_size: profile.wnd_size, ..config };
            for rtt in ROUND_TRIPS {
                let mut world = World::pair(&config, link(rtt, 0), rtt);
                world.hosts[SERVER].accept =
                    Some(|key| App { echoes: true, closes_at_end: true, ..App::new(key) });
                let app = world.connect(CLIENT, SERVER, None);
                world.run_until(secs(20), |world| world.app(CLIENT, app).connected.is_some());
                world.log = Some(Vec::new());
                world.app(CLIENT, app).to_write = data(BYTES);
                world.run_until(secs(300), |world| world.app(CLIENT, app).read.len() == BYTES);
                world.run(secs(6));
                for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
                    // Beyond 3 s the server lets in who proves its address to nobody in particular: it
                    // has measured nothing.
                    let ratio = per_mille(&world, from, to, BYTES);
                    assert!(ratio <= 1300, "{engine:?} {rtt} ms from {from}: {ratio}");
                    let key = world.hosts[from].apps[0].key;
                    let stats = world.hosts[from].router.session_stats(key);
                    let again = stats.timeout_retransmits + stats.fast_retransmits;
                    if engine == EngineKind::Ring {
                        assert_eq!(stats.spurious_retransmits, again, "{rtt} ms: all in vain");
                    }
                }
            }
        }
    }
}

#[test]
fn a_keystroke_is_sent_once_on_a_slow_path() {
    for (&engine, rtt) in each() {
        let mut world = World::pair(&patient(engine), link(rtt, 0), rtt);
        let app = world.connect(CLIENT, SERVER, None);
        world.run_until(secs(20), |world| world.app(CLIENT, app).connected.is_some());
        world.app(CLIENT, app).to_write = data(1);
        world.run(secs(20));
        assert_eq!(world.app(SERVER, 0).read, data(1));
        let stats = world.hosts[CLIENT].router.session_stats(world.hosts[CLIENT].apps[app].key);
        assert_eq!(
            (stats.timeout_retransmits, stats.fast_retransmits),
            (0, 0),
            "{engine:?} {rtt} ms"
        );
    }
}

#[test]
fn without_a_handshake_that_measures_only_the_oldest_segment_asks_again() {
    for (&engine, rtt) in each() {
        // 0-RTT: the data leave beside the first HELLO.
        let config = KcpConfig { connect_timeout: None, ..patient(engine) };
        let mut world = World::pair(&config, link(rtt, 0), rtt);
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, Some(9));
        world.app(CLIENT, app).to_write = data(BYTES);
        world.run_until(secs(300), |world| {
            world.hosts[SERVER].apps.first().is_some_and(|app| app.read.len() == BYTES)
        });
        let ratio = per_mille(&world, CLIENT, SERVER, BYTES);
        // What an unproven peer sends beyond 16 KiB is not kept: one window is sent twice.
        assert!(ratio <= 2300, "{engine:?} {rtt} ms, 0-RTT: {ratio}");
    }
}

#[test]
fn stock_peers_are_not_sent_everything_again_either() {
    for (&engine, rtt) in each() {
        let config = patient(engine);
        // To a stock server that was never asked for anything.
        let mut world = World::new(link(rtt, 0), rtt);
        world.add_stock(&config, 7, addr(CLIENT));
        world.add(&config);
        world.log = Some(Vec::new());
        let app = world.connect(CLIENT, SERVER, Some(7));
        world.app(CLIENT, app).to_write = data(BYTES);
        world.run_until(secs(300), |world| world.stock(SERVER).read.len() == BYTES);
        let ratio = per_mille(&world, CLIENT, SERVER, BYTES);
        assert!(ratio <= 1300, "{engine:?} {rtt} ms to a stock server: {ratio}");
        // To a stock client.
        let mut world = World::new(link(rtt, 0), rtt);
        world.add_server(&config);
        world.add_stock(&config, 7, addr(SERVER));
        world.hosts[SERVER].accept = Some(|key| App { to_write: data(BYTES), ..App::new(key) });
        world.log = Some(Vec::new());
        world.stock(CLIENT).write(b"hello");
        world.run_until(secs(300), |world| world.stock(CLIENT).read.len() == BYTES);
        let ratio = per_mille(&world, SERVER, CLIENT, BYTES);
        assert!(ratio <= 1300, "{engine:?} {rtt} ms to a stock client: {ratio}");
    }
}
