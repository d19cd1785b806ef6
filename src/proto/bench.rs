//! The engines as the benches reach them. No stability promise.

use super::engine::{self, Reader, Setup};
pub use crate::time::Time;
pub use crate::wire::{Header, CMD_PUSH, CMD_WINS};
use crate::{KcpConfig, KcpError};

/// The engine of `KcpConfig::engine`, as a session drives it.
#[derive(Debug)]
pub struct Engine(engine::Engine);

impl Engine {
    /// A fresh engine.
    ///
    /// # Errors
    /// [`KcpError::Config`] for a setting that is not accepted.
    pub fn new(config: &KcpConfig, conv: u32) -> Result<Engine, KcpError> {
        config.check()?;
        let mtu = config.mtu;
        let setup = Setup { conv, config, mtu, now: Time::ZERO, ts_base: 0, sn_base: 0 };
        Ok(Engine(engine::Engine::new(setup)?))
    }

    /// How much of `buf` it took.
    pub fn write(&mut self, buf: &[u8]) -> usize {
        self.0.write(buf).unwrap_or(0)
    }

    /// Appends the next message or segment to `into`.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        self.0.read(into)
    }

    /// Applies a datagram. Returns whether that was well formed. Up to `room` bytes of a stream go
    /// to `into` at once if they are next.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &[u8],
        into: &mut Vec<u8>,
        room: usize,
    ) -> bool {
        self.0.handle_datagram_for(now, datagram, Reader { into, room }).is_ok()
    }

    /// Emits what is due.
    pub fn flush(&mut self, now: Time) {
        self.0.flush(now);
    }

    /// Hands over what was emitted.
    pub fn take_output(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.0.take_output(sink);
    }

    /// When to flush again.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        self.0.poll_timeout(now)
    }
}
