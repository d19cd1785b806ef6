//! The check of a configuration: which values make sense, and why those bounds.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{KcpConfig, Rate};
use crate::error::KcpError;
#[cfg(feature = "secure")]
use crate::layer::crypto::secure::OVERHEAD;
use crate::limits::{FRAGMENTS_MAX, MTU_MAX, MTU_MIN, RECV_WINDOW_MIN, RTO_DEFAULT, RTO_MAX};

/// Less is not a datagram of KCP (ikcp.c), more is not one of UDP over IPv4 (65535 - 20 - 8).
const MTU: RangeInclusive<usize> = MTU_MIN..=MTU_MAX;

/// `ikcp_nodelay` silently moves other values into this range.
const INTERVAL: RangeInclusive<u32> = 10..=5_000;

/// A segment is passed by what its window holds; ikcp.c's receive window is 128.
const RESEND: RangeInclusive<u32> = 0..=RECV_WINDOW_MIN as u32;

/// At most half of the 16-bit field, so that a window of the largest datagrams is less than 2 GiB,
/// the most that a 32-bit system has in one piece.
const WINDOW: RangeInclusive<u16> = 1..=32_767;

/// All that the field can say: what a window grows to is bounded by the memory budget.
const MAX_WINDOW: RangeInclusive<u16> = 1..=u16::MAX;

/// The first transmission alone proves nothing; a thousand at 60 s each are most of a day.
const TRANSMISSIONS: RangeInclusive<u32> = 2..=1_000;

/// The budgets' upper bound: 10 Gbit/s at 200 ms.
const MAX_BUDGET: usize = 256 * 1024 * 1024;

/// Room for a few windows, and the most that a 32-bit process can think of.
const MEMORY: RangeInclusive<usize> = 256 * 1024..=2047 * 1024 * 1024;

/// Numbers of sessions: far beyond what one socket serves, and finite.
const SESSIONS: RangeInclusive<usize> = 1..=1_048_576;

/// As a TCP backlog, which Linux long kept in 16 bits.
const BACKLOG: RangeInclusive<usize> = 1..=65_535;

/// Six bits (RFC 2474).
const DSCP: RangeInclusive<u8> = 0..=63;

/// The finest step of KCP's clockwork (its smallest interval).
const SHORTEST: Duration = Duration::from_millis(10);

/// The wire's clock compares milliseconds by 31 bits: 24.8 days.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// ikcp.c's first retransmission timeout (`RTO_DEFAULT`): who gives up earlier never retransmits.
const SHORTEST_STALL: Duration = Duration::from_millis(RTO_DEFAULT as u64);

/// More is not waited for anyway.
const MAX_RTO: Duration = Duration::from_millis(RTO_MAX as u64);

impl KcpConfig {
    /// Checks every field. Whatever takes a configuration calls this first.
    ///
    /// # Errors
    /// [`KcpError::Config`] with name, value and accepted range of the first bad field; parts of a
    /// pair are named `wnd_size.0` (send) and `wnd_size.1` (receive).
    ///
    /// # Examples
    ///
    /// ```
    /// use smol_kcp::KcpConfig;
    ///
    /// let error = KcpConfig::default().with_mtu(20).check().unwrap_err();
    /// assert_eq!(error.to_string(), "configuration: mtu = 20: must be 50 to 65507");
    /// ```
    pub fn check(&self) -> Result<(), KcpError> {
        within("mtu", self.mtu, MTU)?;
        within_or_none("max_mtu", self.max_mtu, self.mtu..=MTU_MAX)?;
        within("nodelay.interval", self.nodelay.interval, INTERVAL)?;
        within("nodelay.resend", self.nodelay.resend, RESEND)?;
        if !self.rate.is_valid() {
            return Err(KcpError::Config {
                field: "rate",
                value: self.rate.to_string(),
                accepted: Rate::ACCEPTED.to_string(),
            });
        }
        within("wnd_size.0", self.wnd_size.0, WINDOW)?;
        within("wnd_size.1", self.wnd_size.1, WINDOW)?;
        within("max_wnd_size.0", self.max_wnd_size.0, MAX_WINDOW)?;
        within("max_wnd_size.1", self.max_wnd_size.1, MAX_WINDOW)?;
        self.check_times()?;
        self.datagrams.as_ref().map_or(Ok(()), |datagrams| datagrams.check())?;
        self.check_limits()?;
        within_or_none("dscp", self.dscp, DSCP)?;
        #[cfg(feature = "secure")]
        if let Some(secure) = &self.secure {
            secure.check()?;
            within("mtu", self.mtu, MTU_MIN + OVERHEAD..=MTU_MAX)?;
        }
        #[cfg(feature = "kcptun")]
        if let Some(kcp_go) = &self.kcp_go {
            kcp_go.check(self)?;
        }
        #[cfg(feature = "netem")]
        if let Some(netem) = &self.netem {
            netem.check()?;
        }
        #[cfg(feature = "pcap")]
        if self.pcap.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(refused("pcap", "an empty path", "the path of a file, or none".into()));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), KcpError> {
        within_or_none("session_expire", self.session_expire, SHORTEST..=LONGEST)?;
        within_or_none("keep_alive", self.keep_alive, SHORTEST..=LONGEST)?;
        within_or_none("connect_timeout", self.connect_timeout, SHORTEST..=LONGEST)?;
        within("linger", self.linger, Duration::ZERO..=LONGEST)?;
        within("dead_link", self.dead_link, TRANSMISSIONS)?;
        within("stall_timeout", self.stall_timeout, SHORTEST_STALL..=LONGEST)?;
        within_or_none("min_rto", self.min_rto, SHORTEST..=MAX_RTO)?;

        // A keepalive that comes too late keeps nothing alive.
        if let (Some(keep_alive), Some(expire)) = (self.keep_alive, self.session_expire) {
            if keep_alive >= expire {
                let accepted = format!("less than session_expire = {expire:?}");
                return Err(refused("keep_alive", format_args!("{keep_alive:?}"), accepted));
            }
        }
        // Nor does a retransmission that comes after giving up.
        if let Some(min_rto) = self.min_rto.filter(|&min_rto| min_rto >= self.stall_timeout) {
            let accepted = format!("less than stall_timeout = {:?}", self.stall_timeout);
            return Err(refused("min_rto", format_args!("{min_rto:?}"), accepted));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), KcpError> {
        let budget = self.mtu..=MAX_BUDGET;
        within("send_budget", self.send_budget, budget.clone())?;
        within("recv_budget", self.recv_budget, budget.clone())?;
        within_or_none("max_message", self.max_message, 1..=FRAGMENTS_MAX * self.mss())?;
        within_or_none("memory_budget", self.memory_budget, MEMORY)?;
        within("max_sessions", self.max_sessions, SESSIONS)?;
        within_or_none("max_accepted", self.max_accepted, SESSIONS)?;
        within_or_none("max_sessions_per_prefix", self.max_sessions_per_prefix, SESSIONS)?;
        within("max_unconfirmed", self.max_unconfirmed, SESSIONS)?;
        within("backlog", self.backlog, BACKLOG)?;
        within_or_none("send_buffer", self.send_buffer, budget.clone())?;
        within_or_none("recv_buffer", self.recv_buffer, budget)
    }
}

pub(super) fn within<T: PartialOrd + Debug>(
    field: &'static str,
    value: T,
    accepted: RangeInclusive<T>,
) -> Result<(), KcpError> {
    if accepted.contains(&value) {
        return Ok(());
    }
    Err(refused(field, format_args!("{value:?}"), between(&accepted)))
}

pub(super) fn within_or_none<T: PartialOrd + Debug>(
    field: &'static str,
    value: Option<T>,
    accepted: RangeInclusive<T>,
) -> Result<(), KcpError> {
    match value {
        Some(value) if !accepted.contains(&value) => Err(refused(
            field,
            format_args!("{value:?}"),
            format!("{}, or none", between(&accepted)),
        )),
        _ => Ok(()),
    }
}

fn between<T: Debug>(accepted: &RangeInclusive<T>) -> String {
    format!("{:?} to {:?}", accepted.start(), accepted.end())
}

pub(super) fn refused(field: &'static str, value: impl ToString, accepted: String) -> KcpError {
    KcpError::Config { field, value: value.to_string(), accepted }
}

#[cfg(test)]
mod tests;
