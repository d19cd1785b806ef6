//! What makes a whole packet unreadable, nonce and checksum included: CFB, Salsa20, a row of bytes.

use cipher::{Block, BlockCipherEncrypt};
use zeroize::Zeroizing;

use super::salsa20::Salsa20;

/// A cipher without a tag, over a whole packet, in place.
pub(super) trait Scramble: Send + Sync {
    /// Makes it unreadable.
    fn encrypt(&self, packet: &mut [u8]);
    /// Makes it readable.
    fn decrypt(&self, packet: &mut [u8]);
}

/// XORs as many bytes as both have.
fn xor(data: &mut [u8], with: &[u8]) {
    data.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

/// Leaves it readable.
pub(super) struct Clear;

impl Scramble for Clear {
    fn encrypt(&self, _packet: &mut [u8]) {}
    fn decrypt(&self, _packet: &mut [u8]) {}
}

/// The same bytes over each packet; there are as many as a packet may have.
pub(super) struct XorRow(pub(super) Zeroizing<Vec<u8>>);

impl Scramble for XorRow {
    fn encrypt(&self, packet: &mut [u8]) {
        xor(packet, &self.0);
    }

    fn decrypt(&self, packet: &mut [u8]) {
        xor(packet, &self.0);
    }
}

/// From the ninth byte on; the first eight are the nonce and stay as they are.
impl Scramble for Salsa20 {
    fn encrypt(&self, packet: &mut [u8]) {
        let Some((nonce, rest)) = packet.split_first_chunk_mut::<8>() else { return };
        self.apply(nonce, rest);
    }

    fn decrypt(&self, packet: &mut [u8]) {
        self.encrypt(packet);
    }
}

/// Where CFB begins, whatever the key: the block size decides how much of it. Each packet begins with a
/// block or two of its nonce, which is all that makes two of them differ.
const IV: [u8; 16] = [
    0xa7, 0x73, 0x4f, 0x9c, 0x12, 0xac, 0x1b, 0x01, 0xa4, 0x15, 0xf2, 0xc1, 0xfc, 0x78, 0xe6, 0x6b,
];

/// Blocks that are decrypted side by side, as ciphers can that are parallel in hardware or by slices of bits.
const SIDE_BY_SIDE: usize = 16;

/// Cipher feedback of whole blocks (NIST SP 800-38A, 6.3): each block is XORed with the encrypted block
/// before it.
pub(super) struct Cfb<C: BlockCipherEncrypt> {
    cipher: C,
    /// The encrypted [`IV`]: the first mask of every packet.
    first: Block<C>,
}

impl<C: BlockCipherEncrypt> Cfb<C> {
    pub(super) fn new(cipher: C) -> Cfb<C> {
        let mut first = Block::<C>::default();
        first.iter_mut().zip(IV).for_each(|(byte, iv)| *byte = iv);
        cipher.encrypt_block(&mut first);
        Cfb { cipher, first }
    }
}

impl<C: BlockCipherEncrypt + Send + Sync> Scramble for Cfb<C>
where
    Block<C>: Send + Sync,
{
    fn encrypt(&self, packet: &mut [u8]) {
        let mut mask = self.first.clone();
        let (blocks, rest) = Block::<C>::slice_as_chunks_mut(packet);
        for block in blocks {
            xor(block, &mask);
            mask.clone_from(block);
            self.cipher.encrypt_block(&mut mask);
        }
        xor(rest, &mask);
    }

    fn decrypt(&self, packet: &mut [u8]) {
        let mut first = self.first.clone();
        let mut masks: [Block<C>; SIDE_BY_SIDE] = std::array::from_fn(|_| Block::<C>::default());
        let (blocks, rest) = Block::<C>::slice_as_chunks_mut(packet);
        for blocks in blocks.chunks_mut(SIDE_BY_SIDE) {
            let Some(masks) = masks.get_mut(..blocks.len()) else { return };
            masks.clone_from_slice(blocks);
            self.cipher.encrypt_blocks(masks);
            let before = std::iter::once(&first).chain(&*masks);
            blocks.iter_mut().zip(before).for_each(|(block, mask)| xor(block, mask));
            if let Some(last) = masks.last() {
                first.clone_from(last);
            }
        }
        xor(rest, &first);
    }
}
