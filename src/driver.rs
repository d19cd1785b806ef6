//! The future behind each socket: receives, runs the timers, sends, wakes the streams' tasks.

mod errors;
mod limits;
pub(super) mod rebinding;
mod timer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use self::errors::TransientErrors;
use self::limits::Limits;
use self::rebinding::Rebinding;
use self::timer::DeadlineTimer;
use super::clock;
use super::shared::{EndpointState, Shared, WakeBatch};
use super::transport::{Datagram, Datagrams, Transport};
use crate::KcpError;
use smol_kcp_proto::layer::stack::{LayerStack, Moment};
use smol_kcp_proto::router::Key;
use smol_kcp_proto::time::{earliest, Time};
use smol_kcp_proto::Path;

/// Limits the datagrams of one turn: nearly three full GSO batches. Measured, bulk over loopback:
/// 18 % less CPU with 64 than with 32, 8 % less with 128 than with 64, 3 % less with 256 than with
/// 128.
const RECEIVE_BATCH: usize = 128;

/// Limits the datagrams that wait for the transport. Those beyond it are dropped and counted, and
/// KCP repairs the loss. One flush of the largest usual window fits.
const TRANSMIT_QUEUE: usize = 4096;

/// Datagrams waiting for the transport above which no session is flushed.
const TRANSMIT_ENOUGH: usize = 256;

/// Bytes that may wait for the transport however little memory is free: one GSO batch.
const TRANSMIT_LEAST: usize = 64 * 1024;

/// Limits the turns of one poll, so that other tasks of the executor run in between.
const TURNS: usize = 16;

/// Limits the receive errors in a row, of whatever kind: a transport that always fails would keep
/// the processor busy.
const FAILURES: u32 = 1000;

/// Bytes of memory for datagrams that an idle driver keeps.
const KEEP: usize = 16 * 1024;

/// Time without traffic after which a driver gives back the memory beyond [`KEEP`].
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
    layers: LayerStack,
    received: Datagrams,
    transmits: Datagrams,
    /// The transport has not yet sent all that it has taken off the queue.
    sending: bool,
    /// Receive errors since the last turn, for the next one to count.
    errors: TransientErrors,
    /// Receive errors in a row.
    failures: u32,
    wakes: WakeBatch,
    timer: DeadlineTimer,
    /// Polls that are not yet in the counters.
    polls: u64,
    /// Datagrams that the transport has dropped, as far as they are in the counters.
    dropped: u64,
    /// When to decide whether memory for datagrams is given back.
    trim_at: Option<Time>,
    /// A datagram was received or sent since `trim_at` was set.
    had_traffic: bool,
    rebinding: Rebinding,
    limits: Limits,
    /// The last turn has left sending to the next one.
    defer_transmit: bool,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        transport: Box<dyn Transport>,
        layers: LayerStack,
    ) -> Driver {
        let mut state = shared.lock();
        state.counters.buffers = transport.socket_buffers();
        // Whoever asks before the first turn learns that there is such a network.
        #[cfg(feature = "netem")]
        {
            state.counters.netem = layers.netem_stats();
        }
        drop(state);
        Driver {
            shared,
            transport,
            layers,
            received: Datagrams::new(RECEIVE_BATCH),
            transmits: Datagrams::new(TRANSMIT_QUEUE),
            sending: false,
            errors: TransientErrors::default(),
            failures: 0,
            wakes: WakeBatch::default(),
            timer: DeadlineTimer::new(),
            polls: 0,
            dropped: 0,
            trim_at: None,
            had_traffic: false,
            rebinding: Rebinding::new(),
            limits: Limits::default(),
            defer_transmit: false,
        }
    }

    /// Receives a batch for the next turn. Returns whether there is anything to act on; if not, the
    /// transport wakes the task.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Result<bool, KcpError> {
        let failures = std::mem::take(&mut self.failures);
        match self.transport.poll_recv(cx, &mut self.received) {
            // A transport that has only dropped datagrams still needs a turn, which counts them.
            Poll::Pending => Ok(self.transport.dropped() != self.dropped),
            Poll::Ready(Ok(())) => Ok(true),
            // See FAILURES. Receiving again after the end would fail the same way for ever.
            Poll::Ready(Err(error)) if failures + 1 == FAILURES => Err(error.into()),
            Poll::Ready(Err(error)) => {
                self.failures = failures + 1;
                self.errors.add(error).map(|()| true)
            }
        }
    }

    /// Runs one turn: acts on the received datagrams and on the time, sends the result, wakes
    /// tasks.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, KcpError> {
        let was_deferred = std::mem::take(&mut self.defer_transmit);
        let mut incoming = Vec::new();
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        // One lock for the whole turn. No waker is called or dropped under it: that is foreign
        // code.
        let mut guard = shared.lock();
        let state = &mut *guard;
        let moment = self.moment(now, state);
        state.counters.polls += std::mem::take(&mut self.polls);
        report_errors(state, now, &std::mem::take(&mut self.errors));
        let arrived = !self.received.is_empty();
        state.counters.arrivals += u64::from(arrived);
        if arrived && self.rebinding.heard() {
            // The transport knows whether the datagram came to the new port or to the previous one.
            state.local_addr = self.transport.local_addr().unwrap_or(state.local_addr);
        }
        state.silent_at = self.rebinding.since();
        // Received datagrams go before timeouts: an ACK in the batch may cancel a retransmission.
        self.receive(state, moment);
        if state.router.poll_timeout().is_some_and(|at| at <= now) {
            state.counters.deadlines += 1;
            state.router.handle_timeout(now);
        }
        self.admit(state, now, &mut incoming);
        state.collect(&mut self.wakes);
        // A reader that is woken often answers at once. Left until it has run, the ACK and the
        // answer share a datagram and a system call. Once only: a reader that says nothing delays
        // no ACK twice.
        if self.wakes.can_defer_transmit() && !was_deferred && incoming.is_empty() {
            self.defer_transmit = true;
            state.driver_waits = false;
            drop(guard);
            self.layers.flush();
            self.wakes.wake();
            return Ok(Turn::Yield);
        }
        let mut more = self.transmit(state, moment);
        // A flush may have ended a session or taken what a writer waits for.
        state.collect(&mut self.wakes);
        self.count(state);
        self.limits.report(state, now);
        let deadline = earliest(state.router.poll_timeout(), self.layers.poll_timeout());
        let deadline = earliest(deadline, self.trim(now));
        state.router.charge_queues(self.received.capacity() + self.transmits.capacity());
        // From here on a handle that needs an earlier deadline or a flush wakes the driver: both
        // are set under the lock, so no change between this turn and the wait is missed.
        state.armed = deadline;
        state.set_driver(cx);
        let done = state.is_done() && self.layers.poll_timeout().is_none();
        if done && self.transmits.is_empty() && !self.sending {
            state.ended = Some(KcpError::Closed);
            return Ok(Turn::Done);
        }
        let left = done || state.router.has_transmits();
        // Any arrival ends the silence, of whatever session; a deferred turn acts on one too.
        let unheard = !(arrived || was_deferred)
            && self.rebinding.is_due(now, |span| state.router.is_silent(now, span));
        drop(guard);
        // The capture is written before any task is woken: the application may exit at once.
        self.layers.flush();
        // Datagrams leave before tasks are woken: one that learns of the peer's FIN may exit, and
        // the peer still waits for its acknowledgement.
        let sent = self.send(cx);
        self.wakes.wake();
        more |= self.dispatch_incoming(incoming);
        // A send error removes one datagram; those behind it are sent by another turn.
        more |= sent? && (left || !(self.sending || self.transmits.is_empty()));
        more |= self.timer.poll(cx, &self.shared.clock, now, deadline);
        more |= unheard && self.rebind(now);
        Ok(if more { Turn::More } else { Turn::Idle })
    }

    /// Copies the counters of the transport and the layers.
    fn count(&mut self, state: &mut EndpointState) {
        self.dropped = self.transport.dropped();
        state.counters.receive_dropped = self.dropped;
        #[cfg(feature = "netem")]
        {
            state.counters.netem = self.layers.netem_stats();
        }
    }

    /// Runs turns until there is nothing to do at once, or for [`TURNS`] turns.
    fn turns(&mut self, cx: &mut Context<'_>) -> Result<Turn, KcpError> {
        // After a deferred turn nothing is received before sending, so that answers leave at once.
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

    fn moment(&self, now: Time, state: &EndpointState) -> Moment {
        let unix_micros = if self.layers.captures() { clock::unix_micros() } else { 0 };
        Moment { now, unix_micros, local: state.local_addr }
    }

    /// Gives memory back after [`QUIET_AFTER`] without traffic. Returns when to call it again.
    fn trim(&mut self, now: Time) -> Option<Time> {
        let held = self.received.capacity().max(self.transmits.capacity());
        match self.trim_at {
            None if held > KEEP => self.trim_at = Some(now + QUIET_AFTER),
            // Not between two bursts: allocating anew for each costs more than the burst.
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

    /// Passes the received datagrams, and those that the layers have held until now, to the router.
    fn receive(&mut self, state: &mut EndpointState, moment: Moment) {
        self.had_traffic |= !self.received.is_empty();
        let router = &mut state.router;
        let mut into = |from: Path, payload: &mut [u8]| router.receive(moment.now, from, payload);
        for (path, payload) in self.received.iter_mut() {
            self.layers.inward(moment, path, payload, &mut into);
        }
        self.received.clear();
        self.layers.arrivals(moment, &mut into);
    }

    /// Collects the sessions that peers have opened, as far as the backlog has room.
    fn admit(&mut self, state: &mut EndpointState, now: Time, incoming: &mut Vec<Key>) {
        let backlog = state.router.config().backlog;
        // The others wait in the router, which bounds them: their peers have proved their address
        // and may go on sending. Only the driver fills the queue, so its room cannot shrink.
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

    /// Queues streams for `accept`. Returns whether there were any.
    fn dispatch_incoming(&self, incoming: Vec<Key>) -> bool {
        let any = !incoming.is_empty();
        for key in incoming {
            if let Err(full) = self.shared.incoming.0.try_send(key) {
                self.shared.reject(full.into_inner());
            }
        }
        // The last listener may have been dropped since the lock was released.
        if any && self.shared.lock().listeners == 0 {
            self.shared.reject_incoming();
        }
        any
    }

    /// Fills the transmit queue. Returns whether sessions have more although there is room.
    fn transmit(&mut self, state: &mut EndpointState, moment: Moment) -> bool {
        let (transmits, layers) = (&mut self.transmits, &mut self.layers);
        let most = state.router.queue_share().max(TRANSMIT_LEAST);
        // With that much waiting the sessions keep their segments: sent later, they carry newer
        // ACKs.
        let room = transmits.len() < TRANSMIT_ENOUGH && transmits.bytes() < most;
        let mut dropped = 0;
        let mut queue = |to, payload: &[u8]| {
            if transmits.bytes() >= most || !transmits.push(Datagram::on(to, payload)) {
                dropped += 1;
            }
        };
        layers.departures(moment.now, &mut queue);
        let router = &mut state.router;
        let mut out = |to, payload: &[u8]| layers.outward(moment, to, payload, &mut queue);
        let more = room && router.transmit(moment.now, &mut out);
        state.counters.transmit_dropped += dropped;
        self.had_traffic |= !self.transmits.is_empty();
        more
    }

    /// Hands the transmit queue to the transport. Returns whether it took something.
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

    /// Replaces the local address. Returns whether that was done.
    fn rebind(&mut self, now: Time) -> bool {
        let done = self.rebinding.attempt(now, &mut *self.transport);
        let local = self.transport.local_addr().ok();
        let buffers = self.transport.socket_buffers();
        self.shared.with(|state, now| {
            state.silent_at = self.rebinding.since();
            if done {
                state.counters.buffers = buffers;
                state.local_addr = local.unwrap_or(state.local_addr);
                // A peer learns the new address from whatever comes from there, so every session
                // sends a keepalive at once.
                state.router.ping_all(now);
            }
        });
        done
    }
}

/// What the driver does after a turn.
enum Turn {
    /// Ends: no handle is left, and nothing waits to be sent.
    Done,
    /// Runs another turn at once.
    More,
    /// Sends after the woken readers have run.
    Yield,
    /// Waits to be woken by the transport, the timer or a handle.
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
        f.debug_struct("Driver").field("armed", &self.timer.deadline()).finish_non_exhaustive()
    }
}

/// Counts errors. A refusal goes to the router too, where it ends a connect.
fn report_errors(state: &mut EndpointState, now: Time, errors: &TransientErrors) {
    state.counters.transport_errors += errors.count;
    if errors.refused {
        state.router.handle_refused(now);
    }
}

/// Fails every stream and every `accept` of an endpoint that has no driver any more.
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
