//! Datagrams that leave.

use super::{ChannelKey, NotSealed, Sealed, SecureTable};
use crate::layer::crypto::secure::data::{Kind, DATA_MIN};
use crate::layer::crypto::secure::stats::count;
use crate::layer::crypto::secure::{HEADROOM, TAILROOM};
use crate::time::Time;

impl SecureTable {
    /// Seals a datagram in place. The content lies in `buf` behind [`HEADROOM`] bytes and is `len` bytes
    /// long; behind it there are at least [`TAILROOM`] bytes, and more where there is padding. Contents of
    /// one length become datagrams of one length. `elicits`: something will be said in answer, so that
    /// silence means something.
    ///
    /// # Errors
    /// Why it was not sealed. Without keys a handshake begins.
    pub fn seal(
        &mut self,
        now: Time,
        key: ChannelKey,
        buf: &mut [u8],
        len: usize,
        elicits: bool,
    ) -> Result<Sealed, NotSealed> {
        let channel = self.channels.get_mut(key).ok_or(NotSealed::NoChannel)?;
        let path = channel.path.ok_or(NotSealed::NoPath)?;
        let Some(current) = channel.current.as_mut().filter(|keys| keys.is_valid(now)) else {
            channel.expire(now, &mut |index| self.indices.forget(index));
            self.begin_attempt(now, key);
            return Err(NotSealed::NoKeys);
        };
        let room =
            buf.len().checked_sub(HEADROOM + TAILROOM).and_then(|room| room.checked_sub(len));
        let padding = padding(self.pad_to, len).min(room.ok_or(NotSealed::NoRoom)?);
        let sealed = current.seal(buf, len, Kind::Data, padding).ok_or(NotSealed::NoRoom)?;
        let rekey = current.wants_rekey(now);
        count(&mut self.stats.sealed);
        if elicits {
            channel.asked(now);
        }
        if rekey {
            self.begin_attempt(now, key);
        } else if elicits {
            self.schedule(key);
        }
        Ok(Sealed { len: sealed, path })
    }

    /// Queues a datagram of the channel's own.
    pub(super) fn send_control(&mut self, now: Time, key: ChannelKey, kind: Kind) {
        let padding = self.generator.padding();
        let Some(channel) = self.channels.get_mut(key) else { return };
        let (Some(path), Some(current)) = (channel.path, channel.current.as_mut()) else { return };
        if !current.is_valid(now) {
            return;
        }
        let mut datagram = vec![0; DATA_MIN + padding];
        if current.seal(&mut datagram, 0, kind, padding).is_some() {
            self.push(path, datagram);
        }
    }
}

/// Returns how many zeros make content and kind a multiple of `pad_to`.
fn padding(pad_to: usize, len: usize) -> usize {
    match pad_to {
        0 | 1 => 0,
        _ => (pad_to - (len + 1) % pad_to) % pad_to,
    }
}
