//! What only this engine promises.

use crate::config::KcpConfig;
use crate::proto::engine::tests::{
    fast, ms, pattern, ring, setup, Ours, Sim, Station, CONV, MSS, SN_BASE, TS_BASE,
};
use crate::proto::engine::{Engine, Pool};
use crate::wire::{Header, CMD_ACK, CMD_WASK, CMD_WINS};

fn inner(engine: &mut Engine) -> &mut super::RingEngine {
    match engine {
        Engine::Ring(engine) => engine,
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
    assert!(most > super::KEEP_OUTPUT, "{most}");
    sim.run_dry();
    for at in 0..2 {
        let engine = inner(sim.engine(at));
        assert!(engine.can_shrink());
        engine.shrink();
        assert!(!engine.can_shrink());
        assert_eq!(engine.blocks.free(), 0);
        assert!(engine.out.capacity() <= super::KEEP_OUTPUT);
        assert!(engine.flight.slots.capacity() <= super::KEEP_PLACES);
        assert!(engine.inbox.row.capacity() <= super::KEEP_PLACES);
    }
}

#[test]
fn data_written_against_a_window_that_closed_long_ago_is_announced_by_a_probe() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    let una = SN_BASE;
    let closed = Header { conv: CONV, cmd: CMD_WINS, una, ..Header::default() };
    engine.handle_datagram(ms(5), &closed.encode()).unwrap();
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
    let pool = Pool::new(4096);
    let config = KcpConfig { send_budget: 600 * MSS, ..fast() };
    let station = |_| {
        let mut engine = ring(setup(&config)).unwrap();
        engine.share(&pool);
        Box::new(Ours::new(engine, true)) as Box<dyn Station>
    };
    let mut sim = Sim::new([0, 1].map(station));
    sim.loss_percent = 5;
    sim.apps[0].to_write.push_back(pattern(8_000_000));
    sim.run_until(ms(60_000), |sim| sim.apps[1].got.len() >= 4_000_000);
    let fresh = [0, 1].map(|at| inner(sim.engine(at)).blocks.fresh);
    assert!(fresh[0] >= 600, "{fresh:?}");
    sim.run_dry();
    assert!(sim.apps[1].got == pattern(8_000_000));
    let after = [0, 1].map(|at| inner(sim.engine(at)).blocks.fresh);
    assert!(after[0] + after[1] <= fresh[0] + fresh[1] + 64, "of 3,000: {fresh:?} {after:?}");
}

#[test]
fn an_echo_of_an_earlier_transmission_tells_that_the_later_one_was_in_vain() {
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    engine.write(&pattern(2 * MSS)).unwrap();
    engine.flush(ms(0));
    let due = engine.poll_timeout(ms(0)).unwrap();
    assert_eq!(due, ms(200), "the timeout before anything is measured");
    engine.flush(due);
    assert_eq!(engine.stats().timeout_retransmits, 2);
    let ack = |sn: u32, clock: u32| {
        let (sn, ts) = (SN_BASE.wrapping_add(sn), TS_BASE.wrapping_add(clock));
        Header { conv: CONV, cmd: CMD_ACK, wnd: 128, sn, ts, una: SN_BASE, ..Header::default() }
    };
    engine.handle_datagram(ms(230), &ack(0, 0).encode()).unwrap();
    assert_eq!((engine.stats().spurious_retransmits, engine.stats().srtt_ms), (1, 230));
    engine.handle_datagram(ms(240), &ack(1, 200).encode()).unwrap();
    assert_eq!((engine.stats().spurious_retransmits, engine.stats().min_rtt_ms), (1, 40));
}

#[test]
fn small_talk_keeps_within_what_an_engine_at_rest_holds() {
    let mut sim = Sim::pair([ring; 2], &fast());
    for _ in 0..50 {
        for at in 0..2 {
            sim.apps[at].to_write.push_back(pattern(64));
        }
        sim.run_dry();
        let engine = inner(sim.engine(0));
        assert!(engine.flight.slots.capacity() > 0 && !engine.can_shrink());
    }
    assert!(sim.apps.iter().all(|app| app.got.len() == 50 * 64));
}
