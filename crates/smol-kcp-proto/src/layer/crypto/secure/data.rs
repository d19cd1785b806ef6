//! Datagrams of the data layer: header and its mask, content, kind, padding, tag. In place.

use super::primitives::{open, seal, stream, Key, TAG_LEN};

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

/// Writes a masked header before what is there already.
pub(super) fn write_header(header_key: &Key, index: u32, counter: u32, datagram: &mut [u8]) {
    let Some((header, rest)) = datagram.split_first_chunk_mut::<HEADER_LEN>() else { return };
    let [i0, i1, i2, i3] = index.to_le_bytes();
    let [c0, c1, c2, c3] = counter.to_le_bytes();
    *header = [i0, i1, i2, i3, c0, c1, c2, c3];
    if let Some(sample) = rest.first_chunk::<SAMPLE_LEN>() {
        stream(header_key, sample, header);
    }
}

/// Reads index and counter, and leaves the datagram as it is; `None` if it is too short for any.
pub(super) fn read_header(header_key: &Key, datagram: &[u8]) -> Option<(u32, u32)> {
    if datagram.len() < DATA_MIN {
        return None;
    }
    let (header, rest) = datagram.split_first_chunk::<HEADER_LEN>()?;
    let mut header = *header;
    stream(header_key, rest.first_chunk()?, &mut header);
    let [i0, i1, i2, i3, c0, c1, c2, c3] = header;
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
