//! What a path did during a measurement, as its sender saw it.

use smol_kcp::StreamStats;

use crate::figures::{path_rate, phase, queue, why, REASONS};

/// The letters of a phase that travel.
const PHASE_LEN: usize = 8;

/// What the path of a measurement did: the last sample, or the mean of those ten times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSummary {
    /// Bytes of segments a second that it carries, as the sender knows by the end.
    pub rate: u64,
    /// What the controller was at by then, in lower case; `off` where there is none.
    pub(super) phase: [u8; PHASE_LEN],
    /// Share of datagrams that get lost without congestion, in parts of a million.
    pub loss_ppm: u32,
    /// The shortest round trip, in milliseconds.
    pub min_rtt_ms: u32,
    /// What queued on the way, in milliseconds: the mean.
    pub queue_ms: u32,
    /// The most of it.
    pub queue_max_ms: u32,
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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathSamples {
    count: u64,
    queue: u64,
    queue_max: u32,
    in_flight: u64,
    window: u64,
    waits: [u64; REASONS.len()],
    last: StreamStats,
}

impl PathSamples {
    pub(super) fn add(&mut self, stats: &StreamStats) {
        let (_, queue) = queue(stats);
        self.count += 1;
        self.queue += u64::from(queue);
        self.queue_max = self.queue_max.max(queue);
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
        Some(PathSummary {
            rate: path_rate(&self.last),
            phase: name,
            loss_ppm: self.last.path.loss_ppm,
            min_rtt_ms: queue(&self.last).0,
            queue_ms: u32::try_from(mean(self.queue)?).unwrap_or(u32::MAX),
            queue_max_ms: self.queue_max,
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

    #[test]
    fn samples_have_means_shares_and_a_last_word() {
        let mut samples = PathSamples::default();
        assert_eq!(samples.summary(), None);
        for (queue, waits_for) in [(10, WaitsFor::Pace), (20, WaitsFor::Path), (60, WaitsFor::Path)]
        {
            let mut stats = StreamStats::default();
            stats.waits_for = waits_for;
            (stats.path.phase, stats.path.queue_ms) = (Some(Phase::Cruise), queue);
            (stats.path.bandwidth, stats.path.in_flight) = (u64::from(queue) * 1000, 3000);
            samples.add(&stats);
        }
        let summary = samples.summary().unwrap();
        assert_eq!((summary.rate, summary.phase()), (60_000, "cruise"));
        assert_eq!((summary.queue_ms, summary.queue_max_ms, summary.in_flight), (30, 60, 3000));
        assert_eq!(summary.waits().collect::<Vec<_>>(), [("path", 67), ("pace", 33)]);
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
