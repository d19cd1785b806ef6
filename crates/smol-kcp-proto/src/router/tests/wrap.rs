//! Numbers and clocks pass the end of their 32 bits.

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CODE_HELLO};

fn both_ways(world: &mut World, app: usize) {
    let (up, down) = (data(400_000), data(300_000));
    world.app(SERVER, 0).reply = down.clone();
    world.app(CLIENT, app).to_write = up.clone();
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(60), |world| {
        world.app(CLIENT, app).released && world.app(SERVER, 0).released
    });
    assert!(world.app(SERVER, 0).read == up);
    assert!(world.app(CLIENT, app).read == down, "{:?}", world.summary());
    world.run_dry();
    assert!(world.hosts.iter().all(|host| host.router.is_empty()));
}

#[test]
fn a_transfer_passes_the_end_of_the_sequence_numbers() {
    for &engine in ENGINES {
        for before in [0, 1, 2, 50, 127, 200] {
            for loss in [0, 5] {
                for connect_timeout in [None, Some(secs(5))] {
                    let config = KcpConfig { connect_timeout, engine, ..config() };
                    pass_the_numbers(&config, before, loss);
                }
            }
        }
    }
}

fn pass_the_numbers(config: &KcpConfig, before: u32, loss: u32) {
    let mut world = World::pair(config, link(40, loss), u64::from(before));
    for host in &mut world.hosts {
        host.router.sn_base = u32::MAX - before;
    }
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(2));
    both_ways(&mut world, app);
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
}

#[test]
fn a_restart_is_noticed_at_the_end_of_the_sequence_numbers_too() {
    for &engine in ENGINES {
        let config = KcpConfig { engine, ..config() };
        let mut world = World::pair(&config, link(40, 0), 3);
        for host in &mut world.hosts {
            host.router.sn_base = u32::MAX - 2;
        }
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = data(1000);
        world.run(secs(1));
        world.hosts[SERVER].router = world.router(&config, 9);
        world.hosts[SERVER].router.sn_base = u32::MAX - 2;
        world.hosts[SERVER].router.set_accepting(true);
        world.app(CLIENT, app).to_write = data(10_000);
        world.run(ms(45));
        assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
    }
}

#[test]
fn a_transfer_passes_the_end_of_the_clock() {
    for &engine in ENGINES {
        for (host, before) in [(CLIENT, 5), (CLIENT, 120), (SERVER, 90)] {
            for loss in [0, 5] {
                pass_the_clock(&KcpConfig { engine, ..config() }, host, before, loss);
            }
        }
    }
}

fn pass_the_clock(config: &KcpConfig, host: usize, before: u64, loss: u32) {
    let mut world = World::pair(config, link(40, loss), 3);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(2));
    world.app(SERVER, 0).to_write = data(10);
    world.run(secs(2));
    assert_eq!(std::mem::take(&mut world.app(CLIENT, app).read), data(10));
    // The clock began at a random number: idle until it is about to wrap.
    let (from, to) = (addr(host), addr(SERVER + CLIENT - host));
    let shown = world.sent(from, to).find_map(|sent| {
        let header = headers(&sent.bytes)[0];
        let own = (header.cmd, header.frg) == (CMD_WASK, CODE_HELLO) || header.cmd == CMD_PUSH;
        own.then_some((sent.at, header.ts))
    });
    let (at, ts) = shown.unwrap();
    let idle = ms(u64::from(u32::MAX - ts) - before) - world.now.since(at);
    world.log = None;
    world.run(idle);
    both_ways(&mut world, app);
}
