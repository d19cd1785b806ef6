//! What came of a scenario.

use std::time::Duration;

use super::super::shared_link::{dropped, Fate, Passage};
use super::super::*;
use super::scenario::{Kind, Lab, Scenario, UP};
use crate::stats::StreamStats;
use crate::time::micros;

/// The line is full when so much of it was used over so long.
const FULL: f64 = 0.9;
const FULL_FOR: Duration = Duration::from_millis(500);
/// A lower rate shows over so long.
const SEEN_OVER: Duration = Duration::from_millis(200);
/// A message that is missing for longer counts as one that took so long as it is missing.
const MISSING: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Payload of bulk flows that arrived, of what the line could carry of it: C (1 - p).
    pub used: Option<f64>,
    /// Bytes that the clients put on the line for each byte of bulk that arrived, the whole time; without
    /// bulk, for each byte that the others wrote.
    pub cost: Option<f64>,
    /// Milliseconds that the clients' datagrams waited at the bottleneck, and for how many seconds they
    /// waited longer than half the round trip.
    pub wait_mean: f64,
    pub wait_p95: f64,
    pub wait_max: f64,
    pub over: f64,
    /// Datagrams of the clients: all, those that the line dropped and those that it lost.
    pub sent: u64,
    pub dropped: u64,
    pub lost: u64,
    pub retransmitted: u64,
    pub spurious: u64,
    /// Milliseconds that messages took, there and back or as pieces one way: median, 99th and 99.9th
    /// percentiles, longest.
    pub took: Option<[f64; 4]>,
    /// Seconds until the line was full.
    pub full_after: Option<f64>,
    /// Seconds from the first time that the line carries less than before until no more is put on it.
    pub left_after: Option<f64>,
    /// Of the payload of bulk and TCP flows, the part of the former.
    pub share: Option<f64>,
    /// Jain's index over the bulk flows.
    pub jain: Option<f64>,
    /// When the first bulk flow failed.
    pub died: Option<f64>,
}

impl Scenario {
    /// Bytes of payload that the line can carry in a time, losses taken off; `None`: it has no rate.
    pub(super) fn capacity(&self, from: Duration, to: Duration) -> Option<f64> {
        let policed = self.up.policer.map_or(u64::MAX, |policer| policer.rate);
        let first = self.up.rate.or(self.up.policer.map(|policer| policer.rate))?;
        let mut bits = 0.0;
        let ends = self.up.rate_steps.iter().map(|step| step.at).chain([Duration::MAX]);
        let rates = [first].into_iter().chain(self.up.rate_steps.iter().map(|step| step.rate));
        let mut begins = Duration::ZERO;
        for (rate, ends) in rates.zip(ends) {
            let span = to.min(ends).saturating_sub(from.max(begins));
            bits += rate.min(policed) as f64 * span.as_secs_f64();
            begins = ends;
        }
        let dark: f64 = self
            .up
            .blackouts
            .iter()
            .map(|dark| to.min(dark.from + dark.lasts).saturating_sub(from.max(dark.from)))
            .map(|span| first as f64 * span.as_secs_f64())
            .sum();
        let arrives = (0..=100).find(|&p| Probability::percent(p) >= self.up.loss).unwrap_or(0);
        Some((bits - dark) / 8.0 * f64::from(100 - arrives) / 100.0)
    }

    fn rtt(&self) -> Duration {
        self.up.delay + self.down.delay
    }
}

/// Bytes that arrived in a time.
pub(super) fn arrived(arrivals: &[(Time, usize)], from: Duration, to: Duration) -> usize {
    let place = |at| arrivals.partition_point(|&(time, _)| time < Time::ZERO + at);
    arrivals[place(from)..place(to).max(place(from))].iter().map(|&(_, bytes)| bytes).sum()
}

impl Measured {
    /// Reads everything off a scenario that has run.
    pub(super) fn of(lab: &Lab<'_>) -> Measured {
        let scenario = lab.scenario;
        let (from, end) = (scenario.from, scenario.length);
        let flows: Vec<f64> =
            lab.bulk_flows().map(|flow| arrived(lab.arrivals(flow), from, end) as f64).collect();
        let own: f64 = flows.iter().sum();
        let tcp: usize = lab.cubics.iter().map(|&host| cubic_arrived(lab, host, from, end)).sum();
        let mut measured = Measured {
            used: scenario.capacity(from, end).filter(|_| !flows.is_empty()).map(|all| own / all),
            share: (!lab.cubics.is_empty()).then(|| own / (own + tcp as f64).max(1.0)),
            jain: (flows.len() > 1).then(|| jain(&flows)),
            full_after: full_after(lab),
            left_after: left_after(lab),
            took: times(lab),
            ..Measured::default()
        };
        measured.look_at_line(lab);
        measured.look_at_streams(lab);
        measured
    }

    fn look_at_line(&mut self, lab: &Lab<'_>) {
        let is_own = |passage: &&Passage| (1..=lab.scenario.clients()).contains(&passage.from);
        let passages = &lab.world.shared[UP].passages;
        let all = lab.scenario.length;
        // What is still under way can have brought nothing yet.
        let is_over = |passage: &&Passage| {
            let wait = match passage.fate {
                Fate::Waited(wait) => Duration::from_micros(u64::from(wait)),
                _ => Duration::ZERO,
            };
            passage.at + wait + lab.scenario.up.delay <= Time::ZERO + all
        };
        let own = passages.iter().filter(is_own).filter(is_over);
        let total: usize = own.map(|passage| passage.len).sum();
        let bulk: Vec<usize> =
            lab.bulk_flows().map(|flow| arrived(lab.arrivals(flow), Duration::ZERO, all)).collect();
        let payload: usize = match bulk.is_empty() {
            true => lab.messages().map(|(_, bytes, written)| bytes * written.len()).sum(),
            false => bulk.iter().sum(),
        };
        self.cost = (payload > 0).then(|| total as f64 / payload as f64);

        let mut waits = Vec::new();
        let half = micros(lab.scenario.rtt()) as u32 / 2;
        // Since when the queue was long, and when it would be empty if nothing more came.
        let mut over_since: Option<(Time, Time)> = None;
        for passage in passages.iter().filter(is_own) {
            self.sent += 1;
            let Fate::Waited(wait) = passage.fate else {
                match passage.fate {
                    Fate::Lost => self.lost += 1,
                    _ => self.dropped += 1,
                }
                continue;
            };
            if let Some((since, until)) = over_since.take() {
                self.over += passage.at.min(until).since(since).as_secs_f64();
            }
            let until = passage.at + Duration::from_micros(u64::from(wait));
            over_since = Some((passage.at, until)).filter(|_| wait > half);
            if passage.at >= Time::ZERO + lab.scenario.from {
                waits.push(wait);
            }
        }
        waits.sort_unstable();
        let millis = |wait: u32| f64::from(wait) / 1000.0;
        let sum: u64 = waits.iter().map(|&wait| u64::from(wait)).sum();
        self.wait_mean = sum as f64 / waits.len().max(1) as f64 / 1000.0;
        self.wait_p95 = percentile(&waits, 0.95).map_or(0.0, millis);
        self.wait_max = percentile(&waits, 1.0).map_or(0.0, millis);
        let stats = lab.world.shared[UP].stats();
        debug_assert!(self.dropped <= dropped(&stats) && self.lost <= stats.lost);
    }

    fn look_at_streams(&mut self, lab: &Lab<'_>) {
        for (flow, place) in lab.apps.iter().enumerate() {
            let Some((host, app)) = *place else { continue };
            let host = &lab.world.hosts[host];
            let stats: StreamStats = host.router.session_stats(host.apps[app].key);
            self.retransmitted += stats.timeout_retransmits + stats.fast_retransmits;
            self.spurious += stats.spurious_retransmits;
            let bulk = lab.scenario.flows[flow].kind == Kind::Bulk;
            if let Some((at, _)) = host.apps[app].failed.as_ref().filter(|_| bulk) {
                let died = at.since(Time::ZERO).as_secs_f64();
                self.died = Some(self.died.map_or(died, |before| before.min(died)));
            }
        }
    }
}

pub(super) fn cubic_arrived(lab: &Lab<'_>, host: usize, from: Duration, to: Duration) -> usize {
    let cubic = lab.world.hosts[host].cubic.as_ref();
    cubic.map_or(0, |cubic| arrived(&cubic.arrivals, from, to))
}

/// Jain, Chiu and Hawe 1984: 1 when all have the same, 1 / n when one has everything.
pub(super) fn jain(flows: &[f64]) -> f64 {
    let sum: f64 = flows.iter().sum();
    let squares: f64 = flows.iter().map(|flow| flow * flow).sum();
    if squares == 0.0 {
        return 0.0;
    }
    sum * sum / (flows.len() as f64 * squares)
}

/// The value that so large a part of the sorted values does not exceed.
pub(super) fn percentile<T: Copy>(sorted: &[T], part: f64) -> Option<T> {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.max(1) - 1).copied()
}

/// Seconds from the clock's start until the bulk flows first had filled the line for half a second.
fn full_after(lab: &Lab<'_>) -> Option<f64> {
    let scenario = lab.scenario;
    let mut at = scenario.clock + FULL_FOR;
    while at <= scenario.length {
        let from = at - FULL_FOR;
        let could = scenario.capacity(from, at)?;
        let did: usize = lab.bulk_flows().map(|flow| arrived(lab.arrivals(flow), from, at)).sum();
        if could > 0.0 && did as f64 >= FULL * could {
            return Some((at - scenario.clock).as_secs_f64());
        }
        at += ms(20);
    }
    None
}

/// Seconds from the first step down until the clients put, for as long as it takes to see, no more on the line
/// than it carries.
fn left_after(lab: &Lab<'_>) -> Option<f64> {
    let up = &lab.scenario.up;
    let before = up.rate.into_iter().chain(up.rate_steps.iter().map(|step| step.rate));
    let (step, _) = up.rate_steps.iter().zip(before).find(|(step, before)| step.rate < *before)?;
    let carries = step.rate as f64 / 8.0 * SEEN_OVER.as_secs_f64() * 1.05;
    let passages = &lab.world.shared[UP].passages;
    let place = |at: Duration| passages.partition_point(|passage| passage.at < Time::ZERO + at);
    let begins = (0..).map(|n| step.at + ms(10) * n);
    let mut begins = begins.take_while(|&at| at + SEEN_OVER <= lab.scenario.length);
    let left = begins.find(|&at| {
        let offered = &passages[place(at)..place(at + SEEN_OVER)];
        offered.iter().map(|passage| passage.len as f64).sum::<f64>() <= carries
    })?;
    Some((left - step.at).as_secs_f64())
}

/// Median, percentiles and longest of the times of all messages that were written in the window.
fn times(lab: &Lab<'_>) -> Option<[f64; 4]> {
    let end = Time::ZERO + lab.scenario.length;
    let mut all = Vec::new();
    for (flow, size, written) in lab.messages() {
        let mut arrivals = lab.arrivals(flow).iter();
        let (mut bytes, mut at) = (0, None);
        for (n, &sent) in written.iter().enumerate() {
            while bytes < size * (n + 1) {
                let Some(&(time, more)) = arrivals.next() else {
                    at = None;
                    break;
                };
                bytes += more;
                at = Some(time);
            }
            if sent < Time::ZERO + lab.scenario.from {
                continue;
            }
            match at {
                Some(at) => all.push(at.since(sent)),
                None if end.since(sent) >= MISSING => all.push(end.since(sent)),
                None => {}
            }
        }
    }
    all.sort_unstable();
    let millis = |part| percentile(&all, part).map(|took| took.as_secs_f64() * 1000.0);
    Some([millis(0.5)?, millis(0.99)?, millis(0.999)?, millis(1.0)?])
}
