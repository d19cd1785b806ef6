//! How fast the peer receives: a rate from each acknowledgement that tells which transmission arrived.
//!
//! KCP's ACK echoes the clock of the very transmission that it answers. With a record of how much had been
//! delivered at which time, that is enough for the delivery rate of RFC draft-cheng-iccrg-delivery-rate
//! without any state in the segments: what was delivered between the sending of the segment and its
//! acknowledgement, by the time that took.

use std::collections::VecDeque;

use crate::time::Time;

/// Records kept at most, a sixty-fourth of a round trip apart.
const MARKS: usize = 512;

/// What had been delivered at a time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Time,
    total: u64,
    /// The clock at which the latest of it had been sent, in milliseconds.
    newest_sent: u64,
}

/// A delivery rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Bytes a second.
    pub rate: u64,
    /// The sender had nothing to send in between, or was kept from it: the path carries that much at least.
    pub limited: bool,
}

/// Bytes delivered so far, and the record of them.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    pub total: u64,
    newest_sent: u64,
    marks: VecDeque<Mark>,
    /// The clock in milliseconds at which the sender last had nothing to send.
    limited_at: Option<u64>,
}

impl Delivered {
    /// The first data after a rest leaves now: the time before does not count.
    pub(super) fn begin(&mut self, now: Time) {
        self.newest_sent = self.newest_sent.max(now.as_millis());
        self.mark(now);
    }

    /// The sender has nothing to send, or no room at the peer.
    pub(super) fn limit(&mut self, now: Time) {
        self.limited_at = Some(now.as_millis());
    }

    /// Takes acknowledged bytes into account; the latest of them was sent at `sent_at` milliseconds. Over
    /// less than `min_rtt` milliseconds a rate would be that of a burst of ACKs; 0: it is shorter than the
    /// clock tells.
    pub(super) fn on_ack(
        &mut self,
        now: Time,
        bytes: u64,
        sent_at: Option<u64>,
        min_rtt: u32,
    ) -> Option<Sample> {
        self.total = self.total.wrapping_add(bytes);
        let sent_at = sent_at?;
        let sample = self.sample(now, sent_at, min_rtt);
        self.newest_sent = self.newest_sent.max(sent_at);
        let step = u64::from(min_rtt.max(1)) * 1000 / 64;
        if self.marks.back().is_none_or(|last| last.at.as_micros() + step < now.as_micros()) {
            self.mark(now);
        }
        sample
    }

    fn sample(&mut self, now: Time, sent_at: u64, min_rtt: u32) -> Option<Sample> {
        // The last record before the segment was sent; what is older is needed no more, but for segments
        // that were sent before it and arrive late.
        let sent_before = Time::from_millis(sent_at.saturating_add(1));
        let sent_before = match min_rtt {
            // Perhaps that is now: what was delivered since the latest record would be the bytes of some
            // microseconds, by a millisecond.
            0 => sent_before.min(Time::from_micros(now.as_micros().saturating_sub(1000))),
            _ => sent_before,
        };
        let at = self.marks.partition_point(|mark| mark.at < sent_before);
        let mark = *self.marks.get(at.saturating_sub(1))?;
        if sent_at < self.newest_sent {
            // Sent before what has been acknowledged already: it would measure the past once more.
            return None;
        }
        self.marks.drain(..at.saturating_sub(1).min(self.marks.len()));
        let acked = now.as_micros().saturating_sub(mark.at.as_micros());
        // The faster of sending and acknowledging is an accident of bursts on the way.
        let sent = sent_at.saturating_sub(mark.newest_sent).saturating_mul(1000);
        let took = acked.max(sent).max(u64::from(min_rtt) * 1000).max(1000);
        let bytes = self.total.wrapping_sub(mark.total);
        Some(Sample {
            rate: bytes.saturating_mul(1_000_000) / took,
            limited: self.limited_at.is_some_and(|at| at >= mark.newest_sent),
        })
    }

    fn mark(&mut self, now: Time) {
        if self.marks.len() >= MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { at: now, total: self.total, newest_sent: self.newest_sent });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Time {
        Time::from_millis(n)
    }

    /// A kilobyte every millisecond over a path of 40 ms.
    fn steady(delivered: &mut Delivered, from: u64, to: u64) -> Vec<Sample> {
        (from..to).filter_map(|at| delivered.on_ack(ms(at), 1000, Some(at - 40), 40)).collect()
    }

    #[test]
    fn a_steady_stream_measures_its_rate_from_the_first_round_on() {
        let mut delivered = Delivered::default();
        delivered.begin(ms(100));
        let samples = steady(&mut delivered, 140, 400);
        assert!(samples.iter().all(|sample| sample.rate <= 1_000_000 && !sample.limited));
        assert_eq!(samples.last().map(|sample| sample.rate), Some(1_000_000));
        assert!(delivered.marks.len() <= 66, "{}", delivered.marks.len());
    }

    #[test]
    fn round_trips_shorter_than_the_clock_tells_measure_the_rate_all_the_same() {
        let mut delivered = Delivered::default();
        delivered.begin(ms(100));
        let mut rates = Vec::new();
        // Four kilobytes each tenth of a millisecond, in which they are acknowledged too.
        for at in (100_100..110_000).step_by(100) {
            let sample = delivered.on_ack(Time::from_micros(at), 4000, Some((at - 50) / 1000), 0);
            rates.extend(sample.map(|sample| sample.rate));
        }
        assert!(rates.iter().all(|&rate| rate <= 40_000_000), "{rates:?}");
        // The best of each millisecond, as that is what counts.
        let best = rates.chunks(10).skip(1).map(|some| some.iter().max());
        assert!(best.min() >= Some(Some(&36_000_000)), "{rates:?}");
    }

    #[test]
    fn acknowledgements_in_lumps_do_not_look_faster_than_the_sending_was() {
        let mut delivered = Delivered::default();
        delivered.begin(ms(100));
        steady(&mut delivered, 140, 300);
        // Nothing comes for 20 ms, then all of it at once.
        let lump = delivered.on_ack(ms(320), 20_000, Some(279), 40).unwrap();
        assert!((900_000..=1_040_000).contains(&lump.rate), "{lump:?}");
    }

    #[test]
    fn a_rest_does_not_count_and_a_sender_without_data_is_told_apart() {
        let mut delivered = Delivered::default();
        delivered.begin(ms(100));
        steady(&mut delivered, 140, 300);
        delivered.limit(ms(300));
        delivered.begin(ms(9000));
        let samples = steady(&mut delivered, 9040, 9200);
        assert!(samples.iter().skip(40).all(|sample| sample.rate == 1_000_000 && !sample.limited));
        delivered.limit(ms(9190));
        let limited = delivered.on_ack(ms(9230), 10, Some(9190), 40).unwrap();
        assert!(limited.limited);
    }

    #[test]
    fn what_was_sent_before_the_latest_acknowledged_measures_nothing() {
        let mut delivered = Delivered::default();
        delivered.begin(ms(100));
        steady(&mut delivered, 140, 300);
        assert_eq!(delivered.on_ack(ms(300), 1000, Some(200), 40), None);
        assert_eq!(delivered.on_ack(ms(300), 1000, None, 40), None);
        assert_eq!(delivered.total, 162_000);
    }
}
