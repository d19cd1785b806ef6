//! How conversations begin.

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO};

/// A filter that loses the first `n` datagrams in which `which` finds something.
fn losing(n: usize, which: fn(&[u8]) -> bool) -> Box<dyn FnMut(&world::Sent) -> bool> {
    let mut left = n;
    Box::new(move |sent| {
        let hit = left > 0 && which(&sent.bytes);
        left -= usize::from(hit);
        !hit
    })
}

#[test]
fn a_hello_is_answered_and_the_third_leg_confirms_the_client() {
    let mut world = World::pair(&config(), link(100, 0), 1);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.run(ms(60));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.unconfirmed), (0, 1));
    world.run(ms(60));
    assert_eq!(world.app(CLIENT, app).connected, Some(Time::from_millis(100)));
    assert!(world.hosts[SERVER].apps.is_empty(), "nothing is accepted before the proof");
    world.run(ms(60));
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.unconfirmed, stats.sessions), (1, 0, 1));
    let log = world.log.take().unwrap();
    assert_eq!(log.len(), 3, "{log:#?}");
    assert!(log.iter().all(|sent| sent.bytes.len() == 24));
    assert_eq!(codes(&log[0].bytes), [(CMD_WASK, CODE_HELLO)]);
    assert_eq!(codes(&log[1].bytes), [(CMD_WINS, CODE_HELLO)]);
}

#[test]
fn a_lost_hello_is_repeated_until_the_timeout() {
    for n in 1..=4 {
        let mut world = World::pair(&config(), link(20, 0), 2);
        world.filter = losing(n, |datagram| has(datagram, CMD_WASK, CODE_HELLO));
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(6));
        // 0, 250, 750, 1750, 3750 ms: twice as long each time, at most 2 s.
        let at = [0, 250, 750, 1750, 3750][n] + 20;
        assert_eq!(world.app(CLIENT, app).connected, Some(Time::from_millis(at)));
        assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
    }
}

/// The `kcp` crate could not forget the guess, so that there it counts as a measurement.
#[test]
fn the_time_that_a_lost_hello_has_cost_is_no_round_trip() {
    for code in [CMD_WASK, CMD_WINS] {
        let mut world = World::pair(&config(), link(20, 0), 2);
        world.filter = match code {
            CMD_WASK => losing(2, |datagram| has(datagram, CMD_WASK, CODE_HELLO)),
            _ => losing(2, |datagram| has(datagram, CMD_WINS, CODE_HELLO)),
        };
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        assert!(world.app(CLIENT, app).connected.is_some());
        world.app(CLIENT, app).to_write = data(1000);
        world.run(secs(1));
        let key = world.app(CLIENT, app).key;
        let stats = world.hosts[CLIENT].router.session_stats(key);
        assert_eq!((stats.srtt, stats.rto), (ms(20), ms(60)));
    }
}

#[test]
fn a_lost_answer_leaves_one_session() {
    let mut world = World::pair(&config(), link(20, 0), 3);
    world.filter = losing(2, |datagram| has(datagram, CMD_WINS, CODE_HELLO));
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(3));
    assert!(world.app(CLIENT, app).connected.is_some());
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.accepted, stats.sessions, stats.unconfirmed), (1, 1, 0));
}

#[test]
fn nobody_answers_until_the_timeout_and_not_a_microsecond_longer() {
    let mut world = World::pair(&config(), link(20, 100), 4);
    world.now = Time::from_micros(123_457);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(60));
    let (at, cause) = world.app(CLIENT, app).failed.clone().unwrap();
    assert_eq!(at, Time::from_micros(5_123_457));
    assert!(matches!(cause, KcpError::TimedOut));
    world.release(CLIENT, app);
    assert!(world.hosts[CLIENT].router.is_empty());
    world.run_dry();
}

#[test]
fn without_a_timeout_the_first_datagram_carries_data() {
    let config = KcpConfig { connect_timeout: None, ..config() };
    let mut world = World::pair(&config, link(100, 0), 5);
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = b"first words".to_vec();
    world.run(ms(150));
    assert_eq!(world.app(CLIENT, app).connected, Some(Time::ZERO));
    assert_eq!(world.app(SERVER, 0).read, b"first words", "with the proof");
    let log = world.log.as_ref().unwrap();
    assert_eq!(codes(&log[0].bytes), [(CMD_WASK, CODE_HELLO), (CMD_PUSH, 0)]);
}

#[test]
fn early_data_arrives_when_the_hello_does_not() {
    // 3,000 bytes: the HELLO travels alone, before full datagrams.
    for lost in [0, 1, 3] {
        let config = KcpConfig { connect_timeout: None, ..config() };
        let mut world = World::pair(&config, link(100, 0), 6);
        world.filter = losing(lost, |datagram| has(datagram, CMD_WASK, CODE_HELLO));
        let app = world.connect(CLIENT, SERVER, None);
        let bytes = data(3000);
        world.app(CLIENT, app).to_write = bytes.clone();
        // With a HELLO or without: what proves the address takes a round trip.
        world.run(ms(160));
        assert_eq!(world.app(SERVER, 0).read, bytes);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(20), |world| world.app(CLIENT, app).released);
        assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
        assert!(world.app(SERVER, 0).at_end);
    }
}

#[test]
fn early_data_in_the_lost_datagram_arrives_with_its_retransmission() {
    let config = KcpConfig { connect_timeout: None, ..config() };
    let mut world = World::pair(&config, link(100, 0), 7);
    world.filter = losing(1, |datagram| has(datagram, CMD_PUSH, 0));
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = b"first words".to_vec();
    world.run(secs(1));
    assert_eq!(world.app(SERVER, 0).read, b"first words");
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
}

fn is_third(datagram: &[u8]) -> bool {
    has(datagram, CMD_WINS, CODE_HELLO)
}

#[test]
fn a_third_leg_that_never_arrives_is_made_good_by_an_answer_to_a_question() {
    let mut world = World::pair(&config(), link(20, 0), 8);
    let app = world.connect(CLIENT, SERVER, None);
    world.filter = Box::new(|sent| {
        let third = sent.from == addr(CLIENT) && has(&sent.bytes, CMD_WINS, CODE_HELLO);
        !third
    });
    world.run(ms(500));
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 1);
    // It only ever sends.
    world.app(CLIENT, app).to_write = data(1000);
    world.run(ms(100));
    assert_eq!(world.hosts[SERVER].router.stats().unconfirmed, 0);
    assert_eq!(world.app(SERVER, 0).read, data(1000));
}

#[test]
fn a_lost_third_leg_is_repeated_when_nobody_speaks() {
    for lost in [1, 2] {
        let mut world = World::pair(&config(), link(20, 0), 15);
        let app = world.connect(CLIENT, SERVER, None);
        let (mut third, mut left) = (losing(lost, is_third), lost);
        world.filter = Box::new(move |sent| sent.from != addr(CLIENT) || third(sent));
        world.run(ms(100));
        assert!(world.app(CLIENT, app).connected.is_some());
        assert_eq!(world.hosts[SERVER].router.stats().accepted, 0);
        while left > 0 {
            world.run(secs(2));
            left -= 1;
        }
        // The server speaks first, as many do.
        assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
        world.app(SERVER, 0).to_write = b"220 ready".to_vec();
        world.run(ms(100));
        assert_eq!(world.app(CLIENT, app).read, b"220 ready");
    }
}

#[test]
fn a_client_whose_proof_was_lost_long_ago_sends_it_again_beside_its_first_words() {
    let mut world = World::pair(&config(), link(20, 0), 16);
    let app = world.connect(CLIENT, SERVER, None);
    world.filter = Box::new(|sent| sent.from != addr(CLIENT) || !is_third(&sent.bytes));
    world.run(secs(20));
    assert_eq!(world.hosts[SERVER].router.stats().sessions, 0, "nobody waits for so long");
    world.filter = Box::new(|_| true);
    world.app(CLIENT, app).to_write = data(20_000);
    world.run(ms(500));
    assert_eq!(world.app(SERVER, 0).read, data(20_000));
}

#[test]
fn a_path_slower_than_the_servers_patience_connects_both_kinds_of_peers() {
    let mut world = World::new(link(4500, 0), 17);
    world.add_server(&config());
    world.add(&KcpConfig { connect_timeout: Some(secs(10)), ..config() });
    world.add_stock(&config(), 77, addr(SERVER));
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = b"ours".to_vec();
    world.stock(2).write(b"stock");
    world.run(secs(30));
    let mut read: Vec<_> = world.hosts[SERVER].apps.iter().map(|app| app.read.clone()).collect();
    read.sort();
    assert_eq!(read, [b"ours".to_vec(), b"stock".to_vec()]);
}

#[test]
fn a_listener_that_accepts_nobody_refuses_at_once() {
    let mut world = World::pair(&config(), link(40, 0), 9);
    world.hosts[SERVER].router.set_accepting(false);
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    let (at, cause) = world.app(CLIENT, app).failed.clone().unwrap();
    assert!(matches!(cause, KcpError::Reset));
    assert_eq!(at, Time::from_millis(40));
}

#[test]
fn a_number_in_use_is_refused_and_so_are_too_many_sessions() {
    let config = KcpConfig { max_sessions: 2, max_unconfirmed: 2, ..config() };
    let mut world = World::pair(&config, link(40, 0), 10);
    let now = world.now;
    let router = &mut world.hosts[CLIENT].router;
    router.connect(now, addr(SERVER), Some(7)).unwrap();
    let again = router.connect(now, addr(SERVER), Some(7));
    assert!(matches!(again, Err(KcpError::ConvInUse { conv: 7 })));
    router.connect(now, addr(2), Some(7)).unwrap();
    let third = router.connect(now, addr(SERVER), None);
    assert!(matches!(third, Err(KcpError::TooManySessions { limit: 2 })));
}

#[test]
fn a_hello_that_comes_late_after_early_data_is_no_new_beginning() {
    let config = KcpConfig { connect_timeout: None, ..config() };
    let mut world = World::pair(&config, link(40, 0), 11);
    let app = world.connect(CLIENT, SERVER, None);
    world.app(CLIENT, app).to_write = data(3000);
    world.filter = Box::new(|sent| !has(&sent.bytes, CMD_WASK, CODE_HELLO));
    world.run(secs(5));
    world.filter = Box::new(|_| true);
    world.run(secs(5));
    world.app(CLIENT, app).to_write = data(3000);
    world.run(secs(5));
    assert!(world.app(SERVER, 0).failed.is_none());
    assert_eq!(world.app(SERVER, 0).read.len(), 6000);
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
}

/// A conversation that began with early data, since its HELLOs are all late, and the last of these.
fn begun_without_a_hello(seed: u64) -> (World, usize, world::Sent) {
    let config = KcpConfig { connect_timeout: None, ..config() };
    let mut world = World::pair(&config, link(40, 0), seed);
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.app(CLIENT, app).to_write = data(3000);
    world.filter = Box::new(|sent| !has(&sent.bytes, CMD_WASK, CODE_HELLO));
    world.log = Some(Vec::new());
    world.run(secs(1));
    world.app(SERVER, 0).to_write = data(10);
    world.run(secs(4));
    let hello = |sent: &&world::Sent| has(&sent.bytes, CMD_WASK, CODE_HELLO);
    let late = world.sent(addr(CLIENT), addr(SERVER)).filter(hello).last().unwrap().clone();
    world.filter = Box::new(|_| true);
    assert_eq!(world.app(SERVER, 0).read.len(), 3000);
    (world, app, late)
}

#[test]
fn a_hello_that_comes_after_an_abort_is_no_new_beginning() {
    let (mut world, app, late) = begun_without_a_hello(13);
    let (now, key) = (world.now, world.app(CLIENT, app).key);
    world.hosts[CLIENT].router.abort(now, key);
    world.run(secs(1));
    assert!(matches!(world.app(SERVER, 0).cause(), Some(KcpError::Reset)));
    world.inject(SERVER, late.from, &late.bytes);
    world.run(secs(1));
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1, "no ghost");
}

#[test]
fn who_takes_a_resting_number_that_never_greeted_is_told_so() {
    let (mut world, app, _) = begun_without_a_hello(14);
    // The HELLOs are over; both sides close in agreement.
    world.filter = Box::new(|sent| !has(&sent.bytes, CMD_WASK, CODE_HELLO));
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(5), |world| world.app(CLIENT, app).released);
    world.run(secs(1));
    world.filter = Box::new(|_| true);
    // Another life of the client, at the same port.
    world.hosts[CLIENT].router = world.router(&config(), 9);
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.run(ms(45));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
}

#[test]
fn a_stock_server_is_greeted_a_few_times_and_then_left_in_peace() {
    let mut world = World::new(link(40, 0), 12);
    world.add_stock(&config(), 7, addr(CLIENT));
    world.add(&config());
    world.log = Some(Vec::new());
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.app(CLIENT, app).to_write = data(1000);
    world.run(secs(60));
    assert!(world.app(CLIENT, app).connected.is_some());
    assert_eq!(world.stock(SERVER).read.len(), 1000);
    let hellos = world.log.iter().flatten().filter(|s| has(&s.bytes, CMD_WASK, CODE_HELLO));
    assert_eq!(hellos.count(), 6);
}

#[test]
fn a_client_whose_hello_was_lost_may_close_and_ask_all_the_same() {
    for closes in [true, false] {
        let mut world = World::pair(&config(), link(40, 0), 9);
        let app = world.connect(CLIENT, SERVER, None);
        let mut first = true;
        world.filter = Box::new(move |_| !std::mem::take(&mut first));
        world.turn();
        world.run(ms(50));
        if closes {
            world.app(CLIENT, app).closes = true;
        } else {
            // The client's address has changed.
            let now = world.now;
            world.hosts[CLIENT].router.ping_all(now);
        }
        world.run(secs(2));
        assert!(world.app(CLIENT, app).failed.is_none());
        assert_eq!(world.hosts[SERVER].router.stats().resets_sent, 0);
        assert_eq!(world.app(CLIENT, app).delivered.is_some(), closes);
        assert_eq!(world.hosts[SERVER].apps.len(), 1);
    }
}
