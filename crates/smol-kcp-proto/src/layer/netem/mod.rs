//! A bad network, seeded: one [`Netem`] for each direction, in whatever time its user lives in.

mod check;
mod config;
mod policer;
mod random;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use config::{
    BlackoutConfig, BurstConfig, LinkConfig, MtuConfig, NetemConfig, PolicerConfig, Probability,
    RateStep,
};
use policer::Policer;
pub(crate) use random::{below, SeededRandom};

use crate::path::Path;
use crate::time::{micros, Time};

/// Datagrams that a link holds at most. With [`MAX_HELD_BYTES`]: 300 ms of 800 Mbit/s.
const MAX_HELD: usize = 32_768;
/// Bytes that a link holds at most.
const MAX_HELD_BYTES: usize = 32 << 20;

/// What one direction of the bad network did to its datagrams. `enqueued + duplicated` = `lost +
/// queue_dropped + policer_dropped + blackout_dropped + mtu_dropped + delivered` and those still held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Datagrams that came in.
    pub enqueued: u64,
    /// Lost by chance, in bursts or between them.
    pub lost: u64,
    /// Dropped because the queue was full, copies included.
    pub queue_dropped: u64,
    /// Dropped because the policer had no tokens for them, copies included.
    pub policer_dropped: u64,
    /// Dropped in a blackout.
    pub blackout_dropped: u64,
    /// Dropped because they were longer than the MTU.
    pub mtu_dropped: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams that skipped the delay.
    pub reordered: u64,
    /// Datagrams that came out, copies included.
    pub delivered: u64,
    /// Bytes that came out.
    pub bytes: u64,
}

/// One direction of a bad network.
#[derive(Debug)]
pub(crate) struct Netem {
    link: LinkConfig,
    random: SeededRandom,
    /// In a burst of losses?
    bad: bool,
    policer: Option<Policer>,
    /// When the link has sent all it has taken. Nanoseconds: at 1 Gbit/s a segment takes 200.
    free_at_nanos: u64,
    /// When the sending of each datagram that waits for that begins, and its length.
    waiting: VecDeque<(u64, usize)>,
    waiting_bytes: usize,
    /// By due time, and by arrival among equals.
    held: BTreeMap<(Time, u64), (Path, Vec<u8>)>,
    held_bytes: usize,
    sequence: u64,
    /// When the last one of those is due that have kept their place.
    latest: Time,
    stats: LinkStats,
}

impl Netem {
    /// A link with nothing on it; `link` has been checked.
    pub(crate) fn new(link: &LinkConfig, seed: u64) -> Netem {
        Netem {
            link: link.clone(),
            random: SeededRandom::new(seed),
            bad: false,
            policer: link.policer.as_ref().map(Policer::new),
            free_at_nanos: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            sequence: 0,
            latest: Time::ZERO,
            stats: LinkStats::default(),
        }
    }

    /// Both directions of an endpoint, sending first, with a fate of their own: endpoints with
    /// neighbouring seeds share none of it.
    pub(crate) fn pair(config: &NetemConfig) -> (Netem, Netem) {
        let mut seeds = SeededRandom::new(config.seed);
        let send = Netem::new(&config.send, seeds.next_u64());
        let receive = Netem::new(&config.receive, seeds.next_u64());
        (send, receive)
    }

    /// Takes a datagram from or to `path` and decides its fate.
    pub(crate) fn enqueue(&mut self, now: Time, path: Path, datagram: &[u8]) {
        self.stats.enqueued += 1;
        // As many draws for every datagram, whatever becomes of it: what one knob does to a
        // datagram does not change what the others do to the next.
        let [burst, loss, duplicate, reorder, jitter, copy_reorder, copy_jitter] =
            std::array::from_fn(|_| self.random.next_u64());

        // Bursts come and go in the dark too.
        let lost = self.loses(burst, loss);
        if self.is_too_long(now, datagram.len()) {
            self.stats.mtu_dropped += 1;
            return;
        }
        if self.is_dark(now) {
            self.stats.blackout_dropped += 1;
            return;
        }
        if lost {
            self.stats.lost += 1;
            return;
        }
        self.hold(now, path, datagram, reorder, jitter);
        if self.link.duplicate.hits(duplicate) {
            self.stats.duplicated += 1;
            self.hold(now, path, datagram, copy_reorder, copy_jitter);
        }
    }

    /// When the next datagram is due; `None`: the link is empty.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.held.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The next datagram that is due, with the address it came in with.
    pub(crate) fn dequeue(&mut self, now: Time) -> Option<(Path, Vec<u8>)> {
        if self.poll_timeout()? > now {
            return None;
        }
        let (_, (path, datagram)) = self.held.pop_first()?;
        self.held_bytes -= datagram.len();
        self.stats.delivered += 1;
        self.stats.bytes += datagram.len() as u64;
        Some((path, datagram))
    }

    /// What happened so far.
    pub(crate) fn stats(&self) -> LinkStats {
        self.stats
    }

    /// How long a datagram that came now would wait before its sending begins.
    #[cfg(test)]
    pub(crate) fn queue_delay(&self, now: Time) -> Duration {
        let now_nanos = now.as_micros().saturating_mul(1000);
        Duration::from_nanos(self.free_at_nanos.saturating_sub(now_nanos))
    }

    fn is_too_long(&self, now: Time, len: usize) -> bool {
        let Some(mtu) = &self.link.mtu else { return false };
        now.as_micros() >= micros(mtu.from) && len + self.link.overhead > mtu.bytes
    }

    fn is_dark(&self, now: Time) -> bool {
        let is_in = |blackout: &BlackoutConfig| {
            let (now, from) = (now.as_micros(), micros(blackout.from));
            now >= from && now - from < micros(blackout.lasts)
        };
        self.link.blackouts.iter().any(is_in)
    }

    fn loses(&mut self, burst: u64, loss: u64) -> bool {
        let Some(bursts) = &self.link.bursts else {
            return self.link.loss.hits(loss);
        };
        let turn = if self.bad { bursts.leave } else { bursts.enter };
        if turn.hits(burst) {
            self.bad = !self.bad;
        }
        let chance = if self.bad { bursts.loss } else { self.link.loss };
        chance.hits(loss)
    }

    fn hold(&mut self, now: Time, path: Path, datagram: &[u8], reorder: u64, jitter: u64) {
        let on_link = datagram.len() + self.link.overhead;
        if self.policer.as_mut().is_some_and(|policer| !policer.passes(now, on_link)) {
            self.stats.policer_dropped += 1;
            return;
        }
        let full = self.held.len() >= MAX_HELD
            || datagram.len() > MAX_HELD_BYTES.saturating_sub(self.held_bytes);
        let sent = if full { None } else { self.send(now, on_link) };
        let Some(sent) = sent else {
            self.stats.queue_dropped += 1;
            return;
        };
        let due = if self.link.reorder.hits(reorder) {
            self.stats.reordered += 1;
            sent
        } else {
            let due = sent + self.time_on_the_way(jitter);
            self.latest = self.latest.max(due);
            if self.link.in_order {
                self.latest
            } else {
                due
            }
        };
        self.held_bytes += datagram.len();
        self.held.insert((due, self.sequence), (path, datagram.to_vec()));
        self.sequence += 1;
    }

    /// When the last bit of a datagram of `len` bytes has left; `None`: the queue is full.
    fn send(&mut self, now: Time, len: usize) -> Option<Time> {
        let Some(first) = self.link.rate else {
            return Some(now);
        };
        let now_nanos = now.as_micros().saturating_mul(1000);
        while let Some(&(begins, waited)) = self.waiting.front() {
            if begins > now_nanos {
                break;
            }
            self.waiting.pop_front();
            self.waiting_bytes -= waited;
        }

        let begins = self.free_at_nanos.max(now_nanos);
        // A link that is idle sends at once: its queue does not matter then.
        if begins > now_nanos {
            let room = self.link.queue_bytes.unwrap_or(usize::MAX);
            let places = self.link.queue_datagrams.unwrap_or(usize::MAX);
            if self.waiting.len() >= places || len > room.saturating_sub(self.waiting_bytes) {
                return None;
            }
            self.waiting.push_back((begins, len));
            self.waiting_bytes += len;
        }
        self.free_at_nanos = rate::sent_at(first, &self.link.rate_steps, begins, len);
        Some(Time::from_micros(self.free_at_nanos.div_ceil(1000)))
    }

    /// The delay, varied evenly by the jitter.
    fn time_on_the_way(&self, random: u64) -> Duration {
        let width = self.link.jitter.as_micros().saturating_mul(2).saturating_add(1);
        let width = u32::try_from(width).unwrap_or(u32::MAX); // a checked jitter is far below
        let above = Duration::from_micros(u64::from(below(random, width)));
        self.link.delay.saturating_sub(self.link.jitter).saturating_add(above)
    }
}
