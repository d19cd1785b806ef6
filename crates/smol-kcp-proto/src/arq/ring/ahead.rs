//! How segments become messages that can be read, those of datagrams ahead of others which are still missing.

use std::mem;

use super::buffers::Buffers;
use super::recv::RecvWindow;
use crate::limits::FRAGMENTS_MAX;

impl RecvWindow {
    /// The segment that is so far `at` in the row has come, and something before it is missing: hands over the
    /// message that it completes.
    pub(super) fn hand_over_ahead(&mut self, at: u32, buffers: &mut Buffers) {
        let mut first = self.slots.head().wrapping_add(at);
        for _ in 0..FRAGMENTS_MAX {
            match self.slots.get(first).filter(|place| place.received) {
                Some(place) if place.begins => return self.take_ahead(first, buffers),
                Some(_) => first = first.wrapping_sub(1),
                None => return,
            }
        }
    }

    /// Hands over the message that begins with `first`, if all of it is here and none of it was given up or
    /// handed over before: its places stay, and are empty.
    fn take_ahead(&mut self, first: u32, buffers: &mut Buffers) {
        let fragments = (0..FRAGMENTS_MAX as u32).map(|n| first.wrapping_add(n));
        let mut end = None;
        for sn in fragments {
            match self.slots.get(sn).filter(|place| place.received && !place.block.is_empty()) {
                Some(place) if place.frg == 0 => {
                    end = Some(sn.wrapping_add(1));
                    break;
                }
                Some(_) => {}
                None => return,
            }
        }
        let Some(end) = end.filter(|_| !self.is_full()) else { return };
        let (mut sn, before) = (first, self.unread());
        while sn != end {
            let Some(place) = self.slots.get_mut(sn) else { return };
            let block = mem::take(&mut place.block);
            self.take_block(block, true, buffers);
            sn = sn.wrapping_add(1);
        }
        self.end_message(before);
    }

    /// Are all parts of the first message here? What was given up, or handed over before, has left its place empty.
    pub(super) fn is_whole(&self) -> bool {
        let mut sn = self.slots.head();
        loop {
            match self.slots.get(sn) {
                Some(place) if place.block.is_empty() => return false,
                Some(place) if place.received && place.frg > 0 => sn = sn.wrapping_add(1),
                _ => return true,
            }
        }
    }

    /// What follows on so many bytes is a message.
    #[inline]
    pub(super) fn end_message(&mut self, before: usize) {
        let len = self.unread.len() - before;
        if self.has_messages && len > 0 {
            self.unread.end_message(len);
        }
    }

    /// Moves the payload of a segment.
    #[inline(always)]
    pub(super) fn take_block(&mut self, block: Vec<u8>, is_of_use: bool, buffers: &mut Buffers) {
        if is_of_use && !self.discards {
            self.unread.push(&block);
        }
        self.bytes_held = self.bytes_held.saturating_sub(buffers.cost(block.len()));
        buffers.put(block);
    }
}
