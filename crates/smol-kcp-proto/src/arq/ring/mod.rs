//! A KCP ARQ of our own: the wire and the rules of `ikcp.c`, with other data structures.
//!
//! - **Windows** are rings indexed by `sn` ([`window`]). Whatever happens to a segment costs O(1);
//!   a flush costs what it sends, and one with nothing due next to nothing.
//! - **Timeouts** are found by a cursor, those of what was sent again in queues, and the few that
//!   are out of order by a heap ([`timeouts`]); **losses** by lists of what was overtaken ([`loss`]).
//! - **Payload** sits in blocks of one segment each, which are used again ([`buffers`]): nothing is
//!   allocated per segment, and a session at rest holds no payload memory.
//! - **Everything from the network** is checked before it counts ([`input`]).
//!
//! Differences from `ikcp.c` on purpose: RTT is measured only by ACKs that match a transmission of
//! ours; a segment sent again because of a timeout is not sent once more for having been overtaken
//! before; the timeout of one segment does not grow beyond the longest of all; what a flush sends
//! again counts for the congestion window before that admits new segments; window probes begin
//! after 500 ms. And for speed on lossy paths, each shown by `tests/repair.rs`:
//!
//! - What has arrived behind a gap does not use up the receive window, as far as the receive budget
//!   goes, and what is acknowledged does not use up the send window ([`recv`]): a loss does not
//!   stop the stream for as long as its repair takes.
//! - A segment counts as lost again when what was sent after its latest transmission is
//!   acknowledged, however often (ikcp.c stops at five), but on a path that reorders only after as
//!   long as late ones have taken there ([`reordering`]).
//! - ACKs that `una` covers are left out, as in kcp-go; others are repeated once if segments come
//!   twice, which shows that ACKs get lost ([`recv`]).
//! - The first timeouts of a thin stream come after one and a half round trips at most ([`rtt`]) and do
//!   not grow ([`send`]).

mod buffers;
mod congestion;
mod emit;
mod input;
#[cfg(any(test, debug_assertions))]
mod invariants;
mod loss;
#[cfg(test)]
mod model;
mod output;
mod persist;
mod rate;
mod recv;
mod reordering;
mod restart;
mod rtt;
mod send;
mod slot;
#[cfg(test)]
mod tests;
mod timeouts;
mod window;
mod write;

use std::time::Duration;

pub(crate) use self::buffers::BufferPool;

use self::buffers::Buffers;
use self::congestion::{Congestion, FlowLimits};
use self::output::Output;
use self::rate::DeliveryRate;
use self::recv::RecvWindow;
use self::rtt::Rtt;
use self::send::SendWindow;
use self::slot::Moment;
use super::knobs::{Knobs, PROBE_FIRST};
use super::{ArqParams, EngineStats};
use crate::error::KcpError;
use crate::limits::RECV_WINDOW_MIN;
use crate::time::Time;
use crate::wire::{Header, HEADER_LEN};

/// Own windows that the row may span, from the oldest number that is not acknowledged to the newest
/// sent.
const SPAN: u32 = 3;

/// The engine of one session.
#[derive(Debug)]
pub(crate) struct RingEngine {
    knobs: Knobs,
    conv: u32,
    /// The latest time heard of, and its milliseconds.
    now: Time,
    clock: u64,
    /// What is added to the milliseconds of [`Time`] to give the wire's clock.
    ts_shift: u32,
    send_window: SendWindow,
    recv_window: RecvWindow,
    buffers: Buffers,
    rtt: Rtt,
    congestion: Congestion,
    delivery_rate: DeliveryRate,
    out: Output,
    /// The peer's window, and the `una` it came with.
    peer_window: u16,
    peer_una: u32,
    /// When a closed window is probed next, and how long after that the next time.
    probe_at: Option<Time>,
    probe_wait: Duration,
    counters: EngineStats,
    /// Operations so far, for the sampled self-check.
    #[cfg(debug_assertions)]
    operations: u32,
}

impl RingEngine {
    pub(super) fn new(setup: ArqParams<'_>) -> Result<RingEngine, KcpError> {
        let knobs = Knobs::new(setup.config, setup.mtu)?;
        let clock = setup.now.as_millis();
        Ok(RingEngine {
            conv: setup.conv,
            now: setup.now,
            clock,
            ts_shift: setup.ts_base.wrapping_sub(clock as u32),
            send_window: SendWindow::new(setup.sn_base, &knobs),
            recv_window: RecvWindow::new(setup.sn_base, &knobs),
            buffers: Buffers::new(knobs.mss),
            rtt: Rtt::new(knobs.min_rto, knobs.interval),
            congestion: Congestion::new(&knobs),
            delivery_rate: DeliveryRate::default(),
            out: Output::new(knobs.mtu),
            // What every sender may count on.
            peer_window: RECV_WINDOW_MIN,
            peer_una: setup.sn_base,
            probe_at: None,
            probe_wait: PROBE_FIRST,
            counters: EngineStats::default(),
            #[cfg(debug_assertions)]
            operations: 0,
            knobs,
        })
    }

    pub(super) fn set_conv(&mut self, conv: u32) {
        self.conv = conv;
    }

    pub(super) fn share(&mut self, pool: &BufferPool) {
        self.buffers.share(pool);
    }

    pub(super) fn narrow(&mut self, bytes: usize) {
        self.knobs.narrow(bytes);
        self.recv_window.set_bounds(&self.knobs);
    }

    pub(super) fn widest(&self) -> usize {
        self.knobs.widest()
    }

    pub(super) fn memory(&self) -> usize {
        let buffers = self.unacked() + self.buffers.count();
        size_of::<RingEngine>()
            + buffers * (self.knobs.mss + HEADER_LEN)
            + self.send_window.memory()
            + self.recv_window.memory()
            + self.out.capacity()
    }

    pub(super) fn trim(&mut self) {
        self.buffers.release();
        self.recv_window.trim();
    }

    pub(super) fn read(&mut self, buf: &mut [u8], whole: bool) -> Result<Option<usize>, KcpError> {
        let read = self.recv_window.read(buf, whole, &mut self.buffers);
        self.return_to_pool();
        self.check_invariants();
        read
    }

    pub(super) fn peek(&self, buf: &mut [u8]) -> Option<usize> {
        self.recv_window.peek(buf)
    }

    pub(super) fn unread(&self) -> usize {
        self.recv_window.unread()
    }

    pub(super) fn discard(&mut self) {
        self.recv_window.discard(&mut self.buffers);
        self.return_to_pool();
    }

    pub(super) fn needs_flush(&self) -> bool {
        self.recv_window.needs_flush()
            || self.send_window.lost(self.clock).is_some()
            || self.room() > 0
    }

    pub(super) fn flush(&mut self, now: Time) {
        self.tick(now);
        let (news, overdue) = (self.recv_window.needs_flush(), self.is_overdue());
        let probes = self.probe_at.is_some_and(|at| at <= self.now);
        let room = self.room();
        if news || overdue || probes || room > 0 {
            self.emit(news, overdue, room);
        }
    }

    pub(super) fn take_output(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let send_window = &self.send_window;
        self.out.take(|sn| send_window.block(sn), sink);
    }

    pub(super) fn poll_timeout(&self, _now: Time) -> Option<Time> {
        let more_at = self.congestion.budget(self.clock).more_at;
        // A pace that has used up its share wakes the flush by itself; whoever waits for the window
        // is woken by an ACK.
        let paced = more_at.filter(|_| self.send_window.unsent() > 0 && self.window_room() > 0);
        match self.next_due().into_iter().chain(paced).min() {
            Some(due) => Some(Time::from_millis(due)),
            None => self.probe_at,
        }
    }

    /// The clock at which the next segment is sent again.
    fn next_due(&self) -> Option<u64> {
        let due = self.send_window.due()?;
        Some(self.send_window.lost_at(self.clock).map_or(due, |lost| lost.min(due)))
    }

    pub(super) fn seed_rtt(&mut self, _now: Time, rtt: Duration, is_certain: bool) {
        self.rtt.seed(u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX), is_certain);
    }

    /// Thousands of idle sessions shall not keep thousands of buffers.
    pub(super) fn can_shrink(&self) -> bool {
        self.recv_window.can_trim()
            || self.is_quiescent()
                && (self.buffers.capacity() > 0
                    || self.out.capacity() > 0
                    || self.send_window.capacity() > 0
                    || self.recv_window.capacity() > 0)
    }

    pub(super) fn shrink(&mut self) {
        self.recv_window.trim();
        if self.is_quiescent() {
            self.buffers.release();
            self.out.release();
            self.send_window.release();
            self.recv_window.release();
        }
    }

    fn is_quiescent(&self) -> bool {
        self.unacked() == 0 && self.recv_window.is_quiet()
    }

    /// Small talk leaves nothing behind: others may use its blocks.
    #[inline]
    fn return_to_pool(&mut self) {
        if self.unacked() == 0 && self.recv_window.is_empty() {
            self.buffers.return_to_pool();
        }
    }

    pub(super) fn header(&self, now: Time, cmd: u8, frg: u8) -> Header {
        Header {
            conv: self.conv,
            cmd,
            frg,
            wnd: self.recv_window.free(),
            ts: (now.as_millis() as u32).wrapping_add(self.ts_shift),
            sn: 0,
            una: self.recv_window.rcv_nxt(),
            len: 0,
        }
    }

    pub(super) fn unacked(&self) -> usize {
        self.send_window.in_flight() + self.send_window.unsent()
    }

    pub(super) fn unsent(&self) -> usize {
        self.send_window.unsent()
    }

    pub(super) fn snd_nxt(&self) -> u32 {
        self.send_window.next()
    }

    pub(super) fn rcv_nxt(&self) -> u32 {
        self.recv_window.next_missing()
    }

    pub(super) fn in_flight(&self, sn: u32, ts: u32) -> bool {
        self.send_window.holds(sn, ts)
    }

    pub(super) fn worst_transmits(&self) -> u32 {
        self.send_window.worst_transmits()
    }

    pub(super) fn stats(&self) -> EngineStats {
        EngineStats {
            srtt_ms: self.rtt.srtt,
            rttvar_ms: self.rtt.rttvar,
            rto_ms: self.rtt.rto,
            bytes_acked: self.delivery_rate.total,
            delivery_rate: self.delivery_rate.rate,
            min_rtt_ms: if self.rtt.srtt == 0 { 0 } else { self.rtt.min },
            // Where no congestion window is obeyed, both ends' windows are the limit.
            cwnd: self.congestion.window().min(self.windows()),
            peer_window: u32::from(self.peer_window),
            in_flight: self.send_window.in_flight(),
            send_queue: self.send_window.unsent(),
            ..self.counters
        }
    }

    /// Checks itself in debug builds: always while little is in flight, else now and then.
    #[cfg(debug_assertions)]
    fn check_invariants(&mut self) {
        self.operations = self.operations.wrapping_add(1);
        if self.unacked() <= 16 || self.operations % 64 == 0 {
            self.assert_invariants();
        }
    }

    #[cfg(not(debug_assertions))]
    fn check_invariants(&mut self) {}

    /// Brings the clock up to `now`; it never goes back.
    fn tick(&mut self, now: Time) {
        if now > self.now {
            self.now = now;
            self.clock = now.as_millis();
        }
    }

    fn moment(&self) -> Moment {
        Moment { clock: self.clock, ts: (self.clock as u32).wrapping_add(self.ts_shift) }
    }

    /// The smaller window of both ends.
    fn windows(&self) -> u32 {
        u32::from(self.knobs.snd_wnd.min(self.peer_window))
    }

    fn flow_limits(&self) -> FlowLimits {
        FlowLimits {
            span: self.send_window.span(),
            windows: self.windows(),
            peer_window: u32::from(self.peer_window),
        }
    }

    /// Must a segment be sent again?
    fn is_overdue(&self) -> bool {
        let overdue = |due| due <= self.clock || self.send_window.lost(self.clock).is_some();
        self.send_window.due().is_some_and(overdue)
    }

    /// Segments that wait to be sent for the first time and may be now.
    fn room(&self) -> u32 {
        let unsent = self.send_window.unsent() as u32;
        if unsent == 0 {
            return 0;
        }
        unsent.min(self.window_room()).min(self.congestion.budget(self.clock).segments)
    }

    /// The peer's window, which may be wider than all that can ever be in flight: what has arrived
    /// behind a gap does not count in ours. That is bounded too, for the sake of the records.
    fn peer_window(&self) -> u32 {
        u32::from(self.peer_window).min(SPAN * u32::from(self.knobs.snd_wnd))
    }

    /// Segments that the windows have room for. The own window counts what is in flight, the others
    /// count from the oldest number that is not acknowledged, as ikcp.c does for all.
    fn window_room(&self) -> u32 {
        // In ikcp.c all three windows count from `snd_una`, so that one loss stops the sender for a
        // round trip and a half. The own one is a bound of memory, which counts what is in flight.
        let span = self.send_window.span();
        let own = u32::from(self.knobs.snd_wnd).saturating_sub(self.send_window.in_flight() as u32);
        let others = self.peer_window().min(self.congestion.window());
        own.min(others.saturating_sub(span))
    }

    /// The retransmission timeout, in milliseconds.
    pub(super) fn rto_ms(&self) -> u32 {
        self.rtt.rto
    }
}
