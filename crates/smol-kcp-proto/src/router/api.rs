//! What the handles of the application do with their sessions.

use std::net::SocketAddr;

use super::entry::Entry;
use super::{Key, Router};
use crate::error::KcpError;
use crate::path::Path;
use crate::session::{Role, Session};
use crate::stats::StreamStats;
use crate::time::Time;

impl Router {
    /// Opens a conversation with `peer`; `conv` 0 asks the peer for a number, `None` takes a random
    /// one.
    pub fn connect(
        &mut self,
        now: Time,
        to: impl Into<Path>,
        conv: Option<u32>,
    ) -> Result<Key, KcpError> {
        let to = self.path_to_server(now, to.into())?;
        let peer = to.id();
        let limit = self.config.max_sessions;
        if self.routes.len() >= limit {
            return Err(KcpError::TooManySessions { limit });
        }
        let conv = match conv {
            Some(conv) => conv,
            None => self.free_conv(peer),
        };
        // A number that rests is taken: a late datagram of its old life could pass for one of the new,
        // as with TCP's TIME-WAIT (RFC 9293, 3.3.2).
        if self.routes.contains_key(&(conv, peer)) || self.time_wait.get(now, conv, peer).is_some()
        {
            return Err(KcpError::ConvInUse { conv });
        }
        let key = self.open(now, to, conv, Role::Client)?;
        self.stats.connected = self.stats.connected.wrapping_add(1);
        self.with_session(now, key, |session| session.handle_timeout(now)); // HELLO, if not in a channel
        Ok(key)
    }

    /// Returns whether `connect` may return.
    pub fn is_connected(&self, key: Key) -> Result<bool, KcpError> {
        let session = self.session(key)?;
        match session.error() {
            Some(error) => Err(error.clone()),
            None => Ok(session.is_connected()),
        }
    }

    /// Returns whether one direction of the session is over, or soon will be.
    pub fn is_ending(&self, key: Key) -> bool {
        self.session(key).map_or(true, Session::is_ending)
    }

    /// Takes what the send budget has room for; `None`: nothing now.
    pub fn write(&mut self, now: Time, key: Key, buf: &[u8]) -> Result<Option<usize>, KcpError> {
        let entry = self.sessions.get_mut(key).ok_or(KcpError::Closed)?;
        // Others may have filled the budget since this session was looked at.
        self.account.charge(now, &mut entry.session, &mut entry.charge);
        let written = entry.session.write(now, buf)?;
        self.settle(now, key);
        Ok(written)
    }

    /// Reads bytes (`whole` false) or a message; `None`: nothing now; `Some(0)`: the end. The time is
    /// asked for only where something was read.
    pub fn read(
        &mut self,
        now: impl FnOnce() -> Time,
        key: Key,
        buf: &mut [u8],
        whole: bool,
    ) -> Result<Option<usize>, KcpError> {
        let entry = self.sessions.get_mut(key).ok_or(KcpError::Closed)?;
        let read = entry.session.read(buf, whole)?;
        // The flush that a session with a pending flush waits for charges this too.
        if read.is_some() && !entry.pending_flush {
            self.settle(now(), key);
        }
        Ok(read)
    }

    /// Copies what the next read begins with and leaves it; `None`: nothing now; `Some(0)`: the end.
    pub fn peek(&self, key: Key, buf: &mut [u8]) -> Result<Option<usize>, KcpError> {
        self.session(key)?.peek(buf)
    }

    /// Reads no more: what has come and what comes is acknowledged and let go.
    pub fn close_read(&mut self, now: Time, key: Key) {
        self.with_session(now, key, Session::close_read);
    }

    /// Ends the wait of small writes for company.
    pub fn flush_writes(&mut self, now: Time, key: Key) -> Result<(), KcpError> {
        self.with_session(now, key, Session::flush_writes).ok_or(KcpError::Closed)?
    }

    /// Takes no more writes: what was written goes out, then FIN.
    pub fn close(&mut self, now: Time, key: Key) {
        self.with_session(now, key, |session| session.close(now));
    }

    /// Refuses new sessions from here on, and those that nobody has accepted; takes no more writes for
    /// the others.
    pub fn close_all(&mut self, now: Time) {
        self.set_accepting(false);
        self.refuse_incoming(now);
        let keys: Vec<Key> = self.routes.values().copied().collect();
        for key in keys {
            self.close(now, key);
        }
    }

    /// Returns whether the peer has acknowledged all that was written, and the FIN.
    pub fn is_delivered(&self, key: Key) -> Result<bool, KcpError> {
        self.session(key)?.is_delivered()
    }

    /// Ends the session at once and tells the peer.
    pub fn abort(&mut self, now: Time, key: Key) {
        self.with_session(now, key, |session| session.fail(KcpError::Closed));
    }

    /// Notes that the last handle to the session is gone.
    pub fn release(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        // What is delivered in the background takes nobody's share.
        if std::mem::take(&mut entry.counted) {
            self.shares.remove(entry.session.peer());
        }
        self.with_session(now, key, |session| session.release(now));
    }

    /// Refuses the sessions that peers have opened and nobody has accepted.
    pub fn refuse_incoming(&mut self, now: Time) {
        while let Some(key) = self.pop_incoming() {
            self.stats.refused = self.stats.refused.wrapping_add(1);
            self.abort(now, key);
            self.release(now, key);
        }
        // A peer that has yet to prove its address would come into the backlog later, and stay there.
        let waits = |key: &Key| self.sessions.get(*key).is_some_and(|of| of.incoming.is_some());
        let unproven: Vec<Key> = self.unconfirmed.values().copied().filter(waits).collect();
        for key in unproven {
            self.abort(now, key);
            self.release(now, key);
        }
    }

    /// Returns how many sessions have made room for others.
    pub fn evicted(&self) -> u64 {
        self.stats.evicted
    }

    /// Returns the conversation number of a session; 0 if there is none.
    pub fn conv(&self, key: Key) -> u32 {
        self.session(key).map_or(0, Session::conv)
    }

    /// Returns where the peer is; `None` if there is no such session.
    pub fn peer(&self, key: Key) -> Option<SocketAddr> {
        self.session(key).map(Session::peer).ok()
    }

    /// Returns the counters and gauges of a session.
    pub fn session_stats(&self, key: Key) -> StreamStats {
        self.sessions.get(key).map(|entry| self.stats_of(entry)).unwrap_or_default()
    }

    fn stats_of(&self, entry: &Entry) -> StreamStats {
        let path = entry.peer.and_then(|of| self.peers.get(of)).map(|of| of.path.stats());
        let mut path = path.unwrap_or_default();
        (path.arrived, path.missing) = self.arrivals(&entry.session).unwrap_or_default();
        StreamStats { path, ..entry.session.stats() }
    }

    /// Lists conversation, peer and statistics of every session on the wire.
    pub fn list(&self) -> impl Iterator<Item = (u32, SocketAddr, StreamStats)> + '_ {
        self.list_keys().map(|(_, conv, peer, stats)| (conv, peer, stats))
    }

    /// Does as [`list`](Router::list), with the key of each session.
    pub fn list_keys(&self) -> impl Iterator<Item = (Key, u32, SocketAddr, StreamStats)> + '_ {
        self.routes.iter().filter_map(|(&(conv, _), &key)| {
            let entry = self.sessions.get(key)?;
            Some((key, conv, entry.session.peer(), self.stats_of(entry)))
        })
    }

    pub(super) fn session(&self, key: Key) -> Result<&Session, KcpError> {
        self.sessions.get(key).map(|entry| &entry.session).ok_or(KcpError::Closed)
    }
}
