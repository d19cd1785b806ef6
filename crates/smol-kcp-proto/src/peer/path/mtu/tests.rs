use super::*;

const RTO: Duration = Duration::from_millis(200);

/// Goes through all steps on a path that carries datagrams of at most `carries` bytes, `now` on.
fn settle(mtu: &mut PathMtu, mut now: Time, carries: usize) -> Vec<usize> {
    let mut probes = Vec::new();
    for steps in 0.. {
        assert!(steps < 100, "an end");
        match mtu.poll(now) {
            Step::Probe(lengths) => {
                probes.extend(&lengths);
                for length in lengths.into_iter().filter(|&length| length <= carries) {
                    mtu.on_echo(now, length);
                }
            }
            Step::Fall { .. } => {
                mtu.search(now);
            }
            Step::Rest => return probes,
        }
        now = now + RTO;
    }
    probes
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn doubt(mtu: &mut PathMtu, now: Time) -> bool {
    let size = mtu.size();
    PathMtu::is_doubtful((size, DOUBTFUL)) && mtu.doubt(now, size, RTO, Time::ZERO)
}

#[test]
fn a_black_hole_is_found_and_the_longest_that_passes_within_a_step() {
    for carries in [548, 600, 972, 1000, 1231, 1232, 1272, 1300, 1399, 1452, 1500, 8000] {
        for size in [1350, 1400, 1452, 1472, 8972] {
            let mut mtu = PathMtu::new(size, size, 0);
            assert!(doubt(&mut mtu, at(1000)));
            settle(&mut mtu, at(1000), carries);
            let found = mtu.size();
            let most = carries.min(size);
            assert!(found <= most && found + STEP > most, "{size}, {carries}: {found}");
            assert_eq!(mtu.black_holes(), u32::from(carries < size));
            assert!(!mtu.search(at(60_000)), "it stays");
        }
    }
}

#[test]
fn an_outage_is_no_black_hole_and_is_asked_about_less_and_less() {
    let mut mtu = PathMtu::new(1400, 1400, 0);
    let mut rounds = 0;
    for now in (1000..61_000).step_by(50).map(at) {
        if doubt(&mut mtu, now) {
            assert_eq!(settle(&mut mtu, now, 0), [548, 972, 1232, 1400]);
            rounds += 1;
        }
    }
    assert_eq!((mtu.size(), mtu.black_holes(), rounds), (1400, 0, 8));
    mtu.on_acked(at(61_000), 1400, 1);
    assert!(!doubt(&mut mtu, at(61_100)), "something has just arrived");
}

#[test]
fn a_path_that_carries_less_after_a_long_outage_is_found_out_once_it_is_heard() {
    let mut mtu = PathMtu::new(1400, 1400, 0);
    for now in (1000..61_000).step_by(50).map(at) {
        if doubt(&mut mtu, now) {
            settle(&mut mtu, now, 0);
        }
    }
    // Short datagrams pass now, and the first of them says so.
    let mut later = (61_000..64_000).step_by(50).map(at);
    let asked = later.find(|&now| mtu.doubt(now, 1400, RTO, at(61_000)));
    settle(&mut mtu, asked.expect("within three seconds"), 1000);
    assert!((976..=1000).contains(&mtu.size()), "{}", mtu.size());
}

#[test]
fn what_arrives_ends_a_doubt() {
    let mut mtu = PathMtu::new(1400, 1400, 0);
    assert!(doubt(&mut mtu, at(1000)));
    assert_eq!(mtu.poll(at(1000)), Step::Probe(vec![548, 972, 1232, 1400]));
    mtu.on_acked(at(1100), 3 * 548, 3);
    assert_eq!(mtu.poll(at(1200)), Step::Rest, "nothing has arrived");

    assert!(doubt(&mut mtu, at(2000)));
    assert!(matches!(mtu.poll(at(2000)), Step::Probe(_)));
    mtu.on_echo(at(2100), 548);
    mtu.on_acked(at(2150), 1400, 1);
    assert_eq!(mtu.poll(at(2200)), Step::Rest, "a full segment has arrived");

    assert!(doubt(&mut mtu, at(3000)));
    assert!(matches!(mtu.poll(at(3000)), Step::Probe(_)));
    mtu.on_echo(at(3100), 548);
    assert_eq!(mtu.poll(at(3200)), Step::Probe(vec![548, 548, 548, 1400, 1400, 1400]));
    mtu.on_echo(at(3300), 1400);
    assert_eq!(mtu.poll(at(3400)), Step::Rest);
    assert_eq!((mtu.size(), mtu.black_holes()), (1400, 0));
}

#[test]
fn the_more_gets_lost_the_longer_it_is_doubted() {
    // Of the shorter ones so many of three arrive in each round, after all in the first.
    for (of_three, rounds) in [(3, 1), (2, 2), (1, 3), (0, 5)] {
        let mut mtu = PathMtu::new(1400, 1400, 0);
        assert!(doubt(&mut mtu, at(1000)));
        assert!(matches!(mtu.poll(at(1000)), Step::Probe(_)));
        for length in [548, 972, 1232] {
            mtu.on_echo(at(1100), length);
        }
        let mut asked = 0;
        let end = loop {
            match mtu.poll(at(1200)) {
                Step::Probe(lengths) => {
                    assert_eq!(lengths, [1232, 1232, 1232, 1400, 1400, 1400]);
                    asked += 1;
                    (0..of_three).for_each(|_| assert!(!mtu.on_echo(at(1300), 1232)));
                }
                end => break end,
            }
        };
        assert_eq!(asked, rounds, "{of_three}");
        let fell = of_three > 0;
        assert_eq!(end, if fell { Step::Fall { from: 1400 } } else { Step::Rest });
    }
}

#[test]
fn what_is_short_or_seldom_lost_is_not_doubted() {
    let mut mtu = PathMtu::new(1400, 1400, 0);
    assert!(!mtu.doubt(at(1000), LADDER[0], RTO, Time::ZERO));
    assert!(!PathMtu::is_doubtful((1400, DOUBTFUL - 1)));
    let mut tiny = PathMtu::new(500, 500, 0);
    assert!(!doubt(&mut tiny, at(1000)));
}

#[test]
fn it_grows_where_more_is_allowed_and_passes() {
    for (carries, least) in [(1472, 1472), (1452, 1452 - STEP), (1400, 1400)] {
        let mut mtu = PathMtu::new(1400, 1472, 0);
        assert!(mtu.search(at(0)));
        settle(&mut mtu, at(0), carries);
        assert!((least..=carries).contains(&mtu.size()), "{carries}: {}", mtu.size());
    }
    let mut mtu = PathMtu::new(1400, 1400, 0);
    assert!(!mtu.search(at(0)), "nothing to search for");
}

#[test]
fn after_a_while_the_path_is_tried_again() {
    let mut mtu = PathMtu::new(1400, 1400, 0);
    assert!(doubt(&mut mtu, at(1000)));
    settle(&mut mtu, at(1000), 1000);
    assert!(!mtu.search(at(500_000)));
    assert!(mtu.search(at(700_000)));
    assert_eq!(settle(&mut mtu, at(700_000), 1400), [1400]);
    assert_eq!(mtu.size(), 1400);
    assert!(!mtu.search(at(9_000_000)));
}

#[test]
fn layers_take_their_part() {
    let mut mtu = PathMtu::new(1360, 1360, 40);
    assert!(doubt(&mut mtu, at(1000)));
    assert_eq!(mtu.poll(at(1000)), Step::Probe(vec![508, 932, 1192, 1360]));
    mtu.on_echo(at(1100), 508);
    mtu.on_echo(at(1100), 932);
    assert_eq!(mtu.poll(at(1200)), Step::Probe(vec![932, 932, 932, 1360, 1360, 1360]));
    (0..3).for_each(|_| assert!(!mtu.on_echo(at(1300), 932)));
    assert_eq!(mtu.poll(at(1400)), Step::Fall { from: 1360 });
    assert_eq!(mtu.size(), 932);
}
