//! What comes from the network may be forged, mutated or senseless.

use proptest::prelude::*;

use super::*;
use crate::arq::{Received, Rejection};
use crate::wire::{CMD_ACK, HEADER_LEN};

/// An engine with three segments in flight, sent at 1,000 ms, and a measured round trip of 50 ms.
fn engine(make: Make, config: &KcpConfig) -> Engine {
    let mut engine = make(setup(config)).unwrap();
    engine.write(b"first").unwrap();
    engine.flush(ms(900));
    let ack = ack(SN_BASE, ts(900), SN_BASE.wrapping_add(1));
    let handled = engine.hear(ms(950), &ack).unwrap();
    assert_eq!(handled, Received { proven: true, progress: true, ..Received::default() });
    assert_eq!(engine.stats().srtt_ms, 50);
    engine.write(&pattern(3 * MSS)).unwrap();
    engine.flush(ms(1000));
    engine.take_output(&mut |_| {});
    engine
}

/// What our clock on the wire shows.
fn ts(millis: u32) -> u32 {
    TS_BASE.wrapping_add(millis)
}

fn ack(sn: u32, ts: u32, una: u32) -> [u8; HEADER_LEN] {
    let header = Header { conv: CONV, cmd: CMD_ACK, wnd: 100, ts, sn, una, ..Header::default() };
    header.encode()
}

fn push(sn: u32, frg: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    let header = Header { conv: CONV, cmd: CMD_PUSH, frg, wnd: 100, ts: 7, sn, una: SN_BASE, len };
    [&header.encode()[..], payload].concat()
}

const UNA: u32 = SN_BASE.wrapping_add(1);

#[test]
fn a_forged_ack_moves_nothing_but_its_window_still_counts() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        let before = engine.stats();
        let forged = [
            ack(UNA, ts(0), UNA),                    // an ancient clock
            ack(UNA, ts(999), UNA),                  // just beside it
            ack(UNA, ts(1001), UNA),                 // and on the other side
            ack(UNA.wrapping_add(3), ts(1000), UNA), // not sent yet
            ack(SN_BASE, ts(900), UNA),              // acknowledged before
            ack(UNA.wrapping_add(9999), ts(1000), UNA),
            ack(UNA ^ (1 << 31), ts(1000), UNA),
        ];
        for (n, datagram) in forged.iter().enumerate() {
            let handled = engine.hear(ms(60_000), datagram).unwrap();
            assert_eq!(handled, Received::default(), "{n}");
        }
        let after = engine.stats();
        assert_eq!(after.rejected_acks, before.rejected_acks + forged.len() as u64);
        assert_eq!((after.srtt_ms, after.rttvar_ms), (before.srtt_ms, before.rttvar_ms));
        assert_eq!((after.rto_ms, after.in_flight), (before.rto_ms, 3));
        assert_eq!(after.peer_window, 100);
        assert!(engine.in_flight(UNA, ts(1000)) && !engine.in_flight(UNA, ts(1001)));
    }
}

#[test]
fn an_ack_is_judged_before_the_una_that_covers_it() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        let una = UNA.wrapping_add(3);
        let both = [ack(UNA, ts(1000), una), ack(UNA.wrapping_add(2), ts(1000), una)].concat();
        let handled = engine.hear(ms(1050), &both).unwrap();
        assert_eq!(handled, Received { proven: true, progress: true, ..Received::default() });
        let stats = engine.stats();
        assert_eq!((stats.rejected_acks, stats.in_flight, stats.srtt_ms), (0, 0, 50));
    }
}

#[test]
fn an_una_of_what_was_never_sent_refuses_the_whole_datagram() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        let before = engine.stats();
        for ahead in [4, 1000, i32::MAX as u32 - 3] {
            let una = UNA.wrapping_add(ahead);
            let datagram = [&ack(UNA, ts(1000), UNA)[..], &ack(UNA, ts(1000), una)].concat();
            assert_eq!(engine.hear(ms(1050), &datagram), Err(Rejection::Una));
        }
        assert_eq!(engine.stats(), before);
        let ancient = ack(UNA, ts(1000), UNA.wrapping_sub(1 << 31).wrapping_add(3));
        assert!(engine.hear(ms(1050), &ancient).unwrap().proven);
    }
}

#[test]
fn malformed_and_foreign_datagrams_are_refused() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        let before = engine.stats();
        let mut long = push(SN_BASE, 0, b"abc");
        long[20] = 4;
        let mut other = ack(UNA, ts(1000), UNA);
        other[0] ^= 1;
        let half = [&ack(UNA, ts(1000), UNA)[..], &other].concat();
        for datagram in [&[][..], &[0; 23], &long, &other, &half] {
            assert_eq!(engine.hear(ms(1050), datagram), Err(Rejection::Malformed));
        }
        assert_eq!(engine.stats(), before);
    }
}

#[test]
fn impossible_fragments_and_far_numbers_get_no_ack() {
    for &make in ENGINES {
        let config = KcpConfig { recv_budget: MSS, ..messages() };
        let mut engine = engine(make, &config);
        let far = |by: i64| push((i64::from(SN_BASE) + by) as u32, 0, b"x");
        let wrong = [
            push(SN_BASE, 255, b"x"),
            push(SN_BASE, 128, b"x"),
            far(257),
            far(-65_537),
            far(1 << 31),
            far((1 << 31) - 1),
            far(-(1 << 31) + 1),
        ];
        for datagram in &wrong {
            assert!(!engine.hear(ms(1001), datagram).unwrap().pushed);
        }
        assert_eq!(engine.stats().rejected_window, wrong.len() as u64);
        assert!(!engine.needs_flush());
        for right in [push(SN_BASE, 127, b"x"), far(255), far(-65_535), far(-1)] {
            assert!(engine.hear(ms(1001), &right).unwrap().pushed);
        }
        let mut acked = Vec::new();
        engine.flush(ms(1001));
        engine.take_output(&mut |datagram| {
            acked.extend(wire::segments(datagram).flatten().map(|s| (s.header.sn, s.header.ts)));
        });
        let sns = [0, 255, -65_535, -1].map(|by| ((i64::from(SN_BASE) + by) as u32, 7));
        assert!(acked.iter().all(|ack| sns.contains(ack)), "with the clock of the peer");
        assert!(acked.contains(&sns[1]) && acked.last() == Some(&sns[3]), "{acked:?}");
    }
}

#[test]
fn a_duplicate_is_acknowledged_again_and_read_once() {
    for &make in ENGINES {
        let config = messages();
        let mut engine = engine(make, &config);
        let second = SN_BASE.wrapping_add(1);
        for _ in 0..3 {
            for sn in [second, SN_BASE] {
                assert!(engine.hear(ms(1001), &push(sn, 0, b"once")).unwrap().pushed);
            }
            engine.flush(ms(1001));
        }
        // The `una` beside the newest ACK tells of the others too.
        let acked = acked(&mut engine);
        assert_eq!(acked.iter().filter(|&&sn| sn == SN_BASE).count(), 3);
        assert_eq!(acked.last(), Some(&SN_BASE));
        assert_eq!(engine.stats().duplicates, 4);
        let mut got = Vec::new();
        while engine.read_into(&mut got).is_some() {}
        assert_eq!(got, b"onceonce");
        assert_eq!(engine.rcv_nxt(), SN_BASE.wrapping_add(2));
    }
}

#[test]
fn a_peer_that_repeats_itself_without_end_fills_no_list() {
    for &make in ENGINES {
        let config = messages();
        let mut engine = engine(make, &config);
        for _ in 0..100 {
            let datagram = push(SN_BASE, 0, b"").repeat(1000);
            engine.hear(ms(1001), &datagram).unwrap();
        }
        engine.flush(ms(1001));
        assert!((1..=2 * 256).contains(&acked(&mut engine).len()), "two windows at most");
    }
}

#[test]
fn a_segment_that_two_later_ones_overtook_is_sent_again_at_once() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        for later in [1, 2] {
            let ack = ack(UNA.wrapping_add(later), ts(1000), UNA);
            engine.hear(ms(1050), &ack).unwrap();
        }
        assert!(engine.needs_flush());
        engine.flush(ms(1050));
        let stats = engine.stats();
        assert_eq!((stats.fast_retransmits, stats.timeout_retransmits), (1, 0));
        assert_eq!((stats.in_flight, engine.worst_transmits()), (1, 2));
        assert!(engine.in_flight(UNA, ts(1050)), "with its new clock");
    }
}

/// The numbers of the ACKs that were emitted.
fn acked(engine: &mut Engine) -> Vec<u32> {
    let mut sns = Vec::new();
    engine.take_output(&mut |datagram| {
        let acks = wire::segments(datagram).flatten().filter(|s| s.header.cmd == CMD_ACK);
        sns.extend(acks.map(|s| s.header.sn));
    });
    sns
}

#[test]
fn control_codes_and_probes_are_windows_to_the_engine() {
    for &make in ENGINES {
        let config = fast();
        let mut engine = engine(make, &config);
        for cmd in [CMD_WASK, CMD_WINS] {
            for frg in [0, 1, 2, 3, 4, 255] {
                let header =
                    Header { conv: CONV, cmd, frg, wnd: 77, ts: 5, sn: 6, una: UNA, len: 0 };
                assert_eq!(engine.hear(ms(1001), &header.encode()), Ok(Received::default()));
                assert!(!engine.needs_flush(), "the session answers");
            }
        }
        assert_eq!(engine.stats().peer_window, 77);
    }
}

#[test]
fn headers_of_this_conversation_are_told_from_others() {
    for &make in ENGINES {
        let config = fast();
        let engine = engine(make, &config);
        let header = |cmd, sn: u32, una| Header { cmd, sn, una, ..Header::default() };
        assert!(engine.plausible(&header(CMD_PUSH, SN_BASE, UNA)));
        assert!(engine.plausible(&header(
            CMD_PUSH,
            SN_BASE.wrapping_add(255),
            UNA.wrapping_add(3)
        )));
        assert!(engine.plausible(&header(CMD_WASK, 0, SN_BASE)));
        assert!(!engine.plausible(&header(CMD_PUSH, SN_BASE.wrapping_add(10_000), UNA)));
        assert!(!engine.plausible(&header(CMD_PUSH, SN_BASE.wrapping_sub(256), UNA)));
        assert!(!engine.plausible(&header(CMD_WASK, 0, UNA.wrapping_add(4))));
        assert!(!engine.plausible(&header(CMD_WASK, 0, UNA.wrapping_sub(65_537))));
    }
}

/// Reads and flushes, as after every batch; the timeout must be no longer than the honest path and
/// the back-off explain, and nothing may spin.
fn survives(engine: &mut Engine, now: Time, honest_rto: u32) {
    let mut into = Vec::new();
    while engine.read_into(&mut into).is_some() {}
    engine.flush(now);
    engine.take_output(&mut |datagram| assert!(datagram.len() <= MTU));
    assert!(engine.stats().rto_ms <= honest_rto, "{:?}", engine.stats());
    assert!(engine.poll_timeout(now).is_none_or(|at| at > now));
    verify(engine);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        for &make in ENGINES {
            let config = messages();
            let mut engine = engine(make, &config);
            let honest = engine.stats().rto_ms;
            for (n, datagram) in datagrams.iter().enumerate() {
                let _ = engine.hear(ms(1001 + n as u64), datagram);
                survives(&mut engine, ms(1001 + n as u64), honest);
            }
        }
    }

    #[test]
    fn headers_with_wild_fields_do_no_harm(
        fields in prop::collection::vec(
            (81u8..=84, any::<u8>(), any::<u16>(), wild(TS_BASE), wild(SN_BASE), wild(SN_BASE), 0usize..60),
            1..60,
        ),
        pace in 0u64..4000,
    ) {
        for &make in ENGINES {
            for config in [fast(), messages()] {
                let mut engine = engine(make, &config);
                let mut now = ms(1050);
                for (cmd, frg, wnd, ts, sn, una, len) in &fields {
                    now = now + Duration::from_millis(pace);
                    let (ts, sn, una, len) = (*ts, *sn, *una, *len as u32);
                    let header = Header { conv: CONV, cmd: *cmd, frg: *frg, wnd: *wnd, ts, sn, una, len };
                    let datagram = [&header.encode()[..], &pattern(len as usize)].concat();
                    let _ = engine.hear(now, &datagram);
                    // Whoever guesses clock and number has seen the segment; its time is a true one.
                    survives(&mut engine, now, 60_000);
                }
            }
        }
    }

    #[test]
    fn a_mutated_conversation_does_no_harm(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..40),
        seed in 1u64..u64::MAX,
    ) {
        for &make in ENGINES {
            let config = messages();
            let mut ends = [make(setup(&config)).unwrap(), make(setup(&config)).unwrap()];
            let mut dice = Dice(seed);
            let mut flips = flips.iter().cycle();
            let mut now = ms(0);
            for turn in 0..60 {
                let (at, to) = (turn % 2, 1 - turn % 2);
                now = now + Duration::from_millis(25);
                let _ = ends[at].write(&pattern(dice.below(4000) as usize)).unwrap();
                survives(&mut ends[at], now, 60_000);
                ends[at].flush(now);
                let mut out = Vec::new();
                let _ = ends[at].write(&pattern(dice.below(4000) as usize)).unwrap();
                ends[at].flush(now);
                ends[at].take_output(&mut |datagram| out.push(datagram.to_vec()));
                for mut datagram in out {
                    let (index, value, spare) = flips.next().unwrap();
                    if !spare {
                        let range = datagram.len().min(3 * HEADER_LEN);
                        datagram[index.index(range)] ^= value;
                    }
                    let _ = ends[to].hear(now, &datagram);
                    verify(&mut ends[to]);
                }
            }
        }
    }
}

/// Mostly near `base`, where it may be mistaken for the truth, and sometimes anything.
fn wild(base: u32) -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (-300i32..1300).prop_map(move |by| base.wrapping_add(by as u32)),
        1 => (-70_000i32..70_000).prop_map(move |by| base.wrapping_add(by as u32)),
        1 => any::<u32>(),
        1 => Just(base ^ (1 << 31)),
    ]
}
