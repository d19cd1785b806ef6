//! The one future behind a socket: it receives, lets time pass, sends.

mod errors;
mod limits;
mod rebinding;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;

use self::errors::TransientErrors;
use self::limits::Limits;
use self::rebinding::Rebinding;
use super::clock;
use super::shared::{Shared, State, WakeBatch};
use super::stream::KcpStream;
use super::transport::{Datagrams, Transport};
use crate::KcpError;
use smol_kcp_proto::layer::trunk::{Moment, Trunk};
use smol_kcp_proto::router::Key;
use smol_kcp_proto::time::{earliest, Time};

/// Datagrams received before they are acted upon and answered: nearly three full GSO batches. Bulk over
/// loopback took 18 % less CPU with 64 than with 32, 8 % less with 128 than with 64, and 3 % less
/// with 256 than with that.
const RECEIVE_BATCH: usize = 128;

/// Datagrams that wait for the transport at most; beyond, they are dropped and counted, and KCP
/// repairs. One flush of the largest usual window fits.
const TRANSMIT_QUEUE: usize = 4096;

/// With more than this waiting, no session is asked for more.
const TRANSMIT_ENOUGH: usize = 256;

/// Bytes that may wait for the transport however little memory is free: a GSO batch of datagrams.
const TRANSMIT_LEAST: usize = 64 * 1024;

/// Turns before other tasks of the executor get theirs.
const TURNS: usize = 16;

/// Errors in a row with which a transport has ended, whatever kind they are: one that always fails
/// would keep the processor busy for nothing.
const FAILURES: u32 = 1000;

/// Bytes of memory for datagrams that a quiet driver may keep.
const KEEP: usize = 16 * 1024;

/// Time without traffic after which a driver gives back what it holds beyond that.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// Does all the work of an endpoint: polls its transport, runs its timers, moves its data. Returns
/// `Ok(())` when the last handle is gone and everything has been delivered or given up.
///
/// Dropped before that, every stream and every `accept` of the endpoint fails with
/// [`KcpError::Closed`].
///
/// # Errors
/// [`KcpError::Io`] when the transport has ended for good; every stream fails with the same.
#[must_use = "an endpoint does nothing unless its driver is polled"]
pub struct Driver {
    shared: Arc<Shared>,
    transport: Box<dyn Transport>,
    trunk: Trunk,
    received: Datagrams,
    transmits: Datagrams,
    /// Something that the transport has taken is still on its way out.
    sending: bool,
    /// Errors of the transport that the next turn reports.
    errors: TransientErrors,
    /// Times in a row that receiving has failed.
    failures: u32,
    wakes: WakeBatch,
    timer: Timer,
    armed: Option<Time>,
    /// Whom the timer wakes.
    timer_waker: Option<Waker>,
    polls: u64,
    /// Datagrams that the transport has dropped, as far as they have been counted.
    dropped: u64,
    /// When to look whether the memory for datagrams is still of use.
    trim_at: Option<Time>,
    /// Since that time was set, it was.
    had_traffic: bool,
    rebinding: Rebinding,
    limits: Limits,
    /// The last turn left its answers to this one.
    defer_transmit: bool,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, transport: Box<dyn Transport>, trunk: Trunk) -> Driver {
        shared.lock().counters.buffers = transport.socket_buffers();
        Driver {
            shared,
            transport,
            trunk,
            received: Datagrams::new(RECEIVE_BATCH),
            transmits: Datagrams::new(TRANSMIT_QUEUE),
            sending: false,
            errors: TransientErrors::default(),
            failures: 0,
            wakes: WakeBatch::default(),
            timer: Timer::never(),
            armed: None,
            timer_waker: None,
            polls: 0,
            dropped: 0,
            trim_at: None,
            had_traffic: false,
            rebinding: Rebinding::new(),
            limits: Limits::default(),
            defer_transmit: false,
        }
    }

    /// Receives a batch for the next turn; `false` if there is nothing, and the transport wakes.
    /// What the transport has dropped is something too, to be counted.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Result<bool, KcpError> {
        let failures = std::mem::take(&mut self.failures);
        match self.transport.poll_recv(cx, &mut self.received) {
            Poll::Pending => Ok(self.transport.dropped() != self.dropped),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) if failures + 1 == FAILURES => Err(error.into()),
            Poll::Ready(Err(error)) => {
                self.failures = failures + 1;
                self.errors.add(error).map(|()| true)
            }
        }
    }

    /// One turn: acts on what was received and on the time, sends what came of it.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, KcpError> {
        let was_deferred = std::mem::take(&mut self.defer_transmit);
        let mut incoming = Vec::new();
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut guard = shared.lock();
        let state = &mut *guard;
        let moment = self.moment(now, state);
        state.counters.polls += std::mem::take(&mut self.polls);
        report_errors(state, now, &std::mem::take(&mut self.errors));
        let arrived = !self.received.is_empty();
        self.receive(state, moment);
        if state.router.poll_timeout().is_some_and(|at| at <= now) {
            state.router.handle_timeout(now);
        }
        self.admit(state, now, &mut incoming);
        state.collect(&mut self.wakes);
        if self.wakes.can_defer_transmit() && !was_deferred && incoming.is_empty() {
            self.defer_transmit = true;
            state.driver_waits = false;
            drop(guard);
            self.trunk.flush();
            self.wakes.wake();
            return Ok(Turn::Yield);
        }
        let mut more = self.transmit(state, moment);
        state.collect(&mut self.wakes);
        self.count(state);
        self.limits.report(state, now);
        let deadline = earliest(state.router.poll_timeout(), self.trunk.poll_timeout());
        let deadline = earliest(deadline, self.trim(now));
        state.router.charge_queues(self.received.capacity() + self.transmits.capacity());
        state.armed = deadline;
        state.set_driver(cx);
        let done = state.is_done() && self.trunk.poll_timeout().is_none();
        if done && self.transmits.is_empty() && !self.sending {
            state.ended = Some(KcpError::Closed);
            return Ok(Turn::Done);
        }
        let left = done || state.router.has_transmits();
        // Where something arrives or is being answered, there is no silence.
        if arrived && self.rebinding.heard() {
            // At which of the ports it was heard the transport knows.
            state.local_addr = self.transport.local_addr().unwrap_or(state.local_addr);
        }
        let unheard = !(arrived || was_deferred)
            && self.rebinding.is_due(now, |span| state.router.is_unheard(now, span));
        drop(guard);
        // What the application learns of is in the capture by then, even if it exits at once.
        self.trunk.flush();
        // First the answers, where they do not wait, then the news: who learns that the peer has
        // closed may exit at once, and the peer waits for its acknowledgement.
        let sent = self.send(cx);
        self.wakes.wake();
        more |= self.dispatch_incoming(incoming);
        // An error may have left some in the queue.
        more |= sent? && (left || !(self.sending || self.transmits.is_empty()));
        more |= self.poll_timer(cx, now, deadline);
        more |= unheard && self.rebind(now);
        Ok(if more { Turn::More } else { Turn::Idle })
    }

    /// Notes what the transport and the layers have counted.
    fn count(&mut self, state: &mut State) {
        self.dropped = self.transport.dropped();
        state.counters.receive_dropped = self.dropped;
        #[cfg(feature = "netem")]
        {
            state.counters.netem = self.trunk.netem_stats();
        }
    }

    /// Turns until there is nothing to do at once, or others must have theirs.
    fn turns(&mut self, cx: &mut Context<'_>) -> Result<Turn, KcpError> {
        // What waits goes first: then it leaves as soon as the readers have had their turn.
        let mut readable = self.defer_transmit || self.poll_recv(cx)?;
        for _ in 0..TURNS {
            let turn = self.turn(cx)?;
            if matches!(turn, Turn::Yield | Turn::Done) {
                return Ok(turn);
            }
            readable = (readable || matches!(turn, Turn::More)) && self.poll_recv(cx)?;
            if !readable && matches!(turn, Turn::Idle) {
                return Ok(turn);
            }
        }
        Ok(Turn::More)
    }

    fn moment(&self, now: Time, state: &State) -> Moment {
        let unix_micros = if self.trunk.captures() { clock::unix_micros() } else { 0 };
        Moment { now, unix_micros, local: state.local_addr }
    }

    /// Gives memory back when there has been no traffic for a while; not at once, since to take it
    /// anew for each burst costs more than the burst. Returns when to look again.
    fn trim(&mut self, now: Time) -> Option<Time> {
        let held = self.received.capacity().max(self.transmits.capacity());
        match self.trim_at {
            None if held > KEEP => self.trim_at = Some(now + QUIET_AFTER),
            Some(at) if at <= now && self.had_traffic => self.trim_at = Some(now + QUIET_AFTER),
            Some(at) if at <= now => {
                self.trim_at = None;
                self.received.release();
                self.transmits.release();
            }
            _ => return self.trim_at,
        }
        self.had_traffic = false;
        self.trim_at
    }

    fn receive(&mut self, state: &mut State, moment: Moment) {
        self.had_traffic |= !self.received.is_empty();
        let router = &mut state.router;
        let mut into = |from, datagram: &[u8]| router.handle_datagram(moment.now, from, datagram);
        for (from, datagram) in self.received.iter() {
            self.trunk.inward(moment, from, datagram, &mut into);
        }
        self.received.clear();
        self.trunk.arrivals(moment, &mut into);
    }

    /// Collects the sessions that peers have opened, as far as the backlog has room. The others wait
    /// in the router, which bounds them: their peers have proved themselves, and may go on.
    fn admit(&mut self, state: &mut State, now: Time, incoming: &mut Vec<Key>) {
        let backlog = state.router.config().backlog;
        // Nobody else fills the queue, so the room cannot become less.
        let room = backlog.saturating_sub(self.shared.incoming.0.len());
        while incoming.len() < room {
            let Some(key) = state.router.pop_incoming() else { break };
            state.forget_wakers(key);
            incoming.push(key);
        }
        if incoming.len() >= room && state.router.has_incoming() {
            self.limits.backlog_full(state, now);
        }
    }

    /// Queues streams for `accept`; `true` if there were any.
    fn dispatch_incoming(&self, incoming: Vec<Key>) -> bool {
        let any = !incoming.is_empty();
        for key in incoming {
            let stream = KcpStream::from_key(&self.shared, key);
            if let Err(full) = self.shared.incoming.0.try_send(stream) {
                full.into_inner().abort();
            }
        }
        // The last listener may have gone in between.
        if any && self.shared.lock().listeners == 0 {
            self.shared.reject_incoming();
        }
        any
    }

    /// Fills the transmit queue; `true` if sessions have more although there is room.
    fn transmit(&mut self, state: &mut State, moment: Moment) -> bool {
        let (transmits, trunk) = (&mut self.transmits, &mut self.trunk);
        let most = state.router.queue_share().max(TRANSMIT_LEAST);
        let room = transmits.len() < TRANSMIT_ENOUGH && transmits.bytes() < most;
        let mut dropped = 0;
        let mut queue = |to, datagram: &[u8]| {
            if transmits.bytes() >= most || !transmits.push(to, datagram) {
                dropped += 1;
            }
        };
        trunk.departures(moment.now, &mut queue);
        let router = &mut state.router;
        let mut out = |to, datagram: &[u8]| trunk.outward(moment, to, datagram, &mut queue);
        let more = room && router.transmit(moment.now, &mut out);
        state.counters.transmit_dropped += dropped;
        self.had_traffic |= !self.transmits.is_empty();
        more
    }

    /// Hands the transmit queue to the transport; `true` if it took something.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<bool, KcpError> {
        let waiting = self.transmits.len();
        let was_sending = std::mem::take(&mut self.sending);
        if waiting == 0 && !was_sending {
            return Ok(false);
        }
        match self.transport.poll_send(cx, &mut self.transmits) {
            Poll::Pending => self.sending = true,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                let mut errors = TransientErrors::default();
                errors.add(error)?;
                self.shared.with(|state, now| report_errors(state, now, &errors));
            }
        }
        Ok(self.transmits.len() < waiting || (was_sending && !self.sending))
    }

    /// Sets the timer if the deadline is another than before; `true` if it has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Time, deadline: Option<Time>) -> bool {
        let waker_changed =
            !self.timer_waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if waker_changed {
            self.timer_waker = Some(cx.waker().clone());
        }
        if deadline != self.armed {
            self.armed = deadline;
            match deadline.and_then(|at| self.shared.clock.instant(at)) {
                Some(at) => self.timer.set_at(at),
                None => self.timer = Timer::never(),
            }
        } else if !waker_changed && deadline.is_none_or(|at| now < at) {
            return false;
        }
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            self.armed = None;
            self.timer = Timer::never();
            return true;
        }
        false
    }

    /// Takes another local address; the transport goes on hearing at the previous one.
    fn rebind(&mut self, now: Time) -> bool {
        match self.transport.rebind() {
            Ok(true) => {
                let local = self.transport.local_addr().ok();
                log::debug!("nobody answers: rebound to {local:?}");
                self.rebinding.done(now);
                let buffers = self.transport.socket_buffers();
                self.shared.with(|state, now| {
                    state.counters.buffers = buffers;
                    state.local_addr = local.unwrap_or(state.local_addr);
                    state.router.ping_all(now);
                });
                true
            }
            Ok(false) => {
                self.rebinding.is_impossible();
                false
            }
            Err(error) => {
                log::debug!("cannot rebind: {error}");
                self.rebinding.failed(now);
                false
            }
        }
    }
}

/// How a turn ended.
enum Turn {
    /// Nobody needs the driver any more.
    Done,
    /// There may be more to do at once.
    More,
    /// There is more to do when the readers have had their turn.
    Yield,
    /// Somebody will wake the driver.
    Idle,
}

impl Future for Driver {
    type Output = Result<(), KcpError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let driver = self.get_mut();
        driver.polls += 1;
        let turned = driver.turns(cx);
        match turned {
            Ok(Turn::More | Turn::Yield) => cx.waker().wake_by_ref(),
            Ok(Turn::Idle) => {}
            Ok(Turn::Done) => return Poll::Ready(Ok(())),
            Err(error) => {
                end(&driver.shared, &error);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        end(&self.shared, &KcpError::Closed);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("armed", &self.armed).finish_non_exhaustive()
    }
}

/// Counts the errors, and tells the router of a refusal, which ends a connect.
fn report_errors(state: &mut State, now: Time, errors: &TransientErrors) {
    state.counters.transport_errors += errors.count;
    if errors.refused {
        state.router.handle_refused(now);
    }
}

/// Nothing drives the endpoint any more: whoever waits learns why.
fn end(shared: &Shared, cause: &KcpError) {
    shared.with(|state, now| {
        state.forget_driver();
        state.ended.get_or_insert_with(|| cause.clone());
        state.router.fail_all(now, cause);
    });
    shared.incoming.0.close();
    shared.reject_incoming();
}

#[cfg(test)]
mod tests;
