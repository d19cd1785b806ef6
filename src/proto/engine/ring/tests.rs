//! What only this engine promises.

use crate::proto::engine::tests::{fast, ms, pattern, ring, setup, Sim, MSS};
use crate::proto::engine::Engine;

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
    assert!(most > 100_000, "{most}");
    sim.run_dry();
    for at in 0..2 {
        let engine = inner(sim.engine(at));
        assert_eq!(engine.blocks.free(), 0);
        assert!(engine.out.capacity() <= super::KEEP_OUTPUT);
        assert!(engine.flight.slots.capacity() <= super::KEEP_PLACES);
        assert!(engine.inbox.row.capacity() <= super::KEEP_PLACES);
    }
}

#[test]
fn data_written_against_a_window_that_closed_long_ago_is_announced_by_a_probe() {
    use crate::wire::{Header, CMD_WASK, CMD_WINS};
    let config = fast();
    let mut engine = ring(setup(&config)).unwrap();
    let una = crate::proto::engine::tests::SN_BASE;
    let closed =
        Header { conv: crate::proto::engine::tests::CONV, cmd: CMD_WINS, una, ..Header::default() };
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
