//! Datagrams that arrive.

use super::{ChannelKey, Opened, Owner, SecureEvent, SecureTable};
use crate::layer::crypto::secure::data::{self, Kind};
use crate::layer::crypto::secure::keypair::{Authentic, Unopened};
use crate::layer::crypto::secure::stats::count;
use crate::layer::crypto::secure::HEADROOM;
use crate::path::Path;
use crate::time::Time;

impl SecureTable {
    /// Takes a datagram that came by this path, and opens it in place if it is a peer's. What is not
    /// authentic is left as it was and dropped without an answer.
    pub fn open(&mut self, now: Time, from: Path, datagram: &mut [u8]) -> Opened {
        // The order of docs/security.md: what is frequent first, what costs most last.
        if let Some(opened) = self.open_known(now, from, datagram) {
            return opened;
        }
        if !self.handle_initiation(now, from, datagram) && !self.handle_cookie(now, from, datagram)
        {
            count(&mut self.stats.strangers);
        }
        Opened::Nothing
    }

    /// Opens what carries an index that was given out.
    fn open_known(&mut self, now: Time, from: Path, datagram: &mut [u8]) -> Option<Opened> {
        let (index, lower) = data::read_header(&self.header_key, datagram)?;
        let (key, found, is_current) = match self.indices.get(index)? {
            Owner::Attempt(key) => {
                return self.handle_response(now, from, key, datagram).map(|()| Opened::Nothing);
            }
            Owner::Unconfirmed(number) => {
                let entry = self.unconfirmed.get_mut(number)?;
                match entry.keypair.open(now, lower, datagram) {
                    // The initiator has the keys: they may be used.
                    Ok(found) => {
                        let Some(key) = self.confirm(now, number, from) else {
                            return Some(Opened::Nothing);
                        };
                        let keys = self.channels.get_mut(key)?.keypair_mut(index)?;
                        (key, found, keys.1)
                    }
                    Err(why) => return self.not_opened(why),
                }
            }
            Owner::Keypair(key) => {
                let (keys, is_current) = self.channels.get_mut(key)?.keypair_mut(index)?;
                match keys.open(now, lower, datagram) {
                    Ok(found) => (key, found, is_current),
                    Err(why) => return self.not_opened(why),
                }
            }
        };
        Some(self.opened(now, from, (key, is_current), found))
    }

    /// Counts what was not opened. It may be part of a handshake that looks like data by chance.
    fn not_opened(&mut self, why: Unopened) -> Option<Opened> {
        count(match why {
            Unopened::Expired => &mut self.stats.expired,
            Unopened::Replayed => &mut self.stats.replayed,
            Unopened::Forged => &mut self.stats.forged,
        });
        None
    }

    /// Acts on an authentic datagram.
    fn opened(
        &mut self,
        now: Time,
        from: Path,
        (key, is_current): (ChannelKey, bool),
        found: Authentic,
    ) -> Opened {
        let Some(channel) = self.channels.get_mut(key) else { return Opened::Nothing };
        channel.heard(now);
        count(&mut channel.arrived);
        channel.expected = channel.expected.saturating_add(found.ahead);
        let mut moved_from = None;
        let mut rekey = false;
        if let Some(current) = channel.current.as_mut().filter(|_| is_current) {
            rekey = current.wants_rekey(now);
            if !std::mem::replace(&mut current.heard, true) {
                channel.heard_current(now);
            }
            // What comes late, or was sent under former keys, tells where the peer was.
            if found.newest {
                moved_from = channel.move_to(from);
            }
        }
        if !is_current {
            channel.heard_former(now);
        }
        if let Some(path) = moved_from {
            count(&mut self.stats.moved);
            if found.kind != Kind::Data {
                self.events.push_back(SecureEvent::Moved { channel: key, from: path });
            }
        }
        match rekey {
            true => self.begin_attempt(now, key),
            false => self.schedule(key),
        }
        match found.kind {
            Kind::Data => {
                count(&mut self.stats.opened);
                let content = HEADROOM..HEADROOM + found.len;
                return Opened::Data { channel: key, content, moved_from };
            }
            Kind::Probe => self.send_control(now, key, Kind::Answer),
            Kind::Answer => {}
            Kind::Unknown => count(&mut self.stats.unknown_kind),
        }
        Opened::Nothing
    }
}
