//! What a tunnel has beside its KCP streams where it takes the place of kcptun's client or server.

use std::fmt;
use std::time::Duration;

use crate::KcptunKey;
use smol_kcp::kcp_go::{Cipher, FecConfig, FecMode};

/// Settings of a tunnel that speaks as kcptun does. The defaults are those of kcptun's last release with code
/// (2026-01), where it has the setting.
#[derive(Clone, Debug, PartialEq)]
pub struct KcptunSettings {
    /// The cipher of each datagram, the same on both sides. Default: `aes`.
    pub crypt: Cipher,
    /// The text that both sides know.
    pub key: KcptunKey,
    /// Parity that this side sends. Default: 10+3.
    pub fec: FecMode,
    /// The bytes of all streams are compressed, on both sides or on neither. Default: `true`.
    pub compression: bool,
    /// The version of smux, 1 or 2, the same on both sides. Default: 2; kcptun before 2025-11-21 has 1.
    pub smux_version: u8,
    /// Bytes received and not yet read, of all streams of a session. Default: 4 MiB.
    pub smux_buffer: usize,
    /// Bytes of one stream that the peer may send ahead of its reader, with version 2. Default: 2 MiB.
    pub stream_buffer: usize,
    /// Payload bytes of a frame of smux that is sent. Default: 8192.
    pub frame_size: usize,
    /// Client: sessions, each with a UDP socket of its own, that connections are dealt to in turn. Default: 1.
    pub sessions: usize,
    /// Client: the age at which a session gets no more connections; `None`: it serves as long as it lives. Default:
    /// `None`.
    pub auto_expire: Option<Duration>,
    /// Client: how long the connections of such a session may go on. Default: 10 minutes.
    pub scavenge_ttl: Duration,
    /// How long a connection may be silent once one of its directions has ended. Default: 30 s.
    pub close_wait: Duration,
    /// Client: ports of the server, one of which is drawn for each session. Server: ports that it listens at, each.
    /// `None`: the one that the address has.
    pub ports: Option<PortRange>,
}

impl Default for KcptunSettings {
    fn default() -> KcptunSettings {
        KcptunSettings {
            crypt: Cipher::Aes,
            key: KcptunKey::default(),
            fec: FecConfig { data: 10, parity: 3 }.into(),
            compression: true,
            smux_version: 2,
            smux_buffer: 4 << 20,
            stream_buffer: 2 << 20,
            frame_size: 8192,
            sessions: 1,
            auto_expire: None,
            scavenge_ttl: Duration::from_secs(600),
            close_wait: Duration::from_secs(30),
            ports: None,
        }
    }
}

/// Ports from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Reads `29900-29910`, or `29900` alone. `None` if it is neither.
    pub fn parse(text: &str) -> Option<PortRange> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().filter(|&port: &u16| port > 0)
        };
        let (first, last) = (port(first)?, port(last)?);
        (first <= last).then_some(PortRange { first, last })
    }

    /// Returns every port.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Returns how many there are.
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// Returns one of them, given a random number.
    pub fn draw(self, random: u32) -> u16 {
        let offset = random as usize % self.count();
        self.first.saturating_add(u16::try_from(offset).unwrap_or(0))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => self.first.fmt(f),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_printed_as_it_is_read_and_every_port_of_it_is_drawn() {
        for text in ["29900", "29900-29910", "1-65535"] {
            assert_eq!(PortRange::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "0", "0-5", "5-4", "1-65536", "1-", "-1", "1-2-3", "a-b", "+1"] {
            assert_eq!(PortRange::parse(text), None, "{text}");
        }
        let range = PortRange::parse("7-9").unwrap();
        let drawn: Vec<u16> = (0..6).map(|random| range.draw(random)).collect();
        assert_eq!((drawn, range.ports().count(), range.count()), (vec![7, 8, 9, 7, 8, 9], 3, 3));
        assert_eq!(PortRange::parse("1-65535").unwrap().draw(u32::MAX), 1);
    }
}
