//! What a path did during a measurement, as its sender saw it.

use smol_kcp::StreamStats;

use crate::figures::{lost, path_rate, phase, queue, why, REASONS};

/// The letters of a phase that travel.
const PHASE_LEN: usize = 8;

/// Samples of queues that are kept: those of a minute, and of what comes behind it.
const MOST: usize = 1024;

/// What the path of a measurement did while it lasted, from samples ten times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSummary {
    /// Bytes of segments a second that it carries, as far as the sender knew: the mean.
    pub rate: u64,
    /// What the controller was at by the end, in lower case; `off` where there is none.
    pub(super) phase: [u8; PHASE_LEN],
    /// What got lost of what was sent, by whatever cause, in parts of a million.
    pub loss_ppm: u32,
    /// The shortest round trip, in milliseconds.
    pub min_rtt_ms: u32,
    /// What queued on the way, in milliseconds: the mean.
    pub queue_ms: u32,
    /// What it did not exceed in 95 of a hundred samples: one in which a machine had no time for its
    /// datagrams says nothing of the line.
    pub queue_p95_ms: u32,
    /// Bytes sent and not acknowledged: the mean.
    pub in_flight: u64,
    /// The bytes that might be: the mean; 0: nothing but the windows of both sides bounds them.
    pub window: u64,
    /// Per cent of the time that the sender waited for the path, the pace, a window, the application.
    pub waits: [u8; REASONS.len()],
}

impl PathSummary {
    /// Returns what the controller was at; what came from a peer and is no name is `?`.
    pub fn phase(&self) -> &str {
        let end = self.phase.iter().position(|&byte| byte == 0).unwrap_or(PHASE_LEN);
        let name = self.phase.get(..end).unwrap_or_default();
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => name,
            _ => "?",
        }
    }

    /// Returns for what the sender waited, longest first: the reason and per cent of the time.
    pub fn waits(&self) -> impl Iterator<Item = (&'static str, u8)> {
        let mut waits: Vec<_> = REASONS.into_iter().zip(self.waits).collect();
        waits.sort_by_key(|&(_, share)| std::cmp::Reverse(share));
        waits.into_iter().filter(|&(_, share)| share > 0)
    }
}

/// Samples of a path.
#[derive(Clone, Debug)]
pub(super) struct PathSamples {
    count: u64,
    /// Sums of rates, and how many were known.
    rate: u64,
    rates: u64,
    /// Each queue; a measurement has an end.
    queues: Vec<u32>,
    min_rtt: u32,
    in_flight: u64,
    window: u64,
    waits: [u64; REASONS.len()],
    /// Before the measurement, and the last sample.
    first: StreamStats,
    last: StreamStats,
}

impl PathSamples {
    /// None yet, of a stream that has come so far.
    pub(super) fn new(first: StreamStats) -> PathSamples {
        PathSamples {
            count: 0,
            rate: 0,
            rates: 0,
            queues: Vec::new(),
            min_rtt: u32::MAX,
            in_flight: 0,
            window: 0,
            waits: [0; REASONS.len()],
            first,
            last: first,
        }
    }

    pub(super) fn add(&mut self, stats: &StreamStats) {
        let (min_rtt, queue) = queue(stats);
        self.count += 1;
        let rate = path_rate(stats);
        self.rate = self.rate.saturating_add(rate);
        self.rates += u64::from(rate > 0);
        if self.queues.len() < MOST {
            self.queues.push(queue);
        }
        self.min_rtt = self.min_rtt.min(min_rtt);
        self.in_flight = self.in_flight.saturating_add(stats.path.in_flight);
        self.window = self.window.saturating_add(stats.path.window);
        self.waits[why(stats.waits_for)] += 1;
        self.last = *stats;
    }

    /// Returns what they say together; `None`: there are none.
    pub(super) fn summary(&self) -> Option<PathSummary> {
        let mean = |sum: u64| sum.checked_div(self.count);
        let mut name = [0; PHASE_LEN];
        let said = phase(self.last.path.phase);
        name.iter_mut().zip(said.bytes()).for_each(|(to, from)| *to = from);
        let mut queues = self.queues.clone();
        queues.sort_unstable();
        let sum: u64 = queues.iter().copied().map(u64::from).sum();
        let queue = sum.checked_div(queues.len() as u64)?;
        let p95 = queues.get((queues.len() * 95).div_ceil(100).saturating_sub(1));
        Some(PathSummary {
            rate: self.rate.checked_div(self.rates).unwrap_or(0),
            phase: name,
            loss_ppm: lost(&self.first, &self.last).unwrap_or(0),
            min_rtt_ms: self.min_rtt,
            queue_ms: u32::try_from(queue).unwrap_or(u32::MAX),
            queue_p95_ms: p95.copied().unwrap_or(0),
            in_flight: mean(self.in_flight)?,
            window: mean(self.window)?,
            waits: self.waits.map(|times| {
                let share = (times * 100 + self.count / 2).checked_div(self.count);
                share.and_then(|share| u8::try_from(share).ok()).unwrap_or(0)
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol_kcp::{Phase, WaitsFor};

    fn stats(queue: u32, waits_for: WaitsFor) -> StreamStats {
        let mut stats = StreamStats::default();
        stats.waits_for = waits_for;
        (stats.path.phase, stats.path.queue_ms) = (Some(Phase::Cruise), queue);
        stats
    }

    #[test]
    fn samples_have_means_shares_and_a_last_word() {
        let mut samples = PathSamples::new(StreamStats::default());
        assert_eq!(samples.summary(), None);
        let waits = [WaitsFor::Pace, WaitsFor::Path, WaitsFor::Path, WaitsFor::Pace];
        for ((queue, min_rtt), waits_for) in
            [(0, 52), (10, 50), (20, 51), (60, 51)].into_iter().zip(waits)
        {
            let mut stats = stats(queue, waits_for);
            stats.path.min_rtt_ms = min_rtt;
            // In the first sample nothing is known of it.
            (stats.path.bandwidth, stats.path.in_flight) = (u64::from(queue) * 1000, 3000);
            samples.add(&stats);
        }
        let summary = samples.summary().unwrap();
        assert_eq!((summary.rate, summary.phase()), (30_000, "cruise"));
        assert_eq!((summary.queue_ms, summary.min_rtt_ms, summary.in_flight), (22, 50, 3000));
        assert_eq!(summary.waits().collect::<Vec<_>>(), [("path", 50), ("pace", 50)]);
    }

    #[test]
    fn a_moment_in_which_nothing_was_forwarded_is_not_the_queue_of_the_line() {
        let mut samples = PathSamples::new(StreamStats::default());
        (0..60).for_each(|n| samples.add(&stats(n % 20 + 10, WaitsFor::Path)));
        let before = samples.summary().unwrap();
        samples.add(&stats(116, WaitsFor::Path));
        let after = samples.summary().unwrap();
        assert_eq!((before.queue_p95_ms, after.queue_p95_ms, after.queue_ms), (28, 29, 21));
    }

    #[test]
    fn what_got_lost_is_counted_from_the_beginning_of_the_measurement_on() {
        let mut first = StreamStats::default();
        (first.path.acked_bytes, first.path.lost_bytes) = (5_000, 5_000);
        let mut samples = PathSamples::new(first);
        for n in 1..=10 {
            let mut stats = stats(0, WaitsFor::Path);
            // Half of what is sent gets lost for a while, then nothing does.
            let lost = if n <= 4 { n * 1000 } else { 4000 };
            (stats.path.acked_bytes, stats.path.lost_bytes) =
                (5_000 + n * 2000 - lost, 5_000 + lost);
            // What the path is believed to lose by chance is another figure.
            stats.path.loss_ppm = 0;
            samples.add(&stats);
        }
        assert_eq!(samples.summary().unwrap().loss_ppm, 200_000);
    }

    #[test]
    fn memory_ends_where_a_measurement_does() {
        let mut samples = PathSamples::new(StreamStats::default());
        (0..5000).for_each(|_| samples.add(&stats(7, WaitsFor::Path)));
        assert_eq!((samples.queues.len(), samples.summary().unwrap().queue_p95_ms), (MOST, 7));
    }

    #[test]
    fn a_phase_that_is_no_name_is_not_printed() {
        for (phase, text) in
            [(*b"startup\0", "startup"), (*b"competes", "competes"), (*b"\x1b[2J\0\0\0\0", "?")]
        {
            assert_eq!(PathSummary { phase, ..PathSummary::default() }.phase(), text);
        }
        assert_eq!(PathSummary::default().phase(), "?");
    }
}
