//! Conversation 0: "give me a number".

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH};

/// What tokio_kcp's client sends first: data under conversation 0.
fn question(n: u32) -> Vec<u8> {
    let header = Header { cmd: CMD_PUSH, wnd: 256, ts: 100 + n, len: 3, ..Header::default() };
    [&header.encode()[..], b"who"].concat()
}

#[test]
fn a_peer_that_asks_twice_before_it_learns_its_number_gets_one_session() {
    let mut world = World::pair(&config(), link(40, 0), 1);
    world.log = Some(Vec::new());
    (0..3).for_each(|n| world.inject(SERVER, addr(5), &question(n)));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.sessions), (0, 1));
    let answers: Vec<Header> =
        world.sent(addr(SERVER), addr(5)).flat_map(|sent| headers(&sent.bytes)).collect();
    let conv = answers[0].conv;
    assert_ne!(conv, 0);
    assert_eq!(answers.len(), 1, "one question, which tells the number");
    world.inject(SERVER, addr(5), &proof(&answers[0]).encode());
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.sessions), (1, 1));
    assert_eq!(world.app(SERVER, 0).read, b"who");

    let push = Header { conv, cmd: CMD_PUSH, sn: 1, len: 2, ..Header::default() };
    world.inject(SERVER, addr(5), &[&push.encode()[..], b"am"].concat());
    assert_eq!(world.app(SERVER, 0).read, b"whoam");

    // It has learnt: who asks now from there is somebody new.
    world.inject(SERVER, addr(5), &question(9));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 2);
}

#[test]
fn strangers_who_ask_and_go_leave_no_trace_and_who_answers_is_let_in() {
    let config = KcpConfig { max_unconfirmed: 1, ..config() };
    let mut world = World::pair(&config, link(40, 0), 2);
    world.log = Some(Vec::new());
    (5..50).for_each(|host| world.inject(SERVER, addr(host), &question(0)));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.sessions, stats.stateless), (1, 44), "{stats:?}");
    let asked = world.sent(addr(SERVER), addr(49)).next().map(|s| headers(&s.bytes)[0]).unwrap();
    let push = Header { conv: asked.conv, cmd: CMD_PUSH, len: 3, ..Header::default() };
    let answer = [&proof(&asked).encode()[..], &push.encode()[..], b"who"].concat();
    world.inject(SERVER, addr(49), &answer);
    assert_eq!(world.app(SERVER, 0).read, b"who");
    world.run(secs(4));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 1, "the one that is proven");
}

#[test]
fn what_is_no_question_is_ignored_without_a_word() {
    let mut world = World::pair(&config(), link(40, 0), 3);
    world.log = Some(Vec::new());
    let ack = Header { cmd: CMD_ACK, ..Header::default() };
    world.inject(SERVER, addr(5), &ack.encode());
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.unknown, stats.accepted), (1, 0));
    assert!(world.log.as_ref().unwrap().is_empty());
}

#[test]
fn our_own_client_asks_our_own_listener() {
    for (loss, connect_timeout) in [(0, Some(secs(5))), (20, Some(secs(5))), (0, None), (20, None)]
    {
        let config = KcpConfig { connect_timeout, ..config() };
        let mut world = World::pair(&config, link(40, loss), 4);
        let app = world.connect(CLIENT, SERVER, Some(0));
        let bytes = data(100_000);
        world.app(CLIENT, app).to_write = bytes.clone();
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(30), |world| world.app(CLIENT, app).released);
        assert_eq!(world.hosts[SERVER].apps.len(), 1);
        assert!(world.app(SERVER, 0).read == bytes);
        world.run_dry();
        for host in &world.hosts {
            assert!(host.router.is_empty());
        }
    }
}

#[test]
fn asking_a_peer_that_is_not_there_ends_with_the_timeout() {
    let mut world = World::pair(&config(), link(40, 100), 5);
    let app = world.connect(CLIENT, SERVER, Some(0));
    world.app(CLIENT, app).to_write = data(10);
    world.app(CLIENT, app).closes = true;
    world.run(secs(6));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::TimedOut)));
    world.release(CLIENT, app);
    assert!(world.hosts[CLIENT].router.is_empty());
}

#[test]
fn who_moves_with_a_number_does_not_leave_its_question_behind() {
    let mut world = World::pair(&config(), link(40, 0), 6);
    world.log = Some(Vec::new());
    world.inject(SERVER, addr(5), &question(0));
    let first = |world: &World, to| {
        world.sent(addr(SERVER), to).next().map(|s| headers(&s.bytes)[0]).unwrap()
    };
    let asked = first(&world, addr(5));
    world.inject(SERVER, addr(5), &proof(&asked).encode());
    world.app(SERVER, 0).to_write = b"yes".to_vec();
    world.turn();
    // From elsewhere, with the clock going on: the number is used for the first time.
    let push = Header { conv: asked.conv, cmd: CMD_PUSH, sn: 1, ts: 150, ..Header::default() };
    world.inject(SERVER, addr(6), &push.encode());
    let moved = first(&world, addr(6));
    world.inject(SERVER, addr(6), &proof(&moved).encode());
    world.run(secs(1));
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(6)));
    world.inject(SERVER, addr(5), &question(1));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 2, "somebody new asks");
}
