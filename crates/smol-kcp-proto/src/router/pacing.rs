//! Whose turn it is on the way to a peer.
//!
//! A session that has more data than its peer's path has room for stands in that path's queue, and is
//! served in turn, a few datagrams at a time, when the pace or an acknowledgement makes room (deficit round
//! robin, with turns of whole datagrams). A thin session does not wait.

use std::time::Duration;

use super::{Key, Router, TRANSMIT_BATCH};
use crate::arq::Allowance;
use crate::path::Path;
use crate::peer::path::PathRate;
use crate::peer::PeerKey;
use crate::time::Time;

/// Datagrams that a session sends before the next one's turn, while others wait.
const TURN: u64 = 4;

/// Datagrams that a session asks with whose peer has not answered for long: as many as the engine asks with.
const ASKED: u64 = 4;

/// Time between two counts of what is in flight on a full path.
const RECOUNT: Duration = Duration::from_millis(200);

/// What is handed over on the way out.
type Out<'a> = dyn FnMut(Path, &[u8]) -> usize + 'a;

impl Router {
    /// The rate of a path that nothing was sent on yet.
    pub(super) fn new_path(&self) -> impl FnOnce() -> PathRate {
        let (config, mtu) = (self.config.clone(), self.mtu);
        move || PathRate::new(&config, mtu)
    }

    /// Lets a session send what is due, where its turn has come of what the path has room for. Returns how
    /// many datagrams have left by now, as `out` counts them.
    pub(super) fn flush(
        &mut self,
        now: Time,
        key: Key,
        turn: Option<Allowance>,
        out: &mut Out<'_>,
    ) -> usize {
        let mut sent = 0;
        let Some(entry) = self.sessions.get_mut(key) else { return sent };
        entry.pending_flush = false;
        let session = &mut entry.session;
        let path = entry.peer.and_then(|of| self.peers.get_mut(of)).map(|of| &mut of.path);
        let Some(path) = path.filter(|_| session.has_data()) else {
            session.flush(now, Allowance::ALL, &mut |to, datagram| sent = out(to, datagram));
            self.settle(now, key);
            return sent;
        };
        let is_news = session.opening_rtt().is_some_and(|rtt| path.seed_rtt(rtt));
        let in_turn = turn.is_some();
        let all = turn.filter(|_| !is_news).unwrap_or_else(|| path.allowance(now));
        if let Some(window) = path.window() {
            // What the path holds, and as much again while it is repaired.
            let segments = window.saturating_mul(2) / self.mtu.max(1) as u64;
            // More than the peer takes would only wait here, and fill memory behind a slow reader.
            let taken = session.peer_window().saturating_mul(2);
            let segments = u32::try_from(segments).unwrap_or(u32::MAX).min(taken);
            if segments > entry.send_window || segments < entry.send_window / 2 {
                // A quarter more, so that it need not follow each step.
                entry.send_window = segments.saturating_add(segments / 4);
                session.set_send_window(entry.send_window);
            }
        } else if std::mem::take(&mut entry.send_window) > 0 {
            session.set_send_window(0);
        }
        session.set_repeat_twice(path.loses_by_chance());
        let allowance = match (session.is_thin(), in_turn) {
            (true, _) => path.thin_allowance(all),
            // What nobody answers is asked for a little at a time. Two new segments follow each time, so that
            // a line that is back after an outage fills at once.
            _ if session.is_written_off(now) => {
                let few = ASKED * self.mtu as u64;
                Allowance { pace: all.pace.min(few), ..path.least_allowance(all) }
            }
            _ if session.in_flight_bytes(now) == 0 => path.least_allowance(all),
            (false, true) if !path.waiting.is_empty() => {
                Allowance { pace: all.pace.min(TURN * self.mtu as u64), ..all }
            }
            (false, false) if !path.waiting.is_empty() => Allowance::NONE,
            (false, _) => all,
        };
        session.flush(now, allowance, &mut |to, datagram| sent = out(to, datagram));
        let report = session.take_flow();
        let wants_mtu = match report.retransmitted_bytes {
            0 => session.is_blocked() && path.searches_mtu(now),
            // What the peer has no room for is not swallowed by the path.
            _ if session.peer_is_full() => false,
            _ => session.oldest_in_flight().is_some_and(|oldest| {
                path.doubts_mtu(now, oldest, session.rto(), session.last_heard())
            }),
        };
        path.on_sent(now, report.sent_bytes);
        if report.lost_bytes > 0 {
            path.on_report(now, &report);
        }
        let mut list_at = None;
        if session.is_blocked() {
            path.has_resends |= session.is_resend_blocked();
            if session.is_resend_blocked() && !in_turn && !session.peer_is_full() {
                // Where nothing is acknowledged any more, no acknowledgement lists the path.
                let quiet = path.is_quiet(now, session.rto());
                list_at = Some(if quiet { now } else { now + session.rto() / 2 });
            }
            if !std::mem::replace(&mut entry.waiting, true) {
                path.waiting.push_back(key);
            }
        } else if path.waiting.is_empty() {
            path.limit(now);
        }
        self.count_in_flight(now, key);
        self.settle(now, key);
        if let Some((of, at)) = self.sessions.get(key).and_then(|entry| entry.peer).zip(list_at) {
            if at <= now {
                self.list_path(of);
            } else if let Some(peer) = self.peers.get_mut(of) {
                self.pace_deadlines.want(of, &mut peer.path.paced_until, Some(at));
            }
        }
        if wants_mtu {
            self.begin_probing(now, key);
        }
        sent
    }

    /// Serves the paths that may have room, until enough has been `sent`; those that are left stay listed.
    pub(super) fn serve_paths(&mut self, now: Time, mut sent: usize, out: &mut Out<'_>) {
        for _ in 0..self.open_paths.len() {
            if sent >= TRANSMIT_BATCH {
                return;
            }
            let Some(of) = self.open_paths.pop_front() else { return };
            if let Some(peer) = self.peers.get_mut(of) {
                peer.path.is_listed = false;
                sent = self.serve_path(now, of, sent, out);
            }
        }
    }

    fn serve_path(&mut self, now: Time, of: PeerKey, mut sent: usize, out: &mut Out<'_>) -> usize {
        let mut known = None;
        loop {
            let Some(path) = self.peers.get_mut(of).map(|peer| &mut peer.path) else { return sent };
            if path.waiting.is_empty() {
                return sent;
            }
            let mut allowance = known.take().unwrap_or_else(|| path.allowance(now));
            if let Some(at) = path.more_at(allowance) {
                self.pace_deadlines.want(of, &mut path.paced_until, Some(at));
                return sent;
            }
            if allowance.window == 0 && !path.has_resends {
                // The next acknowledgement lists the path again, or what others have under way turns out to
                // be there no more.
                if now.since(path.recounted_at) < RECOUNT {
                    let at = path.recounted_at + RECOUNT;
                    self.pace_deadlines.want(of, &mut path.paced_until, Some(at));
                    return sent;
                }
                path.recounted_at = now;
                self.recount(now, of);
                continue;
            }
            if sent >= TRANSMIT_BATCH {
                self.list_path(of);
                return sent;
            }
            path.has_resends = false;
            let before = sent;
            // Everybody in the queue once: who is left with something stands at its end again.
            for _ in 0..path.waiting.len() {
                let next = self.peers.get_mut(of).and_then(|peer| peer.path.waiting.pop_front());
                let Some(key) = next else { break };
                let Some(entry) = self.sessions.get_mut(key) else { continue };
                if entry.peer != Some(of) || !std::mem::take(&mut entry.waiting) {
                    continue;
                }
                sent = self.flush(now, key, Some(allowance), out).max(sent);
                let Some(peer) = self.peers.get_mut(of) else { return sent };
                allowance = peer.path.allowance(now);
                if allowance.pace == 0 || sent >= TRANSMIT_BATCH {
                    break;
                }
            }
            known = Some(allowance);
            let Some(path) = self.peers.get_mut(of).map(|peer| &mut peer.path) else { return sent };
            if sent == before && !path.waiting.is_empty() {
                // There is room, and nobody in the queue may use it: something has to happen first.
                self.pace_deadlines.want(of, &mut path.paced_until, Some(now + RECOUNT));
                return sent;
            }
        }
    }

    /// Notes that a path may have room for those that wait.
    pub(super) fn list_path(&mut self, of: PeerKey) {
        let Some(path) = self.peers.get_mut(of).map(|peer| &mut peer.path) else { return };
        if !path.waiting.is_empty() && !std::mem::replace(&mut path.is_listed, true) {
            self.open_paths.push_back(of);
        }
    }

    /// Lists the paths whose pace has room again.
    pub(super) fn handle_pace(&mut self, now: Time) {
        while let Some(of) = self.pace_deadlines.pop_due(now) {
            if let Some(peer) = self.peers.get_mut(of) {
                peer.path.paced_until = None;
                if peer.path.waiting.is_empty() {
                    peer.path.forget_more();
                }
            }
            self.list_path(of);
        }
    }

    /// Tells the path what a datagram has told a session.
    pub(super) fn report(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(of) = entry.peer else { return };
        // Most of what a receiver hears is data, which tells the path nothing.
        if entry.in_flight > 0 || entry.session.has_flow() {
            let report = entry.session.take_flow();
            self.count_in_flight(now, key);
            if let Some(peer) = self.peers.get_mut(of) {
                peer.path.on_report(now, &report);
            }
            self.heed_parity(of);
        }
        self.list_path(of);
    }

    /// Counts anew what all sessions of a peer have in flight: what nobody answers takes no room from others.
    fn recount(&mut self, now: Time, of: PeerKey) {
        let keys: Vec<Key> =
            self.peers.get(of).map(|peer| peer.sessions().collect()).unwrap_or_default();
        for key in keys {
            self.count_in_flight(now, key);
        }
    }

    /// Keeps the path's count of what is in flight.
    pub(super) fn count_in_flight(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let after = if entry.peer.is_some() { entry.session.in_flight_bytes(now) } else { 0 };
        let before = std::mem::replace(&mut entry.in_flight, after);
        if let Some(peer) = entry.peer.and_then(|of| self.peers.get_mut(of)) {
            peer.path.add_in_flight(before, after);
        }
    }

    /// A session leaves its peer, with what it has in flight.
    pub(super) fn leave_peer(&mut self, of: PeerKey, key: Key) {
        if let Some(entry) = self.sessions.get_mut(key) {
            let before = std::mem::take(&mut entry.in_flight);
            entry.waiting = false;
            if let Some(peer) = self.peers.get_mut(of) {
                peer.path.add_in_flight(before, 0);
            }
        }
        self.list_path(of);
        if let Some(mut peer) = self.peers.leave(of, key) {
            self.leave_lane(peer.addr);
            self.pace_deadlines.forget(of, &mut peer.path.paced_until);
            if let Some(mtu) = peer.path.mtu() {
                self.mtu_deadlines.forget(of, &mut mtu.due);
            }
        }
    }
}
