//! Random numbers that repeat: the same seed gives the same row, on every target.

/// splitmix64 (Steele, Lea and Flood 2014): a counter in odd steps, and a mixer whose output bits
/// all depend on all bits of the counter. Good enough for a bad network, not for secrets; any seed will
/// do, 0 included.
#[derive(Clone, Debug)]
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    /// The row that `seed` stands for.
    pub(crate) const fn new(seed: u64) -> SeededRandom {
        SeededRandom(seed)
    }

    /// The next number, all 64 bits of it random.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15); // 2^64 / golden ratio
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Brings a random number down to `0..bound` (0 where `bound` is 0). Its upper half is scaled by
/// multiplication: no division, which a MIPS does slowly, and no more bias than `bound` / 2^32.
pub(crate) fn below(random: u64, bound: u32) -> u32 {
    (((random >> 32) * u64::from(bound)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_is_that_of_splitmix64() {
        // First outputs of the published algorithm for seed 1234567.
        let mut random = SeededRandom::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(random.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn numbers_are_brought_down_evenly() {
        assert_eq!(below(u64::MAX, 0), 0);
        assert_eq!(below(u64::MAX, u32::MAX), u32::MAX - 1);
        let mut random = SeededRandom::new(1);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[below(random.next_u64(), 10) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
