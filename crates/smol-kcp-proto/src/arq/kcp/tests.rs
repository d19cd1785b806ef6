//! The wall keeps in step with what it hides, and renews it unseen.

use super::knobs::UPDATE_INTERVAL;
use super::*;
use crate::arq::tests::{self, fast, messages, ms, pattern, setup, Dice, Make, Sim, CONV};
use crate::arq::{Engine, Kind, Received, Rejection};
use crate::config::KcpConfig;
use crate::wire::{self, View, CMD_ACK, CMD_PUSH, CMD_WINS};

impl KcpEngine {
    fn hear(&mut self, now: Time, datagram: &[u8]) -> Result<Received, Rejection> {
        self.handle_datagram(now, &View::new(datagram).unwrap())
    }
}

/// A number out of the inner engine's own account of itself.
#[track_caller]
fn told(account: &str, field: &str) -> u64 {
    let key = format!(" {field}: ");
    let at = account.find(&key).unwrap_or_else(|| panic!("no {field} in {account}")) + key.len();
    let digits = account[at..].chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap()
}

impl KcpEngine {
    /// Compares everything that is computed twice.
    #[track_caller]
    pub(crate) fn assert_in_step(&mut self) {
        let account = format!("{:?}", self.inner);
        let inner = |field| told(&account, field);
        let low = |wire: u32, base: u32| u64::from(wire.wrapping_sub(base));
        assert_eq!(inner("rx_srtt"), u64::from(self.rtt.srtt));
        assert_eq!(inner("rx_rttval"), u64::from(self.rtt.rttvar));
        assert_eq!(inner("rx_rto"), u64::from(self.rtt.rto));
        assert_eq!(inner("cwnd"), u64::from(self.congestion.cwnd));
        assert_eq!(inner("ssthresh"), u64::from(self.congestion.ssthresh));
        assert_eq!(inner("incr"), self.congestion.incr as u64);
        assert_eq!(inner("current"), u64::from(self.clock));
        assert_eq!(inner("interval"), u64::from(self.knobs.interval));
        assert_eq!(inner("snd_una"), low(self.send_window.una(), self.tx_base));
        assert_eq!(inner("snd_nxt"), low(self.send_window.next(), self.tx_base));
        assert_eq!(inner("snd_buf.len"), self.send_window.unacked() as u64);
        assert_eq!(inner("snd_queue.len"), self.unsent() as u64);
        assert_eq!(inner("rcv_nxt"), low(self.recv_window.rcv_nxt(), self.rx_base));
        assert_eq!(inner("rcv_queue.len"), u64::from(self.recv_window.queued()));
        self.retransmitter.assert_invariants(&mut self.send_window);
        assert!(inner("acklist.len") == 0 || self.acks_due > 0);
        assert_eq!(self.recv_window.message().is_some(), self.inner.peeksize().is_ok());
        if inner("ts_flush") > u64::from(self.clock) {
            // The inner engine's answer to when it wants to be called next, if not by its interval.
            let flush = inner("ts_flush") - u64::from(self.clock);
            let due = self.send_window.due_inside().map_or(u64::MAX, |due| {
                u64::from(due.wrapping_sub(self.ts_base).saturating_sub(self.clock))
            });
            self.inner.set_interval(UPDATE_INTERVAL);
            let wanted = u64::from(self.inner.check(self.clock));
            self.inner.set_interval(self.knobs.interval);
            assert_eq!(wanted, due.min(flush).min(u64::from(UPDATE_INTERVAL)));
        }
    }
}

fn kcp(engine: &mut Engine) -> &mut KcpEngine {
    match engine {
        Engine(Kind::Kcp(engine)) => engine,
        other => panic!("not the wall: {other:?}"),
    }
}

const PAIR: [Make; 2] = [tests::kcp; 2];

#[test]
fn numbers_that_cannot_be_configured_are_refused() {
    let config = fast();
    for mtu in [0, 24, 49, 65_508] {
        let error = tests::kcp(ArqParams { mtu, ..setup(&config) }).unwrap_err();
        assert!(matches!(error, KcpError::Config { field: "mtu", .. }), "{error}");
    }
    assert!(tests::kcp(ArqParams { mtu: 50, ..setup(&config) }).is_ok());
}

#[test]
fn both_ends_are_renewed_in_the_middle_of_traffic_and_the_wire_shows_nothing() {
    for config in [fast(), messages()] {
        for loss in [0, 10] {
            let config = KcpConfig { send_budget: 50_000, ..config.clone() };
            let mut sim = Sim::pair(PAIR, &config);
            sim.loss_percent = loss;
            for at in 0..2 {
                kcp(sim.engine(at)).renew_at = 100;
            }
            let data = pattern(2_000_000);
            for app in &mut sim.apps {
                app.to_write = data.chunks(9000).map(<[u8]>::to_vec).collect();
            }
            let mut highest = 0;
            sim.run_until(ms(600_000), |sim| {
                highest = highest.max(kcp(sim.engine(0)).highest_sn());
                sim.apps.iter().all(|app| app.got.len() == data.len())
            });
            sim.run_dry();
            assert!(sim.apps.iter().all(|app| app.got == data));
            assert!(highest < 150 + 50, "forced at 150, with up to 36 segments written: {highest}");
            assert!(sim.engine(0).stats().srtt_ms >= 50, "handed on");
        }
    }
}

#[test]
fn a_peer_that_never_pauses_is_held_off_until_the_renewal_is_over() {
    // Only one end renews, and the other one always has more to send, and always a gap to fill.
    let mut sim = Sim::pair(PAIR, &messages());
    sim.loss_percent = 20;
    kcp(sim.engine(1)).renew_at = 100;
    let data = pattern(1_500_000);
    sim.apps[0].to_write = data.chunks(5000).map(<[u8]>::to_vec).collect();
    let mut highest = 0;
    sim.run_until(ms(600_000), |sim| {
        highest = highest.max(kcp(sim.engine(1)).highest_sn());
        sim.apps[1].got.len() == data.len()
    });
    assert!(sim.apps[1].got == data);
    assert_eq!(sim.apps[1].lens, [5000; 300]);
    assert!(highest < 150 + 256, "forced at 150, a window ahead of a gap: {highest}");
    assert!(sim.engine(1).stats().rejected_window > 0, "held off");
}

#[test]
fn what_is_owed_and_known_survives_the_renewal() {
    let config = messages();
    let mut engine = KcpEngine::new(setup(&config)).unwrap();
    engine.renew_at = 3;
    let sn_base = setup(&config).sn_base;
    let push = |offset| {
        let sn = sn_base.wrapping_add(offset);
        Header { conv: CONV, cmd: CMD_PUSH, wnd: 77, sn, una: sn_base, ..Header::default() }
    };
    let row = [2, 1, 0].map(push).map(|header| header.encode()).concat();
    engine.hear(ms(5), &row).unwrap();
    assert_eq!(engine.unread(), 0, "three empty messages are skipped");
    assert_eq!(engine.highest_sn(), 0, "renewed");
    let mut acks = Vec::new();
    engine.take_output(&mut |datagram| {
        acks.extend(wire::segments(datagram).flatten().map(|s| (s.header.cmd, s.header.sn)));
    });
    assert_eq!(acks, [2, 1, 0].map(|offset| (CMD_ACK, sn_base.wrapping_add(offset))));
    assert_eq!((engine.stats().peer_window, engine.rcv_nxt()), (77, sn_base.wrapping_add(3)));
    engine.assert_in_step();

    let late = push(1).encode();
    assert!(engine.hear(ms(6), &late).unwrap().pushed, "a duplicate from before");
    assert_eq!(engine.stats().duplicates, 1);
}

#[test]
fn a_congestion_window_that_a_flush_has_opened_is_used_at_once() {
    let mut config = fast();
    config.nodelay.nc = false;
    config.nodelay.resend = 3;
    let mut engine = KcpEngine::new(setup(&config)).unwrap();
    engine.write(&pattern(100_000)).unwrap();
    let heard = Header { conv: CONV, wnd: 128, ..Header::default() };
    engine.flush(ms(0));
    while engine.send_window.span() < 4 {
        let all = Header { cmd: CMD_WINS, una: engine.send_window.next(), ..heard };
        engine.hear(ms(0), &all.encode()).unwrap();
        engine.flush(ms(0));
    }
    assert_eq!((engine.stats().cwnd, engine.send_window.span()), (4, 4));
    let una = engine.send_window.una();
    for later in [1, 2, 3] {
        let sn = una.wrapping_add(later);
        let ack = Header { cmd: CMD_ACK, una, sn, ts: setup(&config).ts_base, ..heard };
        assert!(engine.hear(ms(1), &ack.encode()).unwrap().proven);
    }
    engine.flush(ms(1));
    assert_eq!(engine.stats().fast_retransmits, 1);
    assert_eq!(
        (engine.stats().cwnd, engine.send_window.span()),
        (5, 5),
        "half, and the ACKs it took"
    );
    assert!(!engine.needs_flush());
    engine.assert_in_step();
}

#[test]
fn windows_and_counts_stay_within_what_the_inner_engine_can_multiply() {
    let mut config = fast();
    config.nodelay.resend = 1_000_000;
    config.wnd_size = (u16::MAX, u16::MAX);
    let mut engine = KcpEngine::new(ArqParams { mtu: 65_507, ..setup(&config) }).unwrap();
    assert_eq!(engine.knobs.resend, 255);
    let una = setup(&config).sn_base;
    let wide = Header { conv: engine.conv, cmd: CMD_WINS, wnd: u16::MAX, una, ..Header::default() };
    engine.hear(ms(1), &wide.encode()).unwrap();
    assert!(engine.stats().peer_window as usize * engine.knobs.mss <= 1 << 31);
    assert!(engine.stats().peer_window > 32_000);
}

#[test]
fn the_clock_is_set_back_after_a_month_of_silence() {
    let mut sim = Sim::pair(PAIR, &fast());
    for month in 0..40u64 {
        sim.now = ms(month * 30 * 24 * 3_600_000);
        sim.apps[0].to_write.push_back(pattern(10_000));
        sim.run_dry();
        assert_eq!(sim.apps[1].got.len() as u64, (month + 1) * 10_000);
        assert_eq!(sim.engine(0).stats().srtt_ms, 50);
        assert!(kcp(sim.engine(0)).clock < RENEW_AT);
    }
}

#[test]
fn a_sender_that_never_pauses_is_paused_to_set_its_clock_back() {
    let mut sim = Sim::pair(PAIR, &fast());
    kcp(sim.engine(0)).renew_at = 1000;
    let data = pattern(6_000_000);
    sim.apps[0].to_write.push_back(data.clone());
    sim.delay = Duration::from_millis(100);
    let mut worst = 0;
    sim.run_until(ms(60_000), |sim| {
        worst = worst.max(kcp(sim.engine(0)).clock);
        sim.apps[1].got.len() == data.len()
    });
    assert!(sim.apps[1].got == data);
    assert!(sim.now > ms(3000) && worst < 2500, "{worst} of {:?}", sim.now);
}

#[test]
fn the_longest_believed_round_trip_does_not_overflow() {
    let config = fast();
    let mut engine = KcpEngine::new(setup(&config)).unwrap();
    let mut rtt = Rtt::new(30, 10);
    for clock in [0, 400_000_000, 800_000_000] {
        engine.write(b"late").unwrap();
        engine.flush(ms(clock));
        let sent = engine.send_window.una();
        let ts = setup(&config).ts_base.wrapping_add(clock as u32);
        let ack = Header {
            conv: engine.conv,
            cmd: CMD_ACK,
            sn: sent,
            ts,
            una: sent,
            ..Header::default()
        };
        engine.hear(ms(clock + 400_000_000), &ack.encode()).unwrap();
        rtt.sample(600_000);
        engine.assert_in_step();
        assert_eq!((engine.stats().srtt_ms, engine.stats().rto_ms), (rtt.srtt, 60_000));
    }
}

#[test]
fn a_clock_at_its_limit_announces_no_deadline() {
    let config = fast();
    let mut engine = KcpEngine::new(setup(&config)).unwrap();
    engine.write(b"never acknowledged").unwrap();
    engine.flush(ms(0));
    let late = ms(u64::from(u32::MAX));
    assert!(!engine.writable() || engine.clock < RENEW_AT);
    engine.flush(late);
    assert_eq!((engine.clock, engine.poll_timeout(late)), (LIMIT, None));
    assert!(!engine.writable(), "waits for the clock to be set back");
    engine.assert_in_step();
}

#[test]
fn an_idle_engine_gives_its_memory_back() {
    let mut sim = Sim::pair(PAIR, &fast());
    sim.apps[0].to_write.push_back(pattern(300_000));
    let mut most = 0;
    sim.run_until(ms(10_000), |sim| {
        most = most.max(kcp(sim.engine(0)).sink.lock().capacity());
        sim.apps[1].got.len() == 300_000
    });
    assert!(most > 100_000, "{most}");
    sim.run_dry();
    for at in 0..2 {
        let engine = kcp(sim.engine(at));
        assert_eq!(engine.scratch.capacity(), 0);
        assert!(engine.sink.lock().capacity() <= 2 * engine.knobs.mtu);
    }
}

/// A mix of everything at once: loss, reordering, pauses of readers, renewal of one or both ends.
fn mix(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut config = if dice.below(2) == 0 { fast() } else { messages() };
    config.nodelay.nc = dice.below(2) == 0;
    config.nodelay.nodelay = dice.below(2) == 0;
    config.nodelay.resend = dice.below(4);
    config.send_budget = 1000 * (1 + dice.below(300) as usize);
    config.recv_budget = dice.below(100_000) as usize;
    let mut sim = Sim::pair(PAIR, &config);
    sim.delay = Duration::from_millis(u64::from(1 + dice.below(150)));
    sim.jitter = Duration::from_millis(u64::from(dice.below(60)));
    sim.loss_percent = dice.below(20);
    for at in 0..2 {
        if dice.below(3) > 0 {
            kcp(sim.engine(at)).renew_at = 30 + dice.below(500);
        }
    }
    let data: Vec<Vec<u8>> =
        [0, 1].map(|_| pattern(100_000 * dice.below(4) as usize)).into_iter().collect();
    let size = 1 + dice.below(12_000) as usize;
    for (app, data) in sim.apps.iter_mut().zip(&data) {
        app.to_write = data.chunks(size).map(<[u8]>::to_vec).collect();
    }
    for _ in 0..dice.below(60) {
        for at in 0..2 {
            sim.apps[at].paused = dice.below(3) == 0;
            if dice.below(4) == 0 {
                let now = sim.now;
                sim.engine(at).restart(now);
            }
            sim.turn(at);
        }
        let end = sim.now + Duration::from_millis(u64::from(dice.below(3000)));
        while sim.now < end && sim.step() {}
        sim.now = sim.now.max(end);
    }
    sim.apps.iter_mut().for_each(|app| app.paused = false);
    sim.run_dry();
    for at in 0..2 {
        assert!(sim.apps[at].got == data[1 - at], "seed {seed}: {}", sim.apps[at].got.len());
        assert!(config.stream || sim.apps[at].lens.iter().rev().skip(1).all(|&len| len == size));
        assert_eq!(sim.engine(at).unacked(), 0);
    }
}

#[test]
fn any_mix_of_trouble_ends_well() {
    let last = std::env::var("MIXES").map_or(60, |mixes| mixes.parse().unwrap());
    for seed in 1..=last {
        mix(seed);
    }
}
