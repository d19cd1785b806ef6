//! The sources that a client knows, each of which has a conversation.

use std::net::SocketAddr;
use std::time::Instant;

use async_channel::{Receiver, Sender};

/// Datagrams of a source that may wait for its conversation.
const WAITING: usize = 64;

struct Source {
    datagrams: Sender<Vec<u8>>,
    heard: Instant,
}

/// What became of a datagram.
pub(super) enum Given {
    /// Its conversation has it.
    Taken,
    /// It was one too many.
    Dropped,
    /// Its source is new, and what it says is to be read from here.
    New(Receiver<Vec<u8>>),
}

/// Knows up to so many sources, and of more those that have spoken last: in a row sorted by address, as a table of
/// its own would be several kilobytes of code.
pub(super) struct Sources {
    most: usize,
    known: Vec<(SocketAddr, Source)>,
}

impl Sources {
    pub(super) fn new(most: usize) -> Sources {
        Sources { most, known: Vec::new() }
    }

    /// Gives a datagram to the conversation of its source. When a new source finds no room, that of the
    /// one that has been silent for longest ends.
    pub(super) fn give(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Given {
        if let Some((_, source)) = self.find(from).ok().and_then(|at| self.known.get_mut(at)) {
            if !source.datagrams.is_closed() {
                source.heard = now;
                return match source.datagrams.try_send(datagram.to_vec()) {
                    Ok(()) => Given::Taken,
                    Err(_) => Given::Dropped,
                };
            }
        }
        self.make_room();
        let (sender, receiver) = async_channel::bounded(WAITING);
        let _ = sender.try_send(datagram.to_vec()); // it has room for one
        let source = Source { datagrams: sender, heard: now };
        match self.find(from) {
            Ok(at) => self.known[at].1 = source,
            Err(at) => self.known.insert(at, (from, source)),
        }
        Given::New(receiver)
    }

    fn find(&self, addr: SocketAddr) -> Result<usize, usize> {
        self.known.binary_search_by_key(&addr, |(addr, _)| *addr)
    }

    fn make_room(&mut self) {
        if self.known.len() < self.most {
            return;
        }
        self.known.retain(|(_, source)| !source.datagrams.is_closed());
        while self.known.len() >= self.most {
            let oldest = self.known.iter().enumerate().min_by_key(|(_, (_, source))| source.heard);
            let Some(oldest) = oldest.map(|(at, _)| at) else { return };
            self.known.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn a_source_keeps_its_conversation_until_that_ends() {
        let (mut sources, now) = (Sources::new(2), crate::runtime::now());
        let Given::New(one) = sources.give(addr(1), b"a", now) else { panic!("unknown") };
        assert!(matches!(sources.give(addr(1), b"b", now), Given::Taken));
        assert_eq!([one.try_recv().unwrap(), one.try_recv().unwrap()], [b"a", b"b"]);
        drop(one);
        assert!(matches!(sources.give(addr(1), b"c", now), Given::New(_)));
    }

    #[test]
    fn the_one_that_was_silent_for_longest_makes_room() {
        let (mut sources, now) = (Sources::new(2), crate::runtime::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        let Given::New(one) = sources.give(addr(1), b"a", now) else { panic!("unknown") };
        let Given::New(two) = sources.give(addr(2), b"a", later(1)) else { panic!("unknown") };
        sources.give(addr(1), b"b", later(2));
        let Given::New(_three) = sources.give(addr(3), b"a", later(3)) else { panic!("unknown") };
        assert!(two.is_closed() && !one.is_closed());
    }

    #[test]
    fn what_a_conversation_does_not_take_in_time_is_dropped() {
        let (mut sources, now) = (Sources::new(1), crate::runtime::now());
        let Given::New(one) = sources.give(addr(1), b"a", now) else { panic!("unknown") };
        let taken = (0..100).filter(|_| matches!(sources.give(addr(1), b"b", now), Given::Taken));
        assert_eq!(taken.count(), WAITING - 1);
        assert_eq!(one.len(), WAITING);
    }
}
