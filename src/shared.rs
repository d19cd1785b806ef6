//! What the driver and the handles share: one lock, and the wakers.
//!
//! An endpoint has one lock, not one for each session: on machines with one core it is hardly ever
//! contended, and there is no order of locks to get wrong. It is never held across an await, and no
//! waker is called or dropped under it: a waker is foreign code and may call back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use async_channel::{Receiver, Sender};

use super::clock::Clock;
use crate::{EndpointStats, KcpError};
use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::{READABLE, WRITABLE};

/// Joins the driver of an endpoint with its handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    state: Mutex<EndpointState>,
    /// The keys of sessions that peers have opened, up to the configured backlog.
    pub(super) incoming: (Sender<Key>, Receiver<Key>),
}

/// Holds what the lock guards.
#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) router: Router,
    /// The wakers of each session, by its key.
    wakers: Vec<StreamWakers>,
    driver: Option<Waker>,
    /// The driver waits and has not been woken yet; `false` while it is about to run anyway.
    pub(super) driver_waits: bool,
    /// Wakers that were replaced or forgotten, to be dropped after the lock has been released.
    stale: Vec<Waker>,
    /// The tasks that wait until no conversation is left.
    idle: Vec<Waker>,
    /// The endpoint was closed: it opens no conversations any more.
    pub(super) closed: bool,
    /// The deadline of the driver's timer.
    pub(super) armed: Option<Time>,
    /// The cause, once the driver has ended.
    pub(super) ended: Option<KcpError>,
    /// Handles of endpoints and listeners; the router counts the streams.
    pub(super) handles: usize,
    /// Those of the handles that are listeners.
    pub(super) listeners: usize,
    pub(super) local_addr: SocketAddr,
    /// When the driver first left its local address, or tried to, since something was heard.
    pub(super) silent_at: Option<Time>,
    pub(super) counters: Counters,
}

/// Counters of the driver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) polls: u64,
    pub(super) arrivals: u64,
    pub(super) deadlines: u64,
    pub(super) transport_errors: u64,
    pub(super) transmit_dropped: u64,
    pub(super) receive_dropped: u64,
    pub(super) buffers: (usize, usize),
    #[cfg(feature = "netem")]
    pub(super) netem: Option<(crate::LinkStats, crate::LinkStats)>,
}

#[derive(Debug, Default)]
struct StreamWakers {
    read: Option<Waker>,
    write: Option<Waker>,
}

impl Shared {
    pub(super) fn new(router: Router, local_addr: SocketAddr) -> Arc<Shared> {
        // The driver keeps to the backlog; a bounded channel would hold memory for all of it, in
        // every client too.
        let incoming = async_channel::unbounded();
        Arc::new(Shared {
            clock: Clock::new(),
            state: Mutex::new(EndpointState {
                router,
                wakers: Vec::new(),
                driver: None,
                driver_waits: false,
                stale: Vec::new(),
                idle: Vec::new(),
                closed: false,
                armed: None,
                ended: None,
                handles: 0,
                listeners: 0,
                local_addr,
                silent_at: None,
                counters: Counters::default(),
            }),
            incoming,
        })
    }

    /// Locks the state without waking anybody: for reading.
    pub(super) fn lock(&self) -> MutexGuard<'_, EndpointState> {
        // Only a waker can have panicked under the lock, in `clone`; the state is whole then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `act` on the state; the tasks that have to act on the result are woken after the lock
    /// is released.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut EndpointState, Time) -> R) -> R {
        let now = self.clock.now();
        self.change(|state| act(state, now))
    }

    /// Does as [`with`](Shared::with) without asking for the time, which is expensive.
    pub(super) fn change<R>(&self, act: impl FnOnce(&mut EndpointState) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state);
        let wakes = state.has_news().then(|| {
            let mut wakes = WakeBatch::default();
            state.collect(&mut wakes);
            wakes
        });
        let driver = state.wake_driver();
        drop(state);
        if let Some(mut wakes) = wakes {
            wakes.wake();
        }
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// Wakes the driver if streams wait for the room in the backlog that an `accept` has made.
    pub(super) fn accepted(&self) {
        let driver = {
            let mut state = self.lock();
            let wanted = state.router.has_incoming();
            wanted.then(|| state.take_driver()).flatten()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Ends the sessions in the backlog, since there is no listener to accept them.
    pub(super) fn reject_incoming(&self) {
        while let Ok(key) = self.incoming.1.try_recv() {
            self.reject(key);
        }
    }

    /// Ends a session that nobody accepts.
    pub(super) fn reject(&self, key: Key) {
        self.with(|state, now| {
            state.forget_wakers(key);
            state.router.abort(now, key);
            state.router.release(now, key);
        });
    }

    /// Returns the counters of the router and the driver.
    pub(super) fn stats(&self) -> EndpointStats {
        let state = self.lock();
        let counters = state.counters;
        let mut stats = state.router.stats();
        stats.transmit_dropped = counters.transmit_dropped;
        stats.receive_dropped = counters.receive_dropped;
        stats.transport_errors = counters.transport_errors;
        stats.driver_polls = counters.polls;
        stats.driver_arrivals = counters.arrivals;
        stats.driver_deadlines = counters.deadlines;
        (stats.send_buffer, stats.recv_buffer) = counters.buffers;
        #[cfg(feature = "netem")]
        {
            stats.netem = counters.netem;
        }
        stats
    }
}

impl EndpointState {
    /// Returns whether there is something to [`collect`](EndpointState::collect).
    fn has_news(&self) -> bool {
        self.router.has_events() || !self.stale.is_empty() || self.wakes_idle()
    }

    /// Returns whether somebody waits until no conversation is left, and none is.
    fn wakes_idle(&self) -> bool {
        !self.idle.is_empty() && self.router.is_idle()
    }

    /// Stores a task to wake when no conversation is left.
    pub(super) fn wait_idle(&mut self, cx: &mut Context<'_>) {
        if !self.idle.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.idle.push(cx.waker().clone());
        }
    }

    /// Moves the wakers of sessions with news, and the stale ones, into `wakes`.
    pub(super) fn collect(&mut self, wakes: &mut WakeBatch) {
        if !self.has_news() {
            return;
        }
        wakes.stale.append(&mut self.stale);
        if self.wakes_idle() {
            wakes.wakers.append(&mut self.idle);
        }
        while let Some((key, ready)) = self.router.pop_ready() {
            if let Some(wakers) = self.wakers.get_mut(key) {
                if ready & READABLE != 0 {
                    wakes.readers |= wakers.read.is_some();
                    wakes.wakers.extend(wakers.read.take());
                }
                if ready & WRITABLE != 0 {
                    wakes.wakers.extend(wakers.write.take());
                }
            }
            wakes.endings |= self.router.is_ending(key);
        }
    }

    /// Takes the driver's waker if the driver has something to do that it does not know of.
    fn wake_driver(&mut self) -> Option<Waker> {
        if self.needs_driver() {
            self.take_driver()
        } else {
            None
        }
    }

    /// Takes the driver's waker, unless the driver is about to run anyway.
    fn take_driver(&mut self) -> Option<Waker> {
        std::mem::take(&mut self.driver_waits).then(|| self.driver.clone()).flatten()
    }

    fn needs_driver(&self) -> bool {
        let sooner = match (self.router.poll_timeout(), self.armed) {
            (Some(wanted), Some(armed)) => wanted < armed,
            (wanted, None) => wanted.is_some(),
            (None, Some(_)) => false,
        };
        sooner || self.router.has_transmits() || self.is_done()
    }

    /// Returns whether no handle is left and every session has ended.
    pub(super) fn is_done(&self) -> bool {
        self.handles == 0 && self.router.is_empty()
    }

    /// Stores the task to wake when the driver has something to do.
    pub(super) fn set_driver(&mut self, cx: &mut Context<'_>) {
        self.stale.extend(replace(&mut self.driver, cx));
        self.driver_waits = true;
    }

    /// Drops the driver's waker, since the driver has ended.
    pub(super) fn forget_driver(&mut self) {
        self.stale.extend(self.driver.take());
        self.driver_waits = false;
    }

    /// Stores the task to wake when `key` becomes readable.
    pub(super) fn wait_readable(&mut self, key: Key, cx: &mut Context<'_>) {
        let stale = replace(&mut self.stream_wakers(key).read, cx);
        self.stale.extend(stale);
    }

    /// Stores the task to wake when `key` becomes writable, connected or delivered.
    pub(super) fn wait_writable(&mut self, key: Key, cx: &mut Context<'_>) {
        let stale = replace(&mut self.stream_wakers(key).write, cx);
        self.stale.extend(stale);
    }

    /// Drops the wakers of `key`, whose handle is new or gone.
    pub(super) fn forget_wakers(&mut self, key: Key) {
        let StreamWakers { read, write } = std::mem::take(self.stream_wakers(key));
        self.stale.extend(read.into_iter().chain(write));
    }

    fn stream_wakers(&mut self, key: Key) -> &mut StreamWakers {
        if self.wakers.len() <= key {
            self.wakers.resize_with(key + 1, StreamWakers::default);
        }
        &mut self.wakers[key]
    }
}

/// Stores the waker of the task that polled last, the only one to be woken, as with every
/// `AsyncRead`. Returns the one before.
fn replace(slot: &mut Option<Waker>, cx: &mut Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// Collects wakers to call, or to drop, after the lock has been released.
#[derive(Debug, Default)]
pub(super) struct WakeBatch {
    wakers: Vec<Waker>,
    stale: Vec<Waker>,
    /// Some of the wakers are of tasks that read.
    readers: bool,
    /// Some of the wakers are of tasks that may learn of an end.
    endings: bool,
}

impl WakeBatch {
    /// Wakers for which memory is kept: as many as one batch of datagrams wakes.
    const KEEP: usize = 128;

    /// Returns whether the datagrams of a turn may leave after these tasks have run.
    pub(super) fn can_defer_transmit(&self) -> bool {
        // A reader often answers what it reads, and both then share a datagram. A task that learns
        // of an end may exit at once, with the peer still waiting for its acknowledgement.
        self.readers && !self.endings
    }

    /// Wakes all collected tasks and drops the stale wakers. Never called under the lock.
    pub(super) fn wake(&mut self) {
        (self.readers, self.endings) = (false, false);
        while let Some(waker) = self.wakers.pop() {
            waker.wake();
        }
        self.stale.clear();
        for memory in [&mut self.wakers, &mut self.stale] {
            if memory.capacity() > WakeBatch::KEEP {
                *memory = Vec::new();
            }
        }
    }
}
