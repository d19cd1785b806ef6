//! Bytes of the transport as frames, however they are cut.

use crate::frame::{Command, Header, ProtocolError, Update, Version, HEADER_LEN, UPDATE_LEN};

/// What has arrived. A payload comes in pieces, as it came: no frame is ever held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Syn(u32),
    Fin(u32),
    Data(u32, &'a [u8]),
    Update(u32, Update),
}

/// Where in a frame the bytes are that come next.
#[derive(Clone, Copy, Debug)]
enum Place {
    Header,
    Payload { id: u32, left: u16 },
    Update { id: u32 },
}

/// Keeps what is known of the frame that is arriving: at most a header.
#[derive(Debug)]
pub(super) struct Decoder {
    place: Place,
    /// The part of a header or window update that has arrived.
    part: [u8; HEADER_LEN],
    have: usize,
}

// One array serves both.
const _: () = assert!(UPDATE_LEN == HEADER_LEN);

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { place: Place::Header, part: [0; HEADER_LEN], have: 0 }
    }

    /// Returns whether nothing of a frame has arrived that is not complete.
    pub(super) fn is_between_frames(&self) -> bool {
        self.have == 0 && matches!(self.place, Place::Header)
    }

    /// Takes the next item off `bytes`; `None` when all of them are taken.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        version: Version,
    ) -> Result<Option<Item<'a>>, ProtocolError> {
        loop {
            match self.place {
                Place::Payload { left: 0, .. } => self.place = Place::Header,
                Place::Payload { .. } if bytes.is_empty() => return Ok(None),
                Place::Payload { id, left } => {
                    let (data, rest) = bytes.split_at(bytes.len().min(usize::from(left)));
                    *bytes = rest;
                    // Not more than `left`, which is 16 bits.
                    self.place = Place::Payload { id, left: left - data.len() as u16 };
                    return Ok(Some(Item::Data(id, data)));
                }
                Place::Header => {
                    let Some(header) = self.take(bytes) else { return Ok(None) };
                    let Header { command, length, id } = Header::decode(header, version)?;
                    match command {
                        Command::Syn => return Ok(Some(Item::Syn(id))),
                        Command::Fin => return Ok(Some(Item::Fin(id))),
                        Command::Push => self.place = Place::Payload { id, left: length },
                        Command::Update => self.place = Place::Update { id },
                        Command::Nop => {}
                    }
                }
                Place::Update { id } => {
                    let Some(update) = self.take(bytes) else { return Ok(None) };
                    self.place = Place::Header;
                    return Ok(Some(Item::Update(id, Update::decode(update))));
                }
            }
        }
    }

    /// Completes eight bytes; `None` if there are fewer.
    fn take(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEADER_LEN]> {
        let room = &mut self.part[self.have..];
        let (more, rest) = bytes.split_at(bytes.len().min(room.len()));
        room[..more.len()].copy_from_slice(more);
        *bytes = rest;
        self.have += more.len();
        if self.have < HEADER_LEN {
            return None;
        }
        self.have = 0;
        Some(self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `bytes`, which arrive `step` at a time; pieces of a payload are put together.
    fn decode(bytes: &[u8], step: usize) -> (Vec<String>, Result<(), ProtocolError>) {
        let mut decoder = Decoder::new();
        let mut found: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut said = Vec::new();
        for mut piece in bytes.chunks(step) {
            loop {
                match decoder.next(&mut piece, Version::V2) {
                    Ok(None) => break,
                    Ok(Some(Item::Data(id, data))) => match found.last_mut() {
                        Some((last, whole)) if *last == id => whole.extend(data),
                        _ => found.push((id, data.to_vec())),
                    },
                    Ok(Some(item)) => said.push(format!("{item:?}")),
                    Err(error) => return (said, Err(error)),
                }
            }
        }
        assert!(decoder.is_between_frames());
        said.extend(found.into_iter().map(|(id, data)| format!("{id}: {data:?}")));
        (said, Ok(()))
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let bytes = [
            &[2, 0, 0, 0, 3, 0, 0, 0][..],
            &[2, 3, 0, 0, 0, 0, 0, 0],
            &[2, 2, 5, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5],
            &[2, 2, 0, 0, 3, 0, 0, 0],
            &[2, 4, 8, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0],
            &[2, 1, 0, 0, 3, 0, 0, 0],
        ]
        .concat();
        let whole = decode(&bytes, bytes.len());
        let update = "Update(3, Update { consumed: 5, window: 65536 })";
        assert_eq!(
            whole,
            (
                vec!["Syn(3)".into(), update.into(), "Fin(3)".into(), "3: [1, 2, 3, 4, 5]".into()],
                Ok(())
            )
        );
        for step in 1..bytes.len() {
            assert_eq!(decode(&bytes, step), whole, "{step} at a time");
        }
    }

    #[test]
    fn a_wrong_header_ends_it_where_it_is_complete() {
        let bytes = [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0];
        let wrong = Err(ProtocolError::Version { expected: 2, found: 1 });
        assert_eq!(decode(&bytes, 5), (vec!["Syn(3)".into()], wrong));
    }
}
