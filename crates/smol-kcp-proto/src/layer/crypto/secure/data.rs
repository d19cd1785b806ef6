//! Datagrams of the data layer: header and its mask, content, kind, padding, tag. In place.

use siphasher::sip::SipHasher24;

use super::primitives::{open, seal, Key, TAG_LEN};

/// Bytes before the content: index and counter.
pub(super) const HEADER_LEN: usize = 8;
/// Bytes of ciphertext behind the header that choose its mask.
const SAMPLE_LEN: usize = 16;
/// The shortest datagram: no content.
pub(super) const DATA_MIN: usize = HEADER_LEN + 1 + TAG_LEN;

/// What a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Probe,
    Answer,
    /// Of a version to come, or nothing but padding.
    Unknown,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Data => 1,
            Kind::Probe => 2,
            Kind::Answer => 3,
            Kind::Unknown => 0,
        }
    }
}

/// Returns what a header is XORed with: a keyed hash of the sample. A block of the cipher's key stream, as in QUIC
/// (RFC 9001, 5.4.4), would cost more than the header is worth: where the cipher computes several at once, a
/// seventh of all its key stream for a datagram.
fn mask(header_key: &Key, sample: &[u8; SAMPLE_LEN]) -> [u8; HEADER_LEN] {
    let (key, _) = header_key.split_first_chunk().unwrap_or((&[0; 16], &[]));
    SipHasher24::new_with_key(key).hash(sample).to_le_bytes()
}

fn masked(mut header: [u8; HEADER_LEN], mask: [u8; HEADER_LEN]) -> [u8; HEADER_LEN] {
    header.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    header
}

/// Writes a masked header before what is there already.
pub(super) fn write_header(header_key: &Key, index: u32, counter: u32, datagram: &mut [u8]) {
    let Some((header, rest)) = datagram.split_first_chunk_mut::<HEADER_LEN>() else { return };
    let [i0, i1, i2, i3] = index.to_le_bytes();
    let [c0, c1, c2, c3] = counter.to_le_bytes();
    if let Some(sample) = rest.first_chunk() {
        *header = masked([i0, i1, i2, i3, c0, c1, c2, c3], mask(header_key, sample));
    }
}

/// Reads index and counter, and leaves the datagram as it is; `None` if it is too short for any.
pub(super) fn read_header(header_key: &Key, datagram: &[u8]) -> Option<(u32, u32)> {
    if datagram.len() < DATA_MIN {
        return None;
    }
    let (header, rest) = datagram.split_first_chunk::<HEADER_LEN>()?;
    let [i0, i1, i2, i3, c0, c1, c2, c3] = masked(*header, mask(header_key, rest.first_chunk()?));
    Some((u32::from_le_bytes([i0, i1, i2, i3]), u32::from_le_bytes([c0, c1, c2, c3])))
}

/// The keys and numbers with which one datagram leaves.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) key: &'a Key,
    pub(super) counter: u64,
    pub(super) index: u32,
    pub(super) header_key: &'a Key,
}

impl Outgoing<'_> {
    /// Seals a datagram whose content lies behind the header, `len` bytes, and returns its length;
    /// `None` if the buffer has no room for kind, padding and tag.
    pub(super) fn seal(
        &self,
        datagram: &mut [u8],
        len: usize,
        kind: Kind,
        padding: usize,
    ) -> Option<usize> {
        let end = HEADER_LEN.checked_add(len)?.checked_add(1)?.checked_add(padding)?;
        let total = end.checked_add(TAG_LEN)?;
        let datagram = datagram.get_mut(..total)?;
        let (sealed, tag) = datagram.get_mut(HEADER_LEN..)?.split_last_chunk_mut::<TAG_LEN>()?;
        let (kind_at, zeros) = sealed.get_mut(len..)?.split_first_mut()?;
        *kind_at = kind.byte();
        zeros.fill(0);
        *tag = seal(self.key, self.counter, &[], sealed);
        write_header(self.header_key, self.index, self.counter as u32, datagram);
        Some(total)
    }
}

/// Opens a datagram in place, and returns the length of its content, which lies behind the header. `None`,
/// and the datagram as it was: not authentic.
pub(super) fn open_datagram(key: &Key, counter: u64, datagram: &mut [u8]) -> Option<(usize, Kind)> {
    let (sealed, tag) = datagram.get_mut(HEADER_LEN..)?.split_last_chunk_mut::<TAG_LEN>()?;
    open(key, counter, &[], sealed, tag).then_some(())?;
    Some(match sealed.iter().rposition(|&byte| byte != 0) {
        None => (0, Kind::Unknown),
        Some(at) => match sealed.get(at) {
            Some(1) => (at, Kind::Data),
            Some(2) => (at, Kind::Probe),
            Some(3) => (at, Kind::Answer),
            _ => (at, Kind::Unknown),
        },
    })
}
