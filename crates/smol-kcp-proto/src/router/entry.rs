//! The router's bookkeeping of each session: the queues it stands in, and what takes it out of them.

use std::collections::VecDeque;

use super::{Key, Router};
use crate::budget::Charge;
use crate::error::KcpError;
use crate::peer::PeerKey;
use crate::session::Session;
use crate::time::Time;

/// What the router keeps with each session.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Entry in the set of deadlines.
    pub(crate) deadline: Option<Time>,
    /// Place in the order of unconfirmed sessions.
    pub(crate) unconfirmed: Option<u64>,
    /// In the queue of sessions to flush.
    pub(crate) pending_flush: bool,
    /// What the endpoint's account knows of it.
    pub(crate) charge: Charge,
    /// Place in the queue of sessions that nobody has a handle to yet.
    pub(crate) incoming: Option<u64>,
    /// In the list of sessions with news for their handles.
    pub(crate) queued_event: bool,
    /// Reached by datagrams, and the peer that it is counted with.
    pub(crate) peer: Option<PeerKey>,
    /// It made room for another.
    pub(crate) evicted: bool,
    /// Counted among the sessions of its peer's network.
    pub(crate) counted: bool,
    /// Known to its client as conversation 0, which asks for a number.
    pub(crate) assigned_conv: bool,
}

impl Router {
    /// After anything has happened to a session: puts it into the queues it belongs in, and out of
    /// all when it is over.
    pub(super) fn reschedule(&mut self, now: Time, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.account.charge(now, session);
        if session.has_events() && !session.entry.queued_event {
            session.entry.queued_event = true;
            self.ready.push(key);
        }
        if session.is_confirmed() && session.error().is_none() {
            if let Some(birth) = session.entry.unconfirmed.take() {
                self.unconfirmed.remove(&birth);
                self.welcome(now, key, birth);
            }
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.error().is_some() || session.is_finished() {
            self.unroute(now, key);
            return;
        }
        if !session.entry.pending_flush && session.needs_flush() {
            Self::schedule_flush(&mut self.pending_flush, key, session);
        }
        if session.entry.pending_flush {
            // What is due now may be due until the flush: the deadline is set after it.
            return;
        }
        let wanted = session.poll_timeout(now);
        self.deadlines.want(key, &mut session.entry.deadline, wanted);
    }

    /// Takes an ended session off the wire; off memory too, when no handle is left.
    fn unroute(&mut self, now: Time, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.deadlines.forget(key, &mut session.entry.deadline);
        if let Some(birth) = session.entry.unconfirmed.take() {
            self.unconfirmed.remove(&birth);
        }
        let (conv, peer) = (session.conv(), session.peer());
        if std::mem::take(&mut session.entry.assigned_conv) {
            self.unnumbered.remove(&peer);
        }
        if std::mem::take(&mut session.entry.counted) {
            self.shares.remove(peer);
        }
        if let Some(of) = session.entry.peer.take() {
            self.peers.leave(of, key);
            self.routes.remove(&(conv, peer));
            match session.error() {
                Some(cause) => log::debug!("conversation {conv} with {peer} has ended: {cause}"),
                None => log::debug!("conversation {conv} with {peer} is closed"),
            }
            let told = matches!(
                session.error(),
                None | Some(KcpError::Reset | KcpError::Refused | KcpError::NoRoom)
            );
            // Of a peer that has proved nothing, nothing is kept, and nothing is told to it.
            let proven = session.is_confirmed();
            if proven && !told {
                let answers = &mut self.stateless_replies;
                session.transmit_reset(now, &mut |addr, datagram| {
                    if let Ok(answer) = datagram.try_into() {
                        answers.push(addr, answer);
                    }
                });
            }
            // Who is evicted may come back; who was refused was never there.
            let refused = matches!(session.error(), Some(KcpError::Refused | KcpError::NoRoom));
            if proven && !session.entry.evicted && !refused {
                self.time_wait.insert(now, conv, peer, session.time_wait_entry());
            }
        }
        if let Some(birth) = session.entry.incoming.take() {
            // It ended before anybody had a handle, so nobody will release it.
            self.incoming.remove(&birth);
            session.release(now);
        }
        if session.is_finished() {
            self.account.close(session);
            self.sessions.remove(key);
        }
    }

    pub(super) fn schedule_flush(queue: &mut VecDeque<Key>, key: Key, session: &mut Session) {
        if !session.entry.pending_flush {
            session.entry.pending_flush = true;
            queue.push_back(key);
        }
    }
}
