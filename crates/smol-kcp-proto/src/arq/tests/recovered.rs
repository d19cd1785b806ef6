//! What has come out of parity: it acknowledges, and measures nothing.

use super::*;
use crate::arq::EngineStats;

/// An engine with this many segments in flight, and their headers.
fn sender(make: Make, segments: usize) -> (Engine, Vec<Header>) {
    let mut engine = make(setup(&fast())).unwrap();
    engine.write(&pattern(segments * MSS)).unwrap();
    engine.flush(ms(0));
    let mut sent = Vec::new();
    engine.take_output(&mut |datagram| {
        sent.extend(wire::segments(datagram).flatten().map(|segment| segment.header));
    });
    assert_eq!(sent.len(), segments);
    (engine, sent)
}

/// The ACK of one of them, by a peer that has all before it and announces this window.
fn ack(of: &Header, wnd: u16) -> [u8; wire::HEADER_LEN] {
    Header { cmd: wire::CMD_ACK, wnd, una: of.sn, len: 0, ..*of }.encode()
}

#[test]
fn it_acknowledges_and_measures_no_round_trip_and_announces_no_window() {
    for &make in ENGINES {
        let (mut engine, sent) = sender(make, 4);
        engine.handle_datagram(ms(40), &View::new(&ack(&sent[0], 300)).unwrap()).unwrap();
        let before = engine.stats();
        assert_eq!((before.srtt_ms, before.peer_window), (40, 300));
        engine.take_flow();

        let late = ack(&sent[2], 7);
        let received = engine.handle_datagram(ms(900), &View::recovered(&late).unwrap()).unwrap();
        assert!(received.proven && received.progress);
        let after = engine.stats();
        let measured = |stats: EngineStats| (stats.srtt_ms, stats.min_rtt_ms, stats.peer_window);
        assert_eq!(measured(after), measured(before));
        assert_eq!((before.in_flight, after.in_flight), (3, 1), "its una, and itself");
        let flow = engine.take_flow();
        assert_eq!((flow.acked_bytes, flow.newest_sent), (2 * MTU as u64, None));

        let late = ack(&sent[3], 7);
        engine.handle_datagram(ms(900), &View::new(&late).unwrap()).unwrap();
        let after = engine.stats();
        assert!(after.srtt_ms > 100 && after.peer_window == 7, "{after:?}");
    }
}

#[test]
fn the_first_that_comes_leaves_the_round_trip_unknown() {
    for &make in ENGINES {
        let (mut engine, sent) = sender(make, 2);
        let first = ack(&sent[0], 300);
        engine.handle_datagram(ms(900), &View::recovered(&first).unwrap()).unwrap();
        assert_eq!(engine.stats().srtt_ms, 0);
        engine.handle_datagram(ms(900), &View::new(&ack(&sent[1], 300)).unwrap()).unwrap();
        assert_eq!(engine.stats().srtt_ms, 900);
    }
}

#[test]
fn data_of_it_are_data() {
    for &make in ENGINES {
        let mut engine = make(setup(&fast())).unwrap();
        let (conv, cmd, sn, una) = (CONV, CMD_PUSH, SN_BASE, SN_BASE);
        let push = Header { conv, cmd, sn, una, len: 3, ..Header::default() };
        let datagram = [&push.encode()[..], b"abc"].concat();
        let received = engine.handle_datagram(ms(5), &View::recovered(&datagram).unwrap());
        let received = received.unwrap();
        assert!(received.pushed && received.readable && !received.proven);
        let mut read = Vec::new();
        engine.read_into(&mut read);
        assert_eq!(read, b"abc");
    }
}
