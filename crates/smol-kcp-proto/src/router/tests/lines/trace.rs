//! A scenario as it goes, in steps of 100 ms.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::shared_link::Fate;
use super::super::*;
use super::measure::{arrived, cubic_arrived};
use super::scenario::{Lab, UP};

const EVERY: Duration = Duration::from_millis(100);

/// A line for each step.
pub(super) struct Trace {
    pub text: String,
    passages: usize,
}

impl Trace {
    pub(super) fn new() -> Trace {
        let text = String::from(
            "   s |  arrived |      TCP | wait max |   now | dropped | lost | in flight | again | spurious | srtt | rto\n     |   Mbit/s |   Mbit/s |       ms |    ms |         |      |  segments |       |          |   ms |  ms\n",
        );
        Trace { text, passages: 0 }
    }

    /// Adds a line, if it is time.
    pub(super) fn look(&mut self, lab: &Lab<'_>) {
        let now = lab.world.now.since(Time::ZERO);
        if now.as_millis() % EVERY.as_millis() != 0 {
            return;
        }
        let from = now - EVERY;
        let mbits = |bytes: usize| bytes as f64 * 8.0 / EVERY.as_secs_f64() / 1e6;
        let own = lab.bulk_flows().map(|flow| arrived(lab.arrivals(flow), from, now)).sum();
        let tcp = lab.cubics.iter().map(|&host| cubic_arrived(lab, host, from, now)).sum();
        let link = &lab.world.shared[UP];
        let (mut wait, mut dropped, mut lost) = (0, 0, 0);
        for passage in &link.passages[self.passages..] {
            match passage.fate {
                Fate::Waited(waited) => wait = wait.max(waited),
                Fate::Dropped => dropped += 1,
                Fate::Lost => lost += 1,
            }
        }
        self.passages = link.passages.len();
        let (mut flying, mut again, mut spurious) = (0, 0, 0);
        let mut path = crate::PathStats::default();
        let (mut srtt, mut rto) = (Duration::ZERO, Duration::ZERO);
        for &(host, app) in lab.apps.iter().flatten() {
            let host = &lab.world.hosts[host];
            let stats = host.router.session_stats(host.apps[app].key);
            path = stats.path;
            flying += stats.in_flight;
            again += stats.timeout_retransmits + stats.fast_retransmits;
            spurious += stats.spurious_retransmits;
            srtt = srtt.max(stats.srtt);
            rto = rto.max(stats.rto);
        }
        let (wait, waits) = (f64::from(wait) / 1000.0, link.queue_delay(lab.world.now));
        writeln!(
            self.text,
            "{:>4.1} | {:>8.2} | {:>8.2} | {wait:>8.1} | {:>5.1} | {dropped:>7} | {lost:>4} | {flying:>9} | {again:>5} | {spurious:>8} | {:>4} | {:>3} # {:?} bw {:.2} pace {:.2} min {} q {} p {:.3} win {}",
            now.as_secs_f64(),
            mbits(own),
            mbits(tcp),
            waits.as_secs_f64() * 1000.0,
            srtt.as_millis(),
            rto.as_millis(),
            path.phase, path.bandwidth as f64*8e-6, path.pace as f64*8e-6, path.min_rtt_ms, path.queue_ms, path.loss_ppm as f64/1e6, path.window/1400,
        )
        .unwrap();
    }
}
