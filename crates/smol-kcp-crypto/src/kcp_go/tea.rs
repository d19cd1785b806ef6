//! TEA and XTEA, as Go's `x/crypto` has them: words in big endian, TEA of eight cycles.
//!
//! Of both only the direction that CFB needs.

use cipher::array::Array;
use cipher::consts::{U1, U16, U8};
use cipher::inout::InOut;
use cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, Key,
    KeyInit, KeySizeUser, ParBlocksSizeUser,
};
use zeroize::Zeroizing;

/// 2^32 divided by the golden ratio: by so much the sum grows with each cycle.
const DELTA: u32 = 0x9e37_79b9;
/// Cycles of XTEA: two of Go's "rounds" each.
const XTEA_CYCLES: u32 = 32;

/// Wheeler and Needham, 1994.
pub(super) struct Tea<const CYCLES: u32>(Zeroizing<[u32; 4]>);

/// Needham and Wheeler, 1997.
pub(super) struct Xtea(Zeroizing<[u32; 4]>);

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

impl<const CYCLES: u32> Tea<CYCLES> {
    fn encrypt(&self, [mut a, mut b]: [u32; 2]) -> [u32; 2] {
        let [k0, k1, k2, k3] = *self.0;
        let mut sum = 0u32;
        for _ in 0..CYCLES {
            sum = sum.wrapping_add(DELTA);
            let mix = |word: u32, left: u32, right: u32| {
                (word << 4).wrapping_add(left)
                    ^ word.wrapping_add(sum)
                    ^ (word >> 5).wrapping_add(right)
            };
            a = a.wrapping_add(mix(b, k0, k1));
            b = b.wrapping_add(mix(a, k2, k3));
        }
        [a, b]
    }
}

impl Xtea {
    fn encrypt(&self, [mut a, mut b]: [u32; 2]) -> [u32; 2] {
        let mut sum = 0u32;
        // Two bits of the sum choose the word of the key.
        let key = |at: u32| self.0[(at & 3) as usize];
        let mix = |word: u32| (word << 4 ^ word >> 5).wrapping_add(word);
        for _ in 0..XTEA_CYCLES {
            a = a.wrapping_add(mix(b) ^ sum.wrapping_add(key(sum)));
            sum = sum.wrapping_add(DELTA);
            b = b.wrapping_add(mix(a) ^ sum.wrapping_add(key(sum >> 11)));
        }
        [a, b]
    }
}

/// What the traits of `cipher` ask of a cipher that takes one block of 8 bytes at a time, and keys of 16.
macro_rules! block_cipher {
    ($name:ident $(, $cycles:ident: $type:ty)?) => {
        impl$(<const $cycles: $type>)? KeySizeUser for $name$(<$cycles>)? {
            type KeySize = U16;
        }

        impl$(<const $cycles: $type>)? KeyInit for $name$(<$cycles>)? {
            fn new(key: &Key<Self>) -> Self {
                Self(Zeroizing::new(words(key)))
            }
        }

        impl$(<const $cycles: $type>)? BlockSizeUser for $name$(<$cycles>)? {
            type BlockSize = U8;
        }

        impl$(<const $cycles: $type>)? ParBlocksSizeUser for $name$(<$cycles>)? {
            type ParBlocksSize = U1;
        }

        impl$(<const $cycles: $type>)? BlockCipherEncBackend for $name$(<$cycles>)? {
            fn encrypt_block(&self, mut block: InOut<'_, '_, Block<Self>>) {
                let [[a0, a1, a2, a3], [b0, b1, b2, b3]] =
                    self.encrypt(words(block.get_in())).map(u32::to_be_bytes);
                *block.get_out() = Array([a0, a1, a2, a3, b0, b1, b2, b3]);
            }
        }

        impl$(<const $cycles: $type>)? BlockCipherEncrypt for $name$(<$cycles>)? {
            fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U8>) {
                f.call(self);
            }
        }
    };
}

block_cipher!(Tea, CYCLES: u32);
block_cipher!(Xtea);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: KeyInit<KeySize = U16> + BlockCipherEncrypt<BlockSize = U8>>(
        key: [u8; 16],
        plain: u64,
        expected: u64,
    ) {
        let mut block = Array(plain.to_be_bytes());
        C::new(&Array(key)).encrypt_block(&mut block);
        assert_eq!(u64::from_be_bytes(block.0), expected, "{plain:x}");
    }

    /// Those of Go's tests, which others have too; the last one has 16 of Go's rounds.
    #[test]
    fn tea_as_others_compute_it() {
        check::<Tea<32>>([0; 16], 0, 0x41ea_3a0a_94ba_a940);
        check::<Tea<32>>([0xff; 16], u64::MAX, 0x319b_befb_016a_bdb2);
        check::<Tea<8>>([0; 16], 0, 0xed28_5da1_455b_33c1);
    }

    /// Those that most libraries have.
    #[test]
    fn xtea_as_others_compute_it() {
        let rising = std::array::from_fn(|at| at as u8);
        for (key, plain, expected) in [
            (rising, 0x4142_4344_4546_4748, 0x497d_f3d0_7261_2cb5),
            (rising, 0x4141_4141_4141_4141, 0xe78f_2d13_7443_41d8),
            (rising, 0x5a5b_6e27_8948_d77f, 0x4141_4141_4141_4141),
            ([0; 16], 0x4142_4344_4546_4748, 0xa039_0589_f8b8_efa5),
            ([0; 16], 0x4141_4141_4141_4141, 0xed23_375a_821a_8c2d),
            ([0; 16], 0x70e1_225d_6e4e_7655, 0x4141_4141_4141_4141),
        ] {
            check::<Xtea>(key, plain, expected);
        }
    }
}
