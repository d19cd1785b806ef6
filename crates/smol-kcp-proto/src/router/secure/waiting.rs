//! Datagrams that wait for keys: the first words after a silence, for which the handshake is begun.

use std::collections::{BTreeMap, VecDeque};

use crate::path::ChannelKey;

/// Datagrams of one channel: a first flight. The rest is sent again by the ARQ.
const OF_CHANNEL: usize = 16;

/// Bytes in all.
const BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    datagrams: BTreeMap<ChannelKey, Vec<Vec<u8>>>,
    /// Those that wait no more.
    released: VecDeque<(ChannelKey, Vec<u8>)>,
    bytes: usize,
}

impl Waiting {
    /// Keeps a datagram, if there is room.
    pub(super) fn push(&mut self, channel: ChannelKey, datagram: &[u8]) {
        if self.bytes + datagram.len() > BYTES {
            return;
        }
        let of_channel = self.datagrams.entry(channel).or_default();
        if of_channel.len() < OF_CHANNEL {
            self.bytes += datagram.len();
            of_channel.push(datagram.to_vec());
        }
    }

    /// Lets a channel's leave.
    pub(super) fn release(&mut self, channel: ChannelKey) {
        let datagrams = self.datagrams.remove(&channel).unwrap_or_default();
        self.released.extend(datagrams.into_iter().map(|datagram| (channel, datagram)));
    }

    /// Lets go of a channel's.
    pub(super) fn forget(&mut self, channel: ChannelKey) {
        let datagrams = self.datagrams.remove(&channel).unwrap_or_default();
        self.bytes -= datagrams.iter().map(Vec::len).sum::<usize>();
    }

    /// Returns whether something waits no more.
    pub(super) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Returns what waits no more.
    pub(super) fn pop_released(&mut self) -> Option<(ChannelKey, Vec<u8>)> {
        let (channel, datagram) = self.released.pop_front()?;
        self.bytes -= datagram.len();
        Some((channel, datagram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_flight_waits_for_its_own_channel_and_memory_is_bounded() {
        let mut waiting = Waiting::default();
        for n in 0..100u8 {
            waiting.push(1, &[n; 1000]);
        }
        waiting.push(2, b"other");
        waiting.release(1);
        let first = waiting.pop_released().map(|(channel, datagram)| (channel, datagram[0]));
        assert_eq!(first, Some((1, 0)));
        assert_eq!(std::iter::from_fn(|| waiting.pop_released()).count(), OF_CHANNEL - 1);
        waiting.forget(2);
        assert_eq!(waiting.bytes, 0);
        for channel in 0..1000 {
            waiting.push(channel, &[0; 1000]);
        }
        assert!(waiting.bytes <= BYTES && waiting.bytes > BYTES - 1000);
    }
}
