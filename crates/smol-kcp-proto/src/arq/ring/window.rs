//! A row of places numbered by `sn`.

use std::mem;

/// Places for the numbers from `head` up to `end`, in a ring whose capacity is a power of two, so
/// that a number is an index after masking, across the wrap of 32 bits too.
///
/// It grows by doubling when it is full. Places outside of the row hold what their users left in
/// them, at first `T::default()`.
#[derive(Debug)]
pub(super) struct Window<T> {
    slots: Vec<T>,
    head: u32,
    len: u32,
}

impl<T: Default> Window<T> {
    /// Empty; the first number will be `head`.
    pub(super) fn new(head: u32) -> Window<T> {
        Window { slots: Vec::new(), head, len: 0 }
    }

    /// The lowest number, or the next one if there is none.
    #[inline]
    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// The number after the highest.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.head.wrapping_add(self.len)
    }

    /// For the self-check, which looks in debug builds only.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn get(&self, sn: u32) -> Option<&T> {
        if sn.wrapping_sub(self.head) < self.len {
            self.slots.get(self.index(sn))
        } else {
            None
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, sn: u32) -> Option<&mut T> {
        if sn.wrapping_sub(self.head) < self.len {
            let at = self.index(sn);
            self.slots.get_mut(at)
        } else {
            None
        }
    }

    /// The place of a number that is known to be in the row, as whatever stands on a list is: one
    /// comparison less. Of another number it is the place of some number or none.
    #[inline]
    pub(super) fn known(&self, sn: u32) -> Option<&T> {
        self.slots.get(self.index(sn))
    }

    /// Does as [`known`](Window::known), for changing it.
    #[inline]
    pub(super) fn known_mut(&mut self, sn: u32) -> Option<&mut T> {
        let at = self.index(sn);
        self.slots.get_mut(at)
    }

    /// Adds a place at the end and returns it, with whatever its last user left in it.
    #[inline]
    pub(super) fn push(&mut self) -> Option<&mut T> {
        let sn = self.end();
        self.extend_to(self.len + 1);
        self.known_mut(sn)
    }

    /// Adds places until there are `len`.
    #[inline]
    pub(super) fn extend_to(&mut self, len: u32) {
        if len as usize > self.slots.len() {
            self.grow(len);
        }
        self.len = self.len.max(len);
    }

    /// Leaves all places below `sn` behind, which is in the row or its end.
    #[inline]
    pub(super) fn advance_to(&mut self, sn: u32) {
        self.len = self.len.saturating_sub(sn.wrapping_sub(self.head));
        self.head = sn;
    }

    /// Leaves the lowest place behind and returns it.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<&mut T> {
        let at = self.index(self.head);
        let place = self.slots.get_mut(at).filter(|_| self.len > 0)?;
        self.head = self.head.wrapping_add(1);
        self.len -= 1;
        Some(place)
    }

    /// Moves on by a number, which need not have a place.
    #[inline]
    pub(super) fn skip(&mut self) {
        self.head = self.head.wrapping_add(1);
        self.len = self.len.saturating_sub(1);
    }

    /// Gives the memory back if the row is empty.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.slots = Vec::new();
        }
    }

    /// Places held.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn index(&self, sn: u32) -> usize {
        sn as usize & self.slots.len().wrapping_sub(1)
    }

    #[cold]
    fn grow(&mut self, len: u32) {
        let capacity = (len as usize).next_power_of_two().max(4);
        let mut wider = Vec::with_capacity(capacity);
        wider.resize_with(capacity, T::default);
        for at in 0..self.len {
            let sn = self.head.wrapping_add(at);
            let from = self.index(sn);
            if let (Some(from), Some(to)) =
                (self.slots.get_mut(from), wider.get_mut(sn as usize & (capacity - 1)))
            {
                *to = mem::take(from);
            }
        }
        self.slots = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_values_while_the_ring_turns_grows_and_wraps() {
        let mut window = Window::new(u32::MAX - 20);
        let mut next = 0u32;
        for round in 0..50 {
            for _ in 0..=round {
                *window.push().unwrap() = next;
                next += 1;
            }
            window.advance_to(window.head().wrapping_add(round));
            for at in 0..window.len() {
                let sn = window.head().wrapping_add(at);
                assert_eq!(window.get(sn), Some(&sn.wrapping_sub(u32::MAX - 20)));
            }
        }
        assert_eq!((window.len(), window.capacity()), (50, 128));
        assert_eq!(window.get(window.end()), None);
        assert_eq!(window.get(window.head().wrapping_sub(1)), None);
    }

    #[test]
    fn an_empty_window_gives_its_memory_back() {
        let mut window = Window::<u8>::new(5);
        window.extend_to(100);
        window.release();
        assert_eq!(window.capacity(), 128, "in use");
        window.advance_to(window.end());
        assert_eq!((window.head(), window.end()), (105, 105));
        window.release();
        assert_eq!(window.capacity(), 0);
        assert_eq!(window.get(105), None);
    }
}
