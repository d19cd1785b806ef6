//! Many conversations with one peer: one of them speaks for all.

use super::*;
use crate::wire::{CMD_WASK, CMD_WINS, CODE_PLAIN};

/// A client's streams, which are idle when this returns.
fn idle(count: usize, config: &KcpConfig, loss: u32) -> World {
    let mut world = World::pair(config, link(40, loss), 1);
    world.hosts[SERVER].accept = Some(App::new);
    for _ in 0..count {
        let app = world.connect(CLIENT, SERVER, None);
        world.app(CLIENT, app).to_write = b"hello".to_vec();
        world.run(ms(10));
    }
    world.run(secs(20));
    world.log = Some(Vec::new());
    world
}

fn defaults() -> KcpConfig {
    KcpConfig { stream: true, ..KcpConfig::default() }
}

/// Questions of the client so far.
fn questions(world: &World) -> usize {
    let asks = |sent: &&super::world::Sent| {
        let header = Header::decode(&sent.bytes).unwrap();
        (header.cmd, header.frg) == (CMD_WASK, CODE_PLAIN)
    };
    world.sent(addr(CLIENT), addr(SERVER)).filter(asks).count()
}

fn alive(world: &World) -> [usize; 2] {
    [SERVER, CLIENT].map(|host| world.hosts[host].router.stats().sessions)
}

#[test]
fn a_thousand_idle_streams_of_one_peer_cost_one_keepalive() {
    let mut world = idle(1000, &defaults(), 0);
    world.run(secs(1800));
    assert_eq!(alive(&world), [1000; 2]);
    // One in 25 s.
    let asked = questions(&world);
    assert!((60..=80).contains(&asked), "{asked} questions in half an hour");
}

#[test]
fn loss_ends_none_of_them() {
    let mut world = idle(50, &defaults(), 20);
    world.run(secs(3 * 3600));
    assert_eq!(alive(&world), [50; 2]);
    for app in 0..50 {
        world.app(SERVER, app).to_write = b"still here".to_vec();
    }
    world.run(secs(30));
    for app in 0..50 {
        assert!(world.app(CLIENT, app).read.ends_with(b"still here"), "{app}");
    }
}

#[test]
fn another_one_asks_when_the_one_that_asked_has_ended() {
    let mut world = idle(10, &defaults(), 0);
    for app in 0..9 {
        world.run(secs(40));
        world.release(CLIENT, app);
        world.release(SERVER, app);
    }
    world.run(secs(600));
    assert_eq!(alive(&world), [1; 2]);
}

#[test]
fn a_peer_that_is_gone_ends_all_of_them_in_time() {
    let mut world = idle(20, &defaults(), 0);
    world.filter = Box::new(|sent| sent.from == addr(CLIENT));
    // The default session_expire is 90 s, from the last sign of life on.
    world.run(secs(60));
    assert_eq!(alive(&world)[CLIENT], 20);
    world.run(secs(60));
    assert_eq!(alive(&world)[CLIENT], 0);
    assert!((0..20).all(|app| matches!(world.app(CLIENT, app).cause(), Some(KcpError::TimedOut))));
}

#[test]
fn the_silence_of_one_that_has_asked_is_the_silence_of_all() {
    let mut world = idle(20, &defaults(), 0);
    world.filter = Box::new(|_| false);
    let now = world.now;
    assert!(!world.hosts[CLIENT].router.is_silent(now, secs(3)));
    world.run(secs(40));
    let now = world.now;
    assert!(world.hosts[CLIENT].router.is_silent(now, secs(3)));
    // Who has just begun to connect has heard nothing either.
    world.connect(CLIENT, SERVER, None);
    world.run(ms(100));
    let now = world.now;
    assert!(world.hosts[CLIENT].router.is_silent(now, secs(3)));
}

#[test]
fn sessions_that_wait_for_an_answer_are_counted_until_they_have_it_or_end() {
    let mut world = idle(10, &defaults(), 0);
    let asking = |world: &World| [SERVER, CLIENT].map(|host| world.hosts[host].router.asking);
    assert_eq!(asking(&world), [0, 0], "all are at rest");
    world.filter = Box::new(|_| false);
    for app in 0..5 {
        world.app(CLIENT, app).to_write = b"hello?".to_vec();
        world.app(SERVER, app).to_write = b"hello?".to_vec();
    }
    world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    assert_eq!(asking(&world), [0, 6], "a server looks for no other port");
    let (now, key) = (world.now, world.app(CLIENT, 1).key);
    world.hosts[CLIENT].router.abort(now, key);
    assert_eq!(asking(&world), [0, 5]);
    world.filter = Box::new(|_| true);
    world.run(secs(5));
    assert_eq!(asking(&world), [0, 0], "all have their answer");
    world.filter = Box::new(|_| false);
    world.run(secs(600));
    assert_eq!((alive(&world)[CLIENT], asking(&world)), (0, [0, 0]), "all have ended");
}

#[test]
fn a_stream_that_the_peer_alone_has_forgotten_is_found_in_an_hour() {
    let mut world = idle(3, &defaults(), 0);
    // The server gives one up, and what says so gets lost.
    world.filter = Box::new(|_| false);
    let (now, key) = (world.now, world.app(SERVER, 1).key);
    let conv = world.hosts[SERVER].router.conv(key);
    world.hosts[SERVER].router.abort(now, key);
    world.turn();
    world.filter = Box::new(|_| true);
    world.run(secs(1800));
    assert_eq!(alive(&world), [2, 3]);
    world.run(secs(2000));
    assert_eq!(alive(&world), [2, 2]);
    assert!(world.hosts[CLIENT].router.list().all(|(of, _, _)| of != conv));
}

#[test]
fn with_a_stock_peer_every_stream_is_kept_alive_by_itself() {
    let mut router = World::new(link(40, 0), 1).router(&defaults(), CLIENT);
    for conv in [7, 8] {
        router.connect(Time::ZERO, addr(SERVER), Some(conv)).unwrap();
    }
    let mut asked = [0; 2];
    for second in 1..=600 {
        let now = Time::from_millis(second * 1000);
        router.handle_timeout(now);
        let mut answers = Vec::new();
        router.transmit(now, &mut |_, datagram| {
            let header = Header::decode(datagram).unwrap();
            // It knows no codes, and answers every probe alike.
            answers.push(Header { cmd: CMD_WINS, frg: CODE_PLAIN, wnd: 128, ..header });
        });
        for answer in answers {
            asked[answer.conv as usize - 7] += 1;
            router.handle_datagram(now, addr(SERVER), &answer.encode());
        }
    }
    assert_eq!(router.stats().sessions, 2);
    assert!(asked.iter().all(|asked| (600 / 26..40).contains(asked)), "{asked:?}");
}
