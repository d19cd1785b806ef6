//! A link in virtual time, with fixed seeds: what is asserted below holds on every run.

mod limits;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;

const ADDR: Path = Path {
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4000),
    local: None,
    channel: None,
};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Everything that comes out of a link, when it comes out and with its number, in a clock that
/// jumps from one due time to the next.
fn drain(link: &mut Netem) -> Vec<(Time, u32)> {
    let mut out = Vec::new();
    while let Some(due) = link.poll_timeout() {
        assert!(
            due == Time::ZERO || link.dequeue(due - Duration::from_micros(1)).is_none(),
            "nothing comes before it is due"
        );
        let (addr, datagram) = link.dequeue(due).expect("it is due");
        assert_eq!(addr, ADDR);
        out.push((due, number(&datagram)));
    }
    out
}

/// Sends `count` numbered datagrams of `len` bytes, one each `every`, and takes out what is due
/// before each.
fn send(link: &mut Netem, count: u32, len: usize, every: Duration) -> Vec<(Time, u32)> {
    let mut out = Vec::new();
    let mut now = Time::ZERO;
    for n in 0..count {
        while let Some(due) = link.poll_timeout().filter(|&due| due <= now) {
            let (_, datagram) = link.dequeue(due).expect("it is due");
            out.push((due, number(&datagram)));
        }
        link.enqueue(now, ADDR, &numbered(n, len));
        now = now + every;
    }
    out.extend(drain(link));
    out
}

fn numbered(n: u32, len: usize) -> Vec<u8> {
    let mut datagram = vec![0xa5; len];
    datagram[..4].copy_from_slice(&n.to_be_bytes());
    datagram
}

fn number(datagram: &[u8]) -> u32 {
    u32::from_be_bytes(datagram[..4].try_into().expect("four bytes"))
}

fn numbers(out: &[(Time, u32)]) -> Vec<u32> {
    out.iter().map(|&(_, n)| n).collect()
}

#[test]
fn a_perfect_link_keeps_order_bytes_and_addresses() {
    let mut link = Netem::new(&LinkConfig::default(), 1);
    assert_eq!(link.poll_timeout(), None);
    let other = Path::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5)));
    let now = Time::from_millis(7);
    link.enqueue(now, ADDR, b"first");
    link.enqueue(now, other, b"");
    link.enqueue(now, ADDR, b"third");
    assert_eq!(link.poll_timeout(), Some(now));
    assert_eq!(link.dequeue(now), Some((ADDR, b"first".to_vec())));
    assert_eq!(link.dequeue(now), Some((other, Vec::new())));
    assert_eq!(link.dequeue(now), Some((ADDR, b"third".to_vec())));
    assert_eq!(link.dequeue(now), None);
    assert_eq!(link.poll_timeout(), None);
    let stats = LinkStats { enqueued: 3, delivered: 3, bytes: 10, ..LinkStats::default() };
    assert_eq!(link.stats(), stats);
}

#[test]
fn losses_are_as_frequent_as_asked() {
    for percent in [0u32, 1, 20, 100] {
        let config = LinkConfig { loss: Probability::percent(percent), ..LinkConfig::default() };
        let mut link = Netem::new(&config, 2);
        let out = send(&mut link, 100_000, 4, Duration::ZERO);
        let lost = link.stats().lost;
        assert_eq!(lost + out.len() as u64, 100_000);
        // Five standard deviations of the worst of these are 632.
        let expected = u64::from(percent) * 1000;
        let margin = if percent == 0 || percent == 100 { 0 } else { 632 };
        assert!(lost.abs_diff(expected) <= margin, "{lost} lost at {percent} %");
    }
}

#[test]
fn bursts_are_as_long_and_as_frequent_as_asked() {
    // Every datagram in a burst is lost and none between them, so the losses show the bursts.
    let config = LinkConfig {
        bursts: Some(BurstConfig {
            enter: Probability::percent(1),
            leave: Probability::percent(20),
            loss: Probability::ALWAYS,
        }),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 3);
    let out = send(&mut link, 200_000, 4, Duration::ZERO);

    let mut arrived = vec![false; 200_000];
    for (_, n) in out {
        arrived[n as usize] = true;
    }
    let bursts = arrived.windows(2).filter(|pair| pair[0] && !pair[1]).count() as u64;
    let lost = link.stats().lost;
    // 1 / 20 % = 5 datagrams each, in 1 / (1 + 20) of all the time.
    assert!((475..525).contains(&(lost * 100 / bursts)), "{lost} lost in {bursts} bursts");
    assert!(lost.abs_diff(200_000 / 21) < 600, "{lost} lost");
}

#[test]
fn between_bursts_the_ordinary_loss_goes_on() {
    let config = LinkConfig {
        loss: Probability::percent(10),
        bursts: Some(BurstConfig {
            enter: Probability::percent(5),
            leave: Probability::percent(5),
            loss: Probability::percent(50),
        }),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 4);
    send(&mut link, 100_000, 4, Duration::ZERO);
    let lost = link.stats().lost; // half the time 10 %, half the time 50 %
    assert!(lost.abs_diff(30_000) < 1500, "{lost} lost");
}

#[test]
fn the_delay_is_exact() {
    let mut link = Netem::new(&LinkConfig { delay: millis(50), ..LinkConfig::default() }, 5);
    let out = send(&mut link, 1000, 100, millis(1));
    let expected: Vec<_> = (0..1000).map(|n| (Time::from_millis(50 + u64::from(n)), n)).collect();
    assert_eq!(out, expected);
}

#[test]
fn the_jitter_fills_its_bounds_evenly() {
    let config = LinkConfig { delay: millis(50), jitter: millis(20), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 6);
    let out = send(&mut link, 40_000, 4, millis(100)); // too far apart to change places
    let delays: Vec<u64> =
        out.iter().map(|&(due, n)| due.as_micros() - u64::from(n) * 100_000).collect();
    assert!(delays.iter().all(|delay| (30_000..=70_000).contains(delay)));
    for quarter in 0..4 {
        let from = 30_000 + quarter * 10_000;
        let count = delays.iter().filter(|&&delay| (from..from + 10_000).contains(&delay)).count();
        assert!((9_500..10_500).contains(&count), "{count} from {from} us");
    }
    assert!(delays.iter().any(|&delay| delay < 30_050));
    assert!(delays.iter().any(|&delay| delay > 69_950));
}

#[test]
fn jitter_of_close_datagrams_changes_their_order_and_loses_none() {
    let config = LinkConfig { delay: millis(50), jitter: millis(20), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 7);
    let out = send(&mut link, 1000, 4, millis(1));
    assert!(out.windows(2).all(|pair| pair[0].0 <= pair[1].0), "they come in due order");
    let mut order = numbers(&out);
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert!(order.into_iter().eq(0..1000));
}

#[test]
fn jitter_in_order_makes_lumps_and_changes_no_place() {
    let config = LinkConfig {
        delay: millis(50),
        jitter: millis(20),
        in_order: true,
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 7);
    let out = send(&mut link, 1000, 4, millis(1));
    assert!(numbers(&out).into_iter().eq(0..1000));
    let delays = || out.iter().map(|&(due, n)| due.as_micros() - u64::from(n) * 1000);
    assert!(delays().all(|delay| (30_000..=70_000).contains(&delay)));
    let lumps = out.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    assert!(lumps > 700, "{lumps} with the one before");
}

#[test]
fn a_rate_spaces_datagrams() {
    // 1250 bytes are 10,000 bits: 10 ms at 1 Mbit/s, however close they come in.
    let config = LinkConfig { rate: Some(1_000_000), delay: millis(5), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 8);
    let out = send(&mut link, 100, 1250, Duration::ZERO);
    let expected: Vec<_> =
        (0..100).map(|n| (Time::from_millis(15 + 10 * u64::from(n)), n)).collect();
    assert_eq!(out, expected);

    // The time in which nothing was sent is not saved up.
    let later = Time::from_millis(5000);
    link.enqueue(later, ADDR, &numbered(0, 1250));
    assert_eq!(link.poll_timeout(), Some(later + millis(15)));
}

#[test]
fn a_fast_link_does_not_round_its_rate_away() {
    let mut link =
        Netem::new(&LinkConfig { rate: Some(1_000_000_000), ..LinkConfig::default() }, 9);
    // 24 bytes take 192 ns, less than the clock's step; 10,000 of them take 1920 us all the same.
    let out = send(&mut link, 10_000, 24, Duration::ZERO);
    assert_eq!(out.last(), Some(&(Time::from_micros(1920), 9_999)));
}

#[test]
fn a_full_queue_drops_the_newest() {
    let config =
        LinkConfig { rate: Some(1_000_000), queue_datagrams: Some(10), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 10);
    let out = send(&mut link, 100, 1250, Duration::ZERO);
    // One is being sent and ten wait.
    assert!(numbers(&out).into_iter().eq(0..11));
    assert_eq!(link.stats().queue_dropped, 89);

    // Half as fast as the link sends, all of them pass.
    let mut link = Netem::new(&config, 10);
    assert_eq!(send(&mut link, 100, 1250, millis(20)).len(), 100);
    // At twice its rate half of them do, once the queue is full.
    let mut link = Netem::new(&config, 10);
    assert_eq!(send(&mut link, 1000, 1250, millis(5)).len(), 500 + 10);
}

#[test]
fn a_queue_can_be_limited_in_bytes() {
    let config =
        LinkConfig { rate: Some(1_000_000), queue_bytes: Some(3000), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 11);
    for (n, len) in [(0, 1250), (1, 1250), (2, 1250), (3, 1250), (4, 500), (5, 4)] {
        link.enqueue(Time::ZERO, ADDR, &numbered(n, len));
    }
    // Beside 1 and 2 there is room for 500 bytes more, not for 1250.
    assert_eq!(numbers(&drain(&mut link)), [0, 1, 2, 4]);
    assert_eq!(link.stats().queue_dropped, 2);
    // The queue has emptied: a datagram longer than it leaves at once.
    link.enqueue(Time::from_millis(500), ADDR, &numbered(6, 5000));
    assert_eq!(link.poll_timeout(), Some(Time::from_millis(540)));
    // Behind it there is all the room again.
    link.enqueue(Time::from_millis(500), ADDR, &numbered(7, 3000));
    link.enqueue(Time::from_millis(500), ADDR, &numbered(8, 4));
    assert_eq!(numbers(&drain(&mut link)), [6, 7]);
}

#[test]
fn what_a_link_holds_is_finite_without_any_limit() {
    let config = LinkConfig { delay: millis(50), ..LinkConfig::default() };
    let mut link = Netem::new(&config, 12);
    assert_eq!(send(&mut link, 40_000, 4, Duration::ZERO).len(), MAX_HELD);
    assert_eq!(link.stats().queue_dropped, 40_000 - MAX_HELD as u64);

    let mut link = Netem::new(&config, 12);
    assert_eq!(send(&mut link, 40, 1 << 20, Duration::ZERO).len(), MAX_HELD_BYTES >> 20);
    assert_eq!(link.stats().queue_dropped, 8);
    // And room that was given back can be taken again.
    assert_eq!(send(&mut link, 1, 1 << 20, Duration::ZERO).len(), 1);
}

#[test]
fn duplicates_come_twice_and_nothing_else_does() {
    let config = LinkConfig {
        loss: Probability::percent(10),
        duplicate: Probability::percent(20),
        delay: millis(20),
        jitter: millis(10),
        reorder: Probability::percent(5),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 13);
    let out = send(&mut link, 20_000, 4, millis(1));
    let mut times = vec![0u32; 20_000];
    for (_, n) in &out {
        times[*n as usize] += 1;
    }
    let stats = link.stats();
    let with = |count| times.iter().filter(|&&times| times == count).count() as u64;
    assert_eq!((with(0), with(2)), (stats.lost, stats.duplicated));
    assert_eq!(with(0) + with(1) + with(2), 20_000);
    assert!(stats.duplicated.abs_diff(3600) < 300, "{stats:?}");
    assert_eq!(stats.enqueued + stats.duplicated, stats.lost + stats.delivered);

    let mut link = Netem::new(&LinkConfig::default(), 13);
    assert!(numbers(&send(&mut link, 1000, 4, Duration::ZERO)).into_iter().eq(0..1000));
}

#[test]
fn a_copy_has_its_own_jitter() {
    let config = LinkConfig {
        duplicate: Probability::ALWAYS,
        delay: millis(20),
        jitter: millis(10),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 19);
    let out = send(&mut link, 100, 4, millis(100)); // too far apart to change places
    assert_eq!(out.len(), 200);
    let together = out.chunks(2).filter(|pair| pair[0].0 == pair[1].0).count();
    assert!(together < 5, "{together} copies came with their originals");
}

#[test]
fn reordered_datagrams_overtake_those_under_way() {
    let config = LinkConfig {
        delay: millis(50),
        reorder: Probability::percent(10),
        ..LinkConfig::default()
    };
    let mut link = Netem::new(&config, 14);
    let out = send(&mut link, 10_000, 4, millis(1));
    let mut early = 0;
    for (due, n) in out {
        match due.since(Time::from_millis(u64::from(n))) {
            Duration::ZERO => early += 1,
            delay => assert_eq!(delay, millis(50)),
        }
    }
    assert_eq!(early, link.stats().reordered);
    assert!(early.abs_diff(1000) < 150, "{early} were early");
}

/// Everything at once.
fn storm() -> LinkConfig {
    LinkConfig {
        loss: Probability::percent(3),
        bursts: Some(BurstConfig {
            enter: Probability::percent(2),
            leave: Probability::percent(30),
            loss: Probability::percent(80),
        }),
        delay: millis(30),
        jitter: millis(15),
        reorder: Probability::percent(2),
        duplicate: Probability::percent(2),
        rate: Some(2_000_000),
        queue_datagrams: Some(20),
        queue_bytes: Some(8000),
        ..LinkConfig::default()
    }
}

#[test]
fn the_same_seed_is_the_same_fate_and_another_is_not() {
    let fate = |seed| send(&mut Netem::new(&storm(), seed), 5000, 500, millis(2));
    assert_eq!(fate(15), fate(15));
    assert_ne!(fate(15), fate(16));

    let config = NetemConfig { seed: 15, send: storm(), receive: storm() };
    let (mut there, mut back) = Netem::pair(&config);
    let there = send(&mut there, 5000, 500, millis(2));
    assert_ne!(
        there,
        send(&mut back, 5000, 500, millis(2)),
        "each direction has a fate of its own"
    );
    let (mut again, _) = Netem::pair(&config);
    assert_eq!(there, send(&mut again, 5000, 500, millis(2)));
}

#[test]
fn in_a_storm_every_datagram_is_accounted_for() {
    let mut link = Netem::new(&storm(), 17);
    let out = send(&mut link, 50_000, 500, millis(1)); // twice what the rate carries
    let stats = link.stats();
    assert_eq!(stats.delivered, out.len() as u64);
    assert_eq!(stats.bytes, stats.delivered * 500);
    assert_eq!(
        stats.enqueued + stats.duplicated,
        stats.lost + stats.queue_dropped + stats.delivered
    );
    assert!(stats.lost > 0 && stats.queue_dropped > 0 && stats.reordered > 0, "{stats:?}");
    assert_eq!((link.held_bytes, link.held.len()), (0, 0));
}

#[test]
fn one_knob_does_not_turn_another() {
    // The same datagrams are lost, whatever else happens to the others.
    let lost = |config: LinkConfig| {
        let mut arrived = numbers(&send(&mut Netem::new(&config, 18), 2000, 4, millis(1)));
        arrived.sort_unstable();
        arrived.dedup();
        arrived
    };
    let loss = Probability::percent(10);
    let plain = lost(LinkConfig { loss, ..LinkConfig::default() });
    let busy = lost(LinkConfig {
        loss,
        delay: millis(30),
        jitter: millis(15),
        duplicate: Probability::percent(30),
        reorder: Probability::percent(30),
        ..LinkConfig::default()
    });
    assert_eq!(plain, busy);
}
