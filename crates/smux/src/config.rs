//! Settings of a session.

use std::time::Duration;

use crate::error::Error;
use crate::frame::Version;

/// Settings of a session. They are checked once, when a session is made of them.
///
/// The defaults are those of kcptun's last release with code (2026-01), where it has the setting.
///
/// # Examples
///
/// ```
/// use smol_smux::{Config, Version};
///
/// let config = Config { version: Version::V1, max_streams: 100, ..Config::default() };
/// assert!(config.check().is_ok());
/// assert!(Config { max_frame_size: 0, ..config }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The version that the peer speaks too. Default: [`V2`](Version::V2).
    pub version: Version,
    /// Time without a frame sent after which a sign of life is sent; `None` sends none, and the peer
    /// may take this side for dead. At least 1 ms. Default: 10 s.
    pub keep_alive: Option<Duration>,
    /// Time without a byte received after which the session ends with [`Error::TimedOut`]; `None`
    /// waits for ever. It does not run while reading is stopped by `max_receive_buffer`. At least
    /// 1 ms. Default: 30 s, three signs of life of the peer.
    pub keep_alive_timeout: Option<Duration>,
    /// Payload bytes of a frame that is sent, 1 to 65535: how long a frame of one stream delays those
    /// of others, and memory of a stream that is writing. Frames of any length are received.
    /// Default: 8192.
    pub max_frame_size: usize,
    /// Bytes received and not yet read, of all streams. Above it nothing is read from the transport, window
    /// updates included (what was read at once may go beyond it, up to 16 KiB). Memory may be twice that.
    /// Default: 4 MiB.
    ///
    /// In version 1 a single stream that is not read fills it, and all stop. In version 2 none can; how many
    /// together can depends on `max_stream_buffer`. None ever stops the others where `max_streams` times the
    /// larger of 256 KiB and `max_stream_buffer` fits.
    pub max_receive_buffer: usize,
    /// Bytes of one stream that the peer may send ahead of its reader, version 2 only; at most
    /// `max_receive_buffer`. It is what a round trip carries. A peer starts with 256 KiB, whatever is
    /// set here. Default: 2 MiB.
    pub max_stream_buffer: usize,
    /// Bytes written and not yet handed on, of all streams; each has at most `max_frame_size` of them.
    /// Default: 1 MiB.
    pub max_send_buffer: usize,
    /// Streams at a time, of both sides. Beyond it [`open`](crate::Session::open) fails, and those
    /// that the peer opens are closed at once. Default: 4096.
    pub max_streams: usize,
    /// Streams of the peer that wait to be accepted. Those beyond it are closed at once. Default:
    /// 1024, where stock smux stops reading.
    pub backlog: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            version: Version::V2,
            keep_alive: Some(Duration::from_secs(10)),
            keep_alive_timeout: Some(Duration::from_secs(30)),
            max_frame_size: 8192,
            max_receive_buffer: 4 << 20,
            max_stream_buffer: 2 << 20,
            max_send_buffer: 1 << 20,
            max_streams: 4096,
            backlog: 1024,
        }
    }
}

/// The largest buffer: counters of bytes are compared as signed 32-bit differences.
const MOST: usize = i32::MAX as usize;

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] names the first field with a value that is not accepted.
    pub fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("max_frame_size", self.max_frame_size, usize::from(u16::MAX)),
            ("max_receive_buffer", self.max_receive_buffer, MOST),
            ("max_stream_buffer", self.max_stream_buffer, self.max_receive_buffer),
            ("max_send_buffer", self.max_send_buffer, MOST),
            ("max_streams", self.max_streams, MOST),
            ("backlog", self.backlog, MOST),
        ];
        for (field, value, most) in sizes {
            if !(1..=most).contains(&value) {
                let (value, accepted) = (value.to_string(), format!("1 to {most}"));
                return Err(Error::Config { field, value, accepted });
            }
        }
        let times =
            [("keep_alive", self.keep_alive), ("keep_alive_timeout", self.keep_alive_timeout)];
        for (field, value) in times {
            if let Some(value) = value.filter(|value| *value < Duration::from_millis(1)) {
                let (value, accepted) = (format!("{value:?}"), "none or at least 1ms".into());
                return Err(Error::Config { field, value, accepted });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(config: Config, said: &str) {
        assert_eq!(config.check().unwrap_err().to_string(), said);
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_accepted() {
        let default = Config::default;
        default().check().unwrap();
        refused(
            Config { max_frame_size: 65536, ..default() },
            "configuration: max_frame_size = 65536: must be 1 to 65535",
        );
        refused(
            Config { max_receive_buffer: 4096, ..default() },
            "configuration: max_stream_buffer = 2097152: must be 1 to 4096",
        );
        refused(
            Config { keep_alive: Some(Duration::ZERO), ..default() },
            "configuration: keep_alive = 0ns: must be none or at least 1ms",
        );
        refused(
            Config { backlog: 0, ..default() },
            "configuration: backlog = 0: must be 1 to 2147483647",
        );
        Config { keep_alive: None, keep_alive_timeout: None, ..default() }.check().unwrap();
    }
}
