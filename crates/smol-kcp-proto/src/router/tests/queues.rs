//! Queues that grow, answers that come late: nothing is lost, and nothing must be sent again.

use super::*;
use crate::layer::netem::RateStep;
use crate::stats::StreamStats;

/// When a process runs again, from a time on.
type RunsAt = fn(Time) -> Time;

/// A path whose bottleneck is on the way to the server.
struct Line {
    name: String,
    up: LinkConfig,
    down: LinkConfig,
    runs_at: [RunsAt; 2],
}

fn line(name: &str, kbit: u64, rtt: u64, queue_bytes: Option<usize>) -> Line {
    let down = LinkConfig { delay: ms(rtt) / 2, ..LinkConfig::default() };
    let rate = Some(kbit * 1000).filter(|_| kbit > 0);
    let up = LinkConfig { rate, queue_bytes, ..down.clone() };
    Line { name: name.to_string(), up, down, runs_at: [|now| now; 2] }
}

/// What a client that never stops writing has come to.
#[derive(Debug)]
struct Outcome {
    stats: StreamStats,
    delivered: usize,
    failed: Option<String>,
}

impl Outcome {
    /// Of what was sent, in ten-thousandths, what was sent again and was there already.
    fn spurious(&self) -> u64 {
        self.stats.spurious_retransmits * 10_000 / self.stats.segments_sent.max(1)
    }

    fn again(&self) -> u64 {
        (self.stats.timeout_retransmits + self.stats.fast_retransmits) * 10_000
            / self.stats.segments_sent.max(1)
    }
}

fn bulk(line: &Line, config: &KcpConfig, span: Duration) -> Outcome {
    let mut world = World::pair(config, LinkConfig::default(), 7);
    world.set_link(CLIENT, SERVER, &line.up);
    world.set_link(SERVER, CLIENT, &line.down);
    for (host, runs_at) in world.hosts.iter_mut().zip(line.runs_at) {
        host.runs_at = runs_at;
    }
    let app = world.connect(CLIENT, SERVER, None);
    world.run(secs(1));
    world.app(CLIENT, app).to_write = data(span.as_millis() as usize * 4000);
    world.run(span);
    let key = world.hosts[CLIENT].apps[app].key;
    Outcome {
        stats: world.hosts[CLIENT].router.session_stats(key),
        delivered: world.hosts[SERVER].apps.first().map_or(0, |app| app.read.len()),
        failed: world.app(CLIENT, app).cause().map(ToString::to_string),
    }
}

/// Runs from so many milliseconds to so many of every period.
fn share(now: Time, period: u64, from: u64, to: u64) -> Time {
    let (whole, at) = (now.as_millis() / period, now.as_millis() % period);
    match at {
        at if at < from => Time::from_millis(whole * period + from),
        at if at < to => now,
        _ => Time::from_millis((whole + 1) * period + from),
    }
}

/// Bottlenecks whose queue takes all that a window holds, and one that falls to a quarter and rises again.
fn deep() -> Vec<Line> {
    let step = |at, mbit: u64| RateStep { at: secs(at), rate: mbit * 1_000_000 };
    let steps = line("20-5-20", 20_000, 30, None);
    let rate_steps = vec![step(3, 5), step(6, 20), step(9, 5)];
    let steps = Line { up: LinkConfig { rate_steps, ..steps.up }, ..steps };
    vec![
        line("10m-50", 10_000, 50, None),
        line("10m-100", 10_000, 100, None),
        line("2m-40", 2_000, 40, None),
        line("50m-0", 50_000, 0, None),
        steps,
    ]
}

/// Queues that are too short for the window.
fn short() -> Vec<Line> {
    vec![
        line("10m-50-5bdp", 10_000, 50, Some(312_500)),
        line("10m-50-1bdp", 10_000, 50, Some(62_500)),
        line("2m-40-1bdp", 2_000, 40, Some(10_000)),
        line("2m-40-64k", 2_000, 40, Some(65_536)),
        line("400k-100-5k", 400, 100, Some(5_000)),
        line("400k-100-32k", 400, 100, Some(32_768)),
    ]
}

/// Paths that vary.
fn shaky() -> Vec<Line> {
    let link = |delay, jitter| LinkConfig {
        delay: ms(delay),
        jitter: ms(jitter),
        rate: Some(10_000_000),
        ..LinkConfig::default()
    };
    let line = |name: &str, delay, jitter| Line {
        up: link(delay, jitter),
        down: link(delay, jitter),
        ..line(name, 0, 0, None)
    };
    vec![line("jitter-50-25", 50, 25), line("jitter-100-50", 100, 50)]
}

/// Peers that answer in lumps, stand still now and then, or share one processor with the sender.
fn busy() -> Vec<Line> {
    let lumps: [(&str, RunsAt); 6] = [
        ("acks-10", |now| share(now, 10, 0, 1)),
        ("acks-20", |now| share(now, 20, 0, 1)),
        ("acks-40", |now| share(now, 40, 0, 1)),
        ("stall-50", |now| share(now, 700, 50, 700)),
        ("stall-200", |now| share(now, 1300, 200, 1300)),
        ("stall-rare", |now| share(now, 5300, 150, 5300)),
    ];
    let mut lines = Vec::new();
    for (name, runs_at) in lumps {
        for (kbit, rtt) in [(10_000, 50), (10_000, 2), (0, 20)] {
            let base = line(&format!("{name}:{kbit}/{rtt}"), kbit, rtt, None);
            lines.push(Line { runs_at: [runs_at, |now| now], ..base });
        }
    }
    let stalls: RunsAt = |now| share(now, 1300, 200, 1300);
    let sender = line("sender-stalls-200", 10_000, 50, None);
    lines.push(Line { runs_at: [|now| now, stalls], ..sender });
    let turns = line("one-cpu-20", 50_000, 0, None);
    lines.push(Line {
        runs_at: [|now| share(now, 40, 0, 20), |now| share(now, 40, 20, 40)],
        ..turns
    });
    let turns = line("one-cpu-105", 50_000, 0, None);
    lines.push(Line {
        runs_at: [|now| share(now, 210, 0, 130), |now| share(now, 210, 130, 210)],
        ..turns
    });
    lines
}

fn profiles() -> [(&'static str, KcpConfig); 3] {
    // The windows alone fill the queues, so that they are long.
    let rate = std::env::var("RATE").map_or(Rate::Off, |rate| rate.parse().unwrap());
    [
        ("default", KcpConfig { stream: true, rate, ..KcpConfig::default() }),
        ("wan", KcpConfig { stream: true, rate, ..KcpConfig::wan() }),
        ("file", KcpConfig { rate, ..KcpConfig::file_transfer() }),
    ]
}

/// Of what is sent, a hundredth is sent again in vain at most.
fn assert_little_in_vain(lines: &[Line], span: Duration) {
    for line in lines {
        for (name, config) in profiles().into_iter().filter(|(name, _)| *name != "wan") {
            let outcome = bulk(line, &config, span);
            let found = format!("{} {name}: {outcome:?}", line.name);
            assert!(outcome.stats.segments_sent > 500 && outcome.failed.is_none(), "{found}");
            assert!(outcome.spurious() <= 100, "{found}");
            // Nothing is lost on these lines.
            assert!(outcome.again() <= 100, "{found}");
        }
    }
}

#[test]
fn a_queue_that_grows_is_no_loss() {
    assert_little_in_vain(&deep(), secs(11));
}

#[test]
fn a_path_that_varies_is_learnt() {
    assert_little_in_vain(&shaky()[1..], secs(20));
}

#[test]
fn a_peer_that_answers_late_and_in_lumps_has_lost_nothing() {
    let chosen = ["acks-20:10000/50", "acks-40:10000/50", "acks-40:0/20", "stall-50:10000/50"];
    let others = ["stall-200:10000/2", "sender-stalls-200", "one-cpu-20", "one-cpu-105"];
    let mut lines = busy();
    lines.retain(|line| chosen.contains(&&line.name[..]) || others.contains(&&line.name[..]));
    assert_eq!(lines.len(), 8);
    assert_little_in_vain(&lines, secs(5));
}

#[test]
fn a_measured_path_carries_as_much_as_any_where_two_ends_share_a_processor() {
    for line in busy().iter().filter(|line| line.name.starts_with("one-cpu")) {
        let carried = [Rate::Off, Rate::Auto].map(|rate| {
            let config = KcpConfig { stream: true, rate, ..KcpConfig::default() };
            bulk(line, &config, secs(3)).delivered
        });
        assert!(carried[1] * 10 >= carried[0] * 8, "{}: {carried:?}", line.name);
    }
}

/// Prints what every line makes of every profile; `LINES=acks` chooses, `SPAN=90` is the time in seconds,
/// `RATE=auto` lets the path decide:
///
/// ```text
/// cargo test --release -p smol-kcp-proto --lib measure_queues -- --ignored --nocapture
/// ```
#[test]
#[ignore = "measures"]
fn measure_queues() {
    let only = std::env::var("LINES").unwrap_or_default();
    let span = std::env::var("SPAN").map_or(20, |span| span.parse().unwrap());
    println!(
        "line                 profile    sent  timeouts  fast  in vain   of 10,000  megabytes"
    );
    let lines = [deep(), short(), shaky(), busy()].into_iter().flatten();
    for line in lines.filter(|line| line.name.contains(&only)) {
        for (name, config) in profiles() {
            let outcome = bulk(&line, &config, secs(span));
            let (stats, vain) = (&outcome.stats, outcome.spurious());
            println!(
                "{:<20} {name:<8} {:>6}    {:>6} {:>6}   {:>6}      {vain:>6}     {:>6.2} {}",
                line.name,
                stats.segments_sent,
                stats.timeout_retransmits,
                stats.fast_retransmits,
                stats.spurious_retransmits,
                outcome.delivered as f64 / 1e6,
                outcome.failed.unwrap_or_default(),
            );
        }
    }
}
