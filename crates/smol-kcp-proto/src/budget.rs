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
//! Nobody has to be woken when others give memory back. A writer that waits has something under way,
//! whose acknowledgement wakes it; a window is closed only while something waits to be read, and
//! reading that opens it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

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

/// Time over which it is counted what a session lets go of: longer than most round trips.
const PERIOD: Duration = Duration::from_secs(1);

/// A bound for memory: what sessions hold for their readers and until it is acknowledged, what their
/// endpoints have queued, and the records of both. Clones are the same budget.
///
/// Each endpoint has one of its own, of [`memory_budget`](crate::KcpConfig::memory_budget) bytes,
/// unless several are given the same (`KcpEndpoint::with_budget`).
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
    used: AtomicUsize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which nothing is used.
    pub fn new(limit: usize) -> MemoryBudget {
        let (limit, used) = (AtomicUsize::new(limit), AtomicUsize::new(0));
        MemoryBudget { shared: Arc::new(Shared { limit, used }) }
    }

    /// Bytes that it has.
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// Changes how much it has. What is held beyond that stays until it is read or acknowledged.
    pub fn set_limit(&self, limit: usize) {
        self.shared.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes that are used. Endpoints take and return them 16 KiB at a time.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that one more session, or whoever else draws on it, may hold without letting go of them:
    /// a sixteenth of what is free of three quarters. It is what the sessions go by; who
    /// [holds](MemoryBudget::hold) memory should too.
    pub fn share(&self) -> usize {
        let limit = self.limit();
        (limit - limit / 4).saturating_sub(self.used()) / 16
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

/// What one endpoint uses of a budget.
#[derive(Debug)]
pub(crate) struct Account {
    budget: MemoryBudget,
    used: usize,
    /// At least as much, in whole chunks: what the budget knows of.
    claimed: usize,
    /// Of `used`, what sessions do not hold.
    queues: usize,
    /// What each session may hold in each direction, however little is free.
    floor: usize,
}

/// What a session is charged, and what it lets go of.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    held: usize,
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
        Account { budget, used: 0, claimed: 0, queues: 0, floor }
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
        let (held, drained) = (session.memory(), session.drained());
        let before = std::mem::replace(&mut charge.held, held);
        let earned = charge.earned(now, drained);
        if before != held {
            self.change(before, held);
        }
        let moving = self.budget.moving_share().min(earned);
        session.set_share(self.budget.share().max(moving).max(self.floor));
    }

    /// The session is gone, and all that it held.
    pub(crate) fn close(&mut self, charge: &mut Charge) {
        let held = std::mem::take(&mut charge.held);
        self.change(held, 0);
    }

    /// Charges what the endpoint's queues hold now.
    pub(crate) fn set_queues(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.queues, bytes);
        if before != bytes {
            self.change(before, bytes);
        }
    }

    fn change(&mut self, before: usize, after: usize) {
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
    }
}

impl Charge {
    /// Twice what was let go of within a period, of all that ever was.
    fn earned(&mut self, now: Time, drained: usize) -> usize {
        let mut lately = drained.wrapping_sub(self.drained);
        let age = now.since(self.since);
        if age >= PERIOD {
            self.before = if age < 2 * PERIOD { lately } else { 0 };
            (self.drained, self.since) = (drained, now);
            lately = 0;
        }
        self.before.max(lately).saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn an_endpoint_draws_chunks_and_returns_all() {
        let budget = MemoryBudget::new(MIB);
        let mut account = Account::new(&KcpConfig::default(), budget.clone());
        account.change(0, 1);
        assert_eq!(budget.used(), CHUNK);
        account.change(1, CHUNK + 1);
        assert_eq!(budget.used(), 2 * CHUNK);
        account.change(CHUNK + 1, CHUNK);
        assert_eq!(budget.used(), 2 * CHUNK, "to and fro");
        account.set_queues(10 * CHUNK);
        assert_eq!(budget.used(), 11 * CHUNK);
        account.set_queues(0);
        assert_eq!(budget.used(), CHUNK);
        account.change(CHUNK, 0);
        assert_eq!(budget.used(), 0);
        account.set_queues(1);
        drop(account);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn held_memory_is_given_back_once() {
        let budget = MemoryBudget::new(MIB);
        let (one, two) = (budget.hold(1000), budget.hold(24));
        assert_eq!(budget.used(), 1024);
        drop(one);
        assert_eq!(budget.used(), 24);
        drop(two);
        assert_eq!((budget.used(), budget.limit()), (0, MIB));
    }

    #[test]
    fn who_moves_gets_more_than_who_does_not_and_nobody_less_than_nothing() {
        let budget = MemoryBudget::new(16 * MIB);
        assert_eq!((budget.share(), budget.moving_share()), (12 * MIB / 16, 8 * MIB));
        let held = budget.hold(12 * MIB);
        assert_eq!((budget.share(), budget.moving_share()), (0, 2 * MIB));
        budget.set_limit(8 * MIB);
        assert_eq!((budget.share(), budget.moving_share()), (0, 0));
        drop(held);
    }

    #[test]
    fn what_is_earned_is_what_was_let_go_of_lately() {
        let at = Time::from_millis;
        let mut charge = Charge::default();
        let start = usize::MAX - 50; // a counter that wraps
        charge.drained = start;
        assert_eq!(charge.earned(at(10), start.wrapping_add(100)), 200);
        assert_eq!(charge.earned(at(1000), start.wrapping_add(300)), 600, "a period ends");
        assert_eq!(charge.earned(at(1500), start.wrapping_add(310)), 600, "the one before counts");
        assert_eq!(charge.earned(at(2100), start.wrapping_add(310)), 20);
        assert_eq!(charge.earned(at(9000), start.wrapping_add(310)), 0, "long ago");
    }

    #[test]
    fn the_floor_depends_on_the_number_of_sessions() {
        let floor =
            |config: KcpConfig, limit| Account::new(&config, MemoryBudget::new(limit)).floor();
        let config = |max_sessions| KcpConfig { max_sessions, ..KcpConfig::default() };
        assert_eq!(floor(config(4096), 64 * MIB), 2800);
        assert_eq!(floor(config(512), 64 * MIB), 8192);
        assert_eq!(floor(config(1), 64 * MIB), FLOOR_MOST);
        assert_eq!(floor(config(1).with_mtu(60_000), 64 * MIB), 120_000);
    }
}
