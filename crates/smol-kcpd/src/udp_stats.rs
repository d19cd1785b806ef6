//! What a tunnel does with the datagrams of others.

use std::cell::Cell;

/// Counts the datagrams that a tunnel carries for others, and their sources. A datagram that goes into the
/// tunnel here comes out of it at the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpStats {
    /// Sources whose datagrams are carried.
    pub open: usize,
    /// Sources so far: one that comes again after a silence counts again.
    pub opened: u64,
    /// Those of them whose conversation, or way to the target, failed.
    pub failed: u64,
    /// Datagrams that went into the tunnel.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that came out of it and went where they belong.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Those that did not get on, by [reason](Dropped).
    pub dropped: [u64; Dropped::NAMES.len()],
}

/// Why a datagram did not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room: the line is slower, or there are as many connections as there may be.
    Room,
    /// It was empty, or longer than the tunnel carries.
    Length,
    /// No conversation with the server could be had, or it ended.
    Server,
    /// The socket towards the target, or the source, did not take it.
    Socket,
    /// It was [given up](smol_kcp::DatagramConfig::lifetime), being late. Each of the pieces of a long one counts.
    Late,
}

impl Dropped {
    /// Their names, which programs read.
    pub(crate) const NAMES: [&'static str; 5] = ["room", "length", "server", "socket", "late"];
}

impl UdpStats {
    /// Returns all that were dropped.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().fold(0, |all, &count| all.saturating_add(count))
    }
}

/// Counts as they come.
#[derive(Debug, Default)]
pub(super) struct UdpCounters(Cell<UdpStats>);

impl UdpCounters {
    pub(super) fn get(&self) -> UdpStats {
        self.0.get()
    }

    fn change(&self, change: impl FnOnce(&mut UdpStats)) {
        let mut stats = self.0.get();
        change(&mut stats);
        self.0.set(stats);
    }

    /// Notes that there is one more source, or one less, which `failed` or did not.
    pub(super) fn source(&self, is_new: bool, failed: bool) {
        self.change(|stats| {
            stats.opened += u64::from(is_new);
            stats.failed += u64::from(failed);
            stats.open = match is_new {
                true => stats.open + 1,
                false => stats.open.saturating_sub(1),
            };
        });
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.change(|stats| {
            stats.sent += 1;
            stats.sent_bytes = stats.sent_bytes.saturating_add(bytes as u64);
        });
    }

    pub(super) fn received(&self, bytes: usize) {
        self.change(|stats| {
            stats.received += 1;
            stats.received_bytes = stats.received_bytes.saturating_add(bytes as u64);
        });
    }

    pub(super) fn dropped(&self, why: Dropped, count: u64) {
        self.change(|stats| {
            let counter = stats.dropped.get_mut(why as usize);
            counter.into_iter().for_each(|it| *it = it.saturating_add(count));
        });
    }
}
