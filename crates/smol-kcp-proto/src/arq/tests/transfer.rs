//! What is written arrives, whole and in order, and then nothing more happens.

use std::time::Duration;

use super::*;

/// Sends `stream` one way and messages of many sizes the other way, or the same both ways in stream
/// mode, until nothing is left to do.
fn exchange(sim: &mut Sim, stream: bool, bytes: usize) {
    let data = pattern(bytes);
    let mut sizes = [1, 13, MSS - 1, MSS, MSS + 1, 5 * MSS, 20_000].into_iter().cycle();
    for app in &mut sim.apps {
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (part, tail) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            app.to_write.push_back(part.to_vec());
            rest = tail;
        }
    }
    let lens: Vec<usize> = sim.apps[0].to_write.iter().map(Vec::len).collect();
    sim.run_dry();
    for app in &sim.apps {
        assert!(app.got == data, "{} of {} bytes", app.got.len(), data.len());
        if !stream {
            assert!(app.lens == lens, "boundaries of messages");
        }
    }
    for at in 0..2 {
        let now = sim.now;
        let engine = sim.engine(at);
        assert_eq!(engine.poll_timeout(now), None);
        assert_eq!((engine.unacked(), engine.unsent(), engine.worst_transmits()), (0, 0, 0));
    }
}

fn each_pair(mut test: impl FnMut([Make; 2])) {
    for &a in ENGINES {
        for &b in ENGINES {
            test([a, b]);
        }
    }
}

#[test]
fn both_directions_arrive_at_every_loss_and_the_event_queue_ends_empty() {
    each_pair(|makes| {
        for config in [fast(), messages()] {
            for loss in [0, 5, 20] {
                let mut sim = Sim::pair(makes, &config);
                sim.loss_percent = loss;
                exchange(&mut sim, config.stream, 300_000);
                let stats = sim.engine(0).stats();
                let again = stats.timeout_retransmits + stats.fast_retransmits;
                assert_eq!(again > 0, loss > 0, "{stats:?}");
                assert_eq!(stats.segments_sent, sim.pushes[0]);
            }
        }
    });
}

#[test]
fn every_knob_transfers_over_a_path_that_reorders() {
    each_pair(|makes| {
        for (nodelay, nc) in [(false, false), (true, false), (false, true)] {
            for resend in [0, 2] {
                let nodelay = KcpNoDelayConfig { nodelay, interval: 20, resend, nc };
                let config = KcpConfig { nodelay, ..fast() };
                let mut sim = Sim::pair(makes, &config);
                sim.loss_percent = 3;
                sim.jitter = Duration::from_millis(40);
                exchange(&mut sim, true, 100_000);
                if resend == 0 {
                    assert_eq!(sim.engine(0).stats().fast_retransmits, 0);
                }
            }
        }
    });
}

#[test]
fn clocks_and_numbers_may_begin_anywhere() {
    each_pair(|makes| {
        let config = fast();
        for ts_base in [0, (1 << 31) - 500, 1 << 31, u32::MAX - 500] {
            for sn_base in [0, (1 << 31) - 20, u32::MAX - 20] {
                let setup = ArqParams { ts_base, sn_base, ..setup(&config) };
                let mut sim = Sim::from_setup(makes, setup);
                sim.loss_percent = 10;
                exchange(&mut sim, true, 100_000);
            }
        }
    });
}

#[test]
fn a_true_path_of_50_ms_measures_50_ms() {
    each_pair(|makes| {
        let mut sim = Sim::pair(makes, &fast());
        for round in 0..40 {
            sim.apps[0].to_write.push_back(pattern(MSS));
            sim.run_dry();
            assert_eq!(sim.engine(0).stats().srtt_ms, 50, "round {round}");
        }
        let stats = sim.engine(0).stats();
        assert_eq!((stats.rttvar_ms, stats.rto_ms), (0, 60), "srtt and the interval");
        assert_eq!(sim.now, ms(40 * 50));
    });
}

#[test]
fn a_window_goes_out_every_round_trip() {
    each_pair(|makes| {
        let mut sim = Sim::pair(makes, &KcpConfig { wnd_size: (256, 256), ..fast() });
        sim.apps[0].to_write.push_back(pattern(4 << 20));
        sim.run_until(ms(10_000), |sim| sim.apps[1].got.len() == 4 << 20);
        // 3,049 segments: 128 while nobody has announced a window, then twelve windows, the last one
        // in part; twelve round trips of 50 ms, and half of one for the last.
        assert_eq!(sim.now, ms(12 * 50 + 25));
        assert_eq!(sim.engine(0).stats().segments_sent, 3049);
    });
}

#[test]
fn the_least_timeout_is_the_configured_one() {
    each_pair(|makes| {
        let config = KcpConfig { min_rto: Some(Duration::from_millis(333)), ..fast() };
        let mut sim = Sim::pair(makes, &config);
        sim.apps[0].to_write.push_back(pattern(MSS));
        sim.run_dry();
        assert_eq!(sim.engine(0).stats().rto_ms, 333);
    });
}

#[test]
fn a_message_of_127_fragments_passes_and_one_byte_more_is_refused() {
    each_pair(|makes| {
        let mut sim = Sim::pair(makes, &messages());
        sim.apps[0].to_write.push_back(pattern(127 * MSS));
        sim.run_dry();
        assert_eq!(sim.apps[1].lens, [127 * MSS]);

        let error = sim.engine(0).write(&pattern(127 * MSS + 1)).unwrap_err();
        let KcpError::MessageTooLarge { len, max } = error else { panic!("{error:?}") };
        assert_eq!((len, max), (127 * MSS + 1, 127 * MSS));
        assert_eq!(sim.engine(0).unacked(), 0);

        let config = KcpConfig { max_message: Some(1000), ..messages() };
        let mut limited = makes[0](setup(&config)).unwrap();
        assert!(matches!(
            limited.write(&[0; 1001]),
            Err(KcpError::MessageTooLarge { len: 1001, max: 1000 })
        ));
        assert_eq!(limited.write(&[0; 1000]).unwrap(), 1000);
    });
}

#[test]
fn an_empty_write_is_nothing() {
    for config in [fast(), messages()] {
        for make in ENGINES {
            let mut engine = make(setup(&config)).unwrap();
            assert_eq!(engine.write(&[]).unwrap(), 0);
            assert_eq!((engine.unacked(), engine.needs_flush()), (0, false));
        }
    }
}

#[test]
fn a_stream_takes_what_fits_and_takes_more_after_an_ack() {
    each_pair(|makes| {
        let config = KcpConfig { send_budget: 300 * MSS + 7, ..fast() };
        let mut sim = Sim::pair(makes, &config);
        let data = pattern(1_000_000);
        let first = sim.engine(0).write(&data).unwrap();
        assert_eq!(first, 300 * MSS);
        assert!(!sim.engine(0).writable());
        assert_eq!(sim.engine(0).write(&data).unwrap(), 0);

        sim.run_until(ms(1000), |sim| sim.engine(0).writable());
        let second = sim.engine(0).write(&data[first..]).unwrap();
        assert!(second > 0);
        sim.run_dry();
        assert!(sim.apps[1].got == data[..first + second]);
    });
}

#[test]
fn tiny_writes_share_segments_in_a_stream_and_are_counted_as_messages() {
    for make in ENGINES {
        let config = KcpConfig { send_budget: 10 * MSS, ..fast() };
        let mut stream = make(setup(&config)).unwrap();
        let taken = (0..20_000).filter(|_| stream.write(b"x").unwrap() == 1).count();
        assert_eq!(taken, 10 * MSS);
        assert_eq!(stream.unacked(), 10);

        let mut single = make(setup(&KcpConfig { stream: false, ..config })).unwrap();
        let taken = (0..20_000).filter(|_| single.write(b"x").unwrap() == 1).count();
        assert_eq!(taken, 10);
    }
}

#[test]
fn a_message_beyond_the_budget_goes_alone() {
    each_pair(|makes| {
        let config = KcpConfig { send_budget: 1, ..messages() };
        let mut sim = Sim::pair(makes, &config);
        assert!(sim.engine(0).writable());
        assert_eq!(sim.engine(0).write(&pattern(5 * MSS)).unwrap(), 5 * MSS);
        assert!(!sim.engine(0).writable());
        assert_eq!(sim.engine(0).write(b"another").unwrap(), 0);
        sim.run_dry();
        assert_eq!(sim.apps[1].lens, [5 * MSS]);
        assert_eq!(sim.engine(0).write(b"another").unwrap(), 7);
    });
}

#[test]
fn an_adopted_conversation_number_is_in_what_is_sent_again_too() {
    for make in ENGINES {
        let config = fast();
        let mut engine = make(setup(&config)).unwrap();
        let mut convs = Vec::new();
        engine.write(b"early").unwrap();
        engine.flush(Time::ZERO);
        engine.set_conv(77);
        let due = engine.poll_timeout(Time::ZERO).unwrap();
        engine.flush(due);
        engine.take_output(&mut |datagram| convs.push(View::new(datagram).unwrap().conv()));
        assert_eq!(convs, [CONV, 77]);
        let stranger = Header { conv: CONV, cmd: CMD_WINS, una: SN_BASE, ..Header::default() };
        assert!(engine.hear(due, &stranger.encode()).is_err());
        assert!(engine.hear(due, &Header { conv: 77, ..stranger }.encode()).is_ok());
    }
}

#[test]
fn a_thousand_idle_engines_wait_for_nothing() {
    for make in ENGINES {
        let config = fast();
        let engines: Vec<Engine> = (0..1000).map(|_| make(setup(&config)).unwrap()).collect();
        let later = ms(1 << 40);
        assert!(engines.iter().all(|e| e.poll_timeout(later).is_none() && !e.needs_flush()));
    }
}
