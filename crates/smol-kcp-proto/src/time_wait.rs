//! Where the keys of ended sessions rest, so that a late datagram raises no ghost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::control::{hello_nonce, rst_for, QUIET_WINDOW};
use crate::path::PeerId;
use crate::time::Time;
use crate::wire::{Header, View, CMD_PUSH, CMD_WASK, CMD_WINS, CODE_FIN, HEADER_LEN};

/// What is remembered of an ended session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWaitEntry {
    /// Everything that was received: acknowledges late retransmissions.
    pub una: u32,
    /// The peer's FIN, if it came.
    pub peer_fin: Option<u32>,
    /// Nonce of the peer's HELLO: another one opens a new conversation.
    pub nonce: Option<u32>,
    /// The session did not end in agreement: late datagrams are answered with RST.
    pub reset: bool,
}

/// The resting keys, in order of their end.
#[derive(Debug)]
pub(crate) struct TimeWait {
    time_wait: BTreeMap<(u32, PeerId), (Time, TimeWaitEntry)>,
    order: VecDeque<(Time, u32, PeerId)>,
    /// How long a key rests.
    span: Duration,
    /// How many rest; the oldest makes room.
    max: usize,
}

impl TimeWait {
    pub(crate) fn new(span: Duration, max: usize) -> TimeWait {
        TimeWait { time_wait: BTreeMap::new(), order: VecDeque::new(), span, max }
    }

    pub(crate) fn insert(&mut self, now: Time, conv: u32, peer: PeerId, entry: TimeWaitEntry) {
        self.expire(now);
        if self.order.len() >= self.max {
            self.remove_oldest();
        }
        let until = now + self.span;
        self.time_wait.insert((conv, peer), (until, entry));
        self.order.push_back((until, conv, peer));
    }

    /// Finds the entry under this key. Nothing wakes up for an entry whose time has passed; it goes when
    /// somebody looks.
    pub(crate) fn get(&mut self, now: Time, conv: u32, peer: PeerId) -> Option<TimeWaitEntry> {
        self.expire(now);
        self.time_wait.get(&(conv, peer)).map(|&(_, entry)| entry)
    }

    /// Ends a rest early, because its peer begins anew.
    pub(crate) fn remove(&mut self, conv: u32, peer: PeerId) {
        self.time_wait.remove(&(conv, peer));
    }

    pub(crate) fn len(&self) -> usize {
        self.time_wait.len()
    }

    fn expire(&mut self, now: Time) {
        while self.order.front().is_some_and(|&(until, _, _)| until <= now) {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        let Some((until, conv, peer)) = self.order.pop_front() else { return };
        // A key that rests a second time has a later entry of its own.
        if self.time_wait.get(&(conv, peer)).is_some_and(|&(of, _)| of == until) {
            self.time_wait.remove(&(conv, peer));
        }
    }
}

impl TimeWaitEntry {
    /// Tells whether a HELLO with this nonce begins a new conversation under the old key. One whose HELLO
    /// never came cannot be told from a new one: it may be on its way still.
    pub(crate) fn is_succeeded_by(&self, nonce: u32) -> bool {
        self.nonce.is_some_and(|own| own != nonce)
    }

    /// Makes the answer to a late datagram, never longer than it.
    pub(crate) fn answer(&self, datagram: &View<'_>) -> Option<[u8; HEADER_LEN]> {
        // Should it be a new conversation after all, its client is to learn that it has to wait.
        if self.reset || (self.nonce.is_none() && hello_nonce(datagram).is_some()) {
            return rst_for(datagram);
        }
        // `una` acknowledges retransmissions, the code a repeated FIN.
        let sn = self.peer_fin.unwrap_or(self.una);
        let due = datagram.has(CMD_PUSH) || datagram.has(CMD_WASK);
        due.then(|| {
            Header {
                conv: datagram.conv(),
                cmd: CMD_WINS,
                frg: CODE_FIN,
                wnd: QUIET_WINDOW,
                ts: datagram.first().ts,
                sn,
                una: self.una,
                len: 0,
            }
            .encode()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CODE_RST;

    const REST: TimeWaitEntry =
        TimeWaitEntry { una: 7, peer_fin: Some(7), nonce: Some(1), reset: false };

    fn peer(port: u16) -> PeerId {
        PeerId::At(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_key_rests_for_its_time_and_the_oldest_makes_room() {
        let mut time_wait = TimeWait::new(Duration::from_secs(10), 2);
        time_wait.insert(Time::ZERO, 1, peer(1), REST);
        time_wait.insert(Time::from_millis(1000), 1, peer(2), REST);
        assert_eq!(time_wait.get(Time::from_millis(9999), 1, peer(1)), Some(REST));
        assert_eq!(time_wait.get(Time::from_millis(10_000), 1, peer(1)), None);
        time_wait.insert(Time::from_millis(10_500), 1, peer(3), REST);
        time_wait.insert(Time::from_millis(10_500), 1, peer(4), REST);
        assert_eq!(time_wait.get(Time::from_millis(10_500), 1, peer(2)), None, "made room");
        assert_eq!(time_wait.len(), 2);
    }

    #[test]
    fn a_late_retransmission_is_acknowledged_and_an_answer_is_not_answered() {
        let push = Header { conv: 9, cmd: CMD_PUSH, sn: 6, ts: 5, ..Header::default() };
        let answer =
            Header::decode(&REST.answer(&View::new(&push.encode()).unwrap()).unwrap()).unwrap();
        assert_eq!((answer.frg, answer.una, answer.sn), (CODE_FIN, 7, 7));
        let wins = Header { cmd: CMD_WINS, ..push };
        assert_eq!(REST.answer(&View::new(&wins.encode()).unwrap()), None);
        assert_eq!(rst_for(&View::new(&wins.encode()).unwrap()), None);
        let reset = Header::decode(&rst_for(&View::new(&push.encode()).unwrap()).unwrap()).unwrap();
        assert_eq!((reset.frg, reset.sn, reset.ts), (CODE_RST, 6, 5));
    }
}
