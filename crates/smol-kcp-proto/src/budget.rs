//! One bound for the memory of many sessions, of the endpoints they belong to, and of whatever else
//! draws on it.
//!
//! What has been acknowledged cannot be dropped, so a bound holds only if windows close before it is
//! reached. Each session may hold a share of what is *free* (the dynamic thresholds of switches with
//! shared buffers, Choudhury and Hahne 1998): that needs no list of sessions and no search, and the
//! more sessions hold, the less each of them may.
//!
//! A quarter is kept for those that let go of what they hold. A session that never reads, or whose
//! peer never acknowledges, gets a sixteenth of what is free of the other three quarters. One that
//! does gets up to half of all that is free, but no more than twice what it let go of within a
//! second, which is what it needs at that rate (as Linux sizes the receive buffers of TCP). However
//! little is free, every session may hold a [floor](Account::new), and goes on slowly.
//!
//! A receive window that is wider than it began is a promise: all of it may arrive, and be acknowledged,
//! before anything is read. So the bytes are *set aside* before the peer is told, and count as used.
//! Three quarters of the budget may be. Each session that wants a wider window may have the same part of
//! them, or half of what the others leave, as far as it is free: one alone has all, a hundred have a
//! hundredth each, and the last quarter is there for those that come. Where that is less than a session
//! has, its window shrinks, but only as fast as what it was told is read.
//!
//! Nobody has to be woken when others give memory back. A writer that waits has something under way,
//! whose acknowledgement wakes it; a window is closed only while something waits to be read, and
//! reading that opens it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::session::Session;
use crate::config::KcpConfig;
use crate::time::Time;

/// Bytes by which an endpoint draws on the budget, so that it does so seldom.
const CHUNK: usize = 16 * 1024;

/// What each session may always hold, in each direction: a share of a sixteenth of the budget, but at
/// least two segments, so that nothing waits for a timeout, and at most 16 KiB.
const FLOOR_SHARE: usize = 16;
const FLOOR_SEGMENTS: usize = 2;
const FLOOR_MOST: usize = 16 * 1024;

/// Microseconds over which it is counted what a session lets go of: longer than most round trips.
const PERIOD: u64 = 1_000_000;

/// A bound for memory: what sessions hold for their readers and until it is acknowledged, what their
/// endpoints have queued, and the records of both. Clones are the same budget.
///
/// Each endpoint has one of its own, of [`memory_budget`](crate::KcpConfig::memory_budget) bytes; those
/// that name no number share one, and so do those that are given the same (`KcpEndpoint::with_budget`).
///
/// # Examples
///
/// ```no_run
/// use smol_kcp::{KcpConfig, KcpEndpoint, MemoryBudget, UdpTransport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let budget = MemoryBudget::new(8 << 20);
/// for addr in ["0.0.0.0:4000", "0.0.0.0:4001"] {
///     let config = KcpConfig::low_memory();
///     let transport = UdpTransport::bind(&config, addr.parse()?)?;
///     let (endpoint, driver) = KcpEndpoint::with_budget(config, transport, &budget)?;
/// }
/// println!("{} of {} bytes", budget.used(), budget.limit());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: AtomicUsize,
    held: AtomicUsize,
    /// Set aside for receive windows, whether or not something is in them.
    reserved: AtomicUsize,
    /// Sessions that want a part of that.
    claims: AtomicUsize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which nothing is used.
    pub fn new(limit: usize) -> MemoryBudget {
        let [limit, held, reserved, claims] = [limit, 0, 0, 0].map(AtomicUsize::new);
        MemoryBudget { shared: Arc::new(Shared { limit, held, reserved, claims }) }
    }

    /// Bytes that it has.
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// Changes how much it has. What is held beyond that stays until it is read or acknowledged.
    pub fn set_limit(&self, limit: usize) {
        self.shared.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes that are used: held, or set aside for what peers have been told that they may send.
    /// Endpoints take and return those that are held 16 KiB at a time.
    pub fn used(&self) -> usize {
        self.held().saturating_add(self.shared.reserved.load(Ordering::Relaxed))
    }

    fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        self.shared.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.shared.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Changes what is set aside, and how many want it, from `before` to `after`.
    fn reserve(&self, before: Reserve, after: Reserve) {
        let Shared { reserved, claims, .. } = &*self.shared;
        let pairs = [(reserved, before.bytes, after.bytes), (claims, before.claims, after.claims)];
        for (total, before, after) in pairs {
            if after > before {
                total.fetch_add(after - before, Ordering::Relaxed);
            } else if after < before {
                total.fetch_sub(before - after, Ordering::Relaxed);
            }
        }
    }

    /// Bytes that one more session, or whoever else draws on it, may hold without letting go of them:
    /// a sixteenth of what is free, or of what is not held of three quarters where that is less. It is
    /// what the sessions go by; who [holds](MemoryBudget::hold) memory should too.
    pub fn share(&self) -> usize {
        // What is set aside may be all of the three quarters, and must not starve the others.
        let kept = self.three_quarters().saturating_sub(self.held());
        kept.min(self.limit().saturating_sub(self.used())) / 16
    }

    fn three_quarters(&self) -> usize {
        let limit = self.limit();
        limit - limit / 4
    }

    /// Bytes that a session which uses `own`, and is among those that want it, may use with a wider
    /// receive window.
    fn window_share(&self, own: usize) -> usize {
        let all = self.three_quarters();
        let left = all.saturating_sub(self.used().saturating_sub(own));
        // An equal part for each, so that it takes few rounds until they have it, or half of what those
        // leave that want less than that.
        let part = all / self.shared.claims.load(Ordering::Relaxed).max(1);
        left.min(part.max(left / 2))
    }

    /// The most that somebody may hold who lets go of as much.
    pub(crate) fn moving_share(&self) -> usize {
        self.limit().saturating_sub(self.used()) / 2
    }

    /// Uses `bytes` until the result is dropped: for what an application holds beside its streams.
    pub fn hold(&self, bytes: usize) -> HeldMemory {
        self.take(bytes);
        HeldMemory { budget: self.clone(), bytes }
    }
}

/// A part of a [`MemoryBudget`] that is in use.
#[derive(Debug)]
#[must_use = "dropped, it uses nothing"]
pub struct HeldMemory {
    budget: MemoryBudget,
    bytes: usize,
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

/// What is set aside for receive windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reserve {
    bytes: usize,
    /// Sessions that want some.
    claims: usize,
}

/// What one endpoint uses of a budget.
#[derive(Debug)]
pub(crate) struct Account {
    budget: MemoryBudget,
    used: usize,
    /// At least as much, in whole chunks: what the budget knows of.
    claimed: usize,
    /// What is set aside for the windows of sessions.
    reserved: Reserve,
    /// Of `used`, what sessions do not hold.
    queues: usize,
    /// What each session may hold in each direction, however little is free.
    floor: usize,
}

/// What a session is charged, and what it lets go of.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    /// What it holds, less what is in the part that is set aside for its receive window.
    held: usize,
    /// Does it want a wider receive window?
    claims: bool,
    /// The latest round of its receive window that was looked at.
    round: u32,
    /// What it had let go of when the period began, and how much that was in the one before.
    drained: usize,
    before: usize,
    since: Time,
}

impl Account {
    pub(crate) fn new(config: &KcpConfig, budget: MemoryBudget) -> Account {
        let fair = budget.limit() / FLOOR_SHARE / config.max_sessions.max(1);
        let least = FLOOR_SEGMENTS * config.mtu;
        let floor = fair.clamp(least, FLOOR_MOST.max(least));
        Account { budget, used: 0, claimed: 0, reserved: Reserve::default(), queues: 0, floor }
    }

    pub(crate) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    #[cfg(test)]
    pub(crate) fn floor(&self) -> usize {
        self.floor
    }

    /// Charges what the session holds now, and bounds what it may hold from now on.
    #[inline]
    pub(crate) fn charge(&mut self, now: Time, session: &mut Session, charge: &mut Charge) {
        if session.recv_round() != charge.round {
            self.grant_window(session, charge);
        }
        let (held, drained) = (session.memory_beyond_reserve(), session.drained());
        let before = std::mem::replace(&mut charge.held, held);
        let earned = charge.earned(now, drained);
        if before != held {
            self.change(before, held);
        }
        let moving = self.budget.moving_share().min(earned);
        session.set_share(self.budget.share().max(moving).max(self.floor));
    }

    /// Sets aside what the receive window of a session should have by its latest round, as far as the
    /// others leave room, and lets it be as wide.
    #[cold]
    fn grant_window(&mut self, session: &mut Session, charge: &mut Charge) {
        let demand = session.recv_demand();
        charge.round = demand.round;
        let wanted = session.recv_wanted(demand);
        self.claim(charge, wanted > 0);
        let (held, before) = (charge.held, session.reserve());
        let fair = self.budget.window_share(held.saturating_add(before)).saturating_sub(held);
        // RFC 9293 (3.8.6.2.1) discourages taking back what the peer was told. What was read since is
        // told anew, and need not be.
        let told = before.saturating_sub(demand.read);
        let bytes = wanted.min(fair.max(told));
        self.set_reserve(session, bytes);
        // Another endpoint may have taken the same bytes since they were looked at.
        let over = self.budget.used().saturating_sub(self.budget.three_quarters());
        if over > 0 && bytes > before {
            self.set_reserve(session, bytes.saturating_sub(over).max(before));
        }
    }

    /// The peer sends nothing more: what was set aside for it is free.
    pub(crate) fn close_window(&mut self, session: &mut Session, charge: &mut Charge) {
        self.claim(charge, false);
        self.set_reserve(session, 0);
    }

    /// Counts the session among those that want a wider window, or no more.
    fn claim(&mut self, charge: &mut Charge, claims: bool) {
        let before = std::mem::replace(&mut charge.claims, claims);
        self.change_reserve(
            Reserve { bytes: 0, claims: before.into() },
            Reserve { bytes: 0, claims: claims.into() },
        );
    }

    /// Sets so many bytes aside for the window of a session.
    fn set_reserve(&mut self, session: &mut Session, bytes: usize) {
        let of = |bytes| Reserve { bytes, claims: 0 };
        self.change_reserve(of(session.reserve()), of(bytes));
        session.set_reserve(bytes);
    }

    fn change_reserve(&mut self, before: Reserve, after: Reserve) {
        let Reserve { bytes, claims } = &mut self.reserved;
        debug_assert!(*bytes >= before.bytes, "what was set aside is part of it");
        *bytes = bytes.saturating_sub(before.bytes).saturating_add(after.bytes);
        *claims = claims.saturating_sub(before.claims).saturating_add(after.claims);
        self.budget.reserve(before, after);
    }

    /// The session is gone, and all that it held; its window was [closed](Account::close_window).
    pub(crate) fn close(&mut self, charge: &mut Charge) {
        self.change(std::mem::take(&mut charge.held), 0);
    }

    /// Charges what the endpoint's queues hold now.
    pub(crate) fn set_queues(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.queues, bytes);
        if before != bytes {
            self.change(before, bytes);
        }
    }

    /// Charges `after` bytes instead of `before`, whatever they are for.
    pub(crate) fn change(&mut self, before: usize, after: usize) {
        debug_assert!(self.used >= before, "what was charged is part of it");
        self.used = self.used.saturating_sub(before).saturating_add(after);
        // One chunk to and fro asks nobody.
        let enough = self.used.div_ceil(CHUNK).saturating_mul(CHUNK);
        if enough > self.claimed {
            self.budget.take(enough - self.claimed);
            self.claimed = enough;
        } else if self.used == 0 || self.claimed - enough > CHUNK {
            self.budget.give(self.claimed - enough);
            self.claimed = enough;
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.give(self.claimed);
        self.budget.reserve(self.reserved, Reserve::default());
    }
}

impl Charge {
    /// Twice what was let go of within a period, of all that ever was.
    fn earned(&mut self, now: Time, drained: usize) -> usize {
        let mut lately = drained.wrapping_sub(self.drained);
        let age = now.as_micros().saturating_sub(self.since.as_micros());
        if age >= PERIOD {
            self.before = if age < 2 * PERIOD { lately } else { 0 };
            (self.drained, self.since) = (drained, now);
            lately = 0;
        }
        self.before.max(lately).saturating_mul(2)
    }
}

#[cfg(test)]
mod tests;
