//! So many segments every ten milliseconds: the simplest controller that paces.

use super::super::rtt::Rtt;
use super::{Acked, Budget};

const PERIOD: u64 = 10;

/// What the tests ask for and what it was told.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Steady {
    pub per_period: u32,
    period: u64,
    sent: u32,
    pub sent_bytes: u64,
    pub acked: u64,
    pub delivered: u64,
    pub latest_rtt: u32,
}

impl Steady {
    pub(crate) fn new(per_period: u32) -> Steady {
        Steady { per_period, ..Steady::default() }
    }

    pub(crate) fn budget(&self, clock: u64) -> Budget {
        let sent = if clock / PERIOD == self.period { self.sent } else { 0 };
        let more_at = Some((clock / PERIOD + 1) * PERIOD);
        Budget { segments: self.per_period - sent, more_at }
    }

    pub(crate) fn on_sent(&mut self, clock: u64, segments: u32, bytes: u64) {
        if clock / PERIOD != self.period {
            (self.period, self.sent) = (clock / PERIOD, 0);
        }
        self.sent += segments;
        self.sent_bytes += bytes;
    }

    pub(crate) fn on_ack(&mut self, _clock: u64, acked: Acked, rtt: &Rtt, delivered: u64) {
        self.acked += u64::from(acked.newly);
        self.delivered = delivered;
        self.latest_rtt = rtt.latest;
    }
}
