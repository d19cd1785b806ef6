//! What only this engine promises.

use std::time::Duration;

use super::congestion::{Congestion, Steady};
use crate::arq::tests::{
    fast, ms, pattern, ring, setup, Ours, Sim, Station, CONV, MSS, SN_BASE, TS_BASE,
};
use crate::arq::{BufferPool, Engine, Kind};
use crate::config::KcpConfig;
use crate::time::Time;
use crate::wire::{self, Header, CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS};

pub(super) fn inner(engine: &mut Engine) -> &mut super::RingEngine {
    match engine {
        Engine(Kind::Ring(engine)) => engine,
        #[cfg(feature = "kcp")]
        other => panic!("not the ring: {other:?}"),
    }
}

#[test]
fn an_idle_engine_gives_its_memory_back() {
    let mut sim = Sim::pair([ring; 2], &fast());
    sim.loss_percent = 5;
    sim.apps[0].to_write.push_back(pattern(300_000));
    let mut most = 0;
    sim.run_until(ms(10_000), |sim| {
        most = most.max(inner(sim.engine(0)).out.capacity());
        sim.apps[1].got.len() == 300_000
    });
    assert!(most > 0);
    sim.run_dry();
    for at in 0..2 {
        let engine = inner(sim.engine(at));
        assert!(engine.can_shrink());
        engine.shrink();
        assert!(!engine.can_shrink());
        assert_eq!(engine.buffers.free(), 0);
        assert_eq!(engine.out.capacity(), 0);
        assert_eq!(engine.send_window.capacity(), 0);
        assert_eq!(engine.recv_window.capacity(), 0);
    }
}

#[test]
fn data_written_against_a_window_that_closed_long_ago_is_announced_by_a_probe() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    let una = SN_BASE;
    let closed = Header { conv: CONV, cmd: CMD_WINS, una, ..Header::default() };
    engine.hear(ms(5), &closed.encode()).unwrap();
    engine.flush(ms(5));
    assert_eq!(engine.poll_timeout(ms(5)), None);
    engine.write(&pattern(MSS)).unwrap();
    assert_eq!((engine.needs_flush(), engine.poll_timeout(ms(10))), (false, Some(ms(505))));
    engine.flush(ms(505));
    let mut probes = Vec::new();
    engine.take_output(&mut |datagram| probes.push(Header::decode(datagram).unwrap().cmd));
    assert_eq!(probes, [CMD_WASK]);
}

#[test]
fn a_transfer_that_runs_allocates_no_payload_memory() {
    let pool = BufferPool::new(4096);
    let config = KcpConfig { send_budget: 600 * MSS, ..fast() };
    let station = |_| {
        let mut engine = ring(setup(&config)).unwrap();
        engine.share(&pool);
        Box::new(Ours::new(engine)) as Box<dyn Station>
    };
    let mut sim = Sim::new([0, 1].map(station));
    sim.loss_percent = 5;
    sim.apps[0].to_write.push_back(pattern(8_000_000));
    sim.run_until(ms(60_000), |sim| sim.apps[1].got.len() >= 4_000_000);
    let fresh = [0, 1].map(|at| inner(sim.engine(at)).buffers.fresh);
    assert!(fresh[0] >= 600, "{fresh:?}");
    sim.run_dry();
    assert!(sim.apps[1].got == pattern(8_000_000));
    let after = [0, 1].map(|at| inner(sim.engine(at)).buffers.fresh);
    assert!(after[0] + after[1] <= fresh[0] + fresh[1] + 64, "of 3,000: {fresh:?} {after:?}");
}

#[test]
fn an_echo_of_an_earlier_transmission_tells_that_the_later_one_was_in_vain() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    engine.seed_rtt(ms(0), Duration::from_millis(100), true);
    engine.write(&pattern(2 * MSS)).unwrap();
    engine.flush(ms(0));
    let due = engine.poll_timeout(ms(0)).unwrap();
    assert_eq!(due, ms(200), "the timeout of an expected round trip");
    engine.flush(due);
    assert_eq!(engine.stats().timeout_retransmits, 2);
    let ack = |sn: u32, clock: u32| {
        let (sn, ts) = (SN_BASE.wrapping_add(sn), TS_BASE.wrapping_add(clock));
        Header { conv: CONV, cmd: CMD_ACK, wnd: 128, sn, ts, una: SN_BASE, ..Header::default() }
    };
    engine.hear(ms(230), &ack(0, 0).encode()).unwrap();
    assert_eq!((engine.stats().spurious_retransmits, engine.stats().srtt_ms), (1, 230));
    engine.hear(ms(240), &ack(1, 200).encode()).unwrap();
    assert_eq!((engine.stats().spurious_retransmits, engine.stats().min_rtt_ms), (1, 40));
}

#[test]
fn a_forged_ack_makes_little_be_sent_again() {
    let config = KcpConfig { wnd_size: (1024, 1024), send_budget: 4 << 20, ..fast() };
    // ACKs of the newest segment 1 ms after it was sent, and of the whole window a round trip later.
    for (waited, most) in [(1, 0), (60, 0), (100, 64)] {
        let mut engine = ring(setup(&config)).unwrap();
        let ack = |sn: u32, clock: u32, wnd: u16| {
            let (sn, ts) = (SN_BASE.wrapping_add(sn), TS_BASE.wrapping_add(clock));
            Header { conv: CONV, cmd: CMD_ACK, wnd, sn, ts, una: SN_BASE, ..Header::default() }
        };
        engine.write(&pattern(10)).unwrap();
        emitted(&mut engine, ms(0));
        let first = Header { una: SN_BASE.wrapping_add(1), ..ack(0, 0, 1024) };
        engine.hear(ms(100), &first.encode()).unwrap();
        engine.write(&pattern(1000 * MSS)).unwrap();
        assert_eq!(emitted(&mut engine, ms(100)).len(), 1000);
        let now = ms(100 + waited);
        engine.hear(now, &ack(1000, 100, 1024).encode()).unwrap();
        engine.flush(now);
        let again = engine.stats().fast_retransmits;
        assert!(again <= most, "{again} after {waited} ms");
        // A true ACK a round trip later goes on from there.
        engine.hear(ms(205), &ack(999, 100, 1024).encode()).unwrap();
        engine.flush(ms(205));
        let more = engine.stats().fast_retransmits - again;
        assert!((1..=64).contains(&more), "{more} by the second");
    }
}

#[test]
fn small_talk_keeps_the_rings_small() {
    let mut sim = Sim::pair([ring; 2], &fast());
    for _ in 0..50 {
        for at in 0..2 {
            sim.apps[at].to_write.push_back(pattern(64));
        }
        sim.run_dry();
        let engine = inner(sim.engine(0));
        assert!(engine.send_window.capacity().max(engine.recv_window.capacity()) <= 32);
    }
    assert!(sim.apps.iter().all(|app| app.got.len() == 50 * 64));
}

#[test]
fn a_controller_that_paces_is_obeyed_and_wakes_the_engine() {
    let mut sim = Sim::pair([ring; 2], &fast());
    inner(sim.engine(0)).congestion = Congestion::Steady(Steady::new(3));
    sim.apps[0].to_write.push_back(pattern(100 * MSS));
    sim.turn(0);
    let now = sim.now;
    assert_eq!(sim.pushes[0], 3);
    assert_eq!(sim.engine(0).poll_timeout(now), Some(ms(10)));
    sim.run_dry();
    // 34 periods, the first at 0, and half a round trip for the last of the data.
    assert_eq!(sim.apps[1].got.len(), 100 * MSS);
    assert_eq!((sim.pushes[0], sim.now), (100, ms(33 * 10 + 50)));
    let Congestion::Steady(steady) = inner(sim.engine(0)).congestion else { unreachable!() };
    let bytes = 100 * MSS as u64;
    assert_eq!((steady.sent_bytes, steady.delivered, steady.acked), (bytes, bytes, 100));
    assert_eq!(steady.latest_rtt, 50);
    let rate = sim.engine(0).stats().delivery_rate;
    assert!((bytes * 2..=bytes * 3).contains(&rate), "{rate} of 300 segments a second");
}

/// The segments that an engine emits now.
fn emitted(engine: &mut Engine, now: Time) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    engine.flush(now);
    engine.take_output(&mut |datagram| out.push(datagram.to_vec()));
    out
}

#[test]
fn a_loss_does_not_stop_the_stream_as_long_as_the_budget_has_room() {
    for (budget, sent) in [(100 * MSS, 73), (30 * MSS, 31)] {
        let config = KcpConfig { wnd_size: (128, 128), recv_budget: budget, ..fast() };
        let [mut one, mut two] = [0; 2].map(|_| ring(setup(&config)).unwrap());
        one.write(&pattern(200 * MSS)).unwrap();
        let window = emitted(&mut one, ms(0));
        assert_eq!(window.len(), 128);
        for datagram in &window[1..] {
            two.hear(ms(25), datagram).unwrap();
        }
        for datagram in emitted(&mut two, ms(25)) {
            one.hear(ms(50), &datagram).unwrap();
        }
        // The lost one, and what the window and the budget have room for.
        assert_eq!(emitted(&mut one, ms(50)).len(), sent);
        assert!(one.stats().in_flight <= 128);
    }
}

#[test]
fn a_suspected_segment_that_comes_late_teaches_to_wait() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    let ack = |sn: u32, clock: u32, una: u32| {
        let [sn, una] = [sn, una].map(|number| SN_BASE.wrapping_add(number));
        let ts = TS_BASE.wrapping_add(clock);
        Header { conv: CONV, cmd: CMD_ACK, wnd: 128, sn, ts, una, ..Header::default() }.encode()
    };
    // The first of three is suspected, sent again at once, and acknowledged after all 7 ms later.
    engine.write(&pattern(3 * MSS)).unwrap();
    assert_eq!(emitted(&mut engine, ms(0)).len(), 3);
    engine.hear(ms(50), &ack(1, 0, 0)).unwrap();
    engine.hear(ms(50), &ack(2, 0, 0)).unwrap();
    assert_eq!(emitted(&mut engine, ms(50)).len(), 1);
    engine.hear(ms(57), &ack(0, 0, 3)).unwrap();
    assert_eq!(engine.stats().spurious_retransmits, 1);
    // The next one is waited for that long, and is not sent again.
    engine.write(&pattern(3 * MSS)).unwrap();
    assert_eq!(emitted(&mut engine, ms(100)).len(), 3);
    engine.hear(ms(150), &ack(4, 100, 3)).unwrap();
    engine.hear(ms(150), &ack(5, 100, 3)).unwrap();
    assert!(!engine.needs_flush());
    assert_eq!(engine.poll_timeout(ms(150)), Some(ms(158)));
    assert_eq!(emitted(&mut engine, ms(157)).len(), 0);
    engine.hear(ms(157), &ack(3, 100, 6)).unwrap();
    assert_eq!((engine.poll_timeout(ms(157)), engine.stats().fast_retransmits), (None, 1));
}

#[test]
fn a_path_that_reorders_makes_little_be_sent_again() {
    let config = KcpConfig { wnd_size: (512, 512), ..fast() };
    let mut sim = Sim::pair([ring; 2], &config);
    sim.jitter = Duration::from_millis(5);
    sim.per_byte = Duration::from_nanos(80);
    sim.apps[0].to_write.push_back(pattern(3000 * MSS));
    sim.run_dry();
    let stats = sim.engine(0).stats();
    assert!(stats.fast_retransmits < 60, "2 % of 3,000: {stats:?}");
}

#[test]
fn acks_that_una_covers_are_left_out_and_others_repeated_once_if_acks_get_lost() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    let push = |sn: u32| {
        let sn = SN_BASE.wrapping_add(sn);
        let header =
            Header { conv: CONV, cmd: CMD_PUSH, sn, una: SN_BASE, len: 1, ..Header::default() };
        [&header.encode()[..], b"x"].concat()
    };
    let mut acks = |numbers: &[u32]| {
        for &number in numbers {
            engine.hear(ms(1), &push(number)).unwrap();
        }
        let datagrams = emitted(&mut engine, ms(1));
        let segments = datagrams.iter().flat_map(|datagram| wire::segments(datagram));
        segments.map(|s| s.unwrap().header.sn.wrapping_sub(SN_BASE)).collect::<Vec<u32>>()
    };
    let many: Vec<u32> = (0..100).collect();
    assert_eq!(acks(&many), many[92..]);
    assert_eq!(acks(&[104, 105]), [104, 105]);
    assert_eq!(acks(&[106]), [106], "nothing came twice");
    assert_eq!(acks(&[106, 107]), [106, 106, 107], "the ACK of 106 was lost");
    assert_eq!(acks(&[108]), [106, 107, 108]);
    assert_eq!(acks(&[109]), [108, 109], "once");
    assert_eq!(acks(&[100, 101, 102, 103]), [100, 101, 102, 103], "una covers what was told");
}

#[test]
fn the_timeouts_of_a_thin_stream_do_not_grow_at_first() {
    let timeouts = |segments: usize| {
        let config = fast();
        let mut engine = ring(setup(&config)).unwrap();
        engine.write(&pattern(segments * MSS)).unwrap();
        let mut now = ms(0);
        (0..8)
            .map(|_| {
                engine.flush(now);
                let due = engine.poll_timeout(now).unwrap();
                let waited = due.since(now).as_millis();
                now = due;
                waited
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(timeouts(4), [200, 200, 200, 200, 200, 200, 200, 300]);
    assert_eq!(timeouts(5)[..4], [200, 300, 450, 675]);
}

#[test]
fn the_first_loss_of_a_thin_stream_is_repaired_after_one_and_a_half_round_trips() {
    let first_wait = |segments: usize| {
        let [mut engine, mut peer] = [(); 2].map(|()| ring(setup(&fast())).unwrap());
        engine.write(&pattern(64)).unwrap();
        engine.flush(ms(0));
        engine.take_output(&mut |datagram| {
            peer.hear(ms(20), datagram).unwrap();
        });
        peer.flush(ms(20));
        peer.take_output(&mut |datagram| {
            engine.hear(ms(40), datagram).unwrap();
        });
        engine.write(&pattern(segments * MSS)).unwrap();
        engine.flush(ms(50));
        engine.poll_timeout(ms(50)).unwrap().since(ms(50)).as_millis()
    };
    assert_eq!([1, 4, 5].map(first_wait), [60, 60, 120]);
}
