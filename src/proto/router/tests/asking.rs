//! Conversation 0: "give me a number".

use super::*;
use crate::wire::{CMD_ACK, CMD_PUSH, CMD_WINS};

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
    assert_eq!((stats.accepted, stats.sessions), (1, 1));
    assert_eq!(world.app(SERVER, 0).read, b"who");
    let answers: Vec<Header> =
        world.sent(addr(SERVER), addr(5)).flat_map(|sent| headers(&sent.bytes)).collect();
    let conv = answers[0].conv;
    assert_ne!(conv, 0);
    assert!(answers.iter().all(|header| (header.conv, header.cmd) == (conv, CMD_ACK)));

    let push = Header { conv, cmd: CMD_PUSH, sn: 1, len: 2, ..Header::default() };
    world.inject(SERVER, addr(5), &[&push.encode()[..], b"am"].concat());
    assert_eq!(world.app(SERVER, 0).read, b"whoam");

    // It has learnt: who asks now from there is somebody new.
    world.inject(SERVER, addr(5), &question(9));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 2);
}

#[test]
fn a_stranger_who_moves_before_using_its_number_leaves_no_trace() {
    let config = KcpConfig { max_unconfirmed: 1, ..config() };
    let mut world = World::pair(&config, link(40, 0), 2);
    (5..50).for_each(|host| world.inject(SERVER, addr(host), &question(0)));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 1);
    // The evicted ones ask again and are served again.
    world.inject(SERVER, addr(5), &question(1));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 1);
    let last = world.hosts[SERVER].apps.last().unwrap();
    assert_eq!(last.read, b"who");
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
    let answer = world.sent(addr(SERVER), addr(5)).next().map(|s| headers(&s.bytes)[0]).unwrap();
    let push = Header { conv: answer.conv, cmd: CMD_PUSH, sn: 1, ..Header::default() };
    world.inject(SERVER, addr(6), &push.encode());
    let asked = world.sent(addr(SERVER), addr(6)).next().map(|s| headers(&s.bytes)[0]).unwrap();
    let told = Header { cmd: CMD_WINS, frg: 0, sn: asked.sn, una: 0, ..asked };
    world.inject(SERVER, addr(6), &told.encode());
    let key = world.app(SERVER, 0).key;
    assert_eq!(world.hosts[SERVER].router.peer(key), Some(addr(6)));
    world.inject(SERVER, addr(5), &question(1));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 2, "somebody new asks");
    assert_eq!(world.app(SERVER, 1).read, b"who");
}
