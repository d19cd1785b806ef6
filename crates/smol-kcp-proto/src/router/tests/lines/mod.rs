//! A laboratory in virtual time: real lines and what else is on them, and how well they are used.
//!
//! `CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo test --release -p smol-kcp-proto --lib laboratory -- --ignored
//! --nocapture` prints every line in half a minute, and what it misses of its goals (with all optimization it
//! is built ten times as long and runs a third faster). Variables of the environment choose and vary:
//!
//! | variable | |
//! |---|---|
//! | `LINES` | lines whose names contain one of these words, separated by commas |
//! | `LINES_PROFILE` | profiles likewise |
//! | `LINES_SEEDS` | how many seeds each (1); each makes the way 170 us longer as well |
//! | `LINES_KIN` | if set, lines of the same kinds too: half and twice the rate, half and twice the RTT |
//! | `LINES_TIMER_US` | how exact the endpoints' timers are, in microseconds (50) |
//! | `LINES_JITTER_US` | how much earlier or later than the way takes datagrams arrive, in microseconds |
//! | `LINES_TRACE` | if set, prints how it goes, each 100 ms |

mod cubic;
mod cubic_tests;
mod goals;
mod lab_tests;
mod measure;
mod noise_tests;
#[cfg(feature = "kcptun")]
mod parity;
mod rows;
mod scenario;
mod trace;

use std::fmt::Write as _;

pub(super) use self::cubic::Cubic;
use self::measure::Measured;
use self::scenario::Scenario;
use self::trace::Trace;
use super::*;

const HEAD: &str = "\
line                         profile         used     cost | wait mean   p95   max  over | dropped   lost  again  spurious | took p50   p99 p99.9   max | full s  share  jain  died s
";

fn profiles() -> [(&'static str, KcpConfig); 3] {
    [
        ("default", KcpConfig { stream: true, ..KcpConfig::default() }),
        ("wan", KcpConfig::wan()),
        ("file_transfer", KcpConfig::file_transfer()),
    ]
}

fn row(scenario: &Scenario, profile: &str, measured: &Measured) -> String {
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".into(),
    };
    let m = measured;
    let [p50, p99, p999, max] = [0, 1, 2, 3].map(|n| number(m.took.map(|took| took[n]), 1));
    let cost = number(m.cost, 2);
    format!(
        "{:<28} {profile:<13} {:>6} {cost:>8} | {:>9.1} {:>5.0} {:>5.0} {:>5.1} | {:>7} {:>6} {:>6} {:>9} | {p50:>8} {p99:>5} {p999:>5} {max:>5} | {:>6} {:>6} {:>5} {:>7}\n",
        scenario.name,
        number(m.used, 3),
        m.wait_mean,
        m.wait_p95,
        m.wait_max,
        m.over,
        m.dropped,
        m.lost,
        m.retransmitted,
        m.spurious,
        number(m.full_after, 2),
        number(m.share, 3),
        number(m.jain, 3),
        number(m.died, 1),
    )
}

/// A line and the profile that uses it.
type Pair = (Scenario, &'static str, KcpConfig);

/// Those of these pairs of lines and profiles.
fn pairs(rows: &[Scenario], wanted: impl Fn(&str) -> bool) -> Vec<Pair> {
    let of = |row: &Scenario| {
        let row = row.clone();
        profiles().map(move |(name, config)| (row.clone(), name, config))
    };
    rows.iter().flat_map(of).filter(|(_, name, _)| wanted(name)).collect()
}

/// Runs these lines; their table, and an error if a goal is missed that was reached before.
fn run(pairs: &[Pair]) -> String {
    let (mut table, mut lost) = (String::from(HEAD), Vec::new());
    for (scenario, name, config) in pairs {
        let measured = scenario.run(config, None);
        table.push_str(&row(scenario, name, &measured));
        // The goals are those of what nobody has configured.
        let words = goals::lost(&scenario.goals, &measured);
        if *name == NARROWEST && !words.is_empty() {
            lost.push(format!("{}: {words}", scenario.name));
        }
    }
    assert!(lost.is_empty(), "reached before, and not any more: {lost:#?}");
    table
}

/// Compares the table of these lines with the one in `file`, or takes it over.
fn compare(pairs: &[Pair], file: &str, expected: &str) {
    let table = run(pairs);
    if std::env::var_os("SMOL_KCP_BLESS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/router/tests/lines/");
        std::fs::write(format!("{folder}{file}"), &table).unwrap();
        return;
    }
    let expected = expected.replace("\r\n", "\n");
    for (found, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{file}: set SMOL_KCP_BLESS to accept");
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

/// In debug builds the engine looks over its whole window after each flush: wider ones wait for release.
const NARROWEST: &str = "default";

#[test]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the matrix shows that there")]
fn short_lines_are_used_as_they_were() {
    let pairs = pairs(&rows::short(), |profile| profile == NARROWEST);
    compare(&pairs, "lines.txt", include_str!("lines.txt"));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimization")]
fn long_lines_reach_their_goals() {
    run(&pairs(&rows::long(), |profile| profile == NARROWEST));
}

#[test]
#[ignore = "minutes without optimization"]
fn long_lines_are_used_as_they_were() {
    let mut all = pairs(&rows::long(), |_| true);
    all.extend(pairs(&rows::short(), |profile| profile != NARROWEST));
    compare(&all, "lines_long.txt", include_str!("lines_long.txt"));
}

/// Does the text contain one of the words that a variable lists? Yes, if there is no such variable.
fn chosen(variable: &str, text: &str) -> bool {
    let words = std::env::var(variable).unwrap_or_default();
    words.is_empty() || words.split(',').any(|word| text.contains(word))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The line with as many seeds and relatives as are wanted.
fn family(scenario: &Scenario) -> Vec<Scenario> {
    let mut kin = vec![scenario.clone()];
    if std::env::var_os("LINES_KIN").is_some() {
        let others = [(50, 100), (200, 100), (100, 50), (100, 200)];
        kin.extend(others.map(|(rate, rtt)| scenario.kin(rate, rtt)));
    }
    let seeds = 0..number("LINES_SEEDS").unwrap_or(1);
    let with = |line: Scenario| {
        seeds.clone().map(move |seed| {
            let mut line = Scenario { seed: line.seed + seed, ..line.clone() };
            // Where nothing is random a seed would change nothing: so the peer is a little farther away.
            line.up.delay += Duration::from_micros(170) * seed as u32;
            line
        })
    };
    kin.into_iter().flat_map(with).collect()
}

#[test]
#[ignore = "prints"]
fn laboratory() {
    let timer = number("LINES_TIMER_US");
    let traced = std::env::var_os("LINES_TRACE").is_some();
    let mut out = String::new();
    println!("{} | missed", HEAD.trim_end());
    let rows = [rows::short(), rows::long()].concat();
    for (scenario, name, config) in pairs(&rows, |name| chosen("LINES_PROFILE", name)) {
        if !chosen("LINES", &scenario.name) {
            continue;
        }
        for mut scenario in family(&scenario) {
            if let Some(jitter) = number("LINES_JITTER_US").map(Duration::from_micros) {
                for way in [&mut scenario.up, &mut scenario.down] {
                    (way.jitter, way.in_order) = (jitter, true);
                }
            }
            scenario.timer = timer.map_or(scenario.timer, Duration::from_micros);
            let mut trace = Trace::new();
            let measured = scenario.run(&config, traced.then_some(&mut trace));
            let missed = goals::missed(&scenario.goals, &measured);
            println!("{} | {missed}", row(&scenario, name, &measured).trim_end());
            if traced {
                writeln!(out, "{} {name}\n{}", scenario.name, trace.text).unwrap();
            }
        }
    }
    print!("{out}");
}
