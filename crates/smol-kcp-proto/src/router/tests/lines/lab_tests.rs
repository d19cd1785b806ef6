//! The laboratory measures what is there.

use super::super::shared_link::Fate;
use super::measure::{arrived, jain, percentile};
use super::rows::{bdp, line, MBIT};
use super::scenario::{bulk, thin, Flow, UP};
use super::*;
use crate::layer::netem::{BlackoutConfig, PolicerConfig, RateStep};

/// 8 Mbit/s are 1,000,000 bytes a second.
fn megabyte() -> Scenario {
    Scenario { length: secs(4), ..line("megabyte", 8 * MBIT, 20, bdp(8 * MBIT, 20)) }
}

#[test]
fn what_a_line_can_carry_is_its_rates_without_its_losses_and_its_darkness() {
    let mut line = megabyte();
    let carries = |line: &Scenario, from, to| line.capacity(ms(from), ms(to)).map(|all| all as u64);
    assert_eq!(carries(&line, 500, 1500), Some(1_000_000));
    line.up.rate_steps =
        vec![RateStep { at: secs(1), rate: 2 * MBIT }, RateStep { at: secs(2), rate: 16 * MBIT }];
    assert_eq!(carries(&line, 500, 2500), Some(500_000 + 250_000 + 1_000_000));
    line.up.loss = Probability::percent(10);
    assert_eq!(carries(&line, 0, 1000), Some(900_000));
    line.up.policer = Some(PolicerConfig { rate: 4 * MBIT, burst_bytes: 1 });
    assert_eq!(carries(&line, 0, 2000), Some(450_000 + 225_000));
    line.up.rate = None;
    line.up.rate_steps.clear();
    assert_eq!(carries(&line, 0, 1000), Some(450_000));
    line.up.policer = None;
    assert_eq!(carries(&line, 0, 1000), None);

    let mut line = megabyte();
    line.up.blackouts = vec![BlackoutConfig { from: ms(500), lasts: secs(2) }];
    assert_eq!(carries(&line, 0, 1000), Some(500_000));
    assert_eq!(carries(&line, 1000, 2000), Some(0));
    assert_eq!(carries(&line, 0, 3000), Some(1_000_000));
}

#[test]
fn parts_and_shares_are_those_of_the_textbook() {
    let sorted: Vec<u32> = (1..=1000).collect();
    let of = |part| percentile(&sorted, part);
    assert_eq!([of(0.0), of(0.5), of(0.99), of(1.0)], [Some(1), Some(500), Some(990), Some(1000)]);
    assert_eq!(percentile::<u32>(&[], 0.5), None);
    assert_eq!([jain(&[1.0, 1.0]), jain(&[4.0, 0.0]), jain(&[0.0, 0.0])], [1.0, 0.5, 0.0]);
    let arrivals = [(Time::from_millis(1), 10), (Time::from_millis(2), 20)];
    let within = |from, to| arrived(&arrivals, ms(from), ms(to));
    assert_eq!([within(0, 1), within(1, 2), within(0, 3), within(3, 9)], [0, 10, 30, 0]);
}

#[test]
fn a_flow_that_cannot_hurt_a_line_is_measured_as_it_is() {
    // A twentieth of what the line carries in a round trip is in flight, and a twentieth is used.
    let config = KcpConfig { wnd_size: (128, 128), rate: Rate::Off, ..config() };
    let row = Scenario { from: secs(1), ..line("wide", 400 * MBIT, 73, bdp(400 * MBIT, 73)) };
    let measured = Scenario { length: secs(3), ..row }.run(&config, None);
    let used = measured.used.expect("a rate");
    assert!((0.046..0.052).contains(&used), "{used}");
    // 1,376 of 1,428 bytes are payload: 1.038. The rest is the first flight, of which most leaves twice.
    let cost = measured.cost.expect("bulk");
    assert!((1.037..1.07).contains(&cost), "{cost}");
    assert_eq!((measured.dropped, measured.lost), (0, 0));
    assert_eq!((measured.full_after, measured.died, measured.over), (None, None, 0.0));
}

#[test]
fn a_thin_flow_alone_takes_as_long_as_the_line_does() {
    let way = LinkConfig { delay: ms(25), ..LinkConfig::default() };
    let row = Scenario { up: way.clone(), down: way, flows: vec![thin(0)], ..megabyte() };
    let measured = Scenario { from: secs(1), ..row }.run(&config(), None);
    assert_eq!(measured.took, Some([50.0; 4]));
    assert_eq!(measured.used, None);
}

#[test]
fn an_echo_that_never_comes_counts_as_long_as_it_is_missing() {
    let mut row = Scenario { flows: vec![thin(0)], length: secs(6), ..megabyte() };
    row.up.blackouts = vec![BlackoutConfig { from: secs(1), lasts: secs(60) }];
    let [median, _, _, longest] = row.run(&config(), None).took.expect("thin");
    assert!(median > 2000.0 && longest > 4900.0, "{median} {longest}");
}

#[test]
fn clients_share_the_bottleneck_and_nothing_else() {
    let flows = vec![bulk(0), Flow { starts: secs(1), ..bulk(1) }];
    let row = Scenario { flows, ..megabyte() };
    let lab = row.watch(&config(), None);
    let link = &lab.world.shared[UP];
    let sent = |from| link.passages.iter().filter(move |passage| passage.from == from);
    assert!(sent(1).next().is_some_and(|first| first.at == Time::ZERO));
    assert!(sent(2).next().is_some_and(|first| first.at == Time::from_millis(1000)));
    let waited =
        |passage: &&super::super::shared_link::Passage| matches!(passage.fate, Fate::Waited(_));
    let taken: usize = link.passages.iter().filter(waited).map(|passage| passage.len).sum();
    assert!(taken <= 4_000_000 + 20_000 + 2 * 1428, "{taken} bytes are more than the line carries");
    assert!(taken > 3_900_000, "{taken} bytes");
    let both = [0, 1].map(|flow| arrived(lab.arrivals(flow), secs(1), secs(4)));
    assert!(both.iter().all(|&bytes| bytes > 10_000), "{both:?}");
}

#[test]
fn a_trace_tells_of_every_tenth_of_a_second() {
    let row = Scenario { cubics: 1, ..megabyte() };
    let mut trace = Trace::new();
    let lab = row.watch(&config(), Some(&mut trace));
    let lines: Vec<Vec<f64>> = trace.text.lines().skip(2).map(figures).collect();
    assert_eq!(lines.len(), 40);
    let sum = |column: usize| lines.iter().map(|line| line[column]).sum::<f64>() / 80.0 * 1e6;
    let own = arrived(lab.arrivals(0), Duration::ZERO, secs(4)) as f64;
    assert!((sum(1) - own).abs() < 10_000.0, "{} and {own}", sum(1));
    assert!(sum(2) > 0.0, "TCP is there too");
}

fn figures(line: &str) -> Vec<f64> {
    // What the path says of itself comes last.
    let figures = line.split_once('#').map_or(line, |(figures, _)| figures);
    figures.split('|').map(|figure| figure.trim().parse().expect("a figure")).collect()
}

#[test]
fn kin_have_other_rates_and_times_and_as_many_round_trips_in_the_queue() {
    let kin = megabyte().kin(200, 50);
    assert_eq!((kin.up.rate, kin.up.delay), (Some(16 * MBIT), ms(5)));
    assert_eq!(kin.down.queue_bytes, Some(bdp(16 * MBIT, 10)));
    assert_eq!(kin.up.overhead, 28);
}

#[test]
fn a_stock_server_takes_the_bulk_too() {
    let measured = Scenario { stock: true, ..megabyte() }.run(&config(), None);
    assert!(measured.used.is_some_and(|used| used > 0.2), "{measured:?}");
}

#[test]
fn pieces_take_as_long_as_they_are_and_rest_between() {
    // 100,000 bytes in datagrams of 1,428 with 1,376 of payload at 8 Mbit/s, and half a round trip.
    let flows = vec![Flow { kind: super::scenario::Kind::Pieces, ..bulk(0) }];
    let row = Scenario { flows, from: secs(1), ..line("pieces", 8 * MBIT, 20, 200_000) };
    let lab = row.watch(&KcpConfig { wnd_size: (128, 128), ..config() }, None);
    let written = &lab.written[0];
    assert!((8..=50).contains(&written.len()), "{} in 20 s", written.len());
    assert!(written.windows(2).all(|pair| pair[1].since(pair[0]) >= ms(400)), "{written:?}");
    let [median, ..] = super::measure::Measured::of(&lab).took.expect("pieces");
    assert!((113.0..150.0).contains(&median), "{median} ms");
}

#[test]
fn goals_that_are_missed_are_named() {
    use super::goals::{at_least, at_most, lost, missed, Figure};
    let measured = super::measure::Measured { used: Some(0.9), ..Default::default() };
    let goals = [
        at_least(Figure::Used, 0.9),
        at_least(Figure::Used, 0.91).reached(0.89),
        at_most(Figure::FullAfter, 5.0),
        at_most(Figure::Over, 0.0),
    ];
    assert_eq!(missed(&goals, &measured), "Used >= 0.910, FullAfter <= 5.000");
    assert_eq!(lost(&goals, &measured), "FullAfter <= 5.000");
    let dead = super::measure::Measured { died: Some(3.0), ..measured };
    assert_eq!(lost(&goals[..2], &dead), "lives");
}

#[test]
fn windows_that_overflow_the_queue_of_a_lan_do_so_once() {
    // 2,048 segments where 400 fit: what the first flight loses is nearly all that ever gets lost.
    let line = line("lan", 1000 * MBIT, 1, 500_000);
    let row = Scenario { from: ms(100), length: ms(400), ..line };
    let measured = row.run(&KcpConfig::file_transfer(), None);
    assert!(measured.used.is_some_and(|used| used > 0.9), "{measured:?}");
    let dropped = measured.dropped as f64 / measured.sent as f64;
    assert!(dropped < 0.15, "{measured:?}");
}
