//! What the driver and the handles share: one lock, and the wakers.
//!
//! One lock for an endpoint, not one for each session: on the one-core machines this is for there
//! is nobody to contend, and no order of locks to get wrong. It is never held across an await or a
//! system call, and wakers are fired after it has been given back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use async_channel::{Receiver, Sender};

use super::clock::Clock;
use super::stream::KcpStream;
use crate::EndpointStats;
use crate::KcpError;
use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::{READABLE, WRITABLE};

/// One endpoint, as seen by its driver and all its handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Streams that peers opened, up to the configured backlog.
    pub(super) incoming: (Sender<KcpStream>, Receiver<KcpStream>),
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) router: Router,
    /// By session key.
    wakers: Vec<StreamWakers>,
    driver: Option<Waker>,
    /// The driver waits to be woken; nobody has done so yet. Not while it is going to look anyway.
    pub(super) driver_waits: bool,
    /// Wakers that were replaced or forgotten. They are somebody else's code, even when dropped: they
    /// wait until the lock has been given back.
    stale: Vec<Waker>,
    /// What the driver's timer is set to.
    pub(super) armed: Option<Time>,
    /// Why there is no driver any more.
    pub(super) ended: Option<KcpError>,
    /// Endpoints and listeners; streams are counted by the router.
    pub(super) handles: usize,
    /// Of these, the listeners.
    pub(super) listeners: usize,
    pub(super) local_addr: SocketAddr,
    pub(super) counters: Counters,
}

/// What the driver counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) polls: u64,
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
            state: Mutex::new(State {
                router,
                wakers: Vec::new(),
                driver: None,
                driver_waits: false,
                stale: Vec::new(),
                armed: None,
                ended: None,
                handles: 0,
                listeners: 0,
                local_addr,
                counters: Counters::default(),
            }),
            incoming,
        })
    }

    /// The bare lock, for looking.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left the state as a panic of the application's waker leaves it: whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the state; whoever has to act on it is woken after the lock is given back.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut State, Time) -> R) -> R {
        let now = self.clock.now();
        self.change(|state| act(state, now))
    }

    /// The same for what may not need the time, which costs a good deal to ask for.
    pub(super) fn change<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
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

    /// The backlog has room again: the driver fills it from those that wait.
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

    /// Nobody is going to accept the streams that wait for it.
    pub(super) fn reject_incoming(&self) {
        while let Ok(stream) = self.incoming.1.try_recv() {
            stream.abort();
        }
    }

    /// What has been counted.
    pub(super) fn stats(&self) -> EndpointStats {
        let state = self.lock();
        let counters = state.counters;
        let mut stats = state.router.stats();
        stats.transmit_dropped = counters.transmit_dropped;
        stats.receive_dropped = counters.receive_dropped;
        stats.transport_errors = counters.transport_errors;
        stats.driver_polls = counters.polls;
        stats.socket_buffers = counters.buffers;
        #[cfg(feature = "netem")]
        {
            stats.netem = counters.netem;
        }
        stats
    }
}

impl State {
    /// Is there something to [`collect`](State::collect)?
    fn has_news(&self) -> bool {
        self.router.has_news() || !self.stale.is_empty()
    }

    /// Moves the wakers of sessions with news, and the stale ones, into `wakes`.
    pub(super) fn collect(&mut self, wakes: &mut WakeBatch) {
        if !self.has_news() {
            return;
        }
        wakes.stale.append(&mut self.stale);
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

    /// The driver's waker, if it has something to do that it does not know of.
    fn wake_driver(&mut self) -> Option<Waker> {
        if self.needs_driver() {
            self.take_driver()
        } else {
            None
        }
    }

    /// The driver's waker, unless it is going to look anyway.
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

    /// Is nothing left to do, for anybody?
    pub(super) fn is_done(&self) -> bool {
        self.handles == 0 && self.router.is_empty()
    }

    /// Notes whom to wake when the driver has something to do.
    pub(super) fn set_driver(&mut self, cx: &mut Context<'_>) {
        self.stale.extend(replace(&mut self.driver, cx));
        self.driver_waits = true;
    }

    /// There is no driver any more.
    pub(super) fn forget_driver(&mut self) {
        self.stale.extend(self.driver.take());
        self.driver_waits = false;
    }

    pub(super) fn wait_readable(&mut self, key: Key, cx: &mut Context<'_>) {
        let stale = replace(&mut self.stream_wakers(key).read, cx);
        self.stale.extend(stale);
    }

    pub(super) fn wait_writable(&mut self, key: Key, cx: &mut Context<'_>) {
        let stale = replace(&mut self.stream_wakers(key).write, cx);
        self.stale.extend(stale);
    }

    /// The handle of `key` is new or gone: nobody waits.
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

/// The last task to wait is the one that is woken, as with every AsyncRead. The waker of the one
/// before is given back.
fn replace(slot: &mut Option<Waker>, cx: &mut Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// Wakers to fire, or to drop, once the lock has been given back.
#[derive(Debug, Default)]
pub(super) struct WakeBatch {
    wakers: Vec<Waker>,
    stale: Vec<Waker>,
    /// Some of them wait for bytes.
    readers: bool,
    /// Some may learn of an end.
    endings: bool,
}

impl WakeBatch {
    /// Wakers for which memory is kept: about as many as one batch of datagrams wakes.
    const KEEP: usize = 128;

    /// May what a turn has to send wait until these have had their turn? A reader often answers
    /// what it reads, and both then share a datagram. But who learns of an end may exit at once.
    pub(super) fn can_defer_transmit(&self) -> bool {
        self.readers && !self.endings
    }

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
