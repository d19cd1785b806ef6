//! Who is listed where: the steps that keep queues, sums and flags in agreement.

use super::stream::Fin;
use super::{Connection, Event, MOST_GONE};

/// Spare buffers for frames that a session keeps.
const SPARE: usize = 8;

impl Connection {
    /// Lists a stream that has a SYN or an update to send.
    pub(super) fn queue_control(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut stream.in_control, true) {
            self.control.push_back(id);
            self.attention = true;
        }
    }

    /// Lists a stream that has bytes or a FIN to send.
    pub(super) fn queue_data(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut stream.in_data, true) {
            self.data.push_back(id);
            self.attention = true;
        }
    }

    /// Lists a FIN for a stream that does not exist here.
    pub(super) fn queue_reply(&mut self, id: u32) {
        // A peer that opens streams and reads nothing gets no more than it would remember.
        if self.replies.len() < MOST_GONE {
            self.replies.push_back(id);
            self.attention = true;
        }
    }

    /// Wakes a reader that waits.
    pub(super) fn wake_reader(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if std::mem::take(&mut stream.waits_read) {
            self.events.push_back(Event::Readable(id));
        }
    }

    /// Wakes a writer, or who waits for a flush.
    pub(super) fn wake_writer(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if std::mem::take(&mut stream.waits_write) {
            self.events.push_back(Event::Writable(id));
        }
    }

    /// Counts `n` bytes as read or thrown away.
    pub(super) fn uncount_unread(&mut self, n: usize) {
        self.unread -= n;
        if self.paused && self.wants_input() {
            self.attention = true;
        }
    }

    /// Counts `n` bytes as queued for the transport or thrown away, and lets those write who waited for that.
    pub(super) fn uncount_pending(&mut self, n: usize) {
        self.pending -= n;
        // Each of them takes no more than a frame, so that many have room at once. Some of those that are
        // woken may not write after all: there is another call while anything is pending, and the last one
        // wakes all.
        let mut room = match self.pending {
            0 => usize::MAX,
            pending => self.config.max_send_buffer.saturating_sub(pending),
        };
        while room > 0 {
            let Some(id) = self.blocked.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.in_blocked = false;
            room = room.saturating_sub(self.config.max_frame_size);
            self.wake_writer(id);
        }
    }

    /// Keeps a buffer for the next frame.
    pub(super) fn keep_spare(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE && buffer.capacity() > 0 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Remembers that this side let go of a stream and the peer did not.
    pub(super) fn remember_gone(&mut self, id: u32) {
        if self.gone.len() >= MOST_GONE {
            self.gone.pop_first();
        }
        self.gone.insert(id);
    }

    /// Removes a stream with nothing left to say.
    pub(super) fn remove_if_over(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.is_over()) else {
            if self.ended.is_some() && self.streams.get(&id).is_some_and(|s| s.released) {
                self.remove(id);
            }
            return;
        };
        match (stream.peer_finished, stream.abandoned) {
            (true, _) => {}
            (false, true) => self.queue_reply(id),
            (false, false) => self.remember_gone(id),
        }
        self.remove(id);
    }

    /// Removes a stream whatever is left of it.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        let pending = stream.discard_pending();
        self.uncount_pending(pending);
        // Where nothing is left in them, queues of a session that had many streams are not kept.
        if self.streams.is_empty() {
            for queue in [&mut self.control, &mut self.data, &mut self.blocked] {
                *queue = Default::default();
            }
            self.flushing.clear();
        }
    }

    /// Panics if sums, flags and queues do not agree; for tests.
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        let unread: usize = self.streams.values().map(|stream| stream.unread()).sum();
        assert_eq!(unread, self.unread, "bytes that were not read");
        let pending: usize = self.streams.values().map(|stream| stream.pending()).sum();
        assert_eq!(pending, self.pending, "bytes that are pending");
        assert!(self.pending <= self.config.max_send_buffer, "the send buffer is kept");
        assert!(self.streams.len() <= self.config.max_streams, "the number of streams is kept");
        assert!(self.incoming.len() <= self.config.backlog, "the backlog is kept");
        assert!(self.gone.len() <= MOST_GONE && self.replies.len() <= MOST_GONE);
        for (id, stream) in &self.streams {
            assert!(stream.pending() <= self.config.max_frame_size, "stream {id}: one frame");
            let (control, data) = (stream.syn_due || stream.update_due, stream.fin == Fin::Wanted);
            assert_eq!(stream.in_control, control, "stream {id}: in the control queue");
            assert_eq!(stream.in_data, data || stream.pending() > 0, "stream {id}: in turn");
            assert!(!stream.in_control || self.control.contains(id), "stream {id}: listed");
            assert!(!stream.in_data || self.data.contains(id), "stream {id}: listed");
            assert!(!stream.is_over(), "stream {id}: removed when over");
        }
    }
}
