//! The router's bookkeeping of each session: the queues it stands in, and what takes it out of them.
//!
//! Whatever is done to a session may change what it waits for, is charged for and has to say.
//! [`Router::with_session`] is the way to do it: it settles that afterwards.

use std::collections::VecDeque;

use super::{Key, Router};
use crate::budget::Charge;
use crate::error::KcpError;
use crate::peer::PeerKey;
use crate::session::Session;
use crate::time::Time;

/// A session, and what the router keeps with it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    /// Entry in the set of deadlines.
    pub(super) deadline: Option<Time>,
    /// Place in the order of unconfirmed sessions.
    pub(super) unconfirmed: Option<u64>,
    /// In the queue of sessions to flush.
    pub(super) pending_flush: bool,
    /// What the endpoint's account knows of it.
    pub(super) charge: Charge,
    /// Place in the queue of sessions that nobody has a handle to yet.
    pub(super) incoming: Option<u64>,
    /// In the list of sessions with news for their handles.
    pub(super) queued_event: bool,
    /// Reached by datagrams, and the peer that it is counted with.
    pub(super) peer: Option<PeerKey>,
    /// The own window that it was given last, in segments.
    pub(super) send_window: u32,
    /// Bytes in flight, as its path knows them.
    pub(super) in_flight: u64,
    /// In its path's queue.
    pub(super) waiting: bool,
    /// Its deadline is to be found out after its path was served.
    pub(super) is_put_off: bool,
    /// Counted among those whose peer's silence tells something.
    pub(super) asks: bool,
    /// It made room for another.
    pub(super) evicted: bool,
    /// Counted among the sessions of its peer's network.
    pub(super) counted: bool,
    /// Known to its client as conversation 0, which asks for a number.
    pub(super) assigned_conv: bool,
}

impl Entry {
    /// Begins as a session that stands in no queue.
    pub(super) fn new(session: Session, peer: PeerKey) -> Entry {
        Entry {
            session,
            deadline: None,
            unconfirmed: None,
            pending_flush: false,
            charge: Charge::default(),
            incoming: None,
            queued_event: false,
            peer: Some(peer),
            send_window: 0,
            in_flight: 0,
            waiting: false,
            is_put_off: false,
            asks: false,
            evicted: false,
            counted: false,
            assigned_conv: false,
        }
    }

    /// Puts the session into the queue of those to flush.
    pub(super) fn schedule_flush(&mut self, queue: &mut VecDeque<Key>, key: Key) {
        if !std::mem::replace(&mut self.pending_flush, true) {
            queue.push_back(key);
        }
    }
}

impl Router {
    /// Lets `act` change a session, and settles what follows from it; `None`: there is no such session.
    pub(super) fn with_session<R>(
        &mut self,
        now: Time,
        key: Key,
        act: impl FnOnce(&mut Session) -> R,
    ) -> Option<R> {
        let result = act(&mut self.sessions.get_mut(key)?.session);
        self.settle(now, key);
        Some(result)
    }

    /// Puts a session to which anything has happened into the queues it belongs in, and out of
    /// all when it is over.
    #[inline(never)]
    pub(super) fn settle(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        // First, as another share may open the session's window, or close it.
        self.account.charge(now, &mut entry.session, &mut entry.charge);
        let asks = entry.peer.is_some() && entry.session.asks();
        if std::mem::replace(&mut entry.asks, asks) != asks {
            self.asking = if asks { self.asking + 1 } else { self.asking - 1 };
        }
        if !entry.session.is_connecting() {
            self.heard_at = self.heard_at.max(entry.session.last_heard());
        }
        if entry.session.has_events() && !entry.queued_event {
            entry.queued_event = true;
            self.ready.push(key);
        }
        if entry.unconfirmed.is_some()
            && entry.session.is_confirmed()
            && entry.session.error().is_none()
        {
            if let Some(birth) = entry.unconfirmed.take() {
                self.unconfirmed.remove(&birth);
                self.welcome(now, key, birth);
            }
        }
        // It may have been turned out again by that.
        let Some(entry) = self.sessions.get_mut(key) else { return };
        if entry.session.error().is_some() || entry.session.is_finished() {
            self.unroute(now, key);
            return;
        }
        if !entry.pending_flush && entry.session.needs_flush() {
            entry.schedule_flush(&mut self.pending_flush, key);
        }
        if entry.pending_flush {
            // What is due now may be due until the flush: the deadline is set after it.
            return;
        }
        let path = entry.peer.filter(|_| entry.waiting).and_then(|of| self.peers.get(of));
        if path.is_some_and(|of| of.path.is_listed) {
            // Its path is served next, and most often that flushes it.
            if !std::mem::replace(&mut entry.is_put_off, true) {
                self.put_off.push(key);
            }
            return;
        }
        self.set_deadline(now, key);
    }

    /// Finds out when a session wants to be looked at.
    fn set_deadline(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        entry.is_put_off = false;
        // Only ever earlier, see Deadlines: what traffic postpones costs nothing here.
        let wanted = entry.session.poll_timeout(now);
        self.deadlines.want(key, &mut entry.deadline, wanted);
    }

    /// Sets the deadlines of those that were not flushed although their path was served.
    pub(super) fn set_put_off(&mut self, now: Time) {
        while let Some(key) = self.put_off.pop() {
            let is_put_off = |entry: &Entry| entry.is_put_off && !entry.pending_flush;
            if self.sessions.get(key).is_some_and(is_put_off) {
                self.set_deadline(now, key);
            }
        }
    }

    /// Takes an ended session off the wire; off memory too, when no handle is left.
    fn unroute(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        self.deadlines.forget(key, &mut entry.deadline);
        self.account.close_window(&mut entry.session, &mut entry.charge);
        if let Some(birth) = entry.unconfirmed.take() {
            self.unconfirmed.remove(&birth);
        }
        self.asking -= usize::from(std::mem::take(&mut entry.asks));
        let (left, channel) = (entry.peer.take(), entry.session.path().channel);
        if let Some(of) = left {
            self.leave_peer(of, key);
            self.leave_channel(channel);
        }
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let session = &mut entry.session;
        let (conv, peer, id) = (session.conv(), session.peer(), session.peer_id());
        if std::mem::take(&mut entry.assigned_conv) {
            self.unnumbered.remove(&peer);
        }
        if std::mem::take(&mut entry.counted) {
            self.shares.remove(peer);
        }
        if left.is_some() {
            self.routes.remove(&(conv, id));
            match session.error() {
                Some(cause) => log::debug!("conversation {conv} with {peer} has ended: {cause}"),
                None => log::debug!("conversation {conv} with {peer} is closed"),
            }
            // These the peer has said itself, or was told by the end of an orderly close.
            let told = matches!(
                session.error(),
                None | Some(KcpError::Reset | KcpError::Refused | KcpError::NoRoom)
            );
            // Of a peer that has proved nothing, nothing is kept, and nothing is told to it.
            let proven = session.is_confirmed();
            if proven && !told {
                let answers = &mut self.stateless_replies;
                session.transmit_reset(now, entry.incoming.is_none(), &mut |path, datagram| {
                    if let Ok(answer) = datagram.try_into() {
                        answers.push(path, answer);
                    }
                });
            }
            // Who is evicted may come back; who was refused was never there.
            let refused = matches!(session.error(), Some(KcpError::Refused | KcpError::NoRoom));
            if proven && !entry.evicted && !refused {
                self.time_wait.insert(now, conv, id, session.time_wait_entry());
            }
        }
        if let Some(birth) = entry.incoming.take() {
            // It ended before anybody had a handle, so nobody will release it.
            self.incoming.remove(&birth);
            session.release(now);
        }
        // Handles that are left still ask for the cause of the end.
        if session.is_finished() {
            self.account.close(&mut entry.charge);
            self.sessions.remove(key);
        }
    }
}
