//! What leaves: control frames first, then one frame of each stream in turn.

use std::time::Duration;

use super::output::Output;
use super::stream::Fin;
use super::Connection;
use crate::frame::{Command, Header, Update, HEADER_LEN, UPDATE_LEN};

/// The smallest window that is granted, in bytes: eight frames of kcptun.
const LEAST_WINDOW: usize = 64 * 1024;

impl Connection {
    /// Fills `output` up to `most` bytes, or one frame more, and notes what of it was written since the last
    /// call. Call it after [`handle_timeout`](Connection::handle_timeout), always with the same output.
    ///
    /// Streams take turns: each has one frame, of [`max_frame_size`](crate::Config::max_frame_size) at most.
    pub fn poll_output(&mut self, now: Duration, most: usize, output: &mut Output) {
        self.confirm(output.written());
        if self.ended.is_some() {
            return;
        }
        while let Some(buffer) = output.pop_spare() {
            self.keep_spare(buffer);
        }
        let before = output.pushed();
        self.send_control(output);
        while output.len() < most {
            let Some(id) = self.data.pop_front() else { break };
            self.send_data(id, output);
        }
        if output.pushed() == before && self.keep_alive.is_due(now) {
            if output.is_empty() {
                output.release(); // a session at rest keeps no buffers
                self.send(output, Header::bare(Command::Nop, 0));
            }
            // Else what waits to be written is a sign of life, as soon as one can be given.
            self.keep_alive.on_sent(now);
        }
        if output.pushed() != before {
            self.keep_alive.on_sent(now);
        }
    }

    /// Returns whether [`poll_output`](Connection::poll_output) would find a frame.
    pub fn has_output(&self) -> bool {
        !(self.control.is_empty() && self.data.is_empty() && self.replies.is_empty())
    }

    /// Notes that the transport has taken `confirmed` bytes in all, and tells those that waited for that.
    fn confirm(&mut self, confirmed: u64) {
        self.confirmed = confirmed;
        while let Some((end, id)) =
            self.flushing.first().copied().filter(|(at, _)| *at <= confirmed)
        {
            self.flushing.remove(&(end, id));
            let Some(stream) = self.streams.get(&id) else { continue };
            if stream.is_flushed(confirmed) {
                self.wake_writer(id);
            } else if stream.sent_end > confirmed {
                // It has written more since.
                self.flushing.insert((stream.sent_end, id));
            }
            // Else its frame has not left the stream: `send_data` lists it again.
        }
    }

    fn send(&self, output: &mut Output, header: Header) {
        output.push_bytes(&header.encode(self.config.version));
    }

    /// Sends what is small and may be ahead of all data.
    fn send_control(&mut self, output: &mut Output) {
        while let Some(id) = self.control.pop_front() {
            let window = self.grant();
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.in_control = false;
            if std::mem::take(&mut stream.syn_due) {
                self.send(output, Header::bare(Command::Syn, id));
            }
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if std::mem::take(&mut stream.update_due) && !stream.peer_finished {
                let update = stream.report(window);
                self.send_update(output, id, update);
            }
        }
        while let Some(id) = self.replies.pop_front() {
            self.send(output, Header::bare(Command::Fin, id));
        }
    }

    fn send_update(&self, output: &mut Output, id: u32, update: Update) {
        let header = Header { command: Command::Update, length: UPDATE_LEN as u16, id };
        let mut frame = [0; HEADER_LEN + UPDATE_LEN];
        frame[..HEADER_LEN].copy_from_slice(&header.encode(self.config.version));
        frame[HEADER_LEN..].copy_from_slice(&update.encode());
        output.push_bytes(&frame);
    }

    /// Returns the window that a reader may offer now: half of what the streams that are not read have left
    /// of the receive buffer (dynamic thresholds, Choudhury and Hahne 1998), so that several of them leave
    /// something to those that are. The window before the first update, and the least one, may still add up
    /// to more than the buffer.
    fn grant(&self) -> u32 {
        let half = self.config.max_receive_buffer.saturating_sub(self.unread) / 2;
        let window = half.max(LEAST_WINDOW).min(self.config.max_stream_buffer);
        window as u32 // at most max_stream_buffer, which is below 2^31
    }

    /// Sends the frame of a stream whose turn it is, and FIN behind it.
    fn send_data(&mut self, id: u32, output: &mut Output) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.in_data) else {
            return; // another of that number was listed
        };
        stream.in_data = false;
        let pending = stream.pending();
        if pending > 0 {
            let mut frame = std::mem::take(&mut stream.frame);
            // At most max_frame_size, which is 16 bits.
            let header = Header { command: Command::Push, length: pending as u16, id };
            frame[..HEADER_LEN].copy_from_slice(&header.encode(self.config.version));
            output.push(frame);
        }
        if stream.fin == Fin::Wanted {
            stream.fin = Fin::Sent;
            output.push_bytes(&Header::bare(Command::Fin, id).encode(self.config.version));
        }
        let end = output.pushed();
        stream.sent_end = end;
        if stream.waits_write {
            // It may wait for the frame to leave, not only for room. Who waits for room is told now.
            self.flushing.insert((end, id));
        }
        self.uncount_pending(pending);
        if pending > 0 {
            self.wake_if_room(id);
        }
        self.remove_if_over(id);
    }

    /// Wakes a writer whose frame has left the stream, if it may write another.
    fn wake_if_room(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id) else { return };
        let room = self.pending < self.config.max_send_buffer
            && stream.window(self.config.version) > 0
            && stream.fin == Fin::Open;
        if room {
            self.wake_writer(id);
        }
    }

    /// Takes a stream out of turn that has nothing to send any more.
    pub(super) fn settle_data(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.pending() == 0 && stream.fin != Fin::Wanted {
            stream.in_data = false;
        }
    }
}
