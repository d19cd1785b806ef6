//! Conversations that carry datagrams of another protocol: what the messages in them may do without.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::check::{refused, within_or_none, LONGEST};
use super::EngineKind;
use crate::error::KcpError;

/// Says which conversations carry datagrams, and how long one is of use.
///
/// What goes through them was written for UDP, which promises neither order nor delivery: games, calls, DNS,
/// other tunnels. Such conversations carry messages, whatever [`stream`](crate::KcpConfig::stream) says, and
/// a message is handed to the reader as soon as it is here, ahead of others that got lost and are sent
/// again. Both ends must be ours, with [`EngineKind::Ring`](crate::EngineKind), and name the same conversations:
/// the first segment of a message is marked, in a bit that KCP does not use. With another engine they are as
/// all others.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use smol_kcp::{DatagramConfig, KcpConfig};
///
/// let datagrams = DatagramConfig::new(0x4000_0000..=0x4fff_ffff)
///     .with_lifetime(Some(Duration::from_millis(100)));
/// let config = KcpConfig { stream: true, datagrams: Some(datagrams), ..KcpConfig::default() };
/// config.check()?;
/// # Ok::<(), smol_kcp::KcpError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramConfig {
    /// The numbers of the conversations.
    pub convs: RangeInclusive<u32>,
    /// The time after which a message of this side is given up: neither sent again nor, if it has waited so long,
    /// for the first time; its number travels empty, so that what follows does not wait for it. A message of
    /// several segments arrives whole or not at all. 1 ms to 24 days; `None`, the default: everything arrives.
    ///
    /// What waits is looked at when something leaves, and given up after at most twice this time.
    pub lifetime: Option<Duration>,
}

impl DatagramConfig {
    /// Names the conversations, whose messages are all to arrive.
    pub fn new(convs: RangeInclusive<u32>) -> DatagramConfig {
        DatagramConfig { convs, lifetime: None }
    }

    /// Sets the time after which a message is given up.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Option<Duration>) -> DatagramConfig {
        DatagramConfig { lifetime, ..self }
    }

    pub(super) fn check(&self) -> Result<(), KcpError> {
        if self.convs.is_empty() {
            let value = format_args!("{:?}", self.convs);
            return Err(refused("datagrams.convs", value, "a range that is not empty".into()));
        }
        within_or_none("datagrams.lifetime", self.lifetime, Duration::from_millis(1)..=LONGEST)
    }
}

impl super::KcpConfig {
    /// Does this conversation carry datagrams?
    pub(crate) fn datagrams_of(&self, conv: u32) -> Option<&DatagramConfig> {
        let datagrams = self.datagrams.as_ref().filter(|datagrams| datagrams.convs.contains(&conv));
        datagrams.filter(|_| self.engine == EngineKind::Ring)
    }

    /// Does this conversation carry bytes without boundaries?
    pub(crate) fn is_stream(&self, conv: u32) -> bool {
        self.stream && self.datagrams_of(conv).is_none()
    }
}
