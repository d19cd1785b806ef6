//! How fast the peer acknowledges data.

/// Shortest time that a rate is taken over, in milliseconds: the clock counts in these.
const SHORTEST: u64 = 10;

/// Bytes acknowledged so far, and their rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeliveryRate {
    /// Bytes of payload acknowledged so far.
    pub total: u64,
    /// Bytes a second, measured over about the last round trip in which data was acknowledged.
    pub rate: u64,
    /// Where the running measurement began.
    from: u64,
    from_total: u64,
}

impl DeliveryRate {
    /// The first data after a rest leaves now: the time before does not count.
    pub(super) fn begin(&mut self, clock: u64) {
        (self.from, self.from_total) = (clock, self.total);
    }

    /// So many bytes have been acknowledged.
    pub(super) fn add(&mut self, clock: u64, bytes: u64, srtt: u32) {
        self.total = self.total.wrapping_add(bytes);
        let took = clock.saturating_sub(self.from);
        // Over less than a round trip ACKs come in lumps: a rate would be that of a burst.
        if took >= u64::from(srtt).max(SHORTEST) {
            let acked = self.total.wrapping_sub(self.from_total);
            self.rate = acked.saturating_mul(1000) / took;
            self.begin(clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_taken_over_a_round_trip_and_a_rest_does_not_count() {
        let mut delivery_rate = DeliveryRate::default();
        delivery_rate.begin(1000);
        for clock in 1001..=1100 {
            delivery_rate.add(clock, 50, 100);
        }
        assert_eq!((delivery_rate.rate, delivery_rate.total), (50_000, 5000));
        delivery_rate.begin(9000);
        delivery_rate.add(9050, 1, 100);
        assert_eq!(delivery_rate.rate, 50_000, "not yet a round trip");
        delivery_rate.add(9100, 99, 100);
        assert_eq!(delivery_rate.rate, 1000);
    }
}
