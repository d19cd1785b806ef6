//! One conversation's life: what opens it, keeps it alive, moves it and ends it.
//!
//! The engine carries the bytes. Everything here is about the conversation as such, told to the
//! peer by control codes in WASK and WINS segments that stock peers take for window probes (see
//! [`crate::wire`]).

mod channel;
mod closing;
#[cfg(feature = "kcptun")]
mod kcp_go;
mod memory;
mod migration;
mod mtu;
mod pieces;
mod proof;
mod receive;
mod stats;
mod timers;
mod transmit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::migration::Challenge;
pub(crate) use self::migration::NewPath;
use self::mtu::Probes;
use self::pieces::Pieces;
use self::proof::Third;
pub(crate) use self::proof::{question, AnotherLife, Proof};
use self::stats::Counters;
use self::timers::Stall;
use super::arq::{ArqParams, BufferPool, Engine};
use super::control::Control;
use super::random::Random;
use super::secret::Secret;
use crate::config::KcpConfig;
use crate::error::KcpError;
use crate::path::{ChannelKey, Path, PeerId};
use crate::time::Time;

/// There may be something to read, or the end of it.
pub const READABLE: u8 = 1;
/// There may be room to write; connecting or closing may have come further.
pub const WRITABLE: u8 = 2;

/// Datagrams this side sent, of which the first segment is remembered to recognise an RST.
const RECENT: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// This side opened the conversation.
    Client,
    /// The peer did.
    Server,
}

/// What is known of the peer's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerKind {
    Unknown,
    /// It understands the control codes.
    Native,
    /// It answered one of them as an ordinary window probe.
    Stock,
}

/// The client's HELLO.
#[derive(Clone, Copy, Debug)]
struct Hello {
    nonce: u32,
    tries: u32,
    /// When it is sent next; `None` once it has been answered.
    next: Option<Time>,
}

/// The end of what this side writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    /// The application may write.
    Open,
    /// Closed; what was written is still on its way out.
    Wanted,
    /// Told to the peer as often as `tries`, next at `next`.
    Sent { sn: u32, tries: u32, next: Time },
    /// The peer knows, or never will.
    Done,
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<KcpConfig>,
    conv: u32,
    peer: SocketAddr,
    /// The own address that the peer was asked at.
    local: Option<IpAddr>,
    /// The channel of the encrypted mode that it runs in.
    channel: Option<ChannelKey>,
    role: Role,
    /// Bytes of the largest datagram now, less the overhead of the layers.
    mtu: usize,
    /// What is asked of the path's length, once it was.
    probes: Option<Box<Probes>>,
    /// Segments that arrive in pieces, once one did.
    pieces: Option<Box<Pieces>>,
    /// Where the numbers of both directions begin.
    sn_base: u32,
    engine: Engine,
    peer_kind: PeerKind,
    hello: Option<Hello>,
    /// The most that the peer has acknowledged without a gap.
    peer_una: u32,
    /// Since when all that the peer says takes something of that back.
    #[cfg(feature = "kcptun")]
    doubted_at: Option<Time>,
    /// The nonces of the client's HELLO and of the server's answer, once both are known.
    hello_nonces: Option<(u32, u32)>,
    /// The client's proof of its address, until the server shows that it has it.
    third: Option<Third>,
    secret: Secret,
    /// Something has been heard from the peer.
    established: bool,
    /// The peer has proved that it receives what we send.
    confirmed: bool,
    /// An unconfirmed peer has said something, and is to be asked for a proof.
    owes_question: bool,
    /// When an unconfirmed peer was last asked, and how often.
    asked_at: Option<Time>,
    times_asked: u8,
    /// The peer's clock, and when it was heard.
    peer_clock: Option<(u32, Time)>,
    /// The round trip that the opening took.
    opening_rtt: Option<Duration>,
    /// The last flush was given no window, or had one left: so it lacked that, or pace.
    lacks_window: bool,
    /// A write found no room.
    blocked: bool,
    /// The peer announces that it has no room.
    peer_window_closed: bool,
    fin: Fin,
    /// The peer's last sequence number, once it said so.
    peer_fin: Option<u32>,
    /// The application reads no more.
    read_closed: bool,
    /// No handle is left: nobody reads, and `linger` runs since then.
    released_at: Option<Time>,
    /// When the application closed the writing side.
    closed_at: Time,
    error: Option<KcpError>,
    opened_at: Time,
    last_heard_at: Time,
    last_progress_at: Time,
    /// When the peer was last heard again after a silence in which something got lost.
    returned_at: Time,
    /// When the engine's back-off began anew.
    restarted_at: Time,
    stall: Stall,
    last_ping_at: Time,
    /// When the peer was last heard, and asked, in any of its conversations, as far as this one knows.
    peer_heard_at: Time,
    peer_asked_at: Time,
    /// The first sign of life asked for since the last one came.
    first_unanswered_ping_at: Time,
    /// When a small write that waits for company must leave.
    flush_at: Option<Time>,
    /// Control segments for the next flush: `cmd`, `frg`, `sn`, `ts`.
    control: Vec<Control>,
    challenges: Vec<Challenge>,
    /// What RSTs and the answers to probes echo of the latest datagrams sent: `sn` and `ts` of
    /// their [echoes](super::control::reset_echo).
    recent: [Option<(u32, u32)>; RECENT],
    recent_at: usize,
    /// `sn` and `ts` of the peer's last words that an RST can echo.
    last: Option<(u32, u32)>,
    ready: u8,
    /// Bytes that may be held to send and to receive, and from how many on that is no bound.
    share: (usize, usize),
    widest: (usize, usize),
    /// Bytes set aside for the receive window, and those that were read, or acknowledged by the peer.
    reserve: usize,
    drained: usize,
    stats: Counters,
}

/// What a session is born with.
#[derive(Debug)]
pub(crate) struct SessionParams {
    pub config: Arc<KcpConfig>,
    pub conv: u32,
    pub path: Path,
    pub role: Role,
    /// Bytes of the largest datagram, and the most that it may grow to.
    pub mtu: usize,
    pub max_mtu: usize,
    pub sn_base: u32,
    /// The endpoint's, for the proofs of addresses.
    pub secret: Secret,
    /// Memory for payload that the sessions of an endpoint share.
    pub pool: BufferPool,
}

impl Session {
    pub(crate) fn new(
        birth: SessionParams,
        now: Time,
        random: &mut Random,
    ) -> Result<Session, KcpError> {
        let SessionParams { config, conv, path, role, mtu, max_mtu, sn_base, secret, pool } = birth;
        let ts_base = random.next_u32();
        let mut engine =
            Engine::new(ArqParams { conv, config: &config, mtu: max_mtu, now, ts_base, sn_base })?;
        engine.set_mtu(mtu);
        engine.share(&pool);
        let hello = match role {
            Role::Client => Some(Hello { nonce: random.nonzero(), tries: 0, next: Some(now) }),
            Role::Server => None,
        };
        let widest = engine.widest();
        Ok(Session {
            config,
            conv,
            peer: path.peer,
            local: path.local,
            channel: path.channel,
            role,
            mtu,
            probes: None,
            pieces: None,
            sn_base,
            engine,
            // No other kind speaks inside a channel.
            peer_kind: path.channel.map_or(PeerKind::Unknown, |_| PeerKind::Native),
            hello,
            peer_una: sn_base,
            #[cfg(feature = "kcptun")]
            doubted_at: None,
            hello_nonces: None,
            third: None,
            secret,
            established: role == Role::Server,
            // In a channel nobody is without having proved more than an address.
            confirmed: role == Role::Client || path.channel.is_some(),
            owes_question: false,
            asked_at: None,
            times_asked: 0,
            peer_clock: None,
            opening_rtt: None,
            lacks_window: false,
            blocked: false,
            peer_window_closed: false,
            fin: Fin::Open,
            peer_fin: None,
            read_closed: false,
            released_at: None,
            closed_at: now,
            error: None,
            opened_at: now,
            last_heard_at: now,
            last_progress_at: now,
            returned_at: now,
            restarted_at: now,
            stall: Stall::Unseen,
            last_ping_at: now,
            peer_heard_at: now,
            peer_asked_at: now,
            first_unanswered_ping_at: now,
            flush_at: None,
            control: Vec::new(),
            challenges: Vec::new(),
            recent: [None; RECENT],
            recent_at: 0,
            last: None,
            ready: 0,
            share: widest,
            widest,
            reserve: 0,
            drained: 0,
            stats: Counters::default(),
        })
    }

    pub(crate) fn conv(&self) -> u32 {
        self.conv
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn path(&self) -> Path {
        Path { peer: self.peer, local: self.local, channel: self.channel }
    }

    /// Returns who it is with.
    pub(crate) fn peer_id(&self) -> PeerId {
        self.path().id()
    }

    /// Takes the number that the peer allocated for a conversation opened without one.
    pub(crate) fn adopt(&mut self, conv: u32) {
        self.conv = conv;
        self.engine.set_conv(conv);
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn error(&self) -> Option<&KcpError> {
        self.error.as_ref()
    }

    /// Returns when the peer last gave a sign of life.
    pub(crate) fn last_heard(&self) -> Time {
        self.last_heard_at
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Returns whether `connect` may return. It need not wait at all without a timeout.
    pub(crate) fn is_connected(&self) -> bool {
        self.established || (self.config.connect_timeout.is_none() && self.conv != 0)
    }

    /// Returns whether the answer is outstanding that shows that there is a peer at all.
    pub(crate) fn is_connecting(&self) -> bool {
        self.role == Role::Client && !self.established && self.error.is_none()
    }

    /// Takes what the send budget has room for; `None`: nothing now.
    pub(crate) fn write(&mut self, now: Time, buf: &[u8]) -> Result<Option<usize>, KcpError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if self.fin != Fin::Open {
            return Err(KcpError::Closed);
        }
        // Time without data is not time without progress.
        let quiet = self.engine.unacked() == 0;
        let taken =
            if self.confirmed { self.engine.write(buf)? } else { self.write_unproven(buf)? };
        if taken == 0 {
            self.blocked = !buf.is_empty();
            return Ok(buf.is_empty().then_some(0));
        }
        if quiet {
            self.last_progress_at = now;
        }
        self.stats.bytes_sent = self.stats.bytes_sent.wrapping_add(taken as u64);
        if !self.config.flush_write {
            let interval = Duration::from_millis(u64::from(self.config.nodelay.interval));
            // A full segment needs no company (Nagle, RFC 9293, 3.7.4, waits for less than one
            // too).
            let small = self.engine.unsent() <= 1;
            self.flush_at = small.then(|| self.flush_at.unwrap_or(now + interval));
        }
        Ok(Some(taken))
    }

    /// Wakes the writer where there may be room again.
    fn wake_writer(&mut self) {
        if self.blocked && self.confirmed && self.engine.writable() {
            self.blocked = false;
            self.ready |= WRITABLE;
        }
    }

    /// Ends the wait of small writes for company.
    pub(crate) fn flush_writes(&mut self) -> Result<(), KcpError> {
        self.flush_at = None;
        self.error.clone().map_or(Ok(()), Err)
    }

    /// Reads bytes (`whole` false) or a message; `None`: nothing now; `Some(0)`: the end.
    pub(crate) fn read(&mut self, buf: &mut [u8], whole: bool) -> Result<Option<usize>, KcpError> {
        if let Some(n) = self.engine.read(buf, whole)? {
            self.stats.bytes_received = self.stats.bytes_received.wrapping_add(n as u64);
            self.drained = self.drained.wrapping_add(n);
            return Ok(Some(n));
        }
        self.nothing_to_read()
    }

    /// Copies what the next read begins with, in message mode of one message, and leaves it; otherwise
    /// as [`read`](Session::read).
    pub(crate) fn peek(&self, buf: &mut [u8]) -> Result<Option<usize>, KcpError> {
        self.engine.peek(buf).map_or_else(|| self.nothing_to_read(), |n| Ok(Some(n)))
    }

    /// Tells why there is nothing to read: the end, a failure, or nothing yet.
    fn nothing_to_read(&self) -> Result<Option<usize>, KcpError> {
        match &self.error {
            // What was read to its end has ended well, whatever failed after it.
            _ if self.read_closed || self.at_end() => Ok(Some(0)),
            Some(error) => Err(error.clone()),
            None => Ok(None),
        }
    }

    /// Ends reading: what has come and what comes is acknowledged and let go, so that the peer's writer
    /// does not wait.
    pub(crate) fn close_read(&mut self) {
        self.read_closed = true;
        self.engine.discard();
        self.ready |= READABLE;
    }

    /// Returns what became possible for the handles since the last call, as bits.
    pub(crate) fn take_ready(&mut self) -> u8 {
        std::mem::take(&mut self.ready)
    }

    pub(crate) fn has_events(&self) -> bool {
        self.ready != 0
    }
}
