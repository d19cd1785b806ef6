//! The router's bookkeeping of each session: the queues it stands in, and what takes it out of them.

use std::collections::VecDeque;

use super::{Key, Router};
use crate::budget::Charge;
use crate::error::KcpError;
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
    pub(crate) poked: bool,
    /// What the endpoint's account knows of it.
    pub(crate) charge: Charge,
    /// Place in the queue of sessions that nobody has a handle to yet.
    pub(crate) incoming: Option<u64>,
    /// In the list of sessions with news for their handles.
    pub(crate) listed: bool,
    /// Reached by datagrams.
    pub(crate) routed: bool,
    /// It made room for another.
    pub(crate) evicted: bool,
    /// Counted among the sessions of its peer's network.
    pub(crate) counted: bool,
    /// Known to its client as conversation 0, which asks for a number.
    pub(crate) asked: bool,
}

impl Router {
    /// After anything has happened to a session: puts it into the queues it belongs in, and out of
    /// all when it is over.
    pub(super) fn settle(&mut self, now: Time, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.account.settle(now, session);
        if session.has_news() && !session.entry.listed {
            session.entry.listed = true;
            self.ready.push(key);
        }
        if session.is_confirmed() && session.error().is_none() {
            if let Some(birth) = session.entry.unconfirmed.take() {
                self.unconfirmed.remove(&birth);
                self.welcome(now, key, birth);
            }
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.error().is_some() || session.is_over() {
            self.unroute(now, key);
            return;
        }
        if !session.entry.poked && session.needs_flush() {
            Self::poke(&mut self.poked, key, session);
        }
        if session.entry.poked {
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
        if std::mem::take(&mut session.entry.asked) {
            self.askers.remove(&peer);
        }
        if std::mem::take(&mut session.entry.counted) {
            self.shares.remove(peer);
        }
        if std::mem::take(&mut session.entry.routed) {
            self.routes.remove(&(conv, peer));
            let told = matches!(
                session.error(),
                None | Some(KcpError::Reset | KcpError::Refused | KcpError::NoRoom)
            );
            // Of a peer that has proved nothing, nothing is kept, and nothing is told to it.
            let proven = session.is_confirmed();
            if proven && !told {
                let answers = &mut self.answers;
                session.transmit_reset(now, &mut |addr, datagram| {
                    if let Ok(answer) = datagram.try_into() {
                        answers.push(addr, answer);
                    }
                });
            }
            // Who is evicted may come back; who was refused was never there.
            let refused = matches!(session.error(), Some(KcpError::Refused | KcpError::NoRoom));
            if proven && !session.entry.evicted && !refused {
                self.rests.insert(now, conv, peer, session.rest());
            }
        }
        if let Some(birth) = session.entry.incoming.take() {
            // It ended before anybody had a handle, so nobody will release it.
            self.incoming.remove(&birth);
            session.release(now);
        }
        if session.is_over() {
            self.account.close(session);
            self.sessions.remove(key);
        }
    }

    pub(super) fn poke(poked: &mut VecDeque<Key>, key: Key, session: &mut Session) {
        if !session.entry.poked {
            session.entry.poked = true;
            poked.push_back(key);
        }
    }
}
