//! A link that several pairs of hosts share, and what became of every datagram that came to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::layer::netem::{LinkConfig, LinkStats, Netem};
use crate::path::Path;
use crate::time::Time;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waited for so many microseconds until its sending began.
    Waited(u32),
    /// By a full queue, a policer, a blackout or a black hole.
    Dropped,
    /// By chance.
    Lost,
}

/// A datagram that came to the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub at: Time,
    /// The host that sent it.
    pub from: usize,
    /// Its length on the link, headers included.
    pub len: usize,
    pub fate: Fate,
}

pub(super) struct SharedLink {
    link: Netem,
    overhead: usize,
    pub passages: Vec<Passage>,
}

impl SharedLink {
    pub(super) fn new(config: &LinkConfig, seed: u64) -> SharedLink {
        SharedLink {
            link: Netem::new(config, seed),
            overhead: config.overhead,
            passages: Vec::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.link.poll_timeout()
    }

    pub(super) fn stats(&self) -> LinkStats {
        self.link.stats()
    }

    /// How long a datagram that came now would wait.
    pub(super) fn queue_delay(&self, now: Time) -> Duration {
        self.link.queue_delay(now)
    }

    pub(super) fn enqueue(
        &mut self,
        now: Time,
        from: usize,
        to: usize,
        sender: SocketAddr,
        bytes: &[u8],
    ) {
        let before = self.link.stats();
        let wait = self.link.queue_delay(now).as_micros() as u32;
        // The receiver's number travels as if it were its address: many receivers share the link.
        let local = Some(IpAddr::V4(Ipv4Addr::from_bits(to as u32)));
        self.link.enqueue(now, Path { peer: sender, local, channel: None }, bytes);
        let after = self.link.stats();
        let fate = if after.lost > before.lost {
            Fate::Lost
        } else if dropped(&after) > dropped(&before) {
            Fate::Dropped
        } else {
            Fate::Waited(wait)
        };
        self.passages.push(Passage { at: now, from, len: bytes.len() + self.overhead, fate });
    }

    /// The next datagram that is due: the receiver's number, the sender's address, the bytes.
    pub(super) fn dequeue(&mut self, now: Time) -> Option<(usize, Path, Vec<u8>)> {
        let (path, bytes) = self.link.dequeue(now)?;
        let Some(IpAddr::V4(to)) = path.local else { return None };
        Some((to.to_bits() as usize, path.peer.into(), bytes))
    }
}

/// Datagrams dropped for whatever reason but chance.
pub(super) fn dropped(stats: &LinkStats) -> u64 {
    stats.queue_dropped + stats.policer_dropped + stats.blackout_dropped + stats.mtu_dropped
}
