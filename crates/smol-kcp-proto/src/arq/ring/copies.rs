//! Copies of a thin stream's segments that leave before anybody knows whether they are needed.
//!
//! A thin stream learns of a loss by a timeout only, which is long for whoever waits. Where the path loses
//! datagrams, its small segments ride again in datagrams that leave anyway (redundant data bundling: Petlund
//! and others, LCN 2015), or in some of their own a few milliseconds later. Any receiver of KCP takes what
//! comes first and lets the other go.

use super::RingEngine;
use crate::wire::{diff, Header, CMD_PUSH, HEADER_LEN};

/// Milliseconds between a segment and its copies: bursts of losses are as short, and nobody waits for long.
const GAP: u64 = 5;

/// Segments that are looked after; a stream with more in flight is not thin.
const TRACKED: usize = 4;

/// Bytes of the largest segment that is copied.
const LARGEST: usize = 512;

/// A segment that was sent once by the engine, and perhaps copied.
#[derive(Clone, Copy, Debug)]
struct Tracked {
    sn: u32,
    /// When it was sent, on the engine's clock and on the wire's.
    sent_at: u64,
    ts: u32,
    /// The wire's clock at the latest copy.
    last_ts: u32,
    copies: u8,
}

impl Tracked {
    /// When the next copy leaves by itself.
    fn due(&self) -> u64 {
        self.sent_at + GAP * (u64::from(self.copies) + 1)
    }
}

/// The small segments in flight that are to be copied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copies {
    /// How many of each.
    wanted: u8,
    /// The next copy that is acknowledged before its segment counts as a loss of that.
    counts: bool,
    tracked: [Option<Tracked>; TRACKED],
}

impl Copies {
    /// Sets how often what is sent from here on is copied.
    pub(super) fn set_wanted(&mut self, wanted: u8) {
        self.wanted = wanted;
    }

    /// A segment of so many bytes was sent for the first time.
    pub(super) fn on_sent(&mut self, sn: u32, sent_at: u64, ts: u32, bytes: usize) {
        if self.wanted == 0 || bytes > LARGEST {
            return;
        }
        if let Some(place) = self.tracked.iter_mut().find(|place| place.is_none()) {
            *place = Some(Tracked { sn, sent_at, ts, last_ts: ts, copies: 0 });
        }
    }

    /// Returns the clock at which the next copy is due.
    pub(super) fn due(&self) -> Option<u64> {
        let open = self.tracked.iter().flatten().filter(|one| one.copies < self.wanted);
        open.map(Tracked::due).min()
    }

    /// Returns whether `ts` is the wire clock of a copy of `sn`.
    pub(super) fn is_copy(&self, sn: u32, ts: u32) -> bool {
        self.tracked.iter().flatten().any(|one| {
            // Of several only the latest is remembered: any clock up to it counts.
            one.sn == sn && (1..=diff(one.last_ts, one.ts)).contains(&diff(ts, one.ts))
        })
    }

    /// A copy is acknowledged, and the segment was not: it may be lost, or its ACK, and so half of these count.
    pub(super) fn counts_loss(&mut self) -> bool {
        self.counts = !self.counts;
        self.counts
    }

    /// Forgets what lies below `una`, and what `is_over` says is no longer in flight.
    fn tidy(&mut self, is_over: impl Fn(u32) -> bool) {
        for place in &mut self.tracked {
            if place.is_some_and(|one| is_over(one.sn)) {
                *place = None;
            }
        }
    }
}

impl RingEngine {
    /// Adds copies to what leaves: those that are due, and those that there is room for.
    pub(super) fn send_copies(&mut self) {
        if self.copies.tracked.iter().all(Option::is_none) {
            return;
        }
        let send_window = &self.send_window;
        self.copies.tidy(|sn| send_window.block(sn).is_none() || send_window.transmits(sn) > 1);
        if !self.send_window.is_thin() {
            return;
        }
        let base = self.header(self.now, CMD_PUSH, 0);
        for place in 0..TRACKED {
            let Some(one) = self.copies.tracked.get(place).copied().flatten() else { continue };
            let Some(block) = self.send_window.block(one.sn) else { continue };
            let rides = self.out.has_room(block.len()) && one.sent_at < self.clock;
            if one.copies >= self.copies.wanted || !(rides || one.due() <= self.clock) {
                continue;
            }
            let Some(sent) = Header::decode(block) else { continue };
            let header = Header { sn: sent.sn, frg: sent.frg, len: sent.len, ..base };
            self.out.copy(&header, block.get(HEADER_LEN..).unwrap_or_default());
            self.counters.copies += 1;
            if let Some(Some(one)) = self.copies.tracked.get_mut(place) {
                one.copies += 1;
                one.last_ts = base.ts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_its_clock_however_late_it_rode() {
        let mut copies = Copies::default();
        copies.set_wanted(1);
        copies.on_sent(7, 1000, u32::MAX, 88);
        assert!(!copies.is_copy(7, u32::MAX) && !copies.is_copy(7, 300), "there is none yet");
        if let Some(one) = copies.tracked.iter_mut().flatten().next() {
            (one.copies, one.last_ts) = (1, 299);
        }
        assert!(copies.is_copy(7, 299), "300 ms later, across the wrap");
        assert!(!copies.is_copy(7, 300) && !copies.is_copy(7, u32::MAX) && !copies.is_copy(8, 299));
    }
}
