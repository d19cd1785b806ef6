//! Round-trip times to a KCP server without a conversation.

#[cfg_attr(not(feature = "secure"), path = "ping/channel_absent.rs")]
mod channel;

use std::fmt;
use std::future::{poll_fn, Future};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use async_io::Timer;

use self::channel::Channel;
use super::clock::{self, Clock};
use super::driver::rebinding::Rebinding;
use super::transport::{canonical, Datagram, Datagrams, Transport};
use crate::{KcpConfig, KcpError};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::wire::{Header, View, CMD_ACK, CMD_PUSH, CMD_WINS, CODE_RST};
use smol_kcp_proto::Random;

/// Datagrams received at a time: one is expected.
const BATCH: usize = 16;

/// Datagrams sent at a time: the question, and what a handshake has to say.
const OUTGOING: usize = 4;

/// Limits the batches that are read and discarded before a ping: a flood would never end.
const OLD_BATCHES: usize = 8;

/// Unanswered pings in a row after which the local address may be the cause, as on a router whose
/// WAN address has changed. That, and not one lost of slow pings, is what the silence is.
const UNANSWERED: u32 = 3;

/// Measures round trips to a KCP server.
///
/// A ping is an empty data segment (24 bytes) of a random conversation number, with a random clock
/// and a random sequence number that lies before the beginning of every conversation. An answer
/// that repeats both comes from a peer that has seen the ping.
///
/// - An endpoint of this crate does not know the conversation and answers with a reset that repeats
///   both: it keeps nothing and accepts no stream. It gives at most 200 such answers a second
///   to one IPv4 address or IPv6 /64.
/// - Stock implementations (`ikcp.c`, kcp-go, tokio_kcp) acknowledge the segment as a repeated one,
///   by their next flush: their `interval` is part of the time. To their listeners every datagram of
///   an unknown peer begins a session, which receives nothing and goes when it expires: one for each
///   `KcpPing`, not for each ping. Servers that encrypt or have FEC in front do not answer, and cannot be asked
///   (`KcpConfig::kcp_go`): each `KcpPing` would leave such a server with a session, which smux keeps for minutes.
/// - A server with keys (`KcpConfig::secure`) answers those who have fitting ones, inside an encrypted
///   channel. Its handshake is no part of the time, but has to be done within that of a ping.
///
/// Nothing is spawned: all work is done while [`ping`](KcpPing::ping) is polled.
///
/// # Examples
///
/// ```no_run
/// use smol_kcp::{KcpConfig, KcpPing};
/// use std::time::Duration;
///
/// # async fn run() -> Result<(), smol_kcp::KcpError> {
/// let mut server = KcpPing::connect(&KcpConfig::default(), "server.example:4000").await?;
/// println!("{:?}", server.ping(Duration::from_secs(2)).await?);
/// # Ok(())
/// # }
/// ```
pub struct KcpPing {
    transport: Box<dyn Transport>,
    peer: SocketAddr,
    conv: u32,
    clock: Clock,
    random: Random,
    /// With a server that has keys.
    channel: Option<Channel>,
    outgoing: Datagrams,
    incoming: Datagrams,
    /// Unanswered pings in a row, the one under way included, and when the first was sent.
    unanswered: u32,
    unanswered_at: Time,
    rebinding: Rebinding,
}

impl KcpPing {
    /// Pings `peer` over any transport.
    pub fn over(transport: impl Transport, peer: SocketAddr) -> KcpPing {
        let mut random = Random::new(clock::entropy());
        KcpPing {
            transport: Box::new(transport),
            peer: canonical(peer),
            conv: random.nonzero(),
            clock: Clock::new(),
            random,
            channel: None,
            outgoing: Datagrams::new(OUTGOING),
            incoming: Datagrams::new(BATCH),
            unanswered: 0,
            unanswered_at: Time::ZERO,
            rebinding: Rebinding::new(),
        }
    }

    /// Pings `peer` over any transport as an endpoint of this configuration connects to it: with its keys, if
    /// there are any.
    ///
    /// # Errors
    /// [`KcpError::Config`] where there are keys and none of a server, and with `KcpConfig::kcp_go`;
    /// [`KcpError::Io`] without randomness.
    pub fn with_config(
        config: &KcpConfig,
        transport: impl Transport,
        peer: SocketAddr,
    ) -> Result<KcpPing, KcpError> {
        #[cfg(feature = "kcptun")]
        if config.kcp_go.is_some() {
            return Err(KcpError::Config {
                field: "kcp_go",
                value: "a cipher and parity".into(),
                accepted: "none for a ping: kcp-go answers only in a session".into(),
            });
        }
        let mut ping = KcpPing::over(transport, peer);
        ping.channel = Channel::of(config, ping.peer, ping.clock.now())?;
        Ok(ping)
    }

    /// Returns the address that is pinged.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }

    /// Sends one ping and waits for its answer; returns the time between the two, in whole
    /// microseconds. Answers to other pings, late ones and copies, do not count.
    ///
    /// After three pings in a row and three seconds without an answer the next one leaves from a
    /// fresh port, where the transport can [`rebind`](Transport::rebind); then after twice that time,
    /// and so on, as an endpoint does it.
    ///
    /// # Errors
    /// [`KcpError::TimedOut`] without an answer within `timeout`; [`KcpError::Refused`] where the
    /// peer's system says that nobody listens; [`KcpError::Io`] when the transport fails.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the ping counts as lost; the next one is not disturbed.
    pub async fn ping(&mut self, timeout: Duration) -> Result<Duration, KcpError> {
        let now = self.clock.now();
        let is_silent =
            |span| self.unanswered >= UNANSWERED && now.since(self.unanswered_at) >= span;
        if self.rebinding.is_due(now, is_silent) {
            self.rebinding.attempt(now, &mut *self.transport);
        }
        if self.unanswered == 0 {
            self.unanswered_at = now;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        poll_fn(|cx| Poll::Ready(self.discard_late(cx))).await?;

        let mut asking = Asking::new(self.question());
        self.outgoing.clear();
        let deadline = self.clock.now() + timeout;
        let (mut timer, mut armed) = (Timer::never(), None);
        let answered = poll_fn(|cx| loop {
            if self.poll_answer(cx, &mut asking, deadline)?.is_ready() {
                return Poll::Ready(Ok(self.clock.now()));
            }
            // The handshake may have something to repeat before that.
            let due = self.channel.as_ref().and_then(Channel::poll_timeout);
            let next = due.map_or(deadline, |due| due.min(deadline));
            if armed != Some(next) {
                armed = Some(next);
                timer = self.clock.instant(next).map_or_else(Timer::never, Timer::at);
            }
            ready!(Pin::new(&mut timer).poll(cx));
            armed = None;
            if self.clock.now() >= deadline {
                return Poll::Ready(Err(KcpError::TimedOut));
            }
        });
        let answered: Time = answered.await?;
        self.unanswered = 0;
        self.rebinding.heard();
        Ok(answered.since(asking.sent))
    }

    /// Discards what has arrived since the last ping: late answers and errors about it.
    fn discard_late(&mut self, cx: &mut Context<'_>) -> Result<(), KcpError> {
        for _ in 0..OLD_BATCHES {
            self.incoming.clear();
            match self.transport.poll_recv(cx, &mut self.incoming) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) if !is_refused(&error) => return Err(error.into()),
                Poll::Ready(_) => {}
            }
            // The channel's own are not late.
            if let Some(channel) = &mut self.channel {
                for datagram in self.incoming.iter().filter(|it| it.peer == self.peer) {
                    channel.open(self.clock.now(), datagram.peer, datagram.payload);
                }
            }
        }
        Ok(())
    }

    /// Makes the segment of one ping.
    fn question(&mut self) -> Header {
        Header {
            conv: self.conv,
            cmd: CMD_PUSH,
            // The last 2^30 numbers before 0, the first of every conversation: a peer that has this
            // conversation takes the segment for a repetition, and no peer begins one with it.
            sn: self.random.next_u32() | 0xc000_0000,
            ts: self.random.next_u32(),
            // A closed window: a stock peer that sends a banner keeps it.
            wnd: 0,
            ..Header::default()
        }
    }

    /// Puts the question into what leaves, as soon as it can be asked.
    fn ask(&mut self, asking: &mut Asking) {
        let now = self.clock.now();
        if let Some(channel) = &mut self.channel {
            let is_new = channel.transmit(now, self.peer, &mut self.outgoing);
            if is_new && asking.asked {
                // Perhaps nobody could read the question: a server that began anew has forgotten the former keys.
                *asking = Asking::new(self.question());
            }
        }
        if !asking.asked {
            let question = asking.question.encode();
            asking.asked = match &mut self.channel {
                Some(channel) => channel.seal(now, self.peer, &question, &mut self.outgoing),
                None => self.outgoing.push(Datagram::new(self.peer, &question)),
            };
            asking.waits = asking.asked;
        }
        if asking.waits {
            asking.sent = now;
        }
    }

    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        asking: &mut Asking,
        deadline: Time,
    ) -> Poll<Result<(), KcpError>> {
        loop {
            self.ask(asking);
            match self.transport.poll_send(cx, &mut self.outgoing) {
                // The refusal was about an earlier ping; one about this ping is reported by receiving.
                Poll::Ready(Err(error)) if is_refused(&error) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            asking.waits &= !self.outgoing.is_empty();
            self.incoming.clear();
            match ready!(self.transport.poll_recv(cx, &mut self.incoming)) {
                Err(error) if is_refused(&error) => return Poll::Ready(Err(KcpError::Refused)),
                Err(error) => return Poll::Ready(Err(error.into())),
                Ok(()) => {}
            }
            if self.is_answered(asking) {
                return Poll::Ready(Ok(()));
            }
            // Checked here too: in a flood the loop would not get to the timer.
            if self.clock.now() > deadline {
                return Poll::Ready(Err(KcpError::TimedOut));
            }
        }
    }

    /// Returns whether the answer is among what has arrived.
    fn is_answered(&mut self, asking: &Asking) -> bool {
        let now = self.clock.now();
        let channel = &mut self.channel;
        let mut received = self.incoming.iter().filter(|it| it.peer == self.peer);
        received.any(|datagram| match channel {
            None => answers(&asking.question, datagram.payload),
            Some(channel) => channel
                .open(now, datagram.peer, datagram.payload)
                .is_some_and(|content| answers(&asking.question, content)),
        })
    }
}

/// A ping that waits for its answer.
struct Asking {
    question: Header,
    /// It has been handed to the transport, or to what leaves next.
    asked: bool,
    /// It is still in what leaves next.
    waits: bool,
    /// When it left.
    sent: Time,
}

impl Asking {
    fn new(question: Header) -> Asking {
        Asking { question, asked: false, waits: false, sent: Time::ZERO }
    }
}

fn is_refused(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

/// Returns whether `datagram` has a reset or an acknowledgement that repeats clock and number.
fn answers(question: &Header, datagram: &[u8]) -> bool {
    let is_answer = |header: Header| {
        let Header { cmd, frg, sn, ts, .. } = header;
        (cmd == CMD_ACK || (cmd, frg) == (CMD_WINS, CODE_RST))
            && (sn, ts) == (question.sn, question.ts)
    };
    View::new(datagram)
        .is_ok_and(|view| view.conv() == question.conv && view.headers().any(is_answer))
}

impl fmt::Debug for KcpPing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpPing").field("peer_addr", &self.peer).finish_non_exhaustive()
    }
}
