//! What a bottleneck does beside queueing: it polices, changes its rate, goes dark, swallows long ones.

use super::*;

/// 1,250 bytes in 10 ms.
const MBIT: u64 = 1_000_000;

#[test]
fn a_rate_that_falls_and_rises_spaces_what_waits_already() {
    let steps = [(50, MBIT / 2), (130, 10 * MBIT)];
    let rate_steps = steps.map(|(at, rate)| RateStep { at: millis(at), rate }).to_vec();
    let config = LinkConfig { rate: Some(MBIT), rate_steps, ..LinkConfig::default() };
    let mut link = Netem::new(&config, 20);
    let out = send(&mut link, 12, 1250, Duration::ZERO);
    let times: Vec<u64> = out.iter().map(|&(due, _)| due.as_millis()).collect();
    assert_eq!(times, [10, 20, 30, 40, 50, 70, 90, 110, 130, 131, 132, 133]);
    // And what comes later meets the rate of its time.
    link.enqueue(Time::from_millis(500), ADDR, &numbered(0, 1250));
    assert_eq!(link.poll_timeout(), Some(Time::from_millis(501)));
}

#[test]
fn a_policer_drops_what_is_too_much_and_delays_nothing() {
    let policer = Some(PolicerConfig { rate: MBIT, burst_bytes: 12_500 });
    let config = LinkConfig { policer, delay: millis(5), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 21);
    let out = send(&mut link, 1000, 1250, millis(5)); // twice the rate
    assert_eq!(out.len(), 509); // the bucket was full when it began
    assert_eq!(link.stats().policer_dropped, 491);
    assert!(out.iter().all(|&(due, n)| due == Time::from_millis(5 + 5 * u64::from(n))));
}

#[test]
fn in_a_blackout_nothing_enters_and_what_is_under_way_arrives() {
    let (from, lasts) = (millis(100), millis(50));
    let config = LinkConfig {
        blackouts: vec![
            BlackoutConfig { from, lasts },
            BlackoutConfig { from: millis(200), lasts: millis(1) },
        ],
        delay: millis(20),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 22);
    let out = send(&mut link, 300, 4, millis(1));
    let expected = (0..100).chain(150..200).chain(201..300);
    assert!(numbers(&out).into_iter().eq(expected));
    assert_eq!(link.stats().blackout_dropped, 51);
}

#[test]
fn a_black_hole_swallows_what_is_longer_from_its_time_on() {
    let mtu = Some(MtuConfig { bytes: 1028, from: millis(100) });
    let config = LinkConfig { mtu, overhead: 28, ..LinkConfig::default() };
    let mut link = Netem::new(&config, 23);
    link.enqueue(Time::from_millis(99), ADDR, &numbered(0, 1001));
    link.enqueue(Time::from_millis(100), ADDR, &numbered(1, 1001));
    link.enqueue(Time::from_millis(100), ADDR, &numbered(2, 1000));
    assert_eq!(numbers(&drain(&mut link)), [0, 2]);
    assert_eq!(link.stats().mtu_dropped, 1);
}

#[test]
fn headers_take_their_time_and_their_room() {
    let config = LinkConfig {
        rate: Some(MBIT),
        queue_bytes: Some(2500),
        overhead: 28,
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 24);
    let out = send(&mut link, 5, 1222, Duration::ZERO);
    let expected: Vec<_> = (0..3).map(|n| (Time::from_millis(10 * (n + 1)), n as u32)).collect();
    assert_eq!(out, expected);
    assert_eq!(link.stats().queue_dropped, 2);
    assert_eq!(link.stats().bytes, 3 * 1222);

    let policer = Some(PolicerConfig { rate: MBIT, burst_bytes: 2500 });
    let config = LinkConfig { policer, overhead: 28, ..LinkConfig::default() };
    assert_eq!(send(&mut Netem::new(&config, 24), 5, 1222, Duration::ZERO).len(), 2);
}

#[test]
fn the_wait_of_the_next_datagram_is_known() {
    let config = LinkConfig { rate: Some(MBIT), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 25);
    assert_eq!(link.queue_delay(Time::ZERO), Duration::ZERO);
    (0..5).for_each(|n| link.enqueue(Time::ZERO, ADDR, &numbered(n, 1250)));
    assert_eq!(link.queue_delay(Time::from_millis(7)), millis(43));
    assert_eq!(link.queue_delay(Time::from_millis(70)), Duration::ZERO);
}

/// A number for all that came out of a link and when.
fn digest(out: &[(Time, u32)]) -> u64 {
    out.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &(due, n)| {
        let mixed: u64 = hash ^ due.as_micros() ^ u64::from(n) << 40;
        mixed.wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn fates_are_those_that_they_were_before_a_link_could_do_more() {
    let out = send(&mut Netem::new(&storm(), 26), 20_000, 500, millis(1));
    assert_eq!((out.len(), digest(&out)), (10_016, 2_334_939_967_516_914_524));
}

#[test]
fn limits_do_not_turn_the_other_knobs() {
    let lost = |config: LinkConfig| {
        let out = send(&mut Netem::new(&config, 27), 5000, 500, millis(1));
        let mut arrived = vec![false; 5000];
        out.iter().for_each(|&(_, n)| arrived[n as usize] = true);
        arrived
    };
    let plain =
        lost(LinkConfig { rate: None, queue_datagrams: None, queue_bytes: None, ..storm() });
    let dark = lost(LinkConfig {
        rate: None,
        queue_datagrams: None,
        queue_bytes: None,
        blackouts: vec![BlackoutConfig { from: millis(1000), lasts: millis(1000) }],
        ..storm()
    });
    assert!(dark[1000..2000].iter().all(|arrived| !arrived));
    assert_eq!(plain[..1000], dark[..1000]);
    assert_eq!(plain[2000..], dark[2000..]);
}
