//! A slow reader closes its window, costs bounded memory, and everything goes on afterwards.

use std::time::Duration;

use super::*;

const WINDOW: usize = 128;

fn config() -> KcpConfig {
    KcpConfig {
        wnd_size: (512, WINDOW as u16),
        send_budget: 10_000 * MSS,
        recv_budget: MSS,
        ..fast()
    }
}

/// A sender with a megabyte, and a reader that does not read until the window is closed.
fn stalled(makes: [Make; 2]) -> (Sim, Vec<u8>) {
    let mut sim = Sim::pair(makes, &config());
    let data = pattern(1_000_000);
    sim.apps[0].to_write.push_back(data.clone());
    sim.apps[1].paused = true;
    sim.run_until(ms(5_000), |sim| {
        sim.engine(0).stats().peer_window == 0 && sim.engine(0).stats().in_flight == 0
    });
    (sim, data)
}

fn pairs() -> impl Iterator<Item = [Make; 2]> {
    ENGINES.iter().flat_map(|&a| ENGINES.iter().map(move |&b| [a, b]))
}

#[test]
fn a_reader_that_stops_closes_the_window_and_is_probed_ever_more_rarely() {
    for makes in pairs() {
        let (mut sim, _) = stalled(makes);
        let now = sim.now;
        let header = sim.engine(1).header(now, CMD_WINS, CODE_PLAIN);
        assert_eq!(header.wnd, 0);
        let received = sim.engine(1).stats().segments_received;
        assert_eq!(received, 1 + WINDOW as u64, "the budget and the window, and no segment more");

        let mut probes = Vec::new();
        while sim.now < now + Duration::from_secs(60) {
            let due = sim.stations[0].timeout(sim.now);
            assert!(sim.step());
            if due == Some(sim.now) {
                probes.push(sim.now.as_millis());
            }
        }
        let gaps: Vec<u64> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..4], [750, 1125, 1687, 2531]);
        assert_eq!(gaps.last(), Some(&10_000));
        assert_eq!(sim.engine(1).stats().segments_received, received);
    }
}

#[test]
fn reading_reopens_the_window_at_once() {
    for makes in pairs() {
        let (mut sim, data) = stalled(makes);
        let resumed = sim.now;
        sim.apps[1].paused = false;
        let mut first = Vec::new();
        assert!(sim.engine(1).read_into(&mut first).is_some());
        assert!(sim.engine(1).needs_flush());
        sim.apps[1].got = first;
        sim.turn(1);
        assert!(!sim.engine(1).needs_flush());
        sim.run_dry();
        assert!(sim.apps[1].got == data);
        // A million bytes are 6 windows of 128 segments: half a round trip for the news, then 50 ms
        // each. A probe alone would have taken half a second.
        assert!(sim.now < resumed + Duration::from_millis(450), "{:?}", sim.now);
    }
}

#[test]
fn a_probe_finds_the_reopened_window_when_the_news_is_lost() {
    for makes in pairs() {
        let (mut sim, data) = stalled(makes);
        sim.apps[1].paused = false;
        sim.loss_percent = 100;
        sim.turn(1);
        sim.loss_percent = 0;
        sim.run_dry();
        assert!(sim.apps[1].got == data);
    }
}

#[test]
fn stopping_and_going_under_loss_loses_nothing() {
    for makes in pairs() {
        let mut sim = Sim::pair(makes, &config());
        sim.loss_percent = 10;
        sim.jitter = Duration::from_millis(5);
        let data = pattern(12_000_000);
        sim.apps[0].to_write.push_back(data.clone());
        sim.turn(0);
        let mut closed = 0;
        for half in 0..100 {
            sim.apps[1].paused = half % 2 == 0;
            sim.turn(1);
            let end = sim.now + Duration::from_millis(400);
            while sim.now < end && sim.step() {}
            sim.now = sim.now.max(end);
            closed += u32::from(sim.engine(0).stats().peer_window == 0);
        }
        sim.run_dry();
        assert!(sim.apps[1].got == data);
        assert!(closed >= 2, "{closed}");
    }
}

#[test]
fn what_a_peer_sends_against_the_window_is_bounded_in_number_and_bytes() {
    for make in ENGINES {
        let config = KcpConfig { recv_budget: 10_000, ..config() };
        let mut engine = make(setup(&config)).unwrap();
        let push = |offset: u32, len: usize| {
            let sn = SN_BASE.wrapping_add(offset);
            let len = len as u32;
            let header = Header {
                conv: CONV,
                cmd: CMD_PUSH,
                sn,
                una: SN_BASE,
                len,
                wnd: 128,
                ts: 0,
                frg: 0,
            };
            [&header.encode()[..], &vec![1; len as usize]].concat()
        };
        // Ten times as large as our own segments, first with a gap before them.
        for offset in 1..1000 {
            engine.hear(ms(1), &push(offset, 10 * MSS)).unwrap();
        }
        let bound = 10_000 + WINDOW * MSS;
        let ahead = bound / (10 * MSS);
        // The ring takes numbers beyond the window that the budget has room for.
        let beyond = if matches!(engine, Engine(Kind::Ring(_))) { 10_000 / MSS } else { 0 };
        let within = WINDOW + beyond - 1;
        let stats = engine.stats();
        assert_eq!(stats.rejected_budget, (within - ahead) as u64);
        assert_eq!(stats.rejected_window, (999 - within) as u64);
        // The gap is filled all the same, or nothing could ever be read.
        assert!(engine.hear(ms(2), &push(0, 10 * MSS)).unwrap().pushed);
        assert!(!engine.hear(ms(2), &push(ahead as u32 + 1, MSS * 10)).unwrap().pushed);

        let mut got = Vec::new();
        while engine.read_into(&mut got).is_some() {}
        assert_eq!(got.len(), (ahead + 1) * 10 * MSS);
        assert!(engine.hear(ms(3), &push(ahead as u32 + 1, MSS * 10)).unwrap().pushed);
    }
}

#[test]
fn a_late_window_announcement_is_out_of_date() {
    for make in ENGINES {
        let config = fast();
        let mut engine = make(setup(&config)).unwrap();
        engine.write(&pattern(2 * MSS)).unwrap();
        engine.flush(ms(0));
        let news = |una: u32, wnd: u16| {
            let una = SN_BASE.wrapping_add(una);
            Header { conv: CONV, cmd: CMD_WINS, una, wnd, ..Header::default() }.encode()
        };
        engine.hear(ms(50), &news(1, 0)).unwrap();
        engine.hear(ms(60), &news(2, 200)).unwrap();
        engine.hear(ms(61), &news(1, 0)).unwrap();
        assert_eq!(engine.stats().peer_window, 200);
        engine.hear(ms(62), &news(2, 0)).unwrap();
        assert_eq!(engine.stats().peer_window, 0);
    }
}

/// A PUSH of a full segment, so far from the first one.
fn push(offset: u32) -> Vec<u8> {
    let sn = SN_BASE.wrapping_add(offset);
    let (cmd, una, len) = (CMD_PUSH, SN_BASE, MSS as u32);
    let header = Header { conv: CONV, cmd, sn, una, len, wnd: 128, ts: 0, frg: 0 };
    [&header.encode()[..], &[offset as u8; MSS]].concat()
}

#[test]
fn a_window_that_grows_takes_more_and_one_that_shrinks_takes_nothing_back() {
    let config = KcpConfig { recv_budget: 10 * MSS, ..config() };
    let mut engine = ring(setup(&config)).unwrap();
    let header = |engine: &Engine| engine.header(ms(1), CMD_WINS, CODE_PLAIN);
    assert_eq!(header(&engine).wnd, WINDOW as u16);
    engine.set_recv_window(1000);
    engine.narrow(usize::MAX, usize::MAX);
    assert_eq!((header(&engine).wnd, engine.widest().1), (1000, 1000 * MSS));

    // 600 wait for a reader, and 100 behind a gap.
    for offset in (0..600).chain(700..800) {
        assert!(engine.hear(ms(1), &push(offset)).unwrap().pushed, "{offset}");
    }
    assert_eq!(header(&engine).una, SN_BASE.wrapping_add(600));
    assert_eq!(header(&engine).wnd, 400 - 100 + 100, "300 are missing, and the 100 cost nothing");

    // It shrinks: what was acknowledged stays so, and nothing more is taken.
    engine.set_recv_window(0);
    engine.narrow(usize::MAX, 20 * MSS);
    assert_eq!((header(&engine).una, header(&engine).wnd), (SN_BASE.wrapping_add(600), 0));
    assert!(!engine.hear(ms(2), &push(650)).unwrap().pushed);

    // All that was taken is there, once the gap is filled.
    let mut got = Vec::new();
    while engine.read_into(&mut got).is_some() {}
    assert_eq!(got.len(), 600 * MSS);
    for offset in 600..700 {
        assert!(engine.hear(ms(3), &push(offset)).unwrap().pushed, "{offset}");
        while engine.read_into(&mut got).is_some() {}
    }
    assert!(got.chunks(MSS).zip(0..).all(|(part, at)| part[0] == at as u8));
    assert_eq!(got.len(), 800 * MSS);
    engine.narrow(usize::MAX, usize::MAX);
    assert_eq!(header(&engine).wnd, WINDOW as u16, "where it began");
}

#[test]
fn the_own_window_is_set_between_where_it_begins_and_its_ceiling() {
    let config = KcpConfig {
        wnd_size: (64, 128),
        max_wnd_size: (500, 128),
        send_budget: 100 * MSS,
        ..fast()
    };
    let mut engine = ring(setup(&config)).unwrap();
    let open = Header { conv: CONV, cmd: CMD_WINS, una: SN_BASE, wnd: 2000, ..Header::default() };
    engine.hear(ms(0), &open.encode()).unwrap();
    for (set, in_flight, held) in [(0, 64, 100), (300, 300, 450), (60_000, 500, 750), (1, 500, 750)]
    {
        engine.set_send_window(set);
        engine.narrow(usize::MAX, usize::MAX);
        while engine.write(&pattern(MSS)).unwrap() > 0 {}
        engine.flush(ms(1));
        // Half as many more wait, and nothing that is held is given up.
        assert_eq!((engine.stats().in_flight, engine.unacked()), (in_flight, held), "{set}");
    }
    // What is held beyond the memory that there is stays, and nothing is added.
    engine.set_send_window(500);
    engine.narrow(100 * MSS, usize::MAX);
    assert!(!engine.writable());
}
