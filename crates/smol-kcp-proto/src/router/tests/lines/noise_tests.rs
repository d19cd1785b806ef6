//! What real kernels and real lines add to the lines of the laboratory: times that are not exact, and losses.

use super::rows::{self, line, MBIT};
use super::*;
use crate::layer::netem::BlackoutConfig;

/// The same with datagrams that arrive a little earlier or later.
fn inexact(mut row: Scenario) -> Scenario {
    for way in [&mut row.up, &mut row.down] {
        way.jitter = Duration::from_micros(500);
    }
    row
}

#[test]
fn a_queue_of_our_own_is_not_taken_for_somebody_elses() {
    let row = line("2m-up-40ms-64k", 2 * MBIT, 40, 64 << 10);
    let measured = inexact(Scenario { from: secs(5), ..row }).run(&config(), None);
    assert!(measured.wait_p95 <= 40.0, "{measured:?}");
    assert!(measured.used.is_some_and(|used| used >= 0.94), "{measured:?}");
}

#[test]
fn what_an_outage_has_swallowed_is_no_congestion() {
    let mut row = line("blackout", 10 * MBIT, 50, 62_500);
    for way in [&mut row.up, &mut row.down] {
        way.blackouts = vec![BlackoutConfig { from: secs(5), lasts: secs(30) }];
    }
    let row = Scenario { length: secs(39), from: secs(36), clock: secs(35), ..row };
    let measured = inexact(row).run(&config(), None);
    assert!(measured.used.is_some_and(|used| used >= 0.93), "{measured:?}");
}

/// Many seeds, as each has a start of its own: what comes first over such a path waits least, and what follows
/// close behind it looks as if it stood in a queue.
#[test]
fn lumps_are_neither_a_queue_nor_somebody_else() {
    let row = rows::jitter("in order", true);
    let mut used = Vec::new();
    for seed in 2..7 {
        let row = Scenario { seed, length: secs(12), ..row.clone() };
        used.extend(row.run(&config(), None).used);
    }
    used.sort_by(f64::total_cmp);
    assert!(used.len() == 5 && used[0] >= 0.8 && used[2] >= 0.85, "{used:?}");
}
