//! The `kcp` crate behind a wall.
//!
//! The inner engine is sound as long as nobody lies to it, its clock and its numbers stay below
//! 2^31, its output never fails and nobody needs to know what it measures. The wall sees to all of
//! that by standing between it and the wire and rewriting every header:
//!
//! - **Numbers and clock.** Inside, both begin at 0; on the wire they are shifted. When they have
//!   grown large the clock is set back and the engine replaced by a fresh one, in a moment when
//!   nothing is in flight or held: the wire shows nothing of it ([`renew`]).
//! - **What comes in** is checked against what was sent ([`send`]) and received ([`recv`]); a
//!   segment that may not count is turned into a window announcement, so that its `una` and `wnd`
//!   still do ([`input`]).
//! - **What goes out** lands in a [`sink`] that cannot fail, and teaches the wall what is in flight.
//! - **What is sent again** too soon, too often or in too large a number does not leave; the wall keeps a copy
//!   and sends that when it is time ([`retransmit`]). So one ACK, a path of seconds and a silence of the peer cost
//!   what they cost our own engine.
//! - **What is measured** inside is computed a second time outside ([`mirror`]).
//! - **Work.** Everything here costs O(1) per segment, O(log window) for a copy, except reading off the next
//!   timeout and a restart. Inside, an ACK that counts, a new segment ahead of a gap and each flush cost
//!   O(window); everything else is kept away from those loops.
//!
//! What the wall cannot give: as long as the peer is heard, a segment that is lost again and again is
//! awaited with the timeouts of the inner engine, which grow without a bound until the session calls for
//! a [restart](KcpEngine::restart), and after five transmissions ACKs of later ones count no more (at a
//! round trip of 50 ms, 20 % loss and the profile `lan`, 256 KiB take 5.3 s; our own engine needs
//! 1.1 s). A restart closes the congestion window, where one is obeyed, as a timeout does, and until they
//! are acknowledged takes what is in flight a second time of memory. What was sent again in vain is not counted.

mod input;
mod knobs;
mod mirror;
mod output;
mod recv;
mod renew;
mod retransmit;
mod send;
mod sink;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::kcp::Kcp;

use self::mirror::{Congestion, Rtt};
use self::recv::RecvWindow;
use self::renew::{LIMIT, RENEW_AT};
use self::retransmit::Retransmitter;
use self::send::SendWindow;
use self::sink::Sink;
use super::knobs::{Knobs, PROBE_FIRST};
use super::read_buffer::ReadBuffer;
use super::{ArqParams, EngineStats, FlowReport};
use crate::error::KcpError;
use crate::time::{earliest, Time};
use crate::wire::Header;

/// By how much the number of a duplicate is lowered while it is inside. Far below the window the
/// inner engine acknowledges it without searching its buffer; the ACK is raised again.
const ALIAS: u32 = 1 << 30;

/// Segments handed to the inner engine at once in stream mode. From 128 on it would fail, after
/// having taken a part.
const STREAM_PART: usize = 64;

/// What a segment takes in the inner engine beside its payload, estimated: its record, and the
/// record and the slack of its allocation.
const SEGMENT: usize = 128;

/// An engine around one [`Kcp`].
#[derive(Debug)]
pub(crate) struct KcpEngine {
    inner: Kcp<Sink>,
    sink: Sink,
    knobs: Knobs,
    conv: u32,
    /// What is added to a number of ours, and of the peer's, on its way out.
    tx_base: u32,
    rx_base: u32,
    /// Milliseconds of [`Time`] at which the inner clock shows 0, perhaps before the beginning of time
    /// (see [`renew`]), and what the wire's shows then.
    epoch: i64,
    ts_base: u32,
    /// The inner clock.
    clock: u32,
    send_window: SendWindow,
    retransmitter: Retransmitter,
    recv_window: RecvWindow,
    rtt: Rtt,
    congestion: Congestion,
    /// Bytes in the last segment that waits to be sent, if any does.
    tail: usize,
    /// What can be read, and whether anybody does.
    unread: ReadBuffer,
    discards: bool,
    /// Bytes received that the inner engine holds.
    bytes_held: usize,
    /// The newest `una` of the peer.
    peer_una: u32,
    /// When a closed window is probed next, and how long after that the next time.
    probe_at: Option<Time>,
    probe_wait: Duration,
    /// Reasons to flush: ACKs wait; the window has reopened; an ACK may have shown a loss; something
    /// was written or heard since the last time, so that more may be sent.
    acks_due: u32,
    reopened: bool,
    suspected: bool,
    may_send: bool,
    /// Where incoming datagrams are rewritten.
    scratch: Vec<u8>,
    renew_at: u32,
    counters: EngineStats,
    /// What has happened since it was asked for, but what turned out to be sent in vain.
    flow: FlowReport,
}

impl KcpEngine {
    pub(super) fn new(setup: ArqParams<'_>) -> Result<KcpEngine, KcpError> {
        let knobs = Knobs::new(setup.config, setup.conv, setup.mtu)?;
        let sink = Sink::default();
        Ok(KcpEngine {
            inner: knobs.fresh(&sink, 0),
            sink,
            conv: setup.conv,
            tx_base: setup.sn_base,
            rx_base: setup.sn_base,
            epoch: setup.now.as_millis() as i64,
            ts_base: setup.ts_base,
            clock: 0,
            send_window: SendWindow::new(setup.sn_base),
            recv_window: RecvWindow::new(setup.sn_base, knobs.rcv_wnd),
            rtt: Rtt::new(knobs.min_rto, knobs.interval),
            congestion: Congestion::new(knobs.mss, knobs.resend, knobs.snd_wnd, knobs.nc),
            tail: 0,
            unread: ReadBuffer::default(),
            discards: false,
            bytes_held: 0,
            peer_una: setup.sn_base,
            probe_at: None,
            probe_wait: PROBE_FIRST,
            retransmitter: Retransmitter::default(),
            acks_due: 0,
            reopened: false,
            suspected: false,
            may_send: false,
            scratch: Vec::new(),
            renew_at: RENEW_AT,
            counters: EngineStats::default(),
            flow: FlowReport::default(),
            knobs,
        })
    }

    pub(super) fn set_conv(&mut self, conv: u32) {
        self.conv = conv;
    }

    pub(super) fn write(&mut self, buf: &[u8]) -> Result<usize, KcpError> {
        let max = self.knobs.max_message;
        if !self.knobs.stream && buf.len() > max {
            return Err(KcpError::MessageTooLarge { len: buf.len(), max });
        }
        if buf.is_empty() || self.is_draining() {
            return Ok(0);
        }
        self.may_send = true;
        if self.knobs.stream {
            return Ok(self.write_stream(buf));
        }
        let needed = buf.len().div_ceil(self.knobs.mss);
        // A message larger than the budget goes alone, or it could never go.
        if needed > self.free_segments() && self.unacked() > 0 {
            return Ok(0);
        }
        let sent = self.inner.send(buf);
        debug_assert!(sent.is_ok(), "at most 127 fragments");
        Ok(if sent.is_ok() { buf.len() } else { 0 })
    }

    fn write_stream(&mut self, buf: &[u8]) -> usize {
        let mss = self.knobs.mss;
        let room = self.free_segments().saturating_mul(mss).saturating_add(self.tail_room());
        let mut taken = 0;
        for part in buf.get(..room).unwrap_or(buf).chunks(STREAM_PART * mss) {
            let rest = part.len().saturating_sub(self.tail_room());
            if self.inner.send(part).is_err() {
                debug_assert!(false, "at most {STREAM_PART} segments");
                break;
            }
            self.tail = match (rest, rest % mss) {
                (0, _) => self.tail + part.len(),
                (_, 0) => mss,
                (_, short) => short,
            };
            taken += part.len();
        }
        taken
    }

    pub(super) fn writable(&self) -> bool {
        !self.is_draining() && (self.free_segments() > 0 || self.tail_room() > 0)
    }

    /// Segments that the send budget has room for. It is counted in whole segments whatever is in
    /// them, so that many tiny messages are bounded too.
    fn free_segments(&self) -> usize {
        self.knobs.send_segments.saturating_sub(self.unacked())
    }

    /// Bytes that the last unsent segment has room for: only a stream fills it up.
    fn tail_room(&self) -> usize {
        if self.knobs.stream && self.unsent() > 0 {
            self.knobs.mss - self.tail
        } else {
            0
        }
    }

    pub(super) fn narrow(&mut self, send: usize, recv: usize) {
        let closed = self.free() == 0;
        self.knobs.narrow(send, recv);
        self.reopened |= closed && self.free() > 0;
    }

    pub(super) fn widest(&self) -> (usize, usize) {
        self.knobs.widest()
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<KcpEngine>()
            + self.unacked() * (self.knobs.mss + SEGMENT)
            + self.bytes_held
            + self.unread.capacity()
            + self.send_window.copied()
            + self.recv_window.len() * SEGMENT
            + self.scratch.capacity()
    }

    /// Returns the window as it travels: the inner engine's, or less where the budget is lower than
    /// configured and has no room for it. The inner engine may take more than that: what finds no room is
    /// dropped before it gets there, and the peer repeats it.
    fn free(&self) -> u16 {
        let free = self.recv_window.free();
        if !self.knobs.is_narrow() {
            return free;
        }
        let room = self.knobs.recv_bytes.saturating_sub(self.bytes_held) / self.knobs.mss;
        // Nothing could be read, and nothing would make room, without the next one.
        let next = u16::from(!self.recv_window.has_message());
        free.min(u16::try_from(room).unwrap_or(u16::MAX).max(next))
    }

    /// Moves what is next in order to where it is read, as far as the budget goes.
    fn fill(&mut self) {
        while self.unread.cost() < self.knobs.read_budget && self.take_message().is_some() {
            if self.discards {
                self.unread.clear();
            }
        }
    }

    /// Moves the next message; `None`: there is none.
    fn take_message(&mut self) -> Option<()> {
        let count = self.recv_window.message()?;
        let len = self.inner.peeksize().ok()?;
        let inner = &mut self.inner;
        let taken = self.unread.extend(|into| {
            let at = into.len();
            into.resize(at + len, 0);
            let taken = inner.recv(into.split_at_mut(at).1);
            if taken.is_err() {
                into.truncate(at);
            }
            taken
        });
        debug_assert!(taken.is_ok(), "peeked");
        taken.ok()?;
        if len > 0 && !self.knobs.stream {
            self.unread.end_message(len);
        }
        let closed = self.free() == 0;
        self.reopened |= self.recv_window.read(count);
        self.bytes_held = self.bytes_held.saturating_sub(len);
        self.reopened |= closed && self.free() > 0;
        self.renew();
        Some(())
    }

    pub(super) fn read(&mut self, buf: &mut [u8], whole: bool) -> Result<Option<usize>, KcpError> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let read = if whole { self.unread.receive(buf)? } else { self.unread.read(buf) };
        self.fill();
        Ok(Some(read))
    }

    pub(super) fn peek(&self, buf: &mut [u8]) -> Option<usize> {
        (!self.unread.is_empty()).then(|| self.unread.peek(buf))
    }

    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    pub(super) fn discard(&mut self) {
        self.discards = true;
        self.unread.clear();
        self.fill();
    }

    pub(super) fn trim(&mut self) {
        self.unread.shrink();
    }

    pub(super) fn needs_flush(&self) -> bool {
        let more = self.may_send && self.is_admitted();
        self.acks_due > 0 || self.reopened || self.suspected || more
    }

    /// Tells whether the windows would let something go that was never sent.
    fn is_admitted(&self) -> bool {
        let limit = u32::from(self.congestion.limit(self.inner.rmt_wnd()));
        self.unsent() > 0 && self.send_window.span() < limit
    }

    pub(super) fn poll_timeout(&self, _now: Time) -> Option<Time> {
        if let Some(due) = self.send_window.due() {
            let due = due.wrapping_sub(self.ts_base);
            // A clock that stands would never get there, and whoever waits would spin.
            let at = Time::from_millis(self.epoch.saturating_add(i64::from(due)).max(0) as u64);
            return earliest((self.clock < LIMIT).then_some(at), self.retransmitter.due());
        }
        if self.send_window.unacked() > 0 {
            return self.retransmitter.due();
        }
        self.probe_at.filter(|_| self.unsent() > 0)
    }

    pub(super) fn header(&self, now: Time, cmd: u8, frg: u8) -> Header {
        let age = self.age(now) as u32;
        Header {
            conv: self.conv,
            cmd,
            frg,
            wnd: self.free(),
            ts: self.ts_base.wrapping_add(age),
            sn: 0,
            una: self.recv_window.rcv_nxt(),
            len: 0,
        }
    }

    pub(super) fn unacked(&self) -> usize {
        self.inner.wait_snd()
    }

    pub(super) fn unsent(&self) -> usize {
        self.inner.wait_snd().saturating_sub(self.send_window.unacked())
    }

    pub(super) fn snd_nxt(&self) -> u32 {
        self.send_window.next()
    }

    pub(super) fn rcv_nxt(&self) -> u32 {
        self.recv_window.next_missing()
    }

    /// Returns the retransmission timeout, in milliseconds.
    pub(super) fn rto_ms(&self) -> u32 {
        self.rtt.rto
    }

    /// What an answer takes, in milliseconds: a round trip, or the timeout where none is known.
    pub(super) fn answer_ms(&self) -> u32 {
        match self.rtt.srtt {
            0 => self.rtt.rto,
            srtt => srtt,
        }
    }

    pub(super) fn in_flight(&self, sn: u32, ts: u32) -> bool {
        self.send_window.holds(sn, ts)
    }

    pub(super) fn rmt_wnd(&self) -> u16 {
        self.inner.rmt_wnd()
    }

    pub(super) fn worst_transmits(&self) -> u32 {
        self.send_window.worst_transmits()
    }

    pub(super) fn has_flow(&self) -> bool {
        self.flow.is_news()
    }

    pub(super) fn take_flow(&mut self) -> FlowReport {
        std::mem::take(&mut self.flow)
    }

    pub(super) fn in_flight_bytes(&self) -> u64 {
        self.send_window.in_flight_bytes()
    }

    pub(super) fn stats(&self) -> EngineStats {
        EngineStats {
            srtt_ms: self.rtt.srtt,
            rttvar_ms: self.rtt.rttvar,
            rto_ms: self.rtt.rto,
            min_rtt_ms: if self.rtt.is_measured() { self.rtt.min } else { 0 },
            // Where no congestion window is obeyed, both ends' windows are the limit.
            cwnd: match self.knobs.nc {
                true => u32::from(self.congestion.limit(self.inner.rmt_wnd())),
                false => u32::from(self.congestion.cwnd),
            },
            peer_window: u32::from(self.inner.rmt_wnd()),
            send_window: u32::from(self.knobs.snd_wnd),
            recv_window: u32::from(self.knobs.rcv_wnd),
            bytes_acked: self.send_window.acked_bytes(),
            in_flight: self.send_window.unacked(),
            send_queue: self.unsent(),
            ..self.counters
        }
    }
}
