//! The ARQ behind one small contract, so that nobody else knows which engine runs.
//!
//! An engine turns bytes or messages into PUSH segments and back, acknowledges, retransmits, and
//! keeps the windows. It knows nothing of addresses, of the conversation's life, or of our control
//! codes: WASK and WINS with a code in `frg` are to it a source of `una` and `wnd` and nothing else,
//! and the plain ones are answered by the session.
//!
//! Order of calls within one turn: any number of [`handle_datagram`](Engine::handle_datagram),
//! [`read`](Engine::read) and [`write`](Engine::write), then one [`flush`](Engine::flush), then
//! [`take_output`](Engine::take_output), then [`poll_timeout`](Engine::poll_timeout). Reading before
//! flushing lets the ACKs announce an open window.

mod allowance;
mod flow;
#[cfg(feature = "kcp")]
mod kcp;
mod knobs;
mod read_buffer;
mod ring;
mod stats;

use std::time::Duration;

pub use self::allowance::{Allowance, Blocked};
pub use self::flow::FlowReport;
pub(crate) use self::ring::{BufferPool, RecvDemand};
pub use self::stats::EngineStats;
use crate::config::{EngineKind, KcpConfig};
use crate::error::KcpError;
use crate::time::Time;
use crate::wire::{Header, View};

/// What an engine is born with.
#[derive(Clone, Copy, Debug)]
pub struct ArqParams<'a> {
    /// Conversation, in every header.
    pub conv: u32,
    /// Checked by [`KcpConfig::check`] before.
    pub config: &'a KcpConfig,
    /// Bytes of the largest datagram: the configured MTU less the overhead of the layers.
    pub mtu: usize,
    /// Now.
    pub now: Time,
    /// What the clock on the wire (`ts`) shows at `now`. Random, so that an ACK proves that its
    /// sender saw our segment.
    pub ts_base: u32,
    /// First sequence number of both directions: 0 with every peer; tests begin before the wrap.
    pub sn_base: u32,
}

/// What a datagram did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// An ACK matched a segment in flight by number and clock: the peer receives what we send.
    pub proven: bool,
    /// Something was acknowledged for the first time.
    pub progress: bool,
    /// It held a PUSH, new or not: an ACK is due.
    pub pushed: bool,
    /// There is more to [read](Engine::read) than before.
    pub readable: bool,
}

/// Why a whole datagram was refused; nothing of it has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Of another conversation.
    Malformed,
    /// Its `una` acknowledges what was never sent.
    Una,
}

/// The engine of one session.
#[derive(Debug)]
pub struct Engine(Kind);

#[derive(Debug)]
enum Kind {
    /// Our own.
    Ring(Box<ring::RingEngine>),
    /// The `kcp` crate behind its wall.
    #[cfg(feature = "kcp")]
    Kcp(Box<kcp::KcpEngine>),
}

macro_rules! each {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Engine(Kind::Ring($engine)) => $call,
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp($engine)) => $call,
        }
    };
}

impl Engine {
    /// A fresh engine of the configured kind.
    ///
    /// # Errors
    /// [`KcpError::Config`] if the layers leave less than 50 bytes of the MTU.
    pub fn new(setup: ArqParams<'_>) -> Result<Engine, KcpError> {
        Ok(Engine(match setup.config.engine {
            EngineKind::Ring => Kind::Ring(Box::new(ring::RingEngine::new(setup)?)),
            #[cfg(feature = "kcp")]
            EngineKind::Kcp => Kind::Kcp(Box::new(kcp::KcpEngine::new(setup)?)),
        }))
    }

    /// Lets the engine fetch its payload memory from, and give it back to, an endpoint's pool. The
    /// `kcp` crate has no use for it.
    pub(crate) fn share(&mut self, pool: &BufferPool) {
        match self {
            Engine(Kind::Ring(engine)) => engine.share(pool),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => {}
        }
    }

    /// Sets the bytes of the largest datagram that new segments are cut for, up to those that the engine was
    /// made with. What was written before keeps its length and leaves in datagrams of its own. The `kcp`
    /// crate's engine stays as it is.
    pub fn set_mtu(&mut self, mtu: usize) {
        match self {
            Engine(Kind::Ring(engine)) => engine.set_mtu(mtu),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => {}
        }
    }

    /// Returns the bytes of the oldest segment that is not acknowledged, header included, and how often any in
    /// flight was sent at most; `None`: nothing is in flight, or the engine does not tell.
    pub fn oldest_in_flight(&self) -> Option<(usize, u32)> {
        match self {
            Engine(Kind::Ring(engine)) => engine.oldest_in_flight(),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => None,
        }
    }

    /// Adopts the conversation number that the peer allocated.
    pub fn set_conv(&mut self, conv: u32) {
        each!(self, engine => engine.set_conv(conv))
    }

    /// Takes as much of `buf` as the send budget has room for and returns how much: in stream mode
    /// any part, in message mode all or nothing. 0 means: no room (or an empty `buf`).
    pub fn write(&mut self, buf: &[u8]) -> Result<usize, KcpError> {
        each!(self, engine => engine.write(buf))
    }

    /// Returns whether there is room to write a byte, or in message mode a message of one segment.
    pub fn writable(&self) -> bool {
        each!(self, engine => engine.writable())
    }

    /// Bounds what is held to `send` and `recv` bytes, as far as the budgets do not: writes find less
    /// room, and the receive window closes earlier. What is held already stays.
    pub fn narrow(&mut self, send: usize, recv: usize) {
        each!(self, engine => engine.narrow(send, recv))
    }

    /// Bytes to send and to receive from which on [`narrow`](Engine::narrow) changes nothing.
    pub fn widest(&self) -> (usize, usize) {
        each!(self, engine => engine.widest())
    }

    /// What the receive window should be, by what the application takes in a round trip. Nothing
    /// changes until [`set_recv_window`](Engine::set_recv_window) grants it. The `kcp` crate asks for
    /// nothing.
    pub(crate) fn recv_demand(&self) -> RecvDemand {
        match self {
            Engine(Kind::Ring(engine)) => engine.recv_demand(),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => RecvDemand::default(),
        }
    }

    /// The round of [`recv_demand`](Engine::recv_demand).
    pub(crate) fn recv_round(&self) -> u32 {
        match self {
            Engine(Kind::Ring(engine)) => engine.recv_round(),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => 0,
        }
    }

    /// Sets the receive window, which is what the peer is told: never below what is configured, nor
    /// beyond the ceiling. A window that shrinks keeps what it holds. [`narrow`](Engine::narrow) must
    /// follow.
    pub(crate) fn set_recv_window(&mut self, segments: u32) {
        match self {
            Engine(Kind::Ring(engine)) => engine.set_recv_window(segments),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => {}
        }
    }

    /// Sets the own window, in flight at most, between what is configured and the ceiling, and the
    /// send budget with it: for whoever knows what the path carries, as nothing here makes it grow.
    /// [`narrow`](Engine::narrow) must follow.
    pub(crate) fn set_send_window(&mut self, segments: u32) {
        match self {
            Engine(Kind::Ring(engine)) => engine.set_send_window(segments),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => {}
        }
    }

    /// Bytes of memory held, the engine itself included; nearly, and at a cost of O(1).
    pub fn memory(&self) -> usize {
        each!(self, engine => engine.memory())
    }

    /// Of the [memory](Engine::memory), the payload that was received, and what waits to be used for
    /// more of it.
    pub(crate) fn recv_memory(&self) -> usize {
        match self {
            Engine(Kind::Ring(engine)) => engine.recv_memory(),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => 0,
        }
    }

    /// Gives back the memory that waits to be used again.
    pub fn trim(&mut self) {
        each!(self, engine => engine.trim())
    }

    /// Reads what comes next: bytes without regard to messages, or if `whole` a message (in stream mode,
    /// what is there). `None`: nothing now. It makes room in the receive budget, which may open a closed
    /// window.
    ///
    /// # Errors
    /// [`KcpError::BufferTooSmall`] if `buf` is shorter than the message, which stays.
    pub fn read(&mut self, buf: &mut [u8], whole: bool) -> Result<Option<usize>, KcpError> {
        each!(self, engine => engine.read(buf, whole))
    }

    /// Copies what fits of what comes next, in message mode of the next message, and leaves it; `None`:
    /// nothing now.
    pub fn peek(&self, buf: &mut [u8]) -> Option<usize> {
        each!(self, engine => engine.peek(buf))
    }

    /// Bytes that can be [read](Engine::read) now.
    pub fn unread(&self) -> usize {
        each!(self, engine => engine.unread())
    }

    /// Nobody reads from here on: what has come and what comes is acknowledged and let go.
    pub fn discard(&mut self) {
        each!(self, engine => engine.discard())
    }

    /// Applies a datagram: ACKs, `una`, the peer's window, data. What is next in order can be read at once.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &View<'_>,
    ) -> Result<Received, Rejection> {
        each!(self, engine => engine.handle_datagram(now, datagram))
    }

    /// Tells whether something was written, heard or read since the last [`flush`](Engine::flush) that
    /// makes the next one send: ACKs, data that the windows admit, a segment that ACKs of later ones may
    /// show lost, or the news that reading has reopened a closed window. What a flush leaves for
    /// later is announced by [`poll_timeout`](Engine::poll_timeout).
    pub fn needs_flush(&self) -> bool {
        each!(self, engine => engine.needs_flush())
    }

    /// Emits what is due: ACKs, what the windows admit, what must be sent again.
    pub fn flush(&mut self, now: Time) {
        each!(self, engine => engine.flush(now))
    }

    /// Emits what is due as [`flush`](Engine::flush) does, of data no more than `allowance`. What that leaves
    /// behind is told by [`blocked`](Engine::blocked), and is no deadline: the caller flushes again as
    /// soon as there is room. The `kcp` crate knows no allowance.
    pub fn flush_within(&mut self, now: Time, allowance: Allowance) {
        match self {
            Engine(Kind::Ring(engine)) => engine.flush_within(now, allowance),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(engine)) => engine.flush(now),
        }
    }

    /// Tells what the last flush has left behind for want of room.
    pub fn blocked(&self) -> Blocked {
        match self {
            Engine(Kind::Ring(engine)) => engine.blocked(),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => Blocked::No,
        }
    }

    /// Hands over every datagram emitted since the last call, in order.
    pub fn take_output(&mut self, sink: &mut dyn FnMut(&[u8])) {
        each!(self, engine => engine.take_output(sink))
    }

    /// When [`flush`](Engine::flush) must be called although nothing else happens; `None` when
    /// quiescent, that is with nothing unacknowledged. What was written or received since the last
    /// flush is no deadline: [`needs_flush`](Engine::needs_flush) tells of that. After `flush(now)`
    /// the deadline lies after `now`.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        each!(self, engine => engine.poll_timeout(now))
    }

    /// Takes a round-trip time that the conversation's opening took, if none is known yet: so the
    /// first timeout is that of the path, and not 200 ms on every path. Where it `is_certain`, the path
    /// takes no longer than that.
    pub fn seed_rtt(&mut self, now: Time, rtt: Duration, is_certain: bool) {
        each!(self, engine => engine.seed_rtt(now, rtt, is_certain))
    }

    /// Takes the round-trip time of the path that something else has measured, if none is known yet.
    pub fn take_rtt(&mut self, now: Time, rtt: Duration) {
        each!(self, engine => engine.take_rtt(now, rtt))
    }

    /// The peer is heard again after a silence in which something got lost: what is unacknowledged leaves
    /// in the next [`flush`](Engine::flush), a first flight of it at once, and the timeouts that grew
    /// in the silence begin anew.
    pub fn restart(&mut self, now: Time) {
        each!(self, engine => engine.restart(now))
    }

    /// Whoever should have got what is in flight has lost its memory: it leaves again in the next
    /// [`flush`](Engine::flush), a first flight of it at once.
    pub fn send_anew(&mut self, now: Time) {
        each!(self, engine => engine.send_anew(now))
    }

    /// The retransmission timeout of what is sent now, in milliseconds.
    pub fn rto_ms(&self) -> u32 {
        each!(self, engine => engine.rto_ms())
    }

    /// What an answer takes, in milliseconds: a round trip, or the timeout where none is known.
    pub fn answer_ms(&self) -> u32 {
        each!(self, engine => engine.answer_ms())
    }

    /// Tells whether there is memory to [`shrink`](Engine::shrink): only where it is empty and quiescent, and
    /// has carried a good deal since it last did.
    pub fn can_shrink(&self) -> bool {
        each!(self, engine => engine.can_shrink())
    }

    /// Gives back the memory that a quiescent engine needs only when it carries data again. What it
    /// has learnt of the path may go with it, as after a long silence it should (RFC 5681, 4.1).
    pub fn shrink(&mut self) {
        each!(self, engine => engine.shrink())
    }

    /// A header of this conversation with the current `wnd`, `una` and clock, `sn` and `len` 0.
    pub fn header(&self, now: Time, cmd: u8, frg: u8) -> Header {
        each!(self, engine => engine.header(now, cmd, frg))
    }

    /// The window that the peer announces, in segments.
    pub fn rmt_wnd(&self) -> u16 {
        each!(self, engine => engine.rmt_wnd())
    }

    /// Segments that were written and are not yet acknowledged, sent or not.
    pub fn unacked(&self) -> usize {
        each!(self, engine => engine.unacked())
    }

    /// Segments that were written and not yet sent.
    pub fn unsent(&self) -> usize {
        each!(self, engine => engine.unsent())
    }

    /// The sequence number that the next segment sent for the first time will get. Segments that
    /// wait to be sent ([`unsent`](Engine::unsent)) will take the numbers from here.
    pub fn snd_nxt(&self) -> u32 {
        each!(self, engine => engine.snd_nxt())
    }

    /// Everything below it has been received without a gap. The `una` of a header may lag behind
    /// it while the reader leaves the receive window full.
    pub fn rcv_nxt(&self) -> u32 {
        each!(self, engine => engine.rcv_nxt())
    }

    /// Tells whether a segment is in flight that was sent with this number at this clock.
    pub fn in_flight(&self, sn: u32, ts: u32) -> bool {
        each!(self, engine => engine.in_flight(sn, ts))
    }

    /// Tells whether this header could be the peer's next words: `una` within what was sent and not far behind,
    /// the `sn` of a PUSH within a window of what is expected.
    pub fn plausible(&self, header: &Header) -> bool {
        each!(self, engine => engine.plausible(header))
    }

    /// The most often a segment that is still in flight has been sent.
    pub fn worst_transmits(&self) -> u32 {
        each!(self, engine => engine.worst_transmits())
    }

    /// Sends a segment that is lost again twice at once, from its second retransmission on, while the peer's
    /// window keeps what follows from being sent: then everything waits for one segment, and about 1 % more
    /// datagrams save round trips. For paths that lose by chance; where they lose because they are full, it
    /// would make matters worse. Off at first; the `kcp` crate's engine never does it.
    pub fn set_repeat_twice(&mut self, twice: bool) {
        match &mut self.0 {
            Kind::Ring(engine) => engine.set_repeat_twice(twice),
            #[cfg(feature = "kcp")]
            Kind::Kcp(_) => {}
        }
    }

    /// What has been sent, acknowledged and lost since the last call: what a path's rate is made of. To be
    /// taken after [`handle_datagram`](Engine::handle_datagram) or [`flush`](Engine::flush), as often as is
    /// convenient. The `kcp` crate does not tell what was sent again in vain.
    pub fn take_flow(&mut self) -> FlowReport {
        each!(self, engine => engine.take_flow())
    }

    /// Has anything been acknowledged, or found to be lost, since [`take_flow`](Engine::take_flow)?
    pub(crate) fn has_flow(&self) -> bool {
        each!(self, engine => engine.has_flow())
    }

    /// Has what is in flight timed out again and again, without an answer? Never, with the `kcp` crate.
    pub fn is_written_off(&self, now: Time) -> bool {
        match self {
            Engine(Kind::Ring(engine)) => engine.is_written_off(now),
            #[cfg(feature = "kcp")]
            Engine(Kind::Kcp(_)) => false,
        }
    }

    /// Bytes of the segments that are sent and not acknowledged, each once, with their headers.
    pub fn in_flight_bytes(&self) -> u64 {
        each!(self, engine => engine.in_flight_bytes())
    }

    /// Counters and gauges.
    pub fn stats(&self) -> EngineStats {
        each!(self, engine => engine.stats())
    }
}

#[cfg(test)]
mod tests;
