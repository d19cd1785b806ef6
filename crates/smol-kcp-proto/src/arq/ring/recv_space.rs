//! How much the application takes in a round trip, by which the receive window is sized.
//!
//! This is the dynamic right-sizing of Linux (`tcp_rcv_space_adjust`; Fisk and Feng 2001) in
//! segments. A round begins; when a round trip is over, what has arrived in it *and* was taken by the
//! application is what the path delivers, and the window is to be [four times](GAIN) as wide. Slow
//! start doubles what is under way per round trip, so the window stays ahead of it.
//!
//! Two differences. Linux counts the bytes that were copied to the reader. Under loss those come in
//! lumps of several round trips, one for each repair; so the segments that arrived are counted, less
//! the part by which the backlog of the reader grew. What waits for a gap to close is none: while a
//! segment is lost a second time the reader has nothing to read, and a window that stops growing for
//! that, or is full, stops the sender. And a window of Linux never shrinks; here the
//! best round of the last [period or two](PERIOD) counts, so that a burst is not paid for ever.

use crate::wire::diff;

/// The window in round trips of what is delivered. With what is lost and repaired meanwhile, four
/// bandwidth-delay products are what 10 % loss needs: 0.34 of the line with one, 0.63 with two, 0.86
/// with three, 0.97 with four (simulated).
const GAIN: u32 = 4;

/// Shortest and longest round, in milliseconds. Below the first, a round is a turn of the sender's
/// clockwork and not a trip. Beyond the second, a peer that holds its ACKs back would be given a
/// window for what it sends in minutes.
const SHORTEST: u32 = 5;
const LONGEST: u32 = 3_000;

/// Milliseconds in which the best round counts, and that it counts in the next ones.
const PERIOD: u64 = 10_000;

/// Segments below which nothing is asked for: small talk needs no window of its own.
const LEAST: u32 = 64;

/// What the receive window should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecvDemand {
    /// Counts rounds: what follows is new when it differs.
    pub round: u32,
    /// Segments; 0: the window that it begins with is wide enough.
    pub segments: u32,
    /// Bytes that were read in the latest round: by so much the window may shrink without taking back
    /// what the peer was told.
    pub read: usize,
}

/// Totals of the receive side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Segments that arrived and were new.
    pub arrived: u64,
    /// Bytes that the application has read; it wraps.
    pub read: usize,
    /// Bytes that wait for it.
    pub backlog: usize,
}

/// The measurement. At rest there is none, and it takes no memory.
#[derive(Debug, Default)]
pub(super) struct RecvSpace {
    running: Option<Box<Running>>,
    /// Rounds so far.
    round: u32,
    /// The round trip as a receiver sees it; 0: not yet.
    rtt: u32,
}

/// What is measured while data arrive.
#[derive(Debug, Default)]
struct Running {
    demand: RecvDemand,
    /// The clock at which the round is over.
    over_at: u64,
    /// What there was when it began.
    from: Totals,
    /// Most segments of a round in this period and in the one before, and when this one began.
    best: [u32; 2],
    since: u64,
    /// The end of the window, and when the peer was about to be told of it.
    edge: Option<(u32, u64)>,
}

impl RecvSpace {
    /// What the receive window should be.
    pub(super) fn demand(&self) -> RecvDemand {
        let none = RecvDemand { round: self.round, ..RecvDemand::default() };
        self.running.as_ref().map_or(none, |running| running.demand)
    }

    /// How many rounds there were: what should be is new when this is.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Is the round over, or the edge reached that tells how long one takes? The first data begin one.
    #[inline(always)]
    pub(super) fn is_due(&self, clock: u64, rcv_nxt: u32, pushed: bool) -> bool {
        match &self.running {
            None => pushed,
            Some(running) => clock >= running.over_at || running.is_edge_reached(rcv_nxt),
        }
    }

    /// Estimates the round trip of a side that only receives: what lies at the edge of the window
    /// cannot have been sent before the peer heard of that edge (`tcp_rcv_rtt_measure`). A sender that
    /// is not held up by the window takes longer, hence the shortest counts.
    pub(super) fn observe(&mut self, clock: u64, rcv_nxt: u32, window: u16) {
        let Some(running) = &mut self.running else { return };
        if running.edge.is_some() && !running.is_edge_reached(rcv_nxt) {
            return;
        }
        let edge = (rcv_nxt.wrapping_add(u32::from(window)), clock);
        if let Some((_, told_at)) = running.edge.replace(edge) {
            let took = u32::try_from(clock.saturating_sub(told_at)).unwrap_or(u32::MAX).max(1);
            self.rtt = if self.rtt == 0 { took } else { self.rtt.min(took) };
        }
    }

    /// Begins to measure, unless it does so.
    pub(super) fn begin(&mut self, clock: u64, now: Totals) {
        if self.running.is_none() {
            let demand = self.demand();
            let running = Running { demand, from: now, since: clock, ..Running::default() };
            self.running = Some(Box::new(running));
        }
    }

    /// Ends the round, if it is known how long one takes: `rtt` is what ACKs have measured, 0 if
    /// nothing.
    pub(super) fn end_round(&mut self, clock: u64, rtt: u32, now: Totals) {
        let Some(running) = &mut self.running else { return };
        if rtt > 0 {
            // What ACKs have measured is better than the edge, which need not be looked at any more.
            running.edge = None;
        }
        let rtt = if rtt == 0 { self.rtt } else { rtt };
        if rtt > 0 && clock >= running.over_at {
            self.round = self.round.wrapping_add(1);
            running.end_round(clock, now, self.round);
            running.over_at = clock + u64::from(rtt.clamp(SHORTEST, LONGEST));
        }
    }

    /// Is something measured, which would be forgotten at rest?
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Forgets what was measured, as nothing is under way. The round trip stays.
    pub(super) fn rest(&mut self) {
        self.running = None;
        self.round = self.round.wrapping_add(1);
    }
}

impl Running {
    fn is_edge_reached(&self, rcv_nxt: u32) -> bool {
        self.edge.is_some_and(|(edge, _)| diff(rcv_nxt, edge) >= 0)
    }

    fn end_round(&mut self, clock: u64, now: Totals, round: u32) {
        let arrived = now.arrived.wrapping_sub(self.from.arrived);
        let read = now.read.wrapping_sub(self.from.read);
        let waits = now.backlog.saturating_sub(self.from.backlog);
        // Only what the application takes counts: of a round in which the backlog grew, as large a
        // part as was read of the whole.
        let whole = (read as u64).saturating_add(waits as u64);
        let taken = match (read as u64).saturating_mul(arrived).checked_div(whole) {
            // Twice the window's 16 bits is no different from four times.
            Some(taken) => taken.min(1 << 17) as u32,
            None => 0,
        };
        let age = clock.saturating_sub(self.since);
        if age >= PERIOD {
            self.best = [0, if age < 2 * PERIOD { self.best[0] } else { 0 }];
            self.since = clock;
        }
        self.best[0] = self.best[0].max(taken);
        let segments = GAIN * self.best[0].max(self.best[1]);
        let segments = if segments < LEAST { 0 } else { segments };
        self.demand = RecvDemand { round, segments, read };
        self.from = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of 100 ms in which so many segments of 1,000 bytes arrive and are read.
    fn rounds(space: &mut RecvSpace, now: &mut (u64, Totals), each: &[(u64, usize)]) -> Vec<u32> {
        let mut demands = Vec::new();
        for &(arrived, read) in each {
            now.0 += 100;
            now.1.arrived += arrived;
            now.1.read = now.1.read.wrapping_add(read * 1000);
            now.1.backlog = (now.1.backlog + arrived as usize * 1000).saturating_sub(read * 1000);
            assert!(space.is_due(now.0, 0, false));
            space.end_round(now.0, 100, now.1);
            assert!(!space.is_due(now.0 + 99, 0, false));
            demands.push(space.demand().segments);
        }
        demands
    }

    fn begun() -> (RecvSpace, (u64, Totals)) {
        // Much has been received before.
        let totals = Totals { arrived: 1 << 40, read: 5_000_000, backlog: 0 };
        let (mut space, now) = (RecvSpace::default(), (5000, totals));
        space.begin(now.0, now.1);
        space.end_round(now.0, 100, now.1);
        (space, now)
    }

    #[test]
    fn four_times_what_arrives_and_is_read_in_a_round_trip() {
        let (mut space, mut now) = begun();
        let found = rounds(&mut space, &mut now, &[(10, 10), (20, 20), (40, 40), (30, 30)]);
        assert_eq!(found, [0, 80, 160, 160], "small talk asks for nothing");
    }

    #[test]
    fn what_is_not_read_does_not_count() {
        let (mut space, mut now) = begun();
        assert_eq!(rounds(&mut space, &mut now, &[(100, 0), (100, 0)]), [0, 0]);
        assert_eq!(rounds(&mut space, &mut now, &[(100, 25), (0, 100)]), [100, 100]);
    }

    #[test]
    fn lumps_that_a_repair_lets_go_count_as_what_arrived() {
        let (mut space, mut now) = begun();
        let found = rounds(&mut space, &mut now, &[(100, 20), (100, 10), (100, 270), (100, 100)]);
        assert_eq!(found, [80, 80, 400, 400]);
    }

    #[test]
    fn a_burst_counts_for_a_period_or_two() {
        let (mut space, mut now) = begun();
        rounds(&mut space, &mut now, &[(1000, 1000)]);
        // At 5.1 s: in the period from 5 s to 15 s, which the next one remembers.
        let after = rounds(&mut space, &mut now, &[(30, 30); 210]);
        assert_eq!(after.iter().position(|&segments| segments == 120), Some(198));
        space.rest();
        assert_eq!(space.demand().segments, 0);
        assert!(!space.is_running() && !space.is_due(now.0, 0, false));
        assert!(space.is_due(now.0, 0, true));
    }

    #[test]
    fn a_receiver_finds_the_round_trip_by_the_edge_of_its_window() {
        let mut space = RecvSpace::default();
        space.begin(0, Totals::default());
        space.end_round(0, 0, Totals::default());
        assert_eq!(space.demand().round, 0, "nothing is known");
        // Sent in rows of 128 a round trip of 80 ms, at first with a pause.
        for (clock, rcv_nxt) in [(0, 0), (40, 60), (300, 128), (380, 256), (390, 300), (460, 384)] {
            space.observe(clock, rcv_nxt, 128);
        }
        assert_eq!(space.rtt, 80);
        space.end_round(500, 0, Totals::default());
        assert!(!space.is_due(579, 511, true) && space.is_due(580, 511, true));
        assert!(space.is_due(540, 512, true));
    }

    #[test]
    fn counters_may_wrap() {
        let mut space = RecvSpace::default();
        let from = Totals { arrived: u64::MAX - 9, read: usize::MAX - 9_999, backlog: 0 };
        space.begin(100, from);
        space.end_round(100, 50, from);
        space.end_round(150, 50, Totals { arrived: 90, read: 90_000, backlog: 0 });
        assert_eq!(space.demand().segments, 400);
        assert_eq!(space.demand().read, 100_000);
    }
}
