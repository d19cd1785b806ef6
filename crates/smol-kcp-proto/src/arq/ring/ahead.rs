//! Messages that are read ahead of others which are still missing.

use std::mem;

use super::buffers::Buffers;
use super::recv::RecvWindow;
use crate::limits::FRAGMENTS_MAX;

impl RecvWindow {
    /// The segment that is so far `at` in the row has come, and something before it is missing: hands over the
    /// message that it completes, and the one behind it, of which it may show that it begins there.
    ///
    /// A segment that follows on a gap may be the rest of a message whose beginning is missing; KCP numbers
    /// fragments downwards, and the last one looks like a message of its own.
    pub(super) fn hand_over_ahead(&mut self, at: u32, frg: u8, buffers: &mut Buffers) {
        let sn = self.slots.head().wrapping_add(at);
        if let Some(first) = self.beginning(sn) {
            self.take_ahead(first, buffers);
        }
        if frg == 0 {
            self.take_ahead(sn.wrapping_add(1), buffers);
        }
    }

    /// The first segment of the message that `sn` belongs to, where that is known.
    fn beginning(&self, sn: u32) -> Option<u32> {
        let mut first = sn;
        for _ in 0..FRAGMENTS_MAX {
            let before = self.slots.get(first.wrapping_sub(1)).filter(|place| place.received)?;
            if before.frg == 0 {
                return Some(first);
            }
            first = first.wrapping_sub(1);
        }
        None
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
}
