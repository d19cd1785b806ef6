//! Figures as people read them: rates, bytes, shares, and what a path does.

use std::fmt;

use smol_kcp::secure::SecureStats;
use smol_kcp::{Phase, StreamStats, WaitsFor};

/// A quotient with so many decimal places, rounded: in whole numbers, since routers have no others,
/// and printing others takes 13 kB.
pub(super) fn decimal(dividend: u128, divisor: u128, places: u32) -> String {
    let (divisor, scale) = (divisor.max(1), 10_u128.pow(places));
    let scaled = dividend.saturating_mul(scale).saturating_add(divisor / 2) / divisor;
    let width = places as usize;
    match places {
        0 => scaled.to_string(),
        _ => format!("{}.{:0width$}", scaled / scale, scaled % scale),
    }
}

/// Bits per second.
pub(super) fn bits(rate: u64) -> String {
    let (unit, name, places) = match rate {
        0..1_000_000 => (1_000, "kbit/s", 1),
        1_000_000..1_000_000_000 => (1_000_000, "Mbit/s", 2),
        _ => (1_000_000_000, "Gbit/s", 3),
    };
    format!("{} {name}", decimal(rate.into(), unit, places))
}

/// What is given in bytes per second, in bits.
pub(super) fn bits_of(bytes: u64) -> String {
    bits(bytes.saturating_mul(8))
}

pub(super) fn bytes(count: u64) -> String {
    let (unit, name, places) = unit_of(count);
    format!("{} {name}", decimal(count.into(), unit, places))
}

/// A part of some bytes, in the unit of the whole; 0: the whole has no bound.
pub(super) fn bytes_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        return bytes(part);
    }
    let (unit, name, places) = unit_of(whole);
    let [part, whole] = [part, whole].map(|count| decimal(count.into(), unit, places));
    format!("{part}/{whole} {name}")
}

fn unit_of(count: u64) -> (u128, &'static str, u32) {
    match count {
        0..1_000_000 => (1_000, "kB", 1),
        1_000_000..1_000_000_000 => (1_000_000, "MB", 2),
        _ => (1_000_000_000, "GB", 3),
    }
}

/// Parts of a million, in per cent.
pub(super) fn per_cent(ppm: u32) -> String {
    format!("{} %", decimal(ppm.into(), 10_000, 2))
}

/// What a controller is at; `off` where there is none.
pub(super) fn phase(phase: Option<Phase>) -> String {
    phase.map_or("off".into(), |phase| format!("{phase:?}").to_lowercase())
}

/// What keeps a stream from sending more, in the order of [`why`].
pub(super) const REASONS: [&str; 4] = ["path", "pace", "window", "application"];

/// The place of a reason in [`REASONS`].
pub(super) fn why(waits_for: WaitsFor) -> usize {
    match waits_for {
        WaitsFor::Path => 0,
        WaitsFor::Pace => 1,
        WaitsFor::Window => 2,
        _ => 3,
    }
}

/// A reason by name.
pub(super) fn reason(waits_for: WaitsFor) -> &'static str {
    REASONS[why(waits_for)]
}

/// Bytes of segments per second that the path carries, as far as this side knows.
pub(super) fn path_rate(stats: &StreamStats) -> u64 {
    match stats.path.phase {
        Some(_) => stats.path.bandwidth,
        None => stats.delivery_rate,
    }
}

/// The shortest round trip of late and what queues beyond it, in milliseconds.
pub(super) fn queue(stats: &StreamStats) -> (u32, u32) {
    let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    match stats.path.phase {
        Some(_) => (stats.path.min_rtt_ms, stats.path.queue_ms),
        None => (millis(stats.min_rtt), millis(stats.srtt.saturating_sub(stats.min_rtt))),
    }
}

/// The share of what was sent that got lost between two looks at a stream's path, in parts of a million; `None`:
/// nothing was acknowledged or lost.
pub(super) fn lost(then: &StreamStats, now: &StreamStats) -> Option<u32> {
    let acked = now.path.acked_bytes.saturating_sub(then.path.acked_bytes);
    let lost = now.path.lost_bytes.saturating_sub(then.path.lost_bytes);
    let share = lost.saturating_mul(1_000_000).checked_div(acked.saturating_add(lost))?;
    u32::try_from(share).ok()
}

/// What a path does, as a line of the log; the path is that of a stream.
pub(super) struct PathLine<'a>(pub &'a StreamStats);

impl fmt::Display for PathLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.0.path;
        let (min_rtt, queue) = queue(self.0);
        write!(f, "rate {} ({}", bits_of(path_rate(self.0)), phase(path.phase))?;
        if path.pace > 0 {
            write!(f, ", paced at {}", bits_of(path.pace))?;
        }
        let (lost, in_flight) = (per_cent(path.loss_ppm), bytes_of(path.in_flight, path.window));
        write!(
            f,
            "), {lost} lost without congestion, min RTT {min_rtt} ms, queue {queue} ms, \
             {in_flight} in flight"
        )
    }
}

/// What the encrypted channels of an endpoint did, as a line of the log.
pub(super) struct ChannelsLine<'a>(pub &'a SecureStats);

impl fmt::Display for ChannelsLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecureStats { handshakes, refused, over_limit, strangers, forged, moved, .. } = self.0;
        let replayed = self.0.replayed.wrapping_add(self.0.replayed_initiations);
        write!(
            f,
            "{handshakes} handshakes, {refused} refused for their key, {over_limit} beyond the limit; \
             {strangers} datagrams of strangers, {forged} forged, {replayed} replayed; {moved} changes of \
             address"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_to_their_places() {
        assert_eq!(decimal(2, 3, 3), "0.667");
        assert_eq!(decimal(1999, 1000, 1), "2.0");
        assert_eq!(decimal(1005, 1000, 2), "1.01");
        assert_eq!(decimal(15, 10, 0), "2");
        assert_eq!(decimal(7, 0, 2), "7.00", "as if it were 1");
        assert_eq!((bits(999), bits(1_234_567)), ("1.0 kbit/s".into(), "1.23 Mbit/s".into()));
        assert_eq!((bytes(0), bytes(5_000_000_000)), ("0.0 kB".into(), "5.000 GB".into()));
        assert_eq!(bytes_of(61_000, 1_980_000), "0.06/1.98 MB");
        assert_eq!((bytes_of(61_000, 0), per_cent(12_345)), ("61.0 kB".into(), "1.23 %".into()));
    }

    #[test]
    fn what_was_lost_is_a_share_of_what_was_sent_meanwhile() {
        let at = |acked, lost| {
            let mut stats = StreamStats::default();
            (stats.path.acked_bytes, stats.path.lost_bytes) = (acked, lost);
            stats
        };
        assert_eq!(lost(&at(1000, 900), &at(9000, 2900)), Some(200_000));
        assert_eq!(lost(&at(1000, 900), &at(1000, 900)), None);
        assert_eq!(lost(&at(1000, 900), &at(2000, 800)), Some(0), "it was not lost after all");
    }

    #[test]
    fn a_path_is_a_line_whether_it_is_controlled_or_not() {
        let mut stats = StreamStats::default();
        stats.delivery_rate = 1_000_000;
        stats.min_rtt = std::time::Duration::from_millis(40);
        stats.srtt = std::time::Duration::from_millis(61);
        stats.path.in_flight = 12_000;
        let line = PathLine(&stats).to_string();
        assert!(line.starts_with("rate 8.00 Mbit/s (off), 0.00 % lost"), "{line}");
        assert!(line.ends_with("min RTT 40 ms, queue 21 ms, 12.0 kB in flight"), "{line}");
        stats.path.phase = Some(Phase::Cruise);
        (stats.path.bandwidth, stats.path.pace) = (1_250_000, 1_300_000);
        (stats.path.min_rtt_ms, stats.path.queue_ms) = (50, 8);
        (stats.path.window, stats.path.loss_ppm) = (98_000, 10_000);
        let line = PathLine(&stats).to_string();
        assert_eq!(
            line,
            "rate 10.00 Mbit/s (cruise, paced at 10.40 Mbit/s), 1.00 % lost without congestion, \
             min RTT 50 ms, queue 8 ms, 12.0/98.0 kB in flight"
        );
    }
}
