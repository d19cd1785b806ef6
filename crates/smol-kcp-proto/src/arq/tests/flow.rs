//! What an engine tells of a path to whoever controls its rate.

use super::*;
use crate::arq::FlowReport;

/// What both engines' reports come to, and the most that was in flight.
fn totals(sim: &mut Sim, at: usize) -> (FlowReport, u64) {
    let (mut sum, mut most) = (FlowReport::default(), 0);
    sim.turn(0);
    sim.turn(1);
    loop {
        let flow = sim.engine(at).take_flow();
        sum.acked_bytes += flow.acked_bytes;
        sum.lost_bytes += flow.lost_bytes;
        sum.unlost_bytes += flow.unlost_bytes;
        sum.retransmitted_bytes += flow.retransmitted_bytes;
        sum.sent_bytes += flow.sent_bytes;
        if let Some(sent_at) = flow.newest_sent {
            // One way and back, with what the clock leaves out of milliseconds.
            assert!(sim.now.since(sent_at) >= 2 * sim.delay - Duration::from_millis(1));
            assert!(flow.rtt_ms >= 2 * sim.delay.as_millis() as u32 - 1, "{flow:?}");
            sum.newest_sent = sum.newest_sent.max(Some(sent_at));
        }
        most = most.max(sim.engine(at).in_flight_bytes());
        if !sim.step() {
            return (sum, most);
        }
    }
}

#[test]
fn what_is_sent_is_acknowledged_or_lost() {
    for &make in ENGINES {
        for loss in [0, 10] {
            let mut sim = Sim::pair([make, make], &fast());
            sim.loss_percent = loss;
            // Not a whole number of segments.
            sim.apps[0].to_write.push_back(pattern(300 * MSS + 7));
            let (sum, most) = totals(&mut sim, 0);
            let stats = sim.engine(0).stats();
            let again = stats.fast_retransmits + stats.timeout_retransmits;
            let first = (301 * wire::HEADER_LEN + 300 * MSS + 7) as u64;
            assert_eq!(sum.acked_bytes, first, "each segment once");
            assert_eq!(sum.sent_bytes, first + sum.retransmitted_bytes);
            assert!(sum.retransmitted_bytes <= again * MTU as u64);
            assert_eq!(sum.retransmitted_bytes > 0, loss > 0);
            assert!(
                sum.lost_bytes <= sum.retransmitted_bytes && sum.unlost_bytes <= sum.lost_bytes
            );
            assert!(sum.newest_sent.is_some());
            assert_eq!(sim.engine(0).in_flight_bytes(), 0);
            assert!(most >= 100 * MTU as u64 && most <= first, "{most}");
            assert_eq!(sim.engine(0).take_flow(), FlowReport::default(), "nothing since");
        }
    }
}

/// How long 2,000 segments take on paths that lose a tenth, and how many are sent, with and without.
fn hasty(twice: bool) -> (Duration, u64) {
    let (mut took, mut sent) = (Duration::ZERO, 0);
    for seed in 1..=8 {
        let config = KcpConfig { wnd_size: (1024, 128), ..fast() };
        let mut sim = Sim::pair([ring; 2], &config);
        sim.engine(0).set_repeat_twice(twice);
        sim.dice = Dice(0x1234_5678_9abc_def1 ^ seed << 20);
        sim.loss_percent = 10;
        sim.apps[0].to_write.push_back(pattern(2000 * MSS));
        sim.run_until(ms(600_000), |sim| sim.apps[1].got.len() == 2000 * MSS);
        took += sim.now.since(Time::ZERO);
        sent += sim.pushes[0];
    }
    (took, sent)
}

#[test]
fn what_is_lost_again_leaves_twice_where_the_window_of_the_peer_waits_for_it() {
    let (once, twice) = (hasty(false), hasty(true));
    assert!(twice.0 < once.0, "less time: {once:?} {twice:?}");
    assert!(twice.1 * 100 < once.1 * 103, "3 % more segments at most: {once:?} {twice:?}");
}
