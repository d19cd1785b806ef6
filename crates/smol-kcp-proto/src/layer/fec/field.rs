//! The field of 256 elements that kcp-go's parity is computed in: bytes as polynomials modulo 0x11d.

/// x^8 in the field.
const REDUCTION: u8 = 0x1d;
/// How many elements have a logarithm: all but 0.
const ORDER: u32 = 255;

const fn double(x: u8) -> u8 {
    x << 1 ^ if x & 0x80 != 0 { REDUCTION } else { 0 }
}

/// The powers of 2, which are all elements but 0.
const POWERS: [u8; ORDER as usize] = {
    let mut powers = [1; ORDER as usize];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = double(powers[at - 1]);
        at += 1;
    }
    powers
};

/// Which power of 2 an element is; of 0, which is none, something.
const LOGARITHMS: [u8; 256] = {
    let mut logarithms = [0; 256];
    let mut at = 0;
    while at < POWERS.len() {
        logarithms[POWERS[at] as usize] = at as u8;
        at += 1;
    }
    logarithms
};

fn log(x: u8) -> u32 {
    u32::from(LOGARITHMS[usize::from(x)])
}

/// What says the value of a polynomial at one place by its values at others.
///
/// The parity of kcp-go (klauspost/reedsolomon: a Vandermonde matrix times the inverse of its upper square)
/// is this: of the one polynomial of a degree below d that has the d data bytes as its values at 0 … d - 1,
/// the values at d and the places behind. So any d shards of a group give every other one by Lagrange's
/// formula, data and parity alike, and no matrix needs to be inverted.
#[derive(Debug, Default)]
pub(super) struct Basis {
    points: Vec<u8>,
    /// For each point the logarithm of the product of its differences to all others.
    products: Vec<u32>,
}

impl Basis {
    /// Takes the places where the values are known, all different.
    pub(super) fn set(&mut self, points: impl Iterator<Item = u8>) {
        self.points.clear();
        self.points.extend(points);
        self.products.clear();
        for &x in &self.points {
            // Differences are sums here; that with itself is 0 and left out.
            let others = self.points.iter().filter(|&&y| y != x);
            self.products.push(others.map(|&y| log(x ^ y)).sum::<u32>() % ORDER);
        }
    }

    pub(super) fn points(&self) -> &[u8] {
        &self.points
    }

    /// Returns what the value at each point counts for the one at `target`, which is none of them.
    pub(super) fn weights(&self, target: u8) -> impl Iterator<Item = u8> + '_ {
        let whole = self.points.iter().map(|&x| log(target ^ x)).sum::<u32>() % ORDER;
        self.points.iter().zip(&self.products).map(move |(&x, product)| {
            let log = whole + 2 * ORDER - log(target ^ x) - product;
            POWERS[(log % ORDER) as usize]
        })
    }
}

/// How many products of a byte are computed at once.
pub(super) const LANES: usize = 4;

/// The products of any byte with four weights, one in each byte of a word.
///
/// 128 bytes for each four weights, where a table of all products has 64 KiB: more than the cache of a router's
/// processor.
#[derive(Debug)]
pub(super) struct Multiplier {
    low: [u32; 16],
    high: [u32; 16],
}

impl Multiplier {
    /// `weights` counts from the lowest byte of the word.
    pub(super) fn new(weights: [u8; LANES]) -> Multiplier {
        let mut product = u32::from_le_bytes(weights);
        let mut half = || {
            let mut half = [0; 16];
            for bit in 0..4 {
                // What has this bit as its highest one is what has not, and the weights times 2^bit.
                let (below, above) = half.split_at_mut(1 << bit);
                above.iter_mut().zip(below).for_each(|(above, below)| *above = *below ^ product);
                let carry = product >> 7 & 0x0101_0101;
                product = ((product & 0x7f7f_7f7f) << 1) ^ (carry * u32::from(REDUCTION));
            }
            half
        };
        Multiplier { low: half(), high: half() }
    }

    /// Adds the products of each byte to the word at its place.
    pub(super) fn add(&self, sums: &mut [u32], shard: &[u8]) {
        for (sum, byte) in sums.iter_mut().zip(shard) {
            *sum ^= self.low[usize::from(byte & 15)] ^ self.high[usize::from(byte >> 4)];
        }
    }
}

/// Takes one lane out of words.
pub(super) fn lane(sums: &[u32], lane: usize) -> impl Iterator<Item = u8> + '_ {
    sums.iter().map(move |word| word.to_le_bytes()[lane % LANES])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: polynomials over bits, reduced.
    fn multiply(a: u8, b: u8) -> u8 {
        let mut product = (0..8)
            .fold(0u16, |sum, bit| sum ^ if b >> bit & 1 == 1 { u16::from(a) << bit } else { 0 });
        for bit in (8..16).rev() {
            if product >> bit & 1 == 1 {
                product ^= 0x11d << (bit - 8);
            }
        }
        product as u8
    }

    #[test]
    fn powers_and_logarithms_multiply() {
        for a in 1..=255 {
            for b in 1..=255 {
                assert_eq!(POWERS[((log(a) + log(b)) % ORDER) as usize], multiply(a, b));
            }
        }
    }

    #[test]
    fn four_products_at_once() {
        for a in 0..=255u8 {
            let weights = [a, 255 - a, a.wrapping_mul(7), 1];
            let bytes: Vec<u8> = (0..=255).collect();
            let mut sums = vec![0; 256];
            Multiplier::new(weights).add(&mut sums, &bytes);
            for (at, weight) in weights.iter().enumerate() {
                let expected: Vec<u8> = bytes.iter().map(|&b| multiply(*weight, b)).collect();
                assert_eq!(lane(&sums, at).collect::<Vec<u8>>(), expected);
            }
        }
    }

    /// klauspost/reedsolomon's parity rows, as kcp-go has them.
    #[test]
    fn weights_are_the_rows_of_kcp_gos_matrix() {
        let mut seen = 0;
        for line in include_str!("tests/rows.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let (ratio, row) = (words.next().unwrap(), words.next().unwrap());
            let ratio: super::super::FecConfig = ratio.parse().unwrap();
            let row: u8 = row.parse().unwrap();
            let mut basis = Basis::default();
            basis.set(0..ratio.data);
            let weights: String =
                basis.weights(ratio.data + row).map(|weight| format!("{weight:02x}")).collect();
            assert_eq!(Some(&*weights), words.next(), "{ratio}, row {row}");
            seen += 1;
        }
        assert_eq!(seen, 1 + 2 + 3 + 10 + 30);
    }
}
