//! What stands before the content of a datagram: number, type and, of data, length.

use std::time::Duration;

/// After this silence what a group lacks has been repeated long ago.
pub(super) const EXPIRES: Duration = Duration::from_secs(3);

/// Number and type.
pub(super) const SHARD_AT: usize = 6;
/// The length, which is part of what the parity covers and counts itself.
pub(super) const SIZE_LEN: usize = 2;
/// Bytes by which a datagram of data grows, all of them before the content.
pub const HEADROOM: usize = SHARD_AT + SIZE_LEN;
/// The longest datagram, header included: kcp-go reads no longer ones.
pub const DATAGRAM_MAX: usize = 1500;
/// The longest part of one that the parity covers.
pub(super) const SHARD_MAX: usize = DATAGRAM_MAX - SHARD_AT;

/// What a datagram is. The values cannot be those of `cmd` and `frg`, which plain KCP has in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Parity,
    /// Apart from all others, and without parity: a message of kcp-go's newest versions, which kcptun never sends.
    OutOfBand,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Kind::Data => 0xf1,
            Kind::Parity => 0xf2,
            Kind::OutOfBand => 0xf3,
        }
    }
}

/// Returns whether a datagram has the header of this layer; otherwise it is plain KCP, of a side that sends no
/// parity.
pub fn is_fec(datagram: &[u8]) -> bool {
    read(datagram).is_some()
}

/// Returns the content of a datagram of data, for which no decoder is needed; `None`: it is another one.
pub fn data_content(datagram: &[u8]) -> Option<&[u8]> {
    read(datagram)
        .filter(|(_, kind, _)| *kind == Kind::Data)
        .and_then(|(_, _, shard)| content(shard))
}

/// Reads number and type, and returns what is behind them.
pub(super) fn read(datagram: &[u8]) -> Option<(u32, Kind, &[u8])> {
    let (seqid, rest) = datagram.split_first_chunk()?;
    let (kind, shard) = rest.split_first_chunk()?;
    let code = u16::from_le_bytes(*kind);
    let kind =
        [Kind::Data, Kind::Parity, Kind::OutOfBand].into_iter().find(|k| k.code() == code)?;
    Some((u32::from_le_bytes(*seqid), kind, shard))
}

/// Writes number and type.
pub(super) fn write(seqid: u32, kind: Kind, datagram: &mut [u8]) {
    let [s0, s1, s2, s3] = seqid.to_le_bytes();
    let [k0, k1] = kind.code().to_le_bytes();
    let header = [s0, s1, s2, s3, k0, k1];
    datagram.iter_mut().zip(header).for_each(|(byte, of)| *byte = of);
}

/// Returns the content of a shard: what its length says, without what is behind that.
pub(super) fn content(shard: &[u8]) -> Option<&[u8]> {
    let size = u16::from_le_bytes(*shard.first_chunk()?);
    shard.get(SIZE_LEN..usize::from(size))
}

/// Returns after which number they begin anew: the last one of a whole number of groups (kcp-go's `paws`).
pub(super) const fn end_of_numbers(total: u16) -> u32 {
    u32::MAX / total as u32 * total as u32
}
