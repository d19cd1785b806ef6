//! A session without a transport, tasks and clocks: bytes and time come in as arguments, and bytes go out.
//!
//! After any call, [`Connection::poll_event`] says which streams have become ready, and
//! [`Connection::take_attention`] whether there is something to send or to read.

mod decoder;
mod keepalive;
mod output;
mod queues;
mod receive;
mod send;
mod stream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use self::decoder::Decoder;
use self::keepalive::KeepAlive;
use self::stream::{Fin, Pool, StreamState};
use crate::config::Config;
use crate::error::Error;
use crate::frame::{Version, HEADER_LEN};

pub use self::output::Output;

/// Streams that are remembered after this side has let go of them and before the peer has closed them.
const MOST_GONE: usize = 1024;

/// Tells which end of a session this is: whose streams have odd numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opens streams 3, 5, 7 and so on.
    Client,
    /// Opens streams 2, 4, 6 and so on.
    Server,
}

/// Says what has become possible; see [`Connection::poll_event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer has opened a stream: [`accept`](Connection::accept) gives it.
    Incoming,
    /// A stream that had nothing to [`read`](Connection::read) has something, or has ended.
    Readable(u32),
    /// A stream that could not [`write`](Connection::write) or [`flush`](Connection::flush) may try again.
    Writable(u32),
}

/// Figures of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Streams that exist now, those included that wait to be accepted or whose last bytes wait to be sent.
    pub streams: usize,
    /// Streams that this side has opened.
    pub opened: u64,
    /// Streams that the peer has opened, without the refused ones.
    pub accepted: u64,
    /// Streams of the peer that were closed at once, because of
    /// [`max_streams`](Config::max_streams), [`backlog`](Config::backlog) or as nobody accepts.
    pub refused: u64,
    /// Bytes received and not yet read by the application.
    pub receive_buffered: usize,
    /// Bytes written by the application and not yet handed on.
    pub send_buffered: usize,
    /// Bytes that came from the transport, headers included.
    pub received: u64,
    /// Bytes that were handed to the transport, headers included.
    pub sent: u64,
}

/// One end of a session, without a transport.
///
/// Streams are known by their numbers. Whoever has one, from [`open`](Connection::open) or
/// [`accept`](Connection::accept), must [`release`](Connection::release) it.
///
/// # Examples
///
/// ```
/// use smol_smux::connection::{Connection, Output, Role};
/// use smol_smux::Config;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), smol_smux::Error> {
/// let now = Duration::ZERO; // since a beginning of the caller's choice
/// let mut client = Connection::new(Role::Client, Config::default(), now)?;
/// let mut server = Connection::new(Role::Server, Config::default(), now)?;
/// let stream = client.open()?;
/// assert_eq!(client.write(stream, b"hello")?, Some(5));
///
/// let mut wire = Output::new();
/// client.poll_output(now, usize::MAX, &mut wire);
/// server.handle_input(now, wire.front())?;
///
/// let stream = server.accept().unwrap();
/// let mut buf = [0; 16];
/// assert_eq!(server.read(stream, &mut buf)?, Some(5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    config: Config,
    role: Role,
    /// The number of the next stream of ours; `None` when they are used up.
    next_id: Option<u32>,
    /// Boxed: nodes of the tree are half empty where numbers only grow.
    streams: BTreeMap<u32, Box<StreamState>>,
    decoder: Decoder,
    incoming: VecDeque<u32>,
    accepting: bool,
    closing: bool,
    ended: Option<Error>,
    /// Invariant: the sum of what the streams have received and not read.
    unread: usize,
    /// Invariant: the sum of what the streams have pending.
    pending: usize,
    /// Streams with a SYN or an update to send; before all data.
    control: VecDeque<u32>,
    /// Streams with bytes or a FIN to send, in turn.
    data: VecDeque<u32>,
    /// Streams that found the send buffer of the session full, in the order in which they came.
    blocked: VecDeque<u32>,
    /// Streams that wait until so many bytes of the session have left.
    flushing: BTreeSet<(u64, u32)>,
    /// FINs for streams that do not exist here.
    replies: VecDeque<u32>,
    /// Streams that this side let go of and the peer did not: what arrives for them is answered once.
    gone: BTreeSet<u32>,
    events: VecDeque<Event>,
    keep_alive: KeepAlive,
    /// Reading was stopped by the receive buffer when last looked at.
    paused: bool,
    /// There is something new for whoever reads and writes the transport.
    attention: bool,
    /// Bytes of the session that the transport has taken.
    confirmed: u64,
    pool: Pool,
    spare: Vec<Vec<u8>>,
    stats: Stats,
}

impl Connection {
    /// Makes one end; the peer must be the other [`Role`]. Nothing is exchanged until a stream is opened.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(role: Role, config: Config, now: Duration) -> Result<Connection, Error> {
        config.check()?;
        Ok(Connection {
            role,
            next_id: Some(match role {
                Role::Client => 3,
                Role::Server => 2,
            }),
            streams: BTreeMap::new(),
            decoder: Decoder::new(),
            incoming: VecDeque::new(),
            accepting: true,
            closing: false,
            ended: None,
            unread: 0,
            pending: 0,
            control: VecDeque::new(),
            data: VecDeque::new(),
            blocked: VecDeque::new(),
            flushing: BTreeSet::new(),
            replies: VecDeque::new(),
            gone: BTreeSet::new(),
            events: VecDeque::new(),
            keep_alive: KeepAlive::new(&config, now),
            paused: false,
            attention: false,
            confirmed: 0,
            pool: Pool::default(),
            spare: Vec::new(),
            stats: Stats::default(),
            config,
        })
    }

    /// Opens a stream. The peer learns of it with the next output, and answers nothing.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`], [`Error::StreamIdsExhausted`], [`Error::Closed`] after
    /// [`close`](Connection::close), or what ended the session.
    pub fn open(&mut self) -> Result<u32, Error> {
        self.check_open()?;
        if self.streams.len() >= self.config.max_streams {
            return Err(Error::TooManyStreams { limit: self.config.max_streams });
        }
        let id = self.next_id.ok_or(Error::StreamIdsExhausted)?;
        self.next_id = id.checked_add(2);
        let mut stream = Box::new(StreamState::new());
        stream.syn_due = true;
        stream.in_control = true;
        self.control.push_back(id);
        self.streams.insert(id, stream);
        self.attention = true;
        self.stats.opened += 1;
        Ok(id)
    }

    /// Takes the stream that has waited longest to be accepted.
    pub fn accept(&mut self) -> Option<u32> {
        self.incoming.pop_front()
    }

    /// Sets whether the peer may open streams; it may at first. If not, those that wait are closed, and
    /// so is each that comes.
    pub fn set_accepting(&mut self, accepting: bool) {
        self.accepting = accepting;
        if !accepting {
            let waiting = std::mem::take(&mut self.incoming);
            waiting.into_iter().for_each(|id| self.release(id));
        }
    }

    /// Reads from a stream: the number of bytes, 0 at its end or for an empty `buf`. `None`: there is
    /// nothing yet, and an event will tell.
    ///
    /// # Errors
    /// What ended the session, once everything that had arrived is read. [`Error::Closed`] for a stream
    /// that was released.
    pub fn read(&mut self, id: u32, buf: &mut [u8]) -> Result<Option<usize>, Error> {
        let stream = self.streams.get_mut(&id).ok_or(Error::Closed)?;
        let n = stream.read(buf);
        if n == 0 {
            return match &self.ended {
                _ if buf.is_empty() || stream.peer_finished => Ok(Some(0)),
                Some(error) => Err(error.clone()),
                None => {
                    stream.waits_read = true;
                    Ok(None)
                }
            };
        }
        stream.give_back(&mut self.pool);
        // Whoever finished needs no window.
        let told = self.config.version == Version::V1 || stream.peer_finished;
        if !told && stream.consume(n, self.config.max_stream_buffer as u32) {
            stream.update_due = true;
            self.queue_control(id);
        }
        self.uncount_unread(n);
        Ok(Some(n))
    }

    /// Writes to a stream: the number of bytes taken, more than 0 unless `data` is empty. `None`: there is
    /// no room, and an event will tell. A stream takes no more than one frame ahead of the transport.
    ///
    /// # Errors
    /// [`Error::Closed`] after [`finish`](Connection::finish), [`Error::PeerClosed`], or what ended the
    /// session.
    pub fn write(&mut self, id: u32, data: &[u8]) -> Result<Option<usize>, Error> {
        self.check_ended()?;
        let stream = self.streams.get_mut(&id).ok_or(Error::Closed)?;
        if stream.fin != Fin::Open {
            return Err(Error::Closed);
        }
        if stream.peer_gone {
            return Err(Error::PeerClosed);
        }
        if data.is_empty() {
            return Ok(Some(0));
        }
        let room = self.config.max_send_buffer.saturating_sub(self.pending);
        let frame = self.config.max_frame_size.saturating_sub(stream.pending());
        let n = data.len().min(frame).min(room).min(stream.window(self.config.version));
        if n == 0 {
            stream.waits_write = true;
            if room == 0 && !std::mem::replace(&mut stream.in_blocked, true) {
                self.blocked.push_back(id);
            }
            return Ok(None);
        }
        if stream.frame.is_empty() {
            stream.frame = self.spare.pop().unwrap_or_default();
            stream.frame.extend_from_slice(&[0; HEADER_LEN]); // filled in when it leaves
        }
        stream.frame.extend_from_slice(&data[..n]);
        stream.count_written(n);
        self.pending += n;
        self.queue_data(id);
        Ok(Some(n))
    }

    /// Asks whether everything written to a stream has left, FIN included after
    /// [`finish`](Connection::finish). `None`: not yet, and an event will tell.
    ///
    /// # Errors
    /// [`Error::PeerClosed`], as bytes may have been thrown away; what ended the session.
    pub fn flush(&mut self, id: u32) -> Result<Option<()>, Error> {
        let stream = self.streams.get_mut(&id).ok_or(Error::Closed)?;
        if stream.is_flushed(self.confirmed) {
            return match stream.peer_gone && stream.fin == Fin::Open {
                true => Err(Error::PeerClosed),
                false => Ok(Some(())),
            };
        }
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        stream.waits_write = true;
        self.flushing.insert((stream.sent_end, id));
        Ok(None)
    }

    /// Ends the writing side of a stream: FIN follows what was written. Reading goes on. Once is enough.
    pub fn finish(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.fin == Fin::Open {
            stream.fin = Fin::Wanted;
            self.queue_data(id);
            self.wake_writer(id);
        }
    }

    /// Lets go of a stream: what was written is still sent, then FIN; what arrives is thrown away.
    ///
    /// Neither stock peers nor the protocol have a sign for "nobody reads here any more". A second FIN is one
    /// that stock peers overlook and ours understand, [`Error::PeerClosed`]: it is sent where bytes of
    /// the peer were thrown away.
    pub fn release(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let thrown_away = stream.discard_received();
        stream.released = true;
        stream.abandoned |= thrown_away > 0 && !stream.peer_finished;
        self.uncount_unread(thrown_away);
        self.finish(id);
        self.remove_if_over(id);
    }

    /// Ends the session in order: no stream is opened or accepted any more, and the writing sides of those
    /// that exist are finished.
    pub fn close(&mut self) {
        self.closing = true;
        self.set_accepting(false);
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        ids.into_iter().for_each(|id| self.finish(id));
        self.attention = true;
    }

    /// Ends the session at once: streams fail with `error` when everything that had arrived is read. Nothing
    /// is sent any more. Only the first error counts.
    pub fn fail(&mut self, error: Error) {
        self.ended.get_or_insert(error);
        self.attention = true;
        let released: Vec<u32> =
            self.streams.iter().filter(|(_, s)| s.released).map(|(id, _)| *id).collect();
        for id in released {
            self.remove(id);
        }
        for id in std::mem::take(&mut self.incoming) {
            self.uncount_unread(self.streams.get(&id).map_or(0, |stream| stream.unread()));
            self.remove(id);
        }
    }

    /// Returns what ended the session.
    pub fn ended(&self) -> Option<&Error> {
        self.ended.as_ref()
    }

    /// Returns whether [`close`](Connection::close) was called.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Returns whether no stream is left, and nothing to say of one that was.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.replies.is_empty()
    }

    /// Returns whether the peer may go without leaving anything open: it has finished all streams, and nothing
    /// waits to be sent.
    pub fn is_settled(&self) -> bool {
        self.pending == 0 && self.streams.values().all(|stream| stream.peer_finished)
    }

    /// Returns whether the transport has ended where it may: between two frames.
    pub fn is_between_frames(&self) -> bool {
        self.decoder.is_between_frames()
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        Stats {
            streams: self.streams.len(),
            receive_buffered: self.unread,
            send_buffered: self.pending,
            sent: self.confirmed,
            ..self.stats
        }
    }

    /// Returns what has become possible since a call found that it had to wait.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns whether, since the last call, something has come up for whoever reads and writes the
    /// transport.
    pub fn take_attention(&mut self) -> bool {
        std::mem::take(&mut self.attention)
    }

    /// Makes [`take_attention`](Connection::take_attention) tell that something has come up, for a reason outside.
    pub fn call_attention(&mut self) {
        self.attention = true;
    }

    fn check_ended(&self) -> Result<(), Error> {
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn check_open(&self) -> Result<(), Error> {
        self.check_ended()?;
        match self.closing {
            true => Err(Error::Closed),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
