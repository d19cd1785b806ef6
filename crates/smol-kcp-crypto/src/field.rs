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

/// Bytes of a word. Shards are rows of words, so that as many bytes as the processor has room for are computed at once.
pub const WORD: usize = size_of::<usize>();

/// A word of which each byte is 1.
const ONES: usize = usize::MAX / 255;

/// What says the value of a polynomial at one place by its values at others.
///
/// The parity of kcp-go (klauspost/reedsolomon: a Vandermonde matrix times the inverse of its upper square)
/// is this: of the one polynomial of a degree below d that has the d data bytes as its values at 0 … d - 1,
/// the values at d and the places behind. So any d shards of a group give every other one by Lagrange's
/// formula, data and parity alike, and no matrix needs to be inverted.
#[derive(Debug, Default)]
pub struct Basis {
    points: Vec<u8>,
    /// For each point the logarithm of the product of its differences to all others.
    products: Vec<u32>,
    /// What each point counts for the place that was asked for last.
    weights: Vec<u8>,
    /// The points that count for one bit of it.
    chosen: Vec<u8>,
}

impl Basis {
    /// Takes the places where the values are known, all different.
    pub fn set(&mut self, points: impl Iterator<Item = u8>) {
        self.points.clear();
        self.points.extend(points);
        self.products.clear();
        for &x in &self.points {
            // Differences are sums here; that with itself is 0 and left out.
            let others = self.points.iter().filter(|&&y| y != x);
            self.products.push(others.map(|&y| log(x ^ y)).sum::<u32>() % ORDER);
        }
    }

    /// Returns what the value at each point counts for the one at `target`, which is none of them.
    fn weights(&self, target: u8) -> impl Iterator<Item = u8> + '_ {
        let whole = self.points.iter().map(|&x| log(target ^ x)).sum::<u32>() % ORDER;
        self.points.iter().zip(&self.products).map(move |(&x, product)| {
            let log = whole + 2 * ORDER - log(target ^ x) - product;
            POWERS[(log % ORDER) as usize]
        })
    }

    /// Computes the shard at `target` from those at the points, which lie in `shards` by their places and are all as
    /// long as `sum`.
    ///
    /// Horner's scheme, over the bits of the weights: the sum of the shards whose weight has the highest bit is
    /// doubled, those that have the next one are added, and so on. Seven doublings, and half of all bits as
    /// additions, of whole words, are less work than to look up each product; and there are no tables, of which
    /// that of all products (64 KiB) is twice a router's cache.
    pub fn compute(&mut self, target: u8, shards: &[Vec<usize>], sum: &mut [usize]) {
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        weights.extend(self.weights(target));
        sum.fill(0);
        let mut is_zero = true;
        for bit in (0..8).rev() {
            if !is_zero {
                sum.iter_mut().for_each(|word| *word = double_all(*word));
            }
            let weighted = self.points.iter().zip(&weights);
            self.chosen.clear();
            self.chosen
                .extend(weighted.filter(|(_, w)| *w >> bit & 1 == 1).map(|(point, _)| point));
            is_zero &= self.chosen.is_empty();
            add_all(sum, shards, &self.chosen);
        }
        self.weights = weights;
    }
}

/// Adds the chosen shards, four at a time, so that the sum is read and written less often.
fn add_all(sum: &mut [usize], shards: &[Vec<usize>], chosen: &[u8]) {
    let shard = |at: u8| shards.get(usize::from(at)).map_or(&[][..], Vec::as_slice);
    for chosen in chosen.chunks(4) {
        match *chosen {
            [a, b, c, d] => add(sum, [a, b, c, d].map(shard)),
            [a, b, c] => add(sum, [a, b, c].map(shard)),
            [a, b] => add(sum, [a, b].map(shard)),
            [a] => add(sum, [shard(a)]),
            _ => {}
        }
    }
}

/// Words that are added at a time: MIPS has to compute each address, but not those a few words behind it.
const BATCH: usize = 8;

fn add<const N: usize>(sum: &mut [usize], rows: [&[usize]; N]) {
    let words = rows.iter().fold(sum.len(), |words, row| words.min(row.len()));
    let rows = rows.map(|row| row.get(..words).unwrap_or_default());
    let (whole, rest) = sum.split_at_mut(words - words % BATCH);
    for (batch, sum) in whole.chunks_exact_mut(BATCH).enumerate() {
        let rows =
            rows.map(|row| row.get(batch * BATCH..batch * BATCH + BATCH).unwrap_or_default());
        for (at, sum) in sum.iter_mut().enumerate() {
            *sum =
                rows.iter().fold(*sum, |sum, row| sum ^ row.get(at).copied().unwrap_or_default());
        }
    }
    let begin = whole.len();
    for (at, sum) in rest.iter_mut().enumerate() {
        *sum = rows
            .iter()
            .fold(*sum, |sum, row| sum ^ row.get(begin + at).copied().unwrap_or_default());
    }
}

/// Doubles each byte of a word.
fn double_all(word: usize) -> usize {
    let carries = word >> 7 & ONES;
    // 255 where there is one.
    let reduced = (carries << 8).wrapping_sub(carries);
    ((word & (ONES * 0x7f)) << 1) ^ (reduced & (ONES * REDUCTION as usize))
}

/// Copies the bytes of a shard into words. The order of bytes in a word is the processor's, also on the way back:
/// nothing here depends on it.
pub fn read(shard: &[u8], words: &mut Vec<usize>) {
    words.clear();
    words.reserve_exact(shard.len().div_ceil(WORD));
    let whole = shard.chunks_exact(WORD);
    let rest = whole.remainder();
    words.extend(whole.map(word));
    if !rest.is_empty() {
        words.push(word(rest));
    }
}

fn word(bytes: &[u8]) -> usize {
    let mut word = [0; WORD];
    if bytes.len() == WORD {
        word.copy_from_slice(bytes);
    } else {
        word.iter_mut().zip(bytes).for_each(|(byte, of)| *byte = *of);
    }
    usize::from_ne_bytes(word)
}

/// Copies words back into as many bytes as there is room for.
pub fn write(words: &[usize], shard: &mut [u8]) {
    let mut whole = shard.chunks_exact_mut(WORD);
    let mut words = words.iter();
    for (bytes, word) in whole.by_ref().zip(words.by_ref()) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    let rest = words.next().map_or([0; WORD], |word| word.to_ne_bytes());
    whole.into_remainder().iter_mut().zip(rest).for_each(|(byte, of)| *byte = of);
}

/// Makes a shard as many words long as others are, with zeros, and takes no more memory than that.
pub fn fill(shard: &mut Vec<usize>, words: usize) {
    shard.reserve_exact(words.saturating_sub(shard.len()));
    shard.resize(words, 0);
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
    fn all_bytes_of_a_word_are_doubled() {
        for x in 0..=255u8 {
            let word: [u8; WORD] = std::array::from_fn(|at| x.wrapping_add((at * 37) as u8));
            let doubled = double_all(usize::from_ne_bytes(word)).to_ne_bytes();
            assert_eq!(doubled, word.map(|byte| multiply(byte, 2)));
        }
    }

    #[test]
    fn bytes_go_into_words_and_back() {
        for len in 0..40 {
            let shard: Vec<u8> = (1..=len).collect();
            let (mut words, mut back) = (vec![7; 3], vec![0xee; len.into()]);
            read(&shard, &mut words);
            assert_eq!(words.len(), usize::from(len).div_ceil(WORD));
            write(&words, &mut back);
            assert_eq!(back, shard);
        }
    }

    #[test]
    fn shards_are_weighted_and_added() {
        for count in 1..=11 {
            let shard = |seed: u8| (0..50).map(|at: u8| at.wrapping_mul(at) ^ seed).collect();
            let shards: Vec<Vec<u8>> = (0..count).map(shard).collect();
            let mut words = vec![Vec::new(); count.into()];
            shards.iter().zip(&mut words).for_each(|(shard, words)| read(shard, words));
            let mut basis = Basis::default();
            basis.set(0..count);
            for target in count..=255 {
                let (mut sum, mut out) = (vec![7; words[0].len()], [0; 50]);
                basis.compute(target, &words, &mut sum);
                write(&sum, &mut out);
                for (at, byte) in out.into_iter().enumerate() {
                    let terms = shards.iter().zip(basis.weights(target));
                    let sum = terms.fold(0, |sum, (shard, w)| sum ^ multiply(shard[at], w));
                    assert_eq!(byte, sum, "byte {at} at {target} of {count}");
                }
            }
        }
    }

    /// klauspost/reedsolomon's parity rows, as kcp-go has them.
    #[test]
    fn weights_are_the_rows_of_kcp_gos_matrix() {
        let mut seen = 0;
        for line in include_str!("field/rows.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let (ratio, row) = (words.next().unwrap(), words.next().unwrap());
            let data: u8 = ratio.split('+').next().unwrap().parse().unwrap();
            let row: u8 = row.parse().unwrap();
            let mut basis = Basis::default();
            basis.set(0..data);
            let weights: String =
                basis.weights(data + row).map(|weight| format!("{weight:02x}")).collect();
            assert_eq!(Some(&*weights), words.next(), "{ratio}, row {row}");
            seen += 1;
        }
        assert_eq!(seen, 1 + 2 + 3 + 10 + 30);
    }
}
