//! How much is sent again, and when: after one ACK, on paths of seconds, after a silence.

use super::*;
use crate::wire::{CMD_ACK, HEADER_LEN};

/// An ACK of a number counted from the first one, sent at this clock; everything below `una` has arrived.
fn ack(sn: u32, clock: u32, una: u32) -> [u8; HEADER_LEN] {
    let [sn, una] = [sn, una].map(|number| SN_BASE.wrapping_add(number));
    let ts = TS_BASE.wrapping_add(clock);
    Header { conv: CONV, cmd: CMD_ACK, wnd: 1024, sn, ts, una, ..Header::default() }.encode()
}

/// The numbers of the segments that are emitted now, counted from the first one, in ascending order.
fn pushed(engine: &mut Engine, now: Time) -> Vec<u32> {
    let mut sns = Vec::new();
    engine.flush(now);
    engine.take_output(&mut |datagram| {
        let pushes = wire::segments(datagram).flatten().filter(|s| s.header.cmd == CMD_PUSH);
        sns.extend(pushes.map(|s| s.header.sn.wrapping_sub(SN_BASE)));
    });
    sns.sort_unstable();
    sns
}

/// An engine that has measured a round trip of 100 ms and sends segments 1 to `count` at that time.
fn window(make: Make, resend: u32, count: usize) -> Engine {
    let nodelay = KcpNoDelayConfig { resend, ..fast().nodelay };
    let config = KcpConfig { nodelay, wnd_size: (1024, 1024), send_budget: 4 << 20, ..fast() };
    let mut engine = make(setup(&config)).unwrap();
    engine.write(b"first").unwrap();
    assert_eq!(pushed(&mut engine, ms(0)), [0]);
    engine.hear(ms(100), &ack(0, 0, 1)).unwrap();
    engine.write(&pattern(count * MSS)).unwrap();
    assert_eq!(pushed(&mut engine, ms(100)).len(), count);
    engine
}

/// An engine with nothing measured that has sent segments 0 to `count` at 0 ms.
fn unknown(make: Make, count: u32) -> Engine {
    let config = fast();
    let mut engine = make(setup(&config)).unwrap();
    engine.write(&pattern(count as usize * MSS)).unwrap();
    assert_eq!(pushed(&mut engine, ms(0)).len(), count as usize);
    engine
}

/// What leaves at each deadline until `end`: when, and which numbers.
fn deadlines(engine: &mut Engine, mut now: Time, end: Time) -> Vec<(u64, Vec<u32>)> {
    let mut left = Vec::new();
    while let Some(due) = engine.poll_timeout(now).filter(|&due| due < end) {
        now = due;
        let sns = pushed(engine, now);
        if !sns.is_empty() {
            left.push((now.as_millis(), sns));
        }
    }
    left
}

#[test]
fn an_ack_sooner_than_a_round_trip_overtakes_nothing() {
    for &make in ENGINES {
        for resend in [1, 2] {
            for waited in [0, 1, 60, 87, 88, 100] {
                let mut engine = window(make, resend, 1000);
                let now = ms(100 + waited);
                for _ in 0..2 {
                    // A second time they acknowledge nothing.
                    let both = [ack(999, 100, 1), ack(1000, 100, 1)].concat();
                    engine.hear(now, &both).unwrap();
                }
                assert_eq!(engine.stats().in_flight, 998);
                // An eighth sooner than ever may be true.
                let most = if waited < 88 { 0 } else { 64 };
                let left = pushed(&mut engine, now).len();
                assert!(left <= most, "{left} after {waited} ms");
                assert!(engine.poll_timeout(now) > Some(now));
            }
        }
    }
}

#[test]
fn what_an_early_ack_does_not_make_suspected_a_true_one_does() {
    for &make in ENGINES {
        let mut engine = window(make, 2, 10);
        engine.hear(ms(101), &ack(10, 100, 1)).unwrap();
        assert_eq!(pushed(&mut engine, ms(101)), []);
        for sn in [7, 8, 9] {
            engine.hear(ms(200), &ack(sn, 100, 1)).unwrap();
        }
        assert_eq!(pushed(&mut engine, ms(200)), [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn a_datagram_of_acks_lets_a_burst_leave_and_the_next_one_goes_on() {
    for &make in ENGINES {
        for resend in [1, 2] {
            let mut engine = window(make, resend, 1000);
            let mut again = Vec::new();
            for sn in 901..=1000 {
                engine.hear(ms(200), &ack(sn, 100, 1)).unwrap();
                let left = pushed(&mut engine, ms(200));
                assert!(left.len() <= 64, "{} by {sn}", left.len());
                again.extend(left);
            }
            again.sort_unstable();
            let lost: Vec<u32> = (1..=900).collect();
            assert_eq!(again, lost, "each of them once");
            let stats = engine.stats();
            assert_eq!((stats.fast_retransmits, stats.timeout_retransmits), (900, 0));
            assert_eq!((stats.segments_sent, engine.worst_transmits()), (1901, 2));
        }
    }
}

#[test]
fn what_no_further_ack_lets_go_leaves_by_its_timeout() {
    for &make in ENGINES {
        let mut engine = window(make, 2, 500);
        let mut left = Vec::new();
        for sn in [498, 499, 500] {
            engine.hear(ms(200), &ack(sn, 100, 1)).unwrap();
            left.extend(pushed(&mut engine, ms(200)));
        }
        assert!(engine.stats().fast_retransmits <= 3 * 64);
        let rto = u64::from(engine.rto_ms());
        let late = deadlines(&mut engine, ms(200), ms(200 + 2 * rto));
        left.extend(late.into_iter().flat_map(|l| l.1));
        let left = std::collections::BTreeSet::from_iter(left);
        assert!(left.iter().copied().eq(1..498), "{left:?}");
    }
}

#[test]
fn a_path_of_seconds_without_a_handshake_carries_everything_about_once() {
    const BYTES: usize = 300_000;
    for &make in ENGINES {
        let profiles = [
            KcpConfig::default(),
            KcpConfig::wan(),
            KcpConfig::high_latency(),
            KcpConfig::low_bandwidth(),
            KcpConfig::low_memory(),
            KcpConfig::realtime(),
        ];
        for profile in profiles {
            for rtt in [600, 1000, 1200, 2000, 3500, 5000] {
                for loss in [0, 5] {
                    let config = KcpConfig { stream: true, ..profile.clone() };
                    let mut sim = Sim::pair([make; 2], &config);
                    sim.delay = Duration::from_millis(rtt / 2);
                    sim.loss_percent = loss;
                    sim.apps[0].to_write.push_back(pattern(BYTES));
                    sim.run_dry();
                    assert!(sim.apps[1].got == pattern(BYTES));
                    let per_mille = sim.wire[0] * 1000 / BYTES as u64;
                    // A lost datagram of ACKs makes those segments suspected that it told of.
                    let most = if loss == 0 { 1300 } else { 2000 };
                    assert!(per_mille <= most, "{rtt} ms, {loss} % loss: {per_mille}");
                }
            }
        }
    }
}

#[test]
fn without_a_measurement_only_the_oldest_segment_asks_again() {
    for &make in ENGINES {
        let mut engine = unknown(make, 100);
        let asked = deadlines(&mut engine, ms(0), ms(5000));
        assert!(asked.iter().all(|(_, sns)| *sns == [0]), "{asked:?}");
        assert_eq!(asked[0].0, 200);
        assert!((4..=8).contains(&asked.len()), "{asked:?}");
        assert_eq!(engine.worst_transmits(), asked.len() as u32 + 1);
        assert_eq!(engine.stats().segments_sent, 100 + asked.len() as u64);
        // What is acknowledged now is the first transmission.
        let acks: Vec<u8> = (0..100).flat_map(|sn| ack(sn, 0, 0)).collect();
        for datagram in acks.chunks(50 * HEADER_LEN) {
            engine.hear(ms(5000), datagram).unwrap();
        }
        assert_eq!((pushed(&mut engine, ms(5000)), engine.unacked()), (vec![], 0));
        assert_eq!(engine.stats().srtt_ms, 5000);
        assert_eq!(engine.poll_timeout(ms(5000)), None);
    }
}

#[test]
fn the_first_measurement_lets_go_what_has_waited_for_it() {
    for &make in ENGINES {
        // Everything but the last one is lost, then only the oldest one's repetition arrives.
        let mut engine = unknown(make, 30);
        assert_eq!(deadlines(&mut engine, ms(0), ms(201)), [(200, vec![0])]);
        engine.hear(ms(250), &ack(0, 200, 1)).unwrap();
        assert_eq!(pushed(&mut engine, ms(250)), Vec::from_iter(1..=10), "a first flight");
        let rest = deadlines(&mut engine, ms(250), ms(301));
        assert_eq!(rest, [(300, Vec::from_iter(11..30))], "a round trip later");
    }
}

#[test]
fn a_round_trip_learnt_late_postpones_what_was_sent_before() {
    for &make in ENGINES {
        let mut engine = unknown(make, 30);
        deadlines(&mut engine, ms(0), ms(3000));
        engine.seed_rtt(ms(3000), Duration::from_millis(3000), true);
        let left = deadlines(&mut engine, ms(3000), ms(6000));
        assert!(left.iter().all(|(_, sns)| *sns == [0]), "{left:?}");
        let left = deadlines(&mut engine, ms(6000), ms(12_000));
        let left: std::collections::BTreeSet<u32> = left.into_iter().flat_map(|l| l.1).collect();
        assert!(left.iter().copied().eq(0..30), "in the end: {left:?}");
    }
}

/// A window that was lost, and whatever timeouts made of it until a restart at 30,100 ms.
fn restarted(make: Make, count: usize) -> Engine {
    let mut engine = window(make, 2, count);
    deadlines(&mut engine, ms(100), ms(30_000));
    engine.restart(ms(30_100));
    engine
}

#[test]
fn after_a_silence_everything_leaves_and_the_timeouts_begin_anew() {
    for &make in ENGINES {
        let mut engine = restarted(make, 3);
        let left = deadlines(&mut engine, ms(30_099), ms(34_000));
        let at: Vec<u64> = left.iter().map(|left| left.0).collect();
        assert_eq!(at, [30_100, 30_550, 31_225, 32_237, 33_755], "from the timeout of 300 ms on");
        assert!(left.iter().all(|(_, sns)| *sns == [1, 2, 3]));

        let mut engine = restarted(make, 100);
        let left = deadlines(&mut engine, ms(30_099), ms(30_500));
        let flights: Vec<_> = left.iter().map(|(at, sns)| (*at, sns.len())).collect();
        assert_eq!(flights, [(30_100, 10), (30_200, 20), (30_300, 40), (30_400, 30)]);
        assert!(left.into_iter().flat_map(|left| left.1).eq(1..=100));
    }
}

#[test]
fn a_restart_makes_nothing_leave_before_its_timeout() {
    for &make in ENGINES {
        let mut engine = window(make, 2, 10);
        deadlines(&mut engine, ms(100), ms(30_000));
        engine.write(b"young").unwrap();
        assert_eq!(pushed(&mut engine, ms(30_000)), [11]);
        engine.restart(ms(30_100));
        assert_eq!(pushed(&mut engine, ms(30_100)), Vec::from_iter(1..=10));
        // Nor what is written after it.
        engine.write(b"younger").unwrap();
        assert_eq!(pushed(&mut engine, ms(30_150)), [12]);
        let left = deadlines(&mut engine, ms(30_150), ms(30_500));
        assert_eq!(left, [(30_300, vec![11]), (30_450, Vec::from_iter([12]))]);
    }
}

#[test]
fn losses_after_a_silence_are_repaired_as_soon_as_any() {
    for &make in ENGINES {
        for (loss, most) in [(0, 300), (5, 1000), (20, 2000)] {
            for seconds in [10, 55] {
                for seed in 1..=10 {
                    let config = KcpConfig { stream: true, ..KcpConfig::wan() };
                    let mut sim = Sim::pair([make; 2], &config);
                    sim.dice = Dice(0x1234_5678_9abc_def1 ^ seed << 20);
                    sim.apps[0].to_write.push_back(pattern(10_000));
                    sim.run_dry();
                    let back = sim.now + Duration::from_secs(seconds);
                    sim.loss_percent = 100;
                    sim.apps[0].to_write.push_back(pattern(300_000));
                    sim.turn(0);
                    while sim.stations[0].timeout(sim.now).is_some_and(|at| at < back) {
                        sim.step();
                    }
                    sim.now = back;
                    sim.loss_percent = loss;
                    sim.engine(0).restart(back);
                    sim.run_until(ms(600_000), |sim| sim.apps[1].got.len() == 310_000);
                    let took = sim.now.since(back).as_millis();
                    assert!(took <= most, "{loss} % after {seconds} s, {seed}: {took} ms");
                    sim.run_dry();
                }
            }
        }
    }
}
