//! The MTU of each path: whose probes ask, and who is told the answer.

use super::{Key, Router};
use crate::peer::path::Step;
use crate::peer::PeerKey;
use crate::time::Time;

impl Router {
    /// Lets a session that has just joined a peer use what is known of the path.
    pub(super) fn adopt_mtu(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(peer) = entry.peer.and_then(|of| self.peers.get(of)) else { return };
        entry.session.set_mtu(now, peer.path.mtu_size(), false);
    }

    /// A doubt or a search has begun: `key` sends the probes.
    pub(super) fn begin_probing(&mut self, now: Time, key: Key) {
        let Some(of) = self.sessions.get(key).and_then(|entry| entry.peer) else { return };
        if let Some(mtu) = self.peers.get_mut(of).and_then(|peer| peer.path.mtu()) {
            mtu.prober = Some(key);
            self.poll_mtu(now, of);
        }
    }

    /// Goes on with paths whose probes have had time to be answered.
    pub(super) fn handle_mtu_timeouts(&mut self, now: Time) {
        while let Some(of) = self.mtu_deadlines.pop_due(now) {
            if let Some(mtu) = self.peers.get_mut(of).and_then(|peer| peer.path.mtu()) {
                mtu.due = None;
                self.poll_mtu(now, of);
            }
        }
    }

    /// Does what is to be done next to find out what the path carries.
    fn poll_mtu(&mut self, now: Time, of: PeerKey) {
        let Some(peer) = self.peers.get_mut(of) else { return };
        let addr = peer.addr;
        let Some(mtu) = peer.path.mtu() else { return };
        let prober = mtu.prober.filter(|&key| {
            let entry = self.sessions.get(key);
            entry.is_some_and(|entry| entry.peer == Some(of) && entry.session.error().is_none())
        });
        let Some(key) = prober else { return mtu.abandon() };
        match mtu.poll(now) {
            Step::Rest => {}
            Step::Probe(lengths) => {
                let probed = self.with_session(now, key, |session| {
                    session.probe_lengths(lengths);
                    session.rto()
                });
                let at = probed.map(|rto| now + rto);
                if let Some(mtu) = self.peers.get_mut(of).and_then(|peer| peer.path.mtu()) {
                    self.mtu_deadlines.want(of, &mut mtu.due, at);
                }
            }
            Step::Fall { from } => {
                let size = mtu.size();
                peer.path.on_black_hole(now);
                self.stats.black_holes = self.stats.black_holes.wrapping_add(1);
                log::info!(
                    "the path to {addr} carries no datagrams of {from} bytes any more: {size} from here on"
                );
                self.share_mtu(now, of, true);
            }
        }
    }

    /// Takes what a datagram has told of the probes of a session.
    pub(super) fn heed_probes(&mut self, now: Time, key: Key) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(of) = entry.peer else { return };
        for length in entry.session.take_arrived_probes() {
            let Some(peer) = self.peers.get_mut(of) else { return };
            if peer.path.mtu().is_some_and(|mtu| mtu.on_echo(now, length)) {
                self.share_mtu(now, of, false);
                self.poll_mtu(now, of);
            }
        }
    }

    /// Tells all sessions with a peer what new segments are to be cut for.
    fn share_mtu(&mut self, now: Time, of: PeerKey, fell: bool) {
        let Some(peer) = self.peers.get(of) else { return };
        let size = peer.path.mtu_size();
        let keys: Vec<Key> = peer.sessions().collect();
        for key in keys {
            self.with_session(now, key, |session| session.set_mtu(now, size, fell));
        }
    }
}
