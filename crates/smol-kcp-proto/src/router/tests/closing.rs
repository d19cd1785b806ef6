//! How conversations end.

use super::*;
use crate::wire::{CMD_PUSH, CMD_WASK, CMD_WINS, CODE_HELLO, CODE_RST};

/// A pair with a session that both sides know of; the client's application.
fn connected(config: &KcpConfig, link: LinkConfig, seed: u64) -> (World, usize) {
    let mut world = World::pair(config, link, seed);
    let app = world.connect(CLIENT, SERVER, None);
    world.run_until(secs(5), |world| world.app(CLIENT, app).connected.is_some());
    world.run(secs(1));
    (world, app)
}

/// Both hosts have forgotten everything but what rests.
fn assert_forgotten(world: &World) {
    for host in &world.hosts {
        assert!(host.router.is_empty(), "{:?}", host.router);
        assert_eq!(host.router.poll_timeout(), None);
    }
}

#[test]
fn a_half_closed_stream_goes_on_in_the_other_direction() {
    for loss in [0, 5, 20] {
        let (mut world, app) = connected(&config(), link(40, loss), 1);
        let (question, answer) = (data(5000), data(100_000));
        world.app(SERVER, 0).reply = answer.clone();
        world.app(CLIENT, app).to_write = question.clone();
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(30), |world| {
            world.app(CLIENT, app).released && world.app(SERVER, 0).released
        });
        assert!(world.app(SERVER, 0).read == question);
        assert!(world.app(CLIENT, app).read == answer);
        world.run_dry();
        assert_forgotten(&world);
    }
}

#[test]
fn after_closing_nothing_more_can_be_written_and_what_comes_can_be_read() {
    let (mut world, app) = connected(&config(), link(40, 0), 2);
    world.app(CLIENT, app).closes = true;
    world.app(SERVER, 0).closes_at_end = false;
    world.run(secs(1));
    let (now, key) = (world.now, world.app(CLIENT, app).key);
    assert!(world.app(SERVER, 0).at_end);
    let written = world.hosts[CLIENT].router.write(now, key, b"late");
    assert!(matches!(written, Err(KcpError::Closed)));
    world.app(SERVER, 0).to_write = b"still here".to_vec();
    world.run(secs(1));
    assert_eq!(world.app(CLIENT, app).read, b"still here");
}

#[test]
fn closing_twenty_thousand_bytes_at_heavy_loss_ends_in_agreement_each_time() {
    for seed in 0..40 {
        let (mut world, app) = connected(&config(), link(40, 20), seed);
        world.app(CLIENT, app).to_write = data(20_000);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(30), |world| {
            world.app(CLIENT, app).released && world.app(SERVER, 0).released
        });
        assert_eq!(world.app(SERVER, 0).read.len(), 20_000);
        world.run_dry();
        assert_forgotten(&world);
        let late = world.hosts.iter().map(|host| host.router.stats().accepted).sum::<u64>();
        assert_eq!(late, 1, "no ghosts");
    }
}

#[test]
fn a_small_window_does_not_keep_close_from_ending() {
    let config = KcpConfig { wnd_size: (2, 128), ..config() };
    let (mut world, app) = connected(&config, link(40, 0), 3);
    world.app(CLIENT, app).to_write = data(50_000);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(30), |world| world.app(CLIENT, app).released);
    assert_eq!(world.app(SERVER, 0).read.len(), 50_000);
}

#[test]
fn what_was_written_before_a_drop_arrives_within_linger() {
    for loss in [0, 5] {
        let (mut world, app) = connected(&config(), link(40, loss), 4);
        let bytes = data(200_000);
        world.app(CLIENT, app).to_write = bytes.clone();
        world.turn();
        assert!(world.app(CLIENT, app).to_write.is_empty(), "the budget takes it at once");
        world.release(CLIENT, app);
        let began = world.now;
        world.run_until(secs(10), |world| world.app(SERVER, 0).at_end);
        assert!(world.now.since(began) < config().linger);
        assert!(world.app(SERVER, 0).read == bytes);
        world.run_dry();
        assert_forgotten(&world);
    }
}

#[test]
fn linger_is_the_longest_that_a_dropped_stream_lives() {
    let config = KcpConfig { linger: secs(3), ..config() };
    let (mut world, app) = connected(&config, link(40, 0), 5);
    world.app(CLIENT, app).to_write = data(200_000);
    world.filter = Box::new(|sent| sent.from != addr(CLIENT));
    world.release(CLIENT, app);
    let began = world.now;
    world.run_until(secs(10), |world| world.hosts[CLIENT].router.stats().sessions == 0);
    assert_eq!(world.now.since(began), secs(3));
    world.turn();
    assert!(world.hosts[CLIENT].router.is_empty());
}

#[test]
fn a_reader_that_goes_away_while_data_comes_tells_the_writer() {
    let (mut world, app) = connected(&config(), link(40, 0), 6);
    world.app(CLIENT, app).to_write = data(100_000);
    world.run(ms(5));
    world.release(SERVER, 0);
    world.app(CLIENT, app).to_write.extend(data(1_000_000));
    world.run_until(secs(2), |world| world.app(CLIENT, app).failed.is_some());
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
}

#[test]
fn a_reader_that_goes_away_from_a_full_inbox_tells_the_writer_too() {
    for &engine in ENGINES {
        let config = KcpConfig { engine, recv_budget: 64 * 1024, ..config() };
        let (mut world, app) = connected(&config, link(40, 0), 6);
        world.app(SERVER, 0).reads = false;
        world.app(CLIENT, app).to_write = data(4_000_000);
        world.run(secs(2));
        world.release(SERVER, 0);
        world.run_until(ms(200), |world| world.app(CLIENT, app).failed.is_some());
        assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)), "{engine:?}");
    }
}

#[test]
fn a_dropped_reader_takes_in_a_finished_writers_rest() {
    // The client has closed, its data is still under way: it need not learn that nobody read it.
    let (mut world, app) = connected(&config(), link(100, 0), 7);
    world.app(CLIENT, app).to_write = data(12_000);
    world.app(CLIENT, app).closes = true;
    world.run(ms(60));
    world.app(SERVER, 0).closes = true;
    world.turn();
    world.release(SERVER, 0);
    world.run_until(secs(5), |world| world.app(CLIENT, app).released);
    assert!(world.app(CLIENT, app).failed.is_none());
}

#[test]
fn datagrams_that_come_late_find_a_resting_key() {
    let (mut world, app) = connected(&config(), link(40, 0), 8);
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(20_000);
    world.app(CLIENT, app).closes = true;
    world.run(secs(2));
    world.run_dry();
    assert_forgotten(&world);
    let log = world.log.take().unwrap();
    world.log = Some(Vec::new());
    for sent in &log {
        let to = if sent.to == addr(SERVER) { SERVER } else { CLIENT };
        world.inject(to, sent.from, &sent.bytes);
    }
    let answers = world.log.as_ref().unwrap();
    assert!(!answers.is_empty());
    for answer in answers {
        assert_eq!(answer.bytes.len(), 24);
        assert!(!has(&answer.bytes, CMD_WINS, CODE_RST), "it ended in agreement");
    }
    for host in &world.hosts {
        assert_eq!(host.router.stats().sessions, 0, "no ghost");
        assert_eq!(host.router.stats().time_wait, 1);
    }
    // The answers arrive too, and are not answered.
    world.run_dry();
    assert_eq!(world.hosts[SERVER].router.stats().accepted, 1);
}

#[test]
fn a_lost_answer_to_the_last_fin_is_given_again_by_the_resting_key() {
    let (mut world, app) = connected(&config(), link(40, 0), 9);
    world.app(CLIENT, app).closes = true;
    let mut lost = false;
    world.filter = Box::new(move |sent| {
        let fin_ack = sent.from == addr(CLIENT) && has(&sent.bytes, CMD_WINS, wire::CODE_FIN);
        let lose = fin_ack && !lost;
        lost |= fin_ack;
        !lose
    });
    world.run_until(secs(2), |world| {
        world.app(CLIENT, app).released && world.app(SERVER, 0).released
    });
    assert!(world.app(SERVER, 0).failed.is_none());
}

#[test]
fn an_abort_is_told_to_the_peer_in_half_a_round_trip() {
    for aborter in [CLIENT, SERVER] {
        let (mut world, app) = connected(&config(), link(40, 0), 10);
        // Everything is acknowledged and quiet: only a datagram of the past can be echoed.
        world.app(CLIENT, app).to_write = data(30_000);
        world.app(SERVER, 0).echoes = true;
        world.run(secs(2));
        let other = SERVER + CLIENT - aborter;
        let (now, key) = (world.now, world.app(aborter, 0).key);
        world.hosts[aborter].router.abort(now, key);
        world.run(ms(21));
        assert!(matches!(world.app(aborter, 0).cause(), Some(KcpError::Closed)));
        assert!(matches!(world.app(other, 0).cause(), Some(KcpError::Reset)));
        world.release(CLIENT, 0);
        world.release(SERVER, 0);
        assert_forgotten(&world);
    }
}

#[test]
fn an_abort_that_gets_lost_is_told_again_when_the_peer_speaks() {
    let (mut world, app) = connected(&config(), link(40, 0), 11);
    let (now, key) = (world.now, world.app(SERVER, 0).key);
    world.hosts[SERVER].router.abort(now, key);
    world.filter = Box::new(|sent| sent.from != addr(SERVER));
    world.run(secs(1));
    world.filter = Box::new(|_| true);
    assert!(world.app(CLIENT, app).failed.is_none());
    world.app(CLIENT, app).to_write = data(10);
    world.run(ms(41));
    assert!(matches!(world.app(CLIENT, app).cause(), Some(KcpError::Reset)));
}

#[test]
fn both_sides_close_at_once() {
    for loss in [0, 20] {
        let (mut world, app) = connected(&config(), link(40, loss), 12);
        for (host, app) in [(CLIENT, app), (SERVER, 0)] {
            world.app(host, app).to_write = data(10_000);
            world.app(host, app).closes = true;
        }
        world.run_until(secs(20), |world| {
            world.app(CLIENT, app).released && world.app(SERVER, 0).released
        });
        world.run_dry();
        assert_forgotten(&world);
    }
}

#[test]
fn a_stock_server_is_left_when_everything_is_acknowledged() {
    for bytes in [0, 50_000] {
        let mut world = World::new(link(40, 0), 13);
        world.add_stock(&config(), 77, addr(CLIENT));
        world.add(&config());
        let app = world.connect(CLIENT, SERVER, Some(77));
        world.app(CLIENT, app).to_write = data(bytes);
        world.app(CLIENT, app).closes = true;
        world.run_until(secs(5), |world| world.app(CLIENT, app).delivered.is_some());
        assert_eq!(world.stock(SERVER).read.len(), bytes);
        world.release(CLIENT, app);
        assert!(world.hosts[CLIENT].router.is_empty(), "nothing to wait for");
        world.stock(SERVER).stop();
        world.run_dry();
    }
}

#[test]
fn a_stock_client_gets_everything_before_the_server_falls_silent() {
    let mut world = World::new(link(40, 5), 14);
    world.add_server(&config());
    world.add_stock(&config(), 77, addr(SERVER));
    world.stock(CLIENT).write(b"a question");
    world.run_until(secs(5), |world| world.hosts[SERVER].apps.len() == 1);
    let answer = data(100_000);
    world.app(SERVER, 0).to_write = answer.clone();
    world.app(SERVER, 0).closes = true;
    world.run_until(secs(10), |world| world.app(SERVER, 0).delivered.is_some());
    assert!(world.stock(CLIENT).read == answer);
    world.release(SERVER, 0);
    world.stock(CLIENT).stop();
    world.run_dry();
    assert_forgotten(&world);
}

#[test]
fn acknowledgements_of_the_last_data_leave_before_the_session_does() {
    let (mut world, app) = connected(&config(), link(40, 0), 15);
    world.app(SERVER, 0).closes = true;
    world.run(ms(100));
    // The client's last data and FIN come to a server that has nothing left to wait for.
    world.log = Some(Vec::new());
    world.app(CLIENT, app).to_write = data(1000);
    world.app(CLIENT, app).closes = true;
    world.run_until(secs(2), |world| world.app(CLIENT, app).released);
    let again = world.sent(addr(CLIENT), addr(SERVER)).filter(|s| has(&s.bytes, CMD_PUSH, 0));
    assert_eq!(again.count(), 1, "nothing had to be sent again");
}

#[test]
fn a_dropped_reader_waits_for_what_a_finished_writer_has_lost() {
    // The FIN overtakes a segment that has to be sent again.
    let (mut world, app) = connected(&config(), link(100, 0), 16);
    let mut pushes = 0;
    world.filter = Box::new(move |sent| {
        pushes += usize::from(has(&sent.bytes, CMD_PUSH, 0));
        pushes != 3
    });
    world.app(CLIENT, app).to_write = data(12_000);
    world.app(CLIENT, app).closes = true;
    world.app(SERVER, 0).closes = true;
    world.turn();
    world.release(SERVER, 0);
    world.run_until(secs(5), |world| world.app(CLIENT, app).released);
    assert!(world.app(CLIENT, app).failed.is_none());
    world.run_dry();
    assert_forgotten(&world);
}

#[test]
fn a_successor_that_was_turned_out_is_not_answered_in_its_predecessors_name() {
    let mut world = World::pair(&config(), link(40, 0), 17);
    let app = world.connect(CLIENT, SERVER, Some(7));
    world.app(CLIENT, app).to_write = data(20_000);
    world.app(CLIENT, app).closes = true;
    world.run(secs(2));
    assert_eq!(world.hosts[SERVER].router.stats().time_wait, 1);
    world.log = Some(Vec::new());
    let hello = Header { conv: 7, cmd: CMD_WASK, frg: CODE_HELLO, sn: 99, ..Header::default() };
    world.inject(SERVER, addr(CLIENT), &hello.encode());
    assert_eq!(world.hosts[SERVER].router.stats().time_wait, 1, "a HELLO proves nothing");
    let answer = world.sent(addr(SERVER), addr(CLIENT)).next().unwrap();
    let third = headers(&answer.bytes)[0];
    let third = Header { sn: third.ts, ts: third.sn, ..third };
    world.inject(SERVER, addr(CLIENT), &third.encode());
    let stats = world.hosts[SERVER].router.stats();
    assert_eq!((stats.time_wait, stats.accepted), (0, 2));
    let (now, key) = (world.now, world.app(SERVER, 1).key);
    world.hosts[SERVER].router.abort(now, key);
    world.turn();
    world.log = Some(Vec::new());
    let push = Header { conv: 7, cmd: CMD_PUSH, sn: 1, una: u32::MAX, ..Header::default() };
    world.inject(SERVER, addr(CLIENT), &push.encode());
    let answer = &world.sent(addr(SERVER), addr(CLIENT)).next().unwrap().bytes;
    assert_eq!(codes(answer), [(CMD_WINS, CODE_RST)], "its data was never received");
}

#[test]
fn a_fin_that_nobody_answers_is_given_up_when_linger_ends() {
    let config = KcpConfig { linger: secs(3), ..config() };
    let (mut world, app) = connected(&config, link(40, 0), 18);
    world.filter = Box::new(|sent| !has(&sent.bytes, CMD_WINS, wire::CODE_FIN));
    world.app(SERVER, 0).closes_at_end = false;
    world.app(CLIENT, app).to_write = data(1000);
    world.app(CLIENT, app).closes = true;
    let began = world.now;
    world.run(secs(10));
    // Since the data was acknowledged; those that travel with an answer get lost with it.
    let took = world.hosts[CLIENT].apps[app].delivered.unwrap().since(began);
    assert!(took > secs(3) && took < secs(4), "{took:?}");
    assert!(world.app(CLIENT, app).failed.is_none());
}
