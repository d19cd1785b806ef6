//! The `kcp` crate behind a wall.
//!
//! The inner engine is sound as long as nobody lies to it, its clock and its numbers stay below
//! 2^31, its output never fails and nobody needs to know what it measures. The wall sees to all of
//! that by standing between it and the wire and rewriting every header:
//!
//! - **Numbers and clock.** Inside, both begin at 0; on the wire they are shifted. When they have
//!   grown large the clock is set back and the engine replaced by a fresh one, in a moment when
//!   nothing is in flight or held: the wire shows nothing of it ([`RENEW_AT`]).
//! - **What comes in** is checked against what was sent ([`flight`]) and received ([`seen`]); a
//!   segment that may not count is turned into a window announcement, so that its `una` and `wnd`
//!   still do ([`input`]).
//! - **What goes out** lands in a [`sink`] that cannot fail, and teaches the wall what is in flight.
//! - **What is measured** inside is computed a second time outside ([`mirror`]).
//! - **Work.** Everything here costs O(1) per segment, except reading off the next timeout. Inside,
//!   an ACK that counts, a new segment ahead of a gap and each flush cost O(window); everything else
//!   is kept away from those loops.

mod flight;
mod input;
mod mirror;
mod seen;
mod sink;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::kcp::Kcp;

use self::flight::{Flight, Sent};
use self::mirror::{Congestion, Rtt};
use self::seen::Seen;
use self::sink::Sink;
use super::{EngineStats, Setup};
use crate::config::KcpConfig;
use crate::error::KcpError;
use crate::time::Time;
use crate::wire::{self, diff, Header, CMD_ACK, CMD_PUSH, CMD_WASK, CMD_WINS, HEADER_LEN};

/// Age of the inner clock in milliseconds and height of an inner sequence number from which on they
/// begin anew in the next quiet moment: 6 days, 700 GB at the usual MTU. Half as much again, and the
/// quiet moment is forced. So neither reaches [`LIMIT`], and no sum of two of them reaches 2^31,
/// where the inner engine's differences overflow.
const RENEW_AT: u32 = 1 << 29;

/// The inner clock stops here; that takes a segment that stays unacknowledged for half a week.
const LIMIT: u32 = 1 << 30;

/// By how much the number of a duplicate is lowered while it is inside. Far below the window the
/// inner engine acknowledges it without searching its buffer; the ACK is raised again.
const ALIAS: u32 = 1 << 30;

/// The conversation inside; on the wire it is [`KcpEngine::conv`], which may change.
const INNER_CONV: u32 = 0;

/// While only `update` and not the round-trip arithmetic looks, the interval is the longest that the
/// inner engine takes, in milliseconds: `update` is called for its clock, and flushes by itself once
/// per interval.
const UPDATE_INTERVAL: u32 = 5000;

/// First and longest time between probes of a closed window: kcp-go begins at 500 ms; ikcp.c, at
/// 7 s, would wait longest just when everything depends on the answer.
const PROBE_FIRST: Duration = Duration::from_millis(500);
const PROBE_LONGEST: Duration = Duration::from_secs(10);

/// `IKCP_WND_RCV` of ikcp.c: no receive window is smaller.
const WND_RCV_MIN: u16 = 128;

/// `IKCP_RTO_NDL` and `IKCP_RTO_MIN` of ikcp.c: the smallest timeouts with and without nodelay, in
/// milliseconds.
const RTO_NODELAY: u32 = 30;
const RTO_MIN: u32 = 100;

/// Fragments of the longest message; the inner engine refuses 128.
const FRAGMENTS_MAX: usize = 127;

/// Segments handed to the inner engine at once in stream mode. From 128 on it would fail, after
/// having taken a part.
const STREAM_PART: usize = 64;

/// The settings, as the inner engine takes them.
#[derive(Clone, Copy, Debug)]
struct Knobs {
    mtu: usize,
    mss: usize,
    nodelay: bool,
    interval: u32,
    resend: u16,
    nc: bool,
    min_rto: u32,
    snd_wnd: u16,
    rcv_wnd: u16,
    stream: bool,
    /// Segments that may be unacknowledged, sent or not.
    send_segments: usize,
    /// Bytes that may be received and not read; see [`KcpEngine::has_room`].
    recv_bytes: usize,
    /// Bytes of the longest message.
    max_message: usize,
    /// Bound of the peer's window, so that a window of bytes fits 32 bits.
    peer_wnd_max: u16,
}

impl Knobs {
    fn new(config: &KcpConfig, mtu: usize) -> Result<Knobs, KcpError> {
        // ikcp_setmtu refuses less, and a datagram carries no more.
        if !(50..=65_507).contains(&mtu) {
            return Err(KcpError::Config {
                field: "mtu",
                value: format!("{mtu} after the overhead of the layers"),
                accepted: "50..=65507 after it".into(),
            });
        }
        let mss = mtu - HEADER_LEN;
        let longest = FRAGMENTS_MAX * mss;
        let least_rto = if config.nodelay.nodelay { RTO_NODELAY } else { RTO_MIN };
        let rcv_wnd = config.wnd_size.1.max(WND_RCV_MIN);
        Ok(Knobs {
            mtu,
            mss,
            nodelay: config.nodelay.nodelay,
            interval: config.nodelay.interval.clamp(10, 5000),
            resend: config.nodelay.resend.min(0x7fff) as u16,
            nc: config.nodelay.nc,
            min_rto: config.min_rto.map_or(least_rto, |least| least.as_millis().min(60_000) as u32),
            snd_wnd: config.wnd_size.0.max(1),
            rcv_wnd,
            stream: config.stream,
            // More than 2^27 segments would not fit between the forced renewal and LIMIT.
            send_segments: (config.send_budget / mss).clamp(1, 1 << 27),
            recv_bytes: config.recv_budget.saturating_add(usize::from(rcv_wnd) * mss),
            max_message: config.max_message.map_or(longest, |max| max.min(longest)),
            peer_wnd_max: u16::try_from((1 << 31) / mss).unwrap_or(u16::MAX),
        })
    }

    /// A fresh inner engine whose clock shows `clock`.
    fn fresh(&self, sink: &Sink, clock: u32) -> Kcp<Sink> {
        let mut inner = match self.stream {
            true => Kcp::new_stream(INNER_CONV, sink.clone()),
            false => Kcp::new(INNER_CONV, sink.clone()),
        };
        let accepted = inner.set_mtu(self.mtu);
        debug_assert!(accepted.is_ok(), "checked in new");
        inner.set_wndsize(self.snd_wnd, self.rcv_wnd);
        inner.set_nodelay(self.nodelay, self.interval as i32, i32::from(self.resend), self.nc);
        inner.set_rx_minrto(self.min_rto);
        inner.set_maximum_resend_times(u32::MAX); // the session judges by worst_transmits()
        update(&mut inner, clock, self.interval); // only then it flushes, and has a window
        inner
    }
}

/// Sets the inner clock. The interval is the configured one at all other times, because `input`
/// makes it a part of the timeout.
fn update(inner: &mut Kcp<Sink>, clock: u32, interval: u32) {
    inner.set_interval(UPDATE_INTERVAL);
    let updated = inner.update(clock);
    debug_assert!(updated.is_ok(), "the sink cannot fail");
    inner.set_interval(interval);
}

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
    /// Milliseconds of [`Time`] at which the inner clock shows 0, and what the wire's shows then.
    epoch: u64,
    ts_base: u32,
    /// The inner clock.
    clock: u32,
    flight: Flight,
    seen: Seen,
    rtt: Rtt,
    congestion: Congestion,
    /// Bytes in the last segment that waits to be sent, if any does.
    tail: usize,
    /// Bytes received and not read.
    held: usize,
    /// The newest `una` of the peer.
    peer_una: u32,
    /// When a closed window is probed next, and how long after that the next time.
    probe_at: Option<Time>,
    probe_wait: Duration,
    /// Reasons to flush: ACKs wait; the window has reopened; an ACK may have shown a loss.
    ack_due: bool,
    reopened: bool,
    overtaken: bool,
    /// Where incoming datagrams are rewritten.
    scratch: Vec<u8>,
    renew_at: u32,
    counters: EngineStats,
}

impl KcpEngine {
    pub fn new(setup: Setup<'_>) -> Result<KcpEngine, KcpError> {
        let knobs = Knobs::new(setup.config, setup.mtu)?;
        let sink = Sink::default();
        Ok(KcpEngine {
            inner: knobs.fresh(&sink, 0),
            sink,
            conv: setup.conv,
            tx_base: setup.sn_base,
            rx_base: setup.sn_base,
            epoch: setup.now.as_millis(),
            ts_base: setup.ts_base,
            clock: 0,
            flight: Flight::new(setup.sn_base),
            seen: Seen::new(setup.sn_base, knobs.rcv_wnd),
            rtt: Rtt::new(knobs.min_rto, knobs.interval),
            congestion: Congestion::new(knobs.mss, knobs.resend, knobs.snd_wnd, knobs.nc),
            tail: 0,
            held: 0,
            peer_una: setup.sn_base,
            probe_at: None,
            probe_wait: PROBE_FIRST,
            ack_due: false,
            reopened: false,
            overtaken: false,
            scratch: Vec::new(),
            renew_at: RENEW_AT,
            counters: EngineStats::default(),
            knobs,
        })
    }

    pub fn set_conv(&mut self, conv: u32) {
        self.conv = conv;
    }

    pub fn write(&mut self, buf: &[u8]) -> Result<usize, KcpError> {
        let max = self.knobs.max_message;
        if !self.knobs.stream && buf.len() > max {
            return Err(KcpError::MessageTooLarge { len: buf.len(), max });
        }
        if buf.is_empty() || self.is_draining() {
            return Ok(0);
        }
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

    pub fn writable(&self) -> bool {
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

    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        loop {
            let count = self.seen.message()?;
            let len = self.inner.peeksize().ok()?;
            let at = into.len();
            into.resize(at + len, 0);
            let (_, space) = into.split_at_mut(at);
            if self.inner.recv(space).is_err() {
                debug_assert!(false, "peeked");
                into.truncate(at);
                return None;
            }
            self.reopened |= self.seen.read(count);
            self.held = self.held.saturating_sub(len);
            self.renew();
            if len > 0 {
                return Some(len);
            }
        }
    }

    pub fn needs_flush(&self) -> bool {
        let limit = u32::from(self.congestion.limit(self.inner.rmt_wnd()));
        self.ack_due
            || self.reopened
            || self.overtaken
            || (self.unsent() > 0 && self.flight.span() < limit)
    }

    pub fn flush(&mut self, now: Time) {
        self.tick(now);
        self.flush_inner();
        self.probe(now);
        self.renew();
    }

    fn flush_inner(&mut self) {
        let flushed = self.inner.flush();
        debug_assert!(flushed.is_ok(), "the sink cannot fail");
        self.collect();
        self.ack_due = false;
        self.reopened = false;
        self.overtaken = false;
    }

    /// Brings the inner clock up to `now`. Before `input` it decides what round-trip time is
    /// measured. Every five seconds `update` flushes on this occasion, which is early by no more
    /// than the rest of the turn.
    fn tick(&mut self, now: Time) {
        let mut age = now.as_millis().saturating_sub(self.epoch);
        if self.flight.is_empty() && age >= u64::from(self.renew_at) {
            // With nothing in flight nothing inside remembers a clock, so that it can be set back,
            // to just so late that `renew` can still make up an ACK of one round trip ago.
            let back = age.saturating_sub(u64::from(self.rtt.srtt));
            self.epoch += back;
            self.ts_base = self.ts_base.wrapping_add(back as u32);
            self.clock = 0;
            age -= back;
        }
        self.clock = self.clock.max(age.min(u64::from(LIMIT)) as u32);
        update(&mut self.inner, self.clock, self.knobs.interval);
        self.collect();
    }

    /// Translates what the inner engine has just emitted in one flush, and learns from it.
    fn collect(&mut self) {
        let KcpEngine { flight, rtt, counters, .. } = self;
        let rcv_nxt = self.seen.rcv_nxt().wrapping_sub(self.rx_base);
        let (mut fast, mut timeout) = (false, false);
        self.sink.lock().translate(|header| {
            header.conv = self.conv;
            header.una = header.una.wrapping_add(self.rx_base);
            match header.cmd {
                CMD_PUSH => {
                    header.sn = header.sn.wrapping_add(self.tx_base);
                    header.ts = header.ts.wrapping_add(self.ts_base);
                    match flight.sent(header.sn, header.ts, rtt.rto, self.knobs.nodelay) {
                        Sent::First => {}
                        Sent::Timeout => {
                            timeout = true;
                            counters.timeout_retransmits += 1;
                        }
                        Sent::Fast => {
                            fast = true;
                            counters.fast_retransmits += 1;
                        }
                    }
                    counters.segments_sent += 1;
                }
                CMD_ACK => {
                    if diff(header.sn, rcv_nxt) < -(ALIAS as i32 / 2) {
                        header.sn = header.sn.wrapping_add(ALIAS);
                    }
                    header.sn = header.sn.wrapping_add(self.rx_base);
                }
                _ => {
                    // The inner engine leaves the last ACK's in them; ours mean something.
                    header.sn = 0;
                    header.ts = self.clock.wrapping_add(self.ts_base);
                }
            }
        });
        self.congestion.flushed(fast, timeout, self.flight.span(), self.inner.rmt_wnd());
    }

    /// Probes the peer's window while it is closed and nothing is in flight whose ACK would tell of
    /// its opening. The inner engine probes too, from 7 s on, whenever it is flushed then; that does
    /// no harm and is not counted on.
    fn probe(&mut self, now: Time) {
        if self.unsent() == 0 || self.inner.rmt_wnd() > 0 || !self.flight.is_empty() {
            self.probe_at = None;
            self.probe_wait = PROBE_FIRST;
        } else if self.probe_at.is_none() {
            self.probe_at = Some(now + self.probe_wait);
        } else if self.probe_at.is_some_and(|at| at <= now) {
            let wask = self.header(now, CMD_WASK, wire::CODE_PLAIN);
            self.sink.lock().push(&wask.encode());
            self.probe_wait = (self.probe_wait * 3 / 2).min(PROBE_LONGEST);
            self.probe_at = Some(now + self.probe_wait);
        }
    }

    /// Does the inner engine have to come to rest, to be replaced or to have its clock set back?
    /// Meanwhile nothing is written.
    fn is_draining(&self) -> bool {
        let force_at = self.force_at();
        self.highest_sn() >= force_at || (self.clock >= force_at && !self.flight.is_empty())
    }

    fn force_at(&self) -> u32 {
        self.renew_at + self.renew_at / 2
    }

    /// The higher of both inner sequence numbers.
    fn highest_sn(&self) -> u32 {
        let sent = self.flight.next().wrapping_sub(self.tx_base);
        let received = self.seen.contiguous().wrapping_sub(self.rx_base);
        sent.max(received)
    }

    /// Replaces an inner engine that has counted high by a fresh one, if nothing is in flight or
    /// held. What it knew of the path is handed on in a made-up ACK of nothing: the smoothed
    /// round-trip time and the peer's window. Lost are the variation, which begins again at half the
    /// round-trip time, and the congestion window, which opens from one segment as after a timeout.
    fn renew(&mut self) {
        if self.highest_sn() < self.renew_at || self.unacked() > 0 || !self.seen.is_quiet() {
            return;
        }
        self.flush_inner(); // the ACKs that it owes
        let knobs = self.knobs;
        let rtt = self.rtt.srtt.min(self.clock);
        let window = self.inner.rmt_wnd();
        self.inner = knobs.fresh(&self.sink, self.clock);
        self.tx_base = self.flight.next();
        self.rx_base = self.seen.contiguous();
        self.rtt = Rtt::new(knobs.min_rto, knobs.interval);
        self.congestion = Congestion::new(knobs.mss, knobs.resend, knobs.snd_wnd, knobs.nc);
        let cmd = if rtt > 0 { CMD_ACK } else { CMD_WINS };
        let (ts, sn) = (self.clock - rtt, LIMIT);
        let known = Header { conv: INNER_CONV, cmd, wnd: window, ts, sn, ..Header::default() };
        let taken = self.inner.input(&known.encode());
        debug_assert!(taken.is_ok(), "well formed");
        if rtt > 0 {
            self.rtt.sample(rtt);
        }
    }

    pub fn take_output(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let mut batch = self.sink.lock();
        batch.take(sink);
        if self.inner.wait_snd() == 0 && self.seen.is_quiet() {
            // Thousands of idle sessions shall not keep thousands of buffers.
            batch.release(2 * self.knobs.mtu);
            self.scratch = Vec::new();
        }
    }

    pub fn poll_timeout(&self, _now: Time) -> Option<Time> {
        if let Some(due) = self.flight.due() {
            let due = due.wrapping_sub(self.ts_base);
            // A clock that stands would never get there, and whoever waits would spin.
            let at = Time::from_millis(self.epoch.saturating_add(u64::from(due)));
            return (self.clock < LIMIT).then_some(at);
        }
        if self.unsent() > 0 {
            self.probe_at
        } else {
            None
        }
    }

    pub fn header(&self, now: Time, cmd: u8, frg: u8) -> Header {
        let age = now.as_millis().saturating_sub(self.epoch) as u32;
        Header {
            conv: self.conv,
            cmd,
            frg,
            wnd: self.seen.free(),
            ts: self.ts_base.wrapping_add(age),
            sn: 0,
            una: self.seen.rcv_nxt(),
            len: 0,
        }
    }

    pub fn unacked(&self) -> usize {
        self.inner.wait_snd()
    }

    pub fn unsent(&self) -> usize {
        self.inner.wait_snd().saturating_sub(self.flight.unacked())
    }

    pub fn snd_nxt(&self) -> u32 {
        self.flight.next()
    }

    pub fn rcv_nxt(&self) -> u32 {
        self.seen.contiguous()
    }

    pub fn in_flight(&self, sn: u32, ts: u32) -> bool {
        self.flight.holds(sn, ts)
    }

    pub fn worst_transmits(&self) -> u32 {
        self.flight.worst_transmits()
    }

    pub fn stats(&self) -> EngineStats {
        EngineStats {
            srtt_ms: self.rtt.srtt,
            rttvar_ms: self.rtt.rttvar,
            rto_ms: self.rtt.rto,
            // Where no congestion window is obeyed, both ends' windows are the limit.
            cwnd: match self.knobs.nc {
                true => u32::from(self.congestion.limit(self.inner.rmt_wnd())),
                false => u32::from(self.congestion.cwnd),
            },
            peer_window: u32::from(self.inner.rmt_wnd()),
            in_flight: self.flight.unacked(),
            send_queue: self.unsent(),
            ..self.counters
        }
    }
}
