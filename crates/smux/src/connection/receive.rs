//! What arrives: bytes, and the passing of time.

use std::time::Duration;

use super::decoder::Item;
use super::stream::StreamState;
use super::{Connection, Event, Role};
use crate::error::Error;
use crate::frame::{ProtocolError, Update};

impl Connection {
    /// Takes bytes that came from the transport, cut anywhere. Call it only while
    /// [`wants_input`](Connection::wants_input).
    ///
    /// # Errors
    /// [`Error::Protocol`]: the session has ended with that.
    pub fn handle_input(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        self.keep_alive.on_heard(now);
        self.stats.received += bytes.len() as u64;
        let mut rest = bytes;
        while self.ended.is_none() {
            let item = self.decoder.next(&mut rest, self.config.version);
            match item.and_then(|item| item.map(|item| self.handle(item)).transpose()) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    self.fail(error.into());
                    return Err(error.into());
                }
            }
        }
        self.paused = !self.wants_input();
        Ok(())
    }

    /// Returns whether bytes should be read from the transport: not when those that wait for the application
    /// fill the receive buffer. [`take_attention`](Connection::take_attention) tells when that is over.
    pub fn wants_input(&self) -> bool {
        self.unread < self.config.max_receive_buffer
    }

    /// Acts on the time: call it before [`poll_output`](Connection::poll_output), always, or at least when
    /// [`poll_timeout`](Connection::poll_timeout) says so. Too early and too often does no harm.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: the session has ended with that.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        // Nothing can be heard while nothing is read.
        let paused = !self.wants_input();
        if std::mem::replace(&mut self.paused, paused) || paused {
            self.keep_alive.on_heard(now);
        }
        if self.keep_alive.is_expired(now) {
            self.fail(Error::TimedOut);
            return Err(Error::TimedOut);
        }
        if self.keep_alive.is_due(now) {
            // Nobody has written for that long.
            self.pool.release();
            self.spare = Vec::new();
        }
        Ok(())
    }

    /// Returns when [`handle_timeout`](Connection::handle_timeout) and then
    /// [`poll_output`](Connection::poll_output) want to be called; it may grow later with each call.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.ended.is_some() {
            return None;
        }
        let expires = self.keep_alive.expires_at().filter(|_| self.wants_input());
        match (self.keep_alive.nop_at(), expires) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn handle(&mut self, item: Item<'_>) -> Result<(), ProtocolError> {
        match item {
            Item::Syn(id) => return self.handle_syn(id),
            Item::Fin(id) => self.handle_fin(id),
            Item::Data(id, data) => self.handle_data(id, data),
            Item::Update(id, update) => return self.handle_update(id, update),
        }
        Ok(())
    }

    fn handle_syn(&mut self, id: u32) -> Result<(), ProtocolError> {
        let of_client = id % 2 == 1;
        if id == 0 || of_client == (self.role == Role::Client) {
            return Err(ProtocolError::StreamId { id });
        }
        if self.streams.contains_key(&id) {
            return Ok(()); // stock peers overlook it too
        }
        self.gone.remove(&id);
        let room = self.streams.len() < self.config.max_streams
            && self.incoming.len() < self.config.backlog;
        if !room || !self.accepting || self.closing {
            self.stats.refused += 1;
            self.queue_reply(id);
            self.remember_gone(id);
            return Ok(());
        }
        self.streams.insert(id, Box::new(StreamState::new()));
        self.incoming.push_back(id);
        self.stats.accepted += 1;
        self.events.push_back(Event::Incoming);
        Ok(())
    }

    fn handle_fin(&mut self, id: u32) {
        self.gone.remove(&id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut stream.peer_finished, true) {
            self.wake_reader(id);
            return;
        }
        // The second one: see `release`. What is pending has no reader any more.
        stream.peer_gone = true;
        let pending = stream.discard_pending();
        self.uncount_pending(pending);
        self.settle_data(id);
        self.wake_writer(id);
    }

    fn handle_data(&mut self, id: u32, data: &[u8]) {
        let Some(stream) = self.streams.get_mut(&id) else {
            // Once for each stream: its peer may not know that nobody reads any more.
            if self.gone.remove(&id) {
                self.queue_reply(id);
            }
            return;
        };
        if stream.peer_finished {
            return; // after its FIN
        }
        if stream.released {
            stream.abandoned = true;
            return;
        }
        stream.receive(data, &mut self.pool);
        self.unread += data.len();
        self.wake_reader(id);
    }

    fn handle_update(&mut self, id: u32, update: Update) -> Result<(), ProtocolError> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if !stream.handle_update(update) {
            return Err(ProtocolError::Consumed { id });
        }
        if stream.window(self.config.version) > 0 {
            self.wake_writer(id);
        }
        Ok(())
    }
}
