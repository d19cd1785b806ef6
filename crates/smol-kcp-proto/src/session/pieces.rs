//! Segments that are too long for the path, in pieces.
//!
//! A segment that was numbered cannot be cut anew: the peer may have it already, and only the ACK was lost.
//! Where its length passes no more, our own kind is sent the PUSH in pieces, each of them a WASK with
//! [`CODE_PIECE`], the segment's `sn` and `ts`, and this before the bytes (little endian):
//!
//! | bytes | |
//! |---|---|
//! | 2 | where in the segment's payload the piece begins |
//! | 2 | bytes of that payload |
//! | 1 | `frg` of the PUSH |
//! | 1 | 0 |
//!
//! Put together they are the PUSH, acknowledged as ever. Pieces of several transmissions, cut in different
//! places, complete each other.

use crate::wire::{diff, Header, View, CMD_PUSH, CMD_WASK, CODE_PIECE, HEADER_LEN};

/// Bytes before the part of the payload.
const PREFIX: usize = 6;

/// Bytes of payload that a piece has at least.
const LEAST: usize = 32;

/// Segments, and bytes of them, that are put together at a time; the oldest gives way.
const MAX_SEGMENTS: usize = 16;
const MAX_BYTES: usize = 128 * 1024;

/// Parts of one segment that have a gap between them.
const MAX_GAPS: usize = 8;

/// Hands a PUSH over in pieces that fit into datagrams of `mtu` bytes; `false`: it is no single PUSH, or too
/// long for that.
pub(super) fn cut(segment: &[u8], mtu: usize, out: &mut dyn FnMut(&[u8])) -> bool {
    let Some(header) = Header::decode(segment).filter(|header| header.cmd == CMD_PUSH) else {
        return false;
    };
    let payload = segment.get(HEADER_LEN..).unwrap_or_default();
    let room = mtu.saturating_sub(HEADER_LEN + PREFIX);
    let Ok(total) = u16::try_from(payload.len()) else { return false };
    if header.len as usize != payload.len() || room < LEAST {
        return false;
    }
    // All of about one length: a short rest would get lost as easily.
    let length = payload.len().div_ceil(payload.len().div_ceil(room).max(1));
    let mut datagram = Vec::with_capacity(HEADER_LEN + PREFIX + length);
    let mut offset = 0u16;
    for part in payload.chunks(length.max(1)) {
        let len = (PREFIX + part.len()) as u32;
        let piece = Header { cmd: CMD_WASK, frg: CODE_PIECE, len, ..header };
        datagram.clear();
        datagram.extend_from_slice(&piece.encode());
        datagram.extend_from_slice(&offset.to_le_bytes());
        datagram.extend_from_slice(&total.to_le_bytes());
        datagram.extend_from_slice(&[header.frg, 0]);
        datagram.extend_from_slice(part);
        out(&datagram);
        // Less than `total`, which has 16 bits.
        offset = offset.wrapping_add(part.len() as u16);
    }
    true
}

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece<'a> {
    offset: usize,
    total: usize,
    frg: u8,
    bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Reads the payload of a WASK; `None`: it is no piece.
    fn read(payload: &'a [u8]) -> Option<Piece<'a>> {
        let (prefix, bytes) = payload.split_first_chunk::<PREFIX>()?;
        let word = |at: usize| usize::from(u16::from_le_bytes([prefix[at], prefix[at + 1]]));
        let (offset, total) = (word(0), word(2));
        let fits = !bytes.is_empty() && offset + bytes.len() <= total;
        fits.then_some(Piece { offset, total, frg: prefix[4], bytes })
    }
}

/// A segment of which something is missing.
#[derive(Debug)]
struct Partial {
    sn: u32,
    frg: u8,
    /// The PUSH, with room for its header.
    push: Vec<u8>,
    /// Parts that are here, in order, with gaps between them.
    parts: Vec<(usize, usize)>,
}

impl Partial {
    /// Adds a piece; `false` if there are too many gaps.
    fn add(&mut self, piece: &Piece<'_>) -> bool {
        let (mut from, mut to) = (piece.offset, piece.offset + piece.bytes.len());
        let at = HEADER_LEN + from;
        if let Some(room) = self.push.get_mut(at..at + piece.bytes.len()) {
            room.copy_from_slice(piece.bytes);
        }
        self.parts.retain(|&(start, end)| {
            let touches = start <= to && from <= end;
            if touches {
                (from, to) = (from.min(start), to.max(end));
            }
            !touches
        });
        let place = self.parts.partition_point(|&(start, _)| start < from);
        self.parts.insert(place, (from, to));
        self.parts.len() <= MAX_GAPS
    }

    fn is_whole(&self) -> bool {
        self.parts == [(0, self.push.len() - HEADER_LEN)]
    }
}

/// Segments that are being put together.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The one that a piece came for latest is the last.
    partials: Vec<Partial>,
    bytes: usize,
    /// Pieces that made no sense, and segments that had to give way.
    pub(super) dropped: u64,
}

impl Pieces {
    /// Returns the bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.bytes
    }

    /// Takes the pieces in a datagram, and hands over each PUSH that they complete. `next` is the number of the
    /// next segment that is missing: what lies before it is here, and only acknowledged again. `is_near`: may the
    /// peer send this number?
    pub(super) fn take(
        &mut self,
        datagram: &View<'_>,
        next: u32,
        is_near: impl Fn(&Header) -> bool,
        whole: &mut dyn FnMut(&[u8]),
    ) {
        self.purge(next);
        let is_piece = |header: &Header| (header.cmd, header.frg) == (CMD_WASK, CODE_PIECE);
        for segment in datagram.segments().filter(|segment| is_piece(&segment.header)) {
            let push = Header { cmd: CMD_PUSH, ..segment.header };
            let piece = Piece::read(segment.payload).filter(|_| is_near(&push));
            let Some(piece) = piece else {
                self.dropped = self.dropped.wrapping_add(1);
                continue;
            };
            if diff(push.sn, next) < 0 {
                // An empty one with an old number is a repeated one, and changes nothing.
                whole(&Header { frg: 0, len: 0, ..push }.encode());
                continue;
            }
            if let Some(mut done) = self.add(push.sn, &piece) {
                let len = (done.push.len() - HEADER_LEN) as u32;
                if let Some(room) = done.push.first_chunk_mut() {
                    *room = Header { frg: done.frg, len, ..push }.encode();
                }
                whole(&done.push);
            }
        }
    }

    /// Adds a piece of segment `sn`, which is returned when it is whole.
    fn add(&mut self, sn: u32, piece: &Piece<'_>) -> Option<Partial> {
        let mut partial = self.forget(sn).unwrap_or_else(|| Partial {
            sn,
            frg: piece.frg,
            push: vec![0; HEADER_LEN + piece.total],
            parts: Vec::new(),
        });
        let fits = partial.frg == piece.frg && partial.push.len() == HEADER_LEN + piece.total;
        if !fits || !partial.add(piece) {
            self.dropped = self.dropped.wrapping_add(1);
            return None;
        }
        if partial.is_whole() {
            return Some(partial);
        }
        self.bytes += partial.push.len();
        self.partials.push(partial);
        while self.partials.len() > MAX_SEGMENTS || self.bytes > MAX_BYTES {
            let oldest = self.partials.remove(0);
            self.bytes -= oldest.push.len();
            self.dropped = self.dropped.wrapping_add(1);
        }
        None
    }

    /// Forgets what has arrived as a whole in the meantime.
    fn purge(&mut self, next: u32) {
        let bytes = &mut self.bytes;
        self.partials.retain(|partial| {
            let is_missing = diff(partial.sn, next) >= 0;
            if !is_missing {
                *bytes -= partial.push.len();
            }
            is_missing
        });
    }

    fn forget(&mut self, sn: u32) -> Option<Partial> {
        let at = self.partials.iter().position(|partial| partial.sn == sn)?;
        let partial = self.partials.remove(at);
        self.bytes -= partial.push.len();
        Some(partial)
    }
}

#[cfg(test)]
mod tests;
