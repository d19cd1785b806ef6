//! A KCP ARQ of our own: the wire and the rules of `ikcp.c`, with other data structures.
//!
//! - **Windows** are rings indexed by `sn` ([`window`]). Whatever happens to a segment costs O(1);
//!   a flush costs what it sends, and one with nothing due next to nothing.
//! - **Timeouts** are found by a cursor, those of what was sent again in queues, and the few that
//!   are out of order by a heap ([`timeouts`]); **losses** by lists of what was suspected ([`loss`]).
//! - **Payload** sits in blocks of one segment each, which are used again ([`buffers`]): nothing is
//!   allocated per segment, and a session at rest holds no payload memory.
//! - **Everything from the network** is checked before it counts ([`input`]).
//!
//! Differences from `ikcp.c` on purpose: RTT is measured only by ACKs that match a transmission of
//! ours; a segment sent again because of a timeout is not sent once more for having been suspected
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
//! - A timeout is judged when it passes, by the newest round trips, and where nothing that was sent later
//!   is acknowledged a few segments ask for all ([`tail_probe`]): ikcp.c sends everything again that a
//!   growing queue, or a peer that is late, keeps waiting.
//! - The first timeouts of a thin stream come after one and a half round trips at most ([`rtt`]) and do
//!   not grow ([`send`]).

mod ack_queue;
mod ahead;
mod buffers;
mod congestion;
mod copies;
mod counters;
mod emit;
mod input;
#[cfg(any(test, debug_assertions))]
mod invariants;
mod lifetime;
mod loss;
#[cfg(test)]
mod model;
mod output;
mod persist;
mod rate;
mod recv;
mod recv_space;
mod reordering;
mod restart;
mod room;
mod rtt;
mod send;
mod slot;
mod tail_probe;
#[cfg(test)]
mod tests;
mod timeouts;
mod window;
mod write;

use std::mem;
use std::time::Duration;

pub(crate) use self::buffers::BufferPool;
pub(crate) use self::recv_space::RecvDemand;

use self::buffers::Buffers;
use self::congestion::Congestion;
use self::copies::Copies;
use self::counters::Counters;
use self::lifetime::Waiting;
use self::output::Output;
use self::rate::DeliveryRate;
use self::recv::RecvWindow;
use self::recv_space::RecvSpace;
use self::rtt::Rtt;
use self::send::SendWindow;
use self::slot::Moment;
use super::flow::with_headers;
use super::knobs::{Knobs, PROBE_FIRST};
use super::{Allowance, ArqParams, Blocked, EngineStats, FlowReport};
use crate::error::KcpError;
use crate::limits::RECV_WINDOW_MIN;
use crate::time::Time;
use crate::wire::{Header, HEADER_LEN};

/// Own windows that the row may span, from the oldest number that is not acknowledged to the newest
/// sent.
const SPAN: u32 = 3;

/// Timeouts without any progress after which what is in flight is no more on the path.
const WRITTEN_OFF: u64 = 3;

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
    /// Copies of small segments.
    copies: Copies,
    /// What the last flush was not allowed to send.
    blocked: Blocked,
    recv_space: RecvSpace,
    buffers: Buffers,
    rtt: Rtt,
    congestion: Congestion,
    delivery_rate: DeliveryRate,
    /// What has happened since it was asked for, and bytes of payload in flight.
    flow: FlowReport,
    payload_in_flight: u64,
    /// The clock at which something was last acknowledged, or sent with nothing else in flight.
    acked_at: u64,
    repeat_twice: bool,
    /// What waits to be sent, where it is of use for a limited time.
    waiting: Waiting,
    out: Output,
    /// Bytes of payload that new segments are cut into: what the path carries now, while `knobs.mss` is
    /// what blocks have room for.
    cut: usize,
    /// The peer's window, and the `una` it came with.
    peer_window: u16,
    peer_una: u32,
    /// When a closed window is probed next, and how long after that the next time.
    probe_at: Option<Time>,
    probe_wait: Duration,
    counters: Counters,
    /// Operations so far, for the sampled self-check.
    #[cfg(debug_assertions)]
    operations: u32,
}

impl RingEngine {
    pub(super) fn new(setup: ArqParams<'_>) -> Result<RingEngine, KcpError> {
        let knobs = Knobs::new(setup.config, setup.conv, setup.mtu)?;
        let clock = setup.now.as_millis();
        Ok(RingEngine {
            conv: setup.conv,
            now: setup.now,
            clock,
            ts_shift: setup.ts_base.wrapping_sub(clock as u32),
            send_window: SendWindow::new(setup.sn_base, &knobs),
            recv_window: RecvWindow::new(setup.sn_base, &knobs),
            copies: Copies::default(),
            blocked: Blocked::No,
            recv_space: RecvSpace::default(),
            buffers: Buffers::new(knobs.mss),
            rtt: Rtt::new(knobs.min_rto, knobs.interval),
            congestion: Congestion::new(&knobs),
            delivery_rate: DeliveryRate::default(),
            flow: FlowReport::default(),
            payload_in_flight: 0,
            acked_at: clock,
            repeat_twice: false,
            waiting: Waiting::default(),
            out: Output::new(knobs.mtu),
            cut: knobs.mss,
            // What every sender may count on.
            peer_window: RECV_WINDOW_MIN,
            peer_una: setup.sn_base,
            probe_at: None,
            probe_wait: PROBE_FIRST,
            counters: Counters::default(),
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

    pub(super) fn narrow(&mut self, send: usize, recv: usize) {
        self.knobs.narrow(send, recv);
        self.recv_window.set_bounds(&self.knobs);
    }

    pub(super) fn widest(&self) -> (usize, usize) {
        self.knobs.widest()
    }

    pub(super) fn set_send_window(&mut self, segments: u32) {
        self.knobs.set_send_window(segments);
    }

    pub(super) fn set_recv_window(&mut self, segments: u32) {
        self.knobs.set_recv_window(segments);
    }

    pub(super) fn recv_demand(&self) -> RecvDemand {
        self.recv_space.demand()
    }

    pub(super) fn recv_round(&self) -> u32 {
        self.recv_space.round()
    }

    pub(super) fn recv_memory(&self) -> usize {
        self.recv_window.backlog() + self.buffers.count() * self.knobs.mss
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
        // What waits for an allowance waits for whoever gives it.
        self.recv_window.needs_flush()
            || self.blocked != Blocked::All && self.send_window.lost(self.clock).is_some()
            || self.blocked == Blocked::No && self.room() > 0
    }

    pub(super) fn blocked(&self) -> Blocked {
        self.blocked
    }

    pub(super) fn flush(&mut self, now: Time) {
        self.flush_within(now, Allowance::ALL);
    }

    pub(super) fn flush_within(&mut self, now: Time, allowance: Allowance) {
        self.tick(now);
        let (news, overdue) = (self.recv_window.needs_flush(), self.is_overdue());
        let probes = self.probe_at.is_some_and(|at| at <= self.now);
        let room = self.room();
        self.blocked = Blocked::No;
        self.copies.set_wanted(allowance.copies);
        self.rtt.set_lossy(allowance.copies > 0);
        let copies = self.copies.due().is_some_and(|due| due <= self.clock);
        if news || overdue || probes || room > 0 || copies {
            self.emit(news, overdue, room, allowance);
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
        let due = self.next_due().filter(|_| self.blocked != Blocked::All);
        let copy = self.copies.due().filter(|_| self.send_window.is_thin());
        match due.into_iter().chain(paced).chain(copy).min() {
            Some(due) => Some(Time::from_millis(due)),
            None => self.probe_at,
        }
    }

    /// The clock at which the next segment is sent again.
    fn next_due(&self) -> Option<u64> {
        let due = self.send_window.due()?;
        Some(self.send_window.lost_at(self.clock).map_or(due, |lost| lost.min(due)))
    }

    pub(super) fn seed_rtt(&mut self, now: Time, rtt: Duration, is_certain: bool) {
        self.tick(now);
        let rtt = u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
        self.rtt.seed(self.clock, rtt, is_certain);
        self.send_window.judge(self.moment(), &self.rtt);
    }

    /// Thousands of idle sessions shall not keep thousands of buffers.
    pub(super) fn can_shrink(&self) -> bool {
        self.recv_window.can_trim()
            || self.is_quiescent()
                && (self.recv_space.is_running()
                    || self.buffers.capacity() > 0
                    || self.out.capacity() > 0
                    || self.send_window.capacity() > 0
                    || self.recv_window.capacity() > 0)
    }

    pub(super) fn shrink(&mut self) {
        self.recv_window.trim();
        if self.is_quiescent() {
            self.recv_space.rest();
            if self.knobs.has_grown() {
                // A peer that went by the old window would send what finds no room.
                self.recv_window.announce();
            }
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

    pub(super) fn set_repeat_twice(&mut self, twice: bool) {
        self.repeat_twice = twice;
    }

    pub(super) fn has_flow(&self) -> bool {
        self.flow.is_news()
    }

    pub(super) fn take_flow(&mut self) -> FlowReport {
        mem::take(&mut self.flow)
    }

    /// Has what is in flight timed out again and again, without an answer?
    pub(super) fn is_written_off(&self, now: Time) -> bool {
        // Before a round trip is measured every answer may still be under way.
        self.send_window.in_flight() > 0
            && self.rtt.is_measured()
            && now.as_millis().saturating_sub(self.acked_at) > u64::from(self.rtt.rto) * WRITTEN_OFF
    }

    pub(super) fn in_flight_bytes(&self) -> u64 {
        with_headers(self.payload_in_flight, self.send_window.in_flight() as u64)
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
            send_window: u32::from(self.knobs.snd_wnd),
            recv_window: self.recv_window.window,
            in_flight: self.send_window.in_flight(),
            send_queue: self.send_window.unsent(),
            ..self.counters.into()
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
}
