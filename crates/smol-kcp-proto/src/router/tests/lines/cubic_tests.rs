//! The model of TCP does what TCP does.

use super::measure::{arrived, jain};
use super::rows::{bdp, line, MBIT};
use super::*;

/// What each of so many flows that nothing else disturbs brought over the last `over` seconds, in parts of
/// the line.
fn shares(scenario: &Scenario, over: u64) -> Vec<f64> {
    let scenario = Scenario { flows: Vec::new(), ..scenario.clone() };
    let lab = scenario.watch(&config(), None);
    let (from, to) = (scenario.length - secs(over), scenario.length);
    let could = scenario.capacity(from, to).expect("a rate");
    let flows = lab.cubics.iter().map(|&host| {
        let cubic = lab.world.hosts[host].cubic.as_ref().expect("a flow");
        assert!(cubic.reductions > 0, "a queue that never overflowed says nothing");
        arrived(&cubic.arrivals, from, to) as f64 / could
    });
    flows.collect()
}

fn tcp(cubics: usize, rate: u64, rtt: u64, queue: usize, length: u64) -> Scenario {
    Scenario { cubics, length: secs(length), ..line("tcp", rate, rtt, queue) }
}

#[test]
fn alone_it_fills_a_line_with_a_queue_of_one_bdp() {
    let used = shares(&tcp(1, 10 * MBIT, 50, bdp(10 * MBIT, 50), 20), 20)[0];
    // 1448 of 1500 bytes are payload.
    assert!((0.93..0.966).contains(&used), "{used}");
}

#[test]
fn two_share_fairly_and_leave_nothing() {
    for queue in [1, 2] {
        let shares = shares(&tcp(2, 10 * MBIT, 60, bdp(10 * MBIT, 60) * queue, 60), 50);
        assert!(shares.iter().sum::<f64>() > 0.93, "{shares:?}");
        assert!(jain(&shares) > 0.97, "{shares:?}");
    }
}

#[test]
fn ten_share_too() {
    let shares = shares(&tcp(10, 50 * MBIT, 30, bdp(50 * MBIT, 30), 20), 15);
    assert!(shares.iter().sum::<f64>() > 0.93, "{shares:?}");
    assert!(jain(&shares) > 0.9, "{shares:?}");
}

#[test]
fn random_loss_leaves_it_what_rfc_9438_says() {
    // Section 4.3: as Reno, whose window is the square root of a (1 + 0.7) / (2 (1 - 0.7) p), 12 segments
    // with a = 0.53 and 17 with a = 1. It may be between them: a grows when the window has.
    let mut scenario = tcp(1, 100 * MBIT, 100, bdp(100 * MBIT, 100), 60);
    scenario.up.loss = Probability::percent(1);
    let used = shares(&scenario, 50)[0];
    let segments = used * bdp(100 * MBIT, 100) as f64 / 1448.0;
    assert!((11.0..18.0).contains(&segments), "{segments} in flight");
}

#[test]
fn it_survives_a_line_that_goes_dark() {
    let mut scenario = tcp(1, 10 * MBIT, 50, bdp(10 * MBIT, 50), 20);
    scenario.up.blackouts =
        vec![crate::layer::netem::BlackoutConfig { from: secs(5), lasts: secs(2) }];
    let used = shares(&scenario, 10)[0];
    assert!(used > 0.9, "{used}");
}
