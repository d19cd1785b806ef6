//! A peer that shows itself at another address has moved with all that it has.

use std::net::SocketAddr;

use crate::path::{ChannelKey, Path, PeerId};
use crate::router::Router;
use crate::time::Time;

impl Router {
    /// Follows a peer that has shown itself at another address.
    pub(super) fn move_channel(&mut self, now: Time, channel: ChannelKey, to: Path) {
        let to = Path { channel: Some(channel), ..to };
        let keys = self.sessions_in(channel);
        let Some(old) = keys.first().and_then(|&key| self.peer(key)) else { return };
        // Another port is another NAT entry on the same way; another address is another way (RFC 9000, 9.4).
        let is_new_way = old.ip() != to.peer.ip();
        for &key in &keys {
            let Some(entry) = self.sessions.get_mut(key) else { continue };
            entry.session.move_to(now, to);
            let (counted, of) = (entry.counted, entry.peer.filter(|_| is_new_way));
            if counted {
                self.shares.remove(old);
                self.shares.add(to.peer);
            }
            if let Some(of) = of {
                self.leave_peer(of, key);
            }
        }
        for &key in &keys {
            if is_new_way {
                let joined = self.peers.join(now, to, key, self.new_path());
                if let Some(entry) = self.sessions.get_mut(key) {
                    entry.peer = Some(joined);
                }
                self.count_in_flight(now, key);
                self.adopt_mtu(now, key);
            }
            self.settle(now, key);
        }
        if let Some(peer) = self.peers.find_mut(PeerId::Channel(channel)) {
            peer.addr = to.peer;
        }
        if old != to.peer {
            self.stats.moved = self.stats.moved.wrapping_add(1);
            self.log_channel_move(now, channel, old, to.peer);
        }
    }

    fn log_channel_move(
        &mut self,
        now: Time,
        channel: ChannelKey,
        old: SocketAddr,
        to: SocketAddr,
    ) {
        if self.may_log_move(now) {
            let name = self.secure.as_ref().and_then(|secure| secure.table.peer_name(channel));
            let name = name.map_or("the peer", |name| name);
            log::info!("{name} has moved from {old} to {to}");
        }
    }
}
