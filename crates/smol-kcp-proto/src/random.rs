//! Numbers that a peer cannot guess.

use super::secret::Secret;

/// A sequence of numbers, each a hash of its position under a secret key: who sees some of them, as
/// nonces on the wire, learns nothing about the next.
#[derive(Clone, Debug)]
pub struct Random {
    secret: Secret,
    position: u64,
}

impl Random {
    /// `seed` comes from the system's randomness, in tests from the test.
    pub fn new(seed: [u64; 2]) -> Random {
        Random { secret: Secret::new(seed), position: 0 }
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.position = self.position.wrapping_add(1);
        self.secret.number(self.position)
    }

    /// Returns the next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// Never 0: conversation 0 means "allocate one for me", and stock peers send `sn` 0.
    pub fn nonzero(&mut self) -> u32 {
        loop {
            let number = self.next_u32();
            if number != 0 {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_the_sequence() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            std::array::from_fn::<u32, 4, _>(|_| random.nonzero())
        };
        assert_eq!(draw([1, 2]), draw([1, 2]));
        assert_ne!(draw([1, 2]), draw([1, 3]));
        assert_ne!(draw([1, 2]), draw([2, 2]));
    }
}
