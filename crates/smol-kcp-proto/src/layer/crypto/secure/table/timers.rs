//! What is due: initiations again, probes, silence that means something, keys that are too old.

use super::{ChannelKey, SecureEvent, SecureTable};
use crate::layer::crypto::secure::attempt::Due;
use crate::layer::crypto::secure::data::Kind;
use crate::layer::crypto::secure::stats::count;
use crate::time::Time;

impl SecureTable {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((_, number)) = self.unconfirmed.first_expiry().filter(|&(at, _)| at <= now) {
            self.drop_unconfirmed(number);
        }
        while let Some(key) = self.deadlines.pop_due(now) {
            if let Some(channel) = self.channels.get_mut(key) {
                channel.deadline = None;
            }
            self.handle_timeout_of(now, key);
            self.schedule(key);
        }
    }

    fn handle_timeout_of(&mut self, now: Time, key: ChannelKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.expire(now, &mut |index| self.indices.forget(index));
        let due = channel.attempt.as_ref().map_or(Due::Nothing, |attempt| attempt.due(now));
        let probe = channel.take_probe(now);
        let silent = due == Due::Nothing && channel.take_silence(now);
        if probe {
            self.send_control(now, key, Kind::Probe);
        }
        match due {
            Due::Nothing if silent => self.begin_attempt(now, key),
            Due::Nothing => {}
            Due::Repeat => self.send_initiations(now, key),
            Due::Renew => self.renew_attempt(now, key),
            Due::GiveUp => self.give_up(key),
        }
        self.remove_if_idle(key);
    }

    fn renew_attempt(&mut self, now: Time, key: ChannelKey) {
        let Some(initiated) = self.initiate(key) else { return };
        if let Some(attempt) = self.channels.get_mut(key).and_then(|c| c.attempt.as_mut()) {
            let former = attempt.initiated.index;
            attempt.renew(now, initiated);
            self.indices.forget(former);
        }
        self.send_initiations(now, key);
    }

    fn give_up(&mut self, key: ChannelKey) {
        self.end_attempt(key);
        count(&mut self.stats.unanswered);
        if let Some(channel) = self.channels.get_mut(key) {
            channel.stop_waiting();
        }
        self.events.push_back(SecureEvent::Unanswered { channel: key });
    }
}
