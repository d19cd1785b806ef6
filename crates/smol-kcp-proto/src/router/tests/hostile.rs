//! Garbage, forgeries and everything in the wrong order.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, HEADER_LEN};

/// Sessions of one host at most.
const MAX_SESSIONS: usize = 6;

/// Something that happens to a host, or to the network.
#[derive(Clone, Debug)]
enum Op {
    /// Bytes of no meaning.
    Garbage {
        to: usize,
        from: u8,
        bytes: Vec<u8>,
    },
    /// A header of the conversation with some fields made up.
    Forged {
        to: usize,
        from: u8,
        cmd: u8,
        frg: u8,
        sn: i8,
        una: i8,
        ts: u32,
        len: u8,
    },
    /// A datagram of the past, once more, from where it came or from elsewhere.
    Replay {
        which: usize,
        elsewhere: bool,
    },
    /// The same with a byte changed.
    Mutated {
        which: usize,
        at: usize,
        to: u8,
    },
    Advance {
        ms: u64,
    },
    Connect {
        conv: Option<u32>,
    },
    Write {
        host: usize,
        app: usize,
        len: usize,
    },
    Read {
        host: usize,
        app: usize,
        reads: bool,
    },
    Close {
        host: usize,
        app: usize,
    },
    Abort {
        host: usize,
        app: usize,
    },
    Release {
        host: usize,
        app: usize,
    },
    Ping {
        host: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (host, app) = (0..2usize, 0..8usize);
    prop_oneof![
        (host.clone(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(to, from, bytes)| Op::Garbage { to, from, bytes }),
        (
            host.clone(),
            prop_oneof![Just(0), Just(1), 5..8u8],
            80..86u8,
            prop_oneof![0..6u8, any::<u8>()],
            any::<i8>(),
            -3..3i8,
            any::<u32>(),
            0..50u8
        )
            .prop_map(|(to, from, cmd, frg, sn, una, ts, len)| Op::Forged {
                to,
                from,
                cmd,
                frg,
                sn,
                una,
                ts,
                len
            }),
        (any::<usize>(), any::<bool>())
            .prop_map(|(which, elsewhere)| Op::Replay { which, elsewhere }),
        (any::<usize>(), any::<usize>(), any::<u8>()).prop_map(|(which, at, to)| Op::Mutated {
            which,
            at,
            to
        }),
        prop_oneof![0..30u64, 0..5000u64].prop_map(|ms| Op::Advance { ms }),
        prop_oneof![Just(None), (0..4u32).prop_map(Some)].prop_map(|conv| Op::Connect { conv }),
        (host.clone(), app.clone(), 0..20_000usize).prop_map(|(host, app, len)| Op::Write {
            host,
            app,
            len
        }),
        (host.clone(), app.clone(), any::<bool>()).prop_map(|(host, app, reads)| Op::Read {
            host,
            app,
            reads
        }),
        (host.clone(), app.clone()).prop_map(|(host, app)| Op::Close { host, app }),
        (host.clone(), app.clone()).prop_map(|(host, app)| Op::Abort { host, app }),
        (host.clone(), app).prop_map(|(host, app)| Op::Release { host, app }),
        host.prop_map(|host| Op::Ping { host }),
    ]
}

fn perform(world: &mut World, op: Op) {
    let now = world.now;
    match op {
        Op::Garbage { to, from, bytes } => world.inject(to, addr(usize::from(from % 8)), &bytes),
        Op::Forged { to, from, cmd, frg, sn, una, ts, len } => {
            let conv = world.hosts[to].router.list().next().map_or(7, |(conv, _, _)| conv);
            let (sn, una) = (sn as i32 as u32, una as i32 as u32);
            let len = u32::from(len);
            let header = Header { conv, cmd, frg, wnd: 5, ts, sn, una, len };
            let mut bytes = header.encode().to_vec();
            bytes.resize(HEADER_LEN + len as usize, 0xee);
            world.inject(to, addr(usize::from(from)), &bytes);
        }
        Op::Replay { which, elsewhere } => {
            if let Some((to, mut sent)) = past(world, which) {
                if elsewhere {
                    sent.from = addr(6);
                }
                world.inject(to, sent.from, &sent.bytes);
            }
        }
        Op::Mutated { which, at, to: value } => {
            if let Some((to, mut sent)) = past(world, which) {
                let at = at % sent.bytes.len().max(1);
                sent.bytes[at] = value;
                world.inject(to, sent.from, &sent.bytes);
            }
        }
        Op::Advance { ms: n } => world.run(ms(n)),
        Op::Connect { conv } => {
            if let Ok(key) = world.hosts[CLIENT].router.connect(now, addr(SERVER), conv) {
                world.hosts[CLIENT].apps.push(App::new(key));
            }
        }
        Op::Write { host, app, len } => with(world, host, app, |app| {
            if !app.closes {
                app.to_write.extend(data(len));
            }
        }),
        Op::Read { host, app, reads } => with(world, host, app, |app| app.reads = reads),
        Op::Close { host, app } => with(world, host, app, |app| app.closes = true),
        Op::Abort { host, app } => {
            if let Some(app) = world.hosts[host].apps.get(app).filter(|app| !app.released) {
                let key = app.key;
                world.hosts[host].router.abort(now, key);
            }
        }
        Op::Release { host, app } => {
            if world.hosts[host].apps.get(app).is_some_and(|app| !app.released) {
                world.release(host, app);
            }
        }
        Op::Ping { host } => world.hosts[host].router.ping_all(now),
    }
    world.turn();
}

fn with(world: &mut World, host: usize, app: usize, act: impl FnOnce(&mut App)) {
    if let Some(app) = world.hosts[host].apps.get_mut(app) {
        app.awake = u8::MAX;
        act(app);
    }
}

fn past(world: &World, which: usize) -> Option<(usize, world::Sent)> {
    let log = world.log.as_ref()?;
    let sent = log.get(which % log.len().max(1))?.clone();
    let to = world.hosts.iter().position(|host| host.addr == sent.to)?;
    Some((to, sent))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_breaks_the_router_or_its_limits(
        ops in prop::collection::vec(op(), 1..80),
        loss in 0..30u32,
        stream: bool,
    ) {
        let config = KcpConfig {
            stream,
            max_sessions: MAX_SESSIONS,
            max_unconfirmed: 2,
            keep_alive: Some(secs(5)),
            session_expire: Some(secs(15)),
            stall_timeout: secs(10),
            linger: secs(3),
            ..config()
        };
        let mut world = World::pair(&config, LinkConfig { jitter: ms(15), ..link(30, loss) }, 1);
        world.log = Some(Vec::new());
        world.connect(CLIENT, SERVER, None);
        for op in ops {
            perform(&mut world, op);
            for host in &world.hosts {
                let stats = host.router.stats();
                prop_assert!(stats.sessions <= MAX_SESSIONS, "{:?}", stats);
                prop_assert!(host.addr != addr(SERVER) || stats.unconfirmed <= 2);
                for (_, _, stats) in host.router.list() {
                    prop_assert!(stats.rto <= secs(60));
                }
            }
        }
        // Everything ends, whatever has happened.
        world.release_all();
        world.accept_none();
        world.run_dry();
        for host in &world.hosts {
            prop_assert!(host.router.is_empty(), "{:?}", host.router);
        }
    }

    #[test]
    fn a_stream_is_intact_whatever_strangers_and_the_past_throw_at_it(
        noise in prop::collection::vec((any::<usize>(), any::<u64>(), 0..8u8), 0..200),
    ) {
        let mut world = World::pair(&config(), link(40, 2), 9);
        let app = world.connect(CLIENT, SERVER, None);
        world.log = Some(Vec::new());
        world.run(secs(1));
        let (up, down) = (data(100_000), data(80_000));
        world.app(SERVER, 0).reply = down.clone();
        world.app(CLIENT, app).to_write = up.clone();
        world.app(CLIENT, app).closes = true;
        let known = world.app(CLIENT, app).key;
        let conv = world.hosts[CLIENT].router.conv(known);
        for (which, random, kind) in noise {
            let Some((to, sent)) = past(&world, which) else { continue };
            let stranger: SocketAddr = addr(10 + (random % 200) as usize);
            let other = random as u32 | 1;
            let forged = Header {
                conv,
                cmd: CMD_ACK,
                sn: (random >> 32) as u32 % 100,
                ts: other,
                ..Header::default()
            };
            match kind {
                // A duplicate, however old.
                0 | 1 => world.inject(to, sent.from, &sent.bytes),
                // From somebody else, with the right number.
                2 => world.inject(to, stranger, &sent.bytes),
                // Of another conversation.
                3 if other != conv => {
                    let mut bytes = sent.bytes;
                    bytes[..4].copy_from_slice(&other.to_le_bytes());
                    world.inject(to, sent.from, &bytes);
                }
                // ACKs of segments in flight with a clock that was never sent.
                4 => world.inject(to, sent.from, &forged.encode()),
                // An `una` that acknowledges the future, and a reset that echoes nothing.
                5 => {
                    let una = Header { una: 1 << 20, ..forged };
                    world.inject(to, sent.from, &una.encode());
                }
                6 => {
                    let reset = Header { cmd: CMD_WINS, frg: wire::CODE_RST, wnd: 99, ..forged };
                    world.inject(to, sent.from, &reset.encode());
                }
                // Truncated.
                _ => {
                    let end = random as usize % HEADER_LEN;
                    world.inject(to, sent.from, &sent.bytes[..end]);
                }
            }
            world.run(ms(random % 5));
        }
        world.run_until(secs(60), |world| {
            world.app(CLIENT, app).released && world.app(SERVER, 0).released
        });
        prop_assert!(world.app(SERVER, 0).read == up);
        prop_assert!(world.app(CLIENT, app).read == down);
    }
}

#[test]
fn forged_acknowledgements_leave_the_timeout_alone() {
    let run = |forge: bool| {
        let mut world = World::pair(&config(), link(40, 0), 10);
        let app = world.connect(CLIENT, SERVER, None);
        world.log = Some(Vec::new());
        world.run(secs(1));
        let key = world.app(CLIENT, app).key;
        let conv = world.hosts[CLIENT].router.conv(key);
        let mut rto = Vec::new();
        world.app(CLIENT, app).to_write = data(2_000_000);
        for n in 0..200u32 {
            if forge {
                let ts = n.wrapping_mul(0x1357_9bdf);
                let ack = Header { conv, cmd: CMD_ACK, wnd: 256, ts, sn: n, ..Header::default() };
                world.inject(CLIENT, addr(SERVER), &ack.encode());
            }
            world.run(ms(2));
            rto.push(world.hosts[CLIENT].router.session_stats(key).rto);
        }
        rto
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_fin_of_nonsense_neither_ends_nor_blocks_a_stream() {
    let mut world = World::pair(&config(), link(40, 0), 11);
    let app = world.connect(CLIENT, SERVER, None);
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(50_000);
    world.run(secs(1));
    let push = world.sent(addr(CLIENT), addr(SERVER)).find(|s| has(&s.bytes, CMD_PUSH, 0)).unwrap();
    let push = headers(&push.bytes)[0];
    for sn in [0, 35, 1 << 20, 1 << 31, u32::MAX] {
        let fin = Header { cmd: CMD_WASK, frg: wire::CODE_FIN, sn, len: 0, ..push };
        world.inject(SERVER, addr(CLIENT), &fin.encode());
    }
    assert!(!world.app(SERVER, 0).at_end);
    world.app(CLIENT, app).to_write = data(50_000);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(5), |world| world.app(CLIENT, app).released);
    assert_eq!(world.app(SERVER, 0).read.len(), 100_000);
}
