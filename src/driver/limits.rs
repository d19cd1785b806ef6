//! Warnings about limits that were reached: each once a minute, with its name and value.

use crate::shared::EndpointState;
use crate::transport::receive_limit;
use smol_kcp_proto::time::Time;
use smol_kcp_proto::LogLimit;

/// Counts what has been logged.
#[derive(Debug, Default)]
pub(super) struct Limits {
    evicted: LogLimit,
    dropped: LogLimit,
    backlog: LogLimit,
    backlog_full: u64,
}

impl Limits {
    /// Logs how many streams made room for others, and how many datagrams the transport dropped.
    pub(super) fn report(&mut self, state: &EndpointState, now: Time) {
        // Neither happens without traffic, and traffic brings a turn: no timer is needed.
        let (at, config) = (state.local_addr, state.router.config());
        if let Some(count) = self.evicted.new_ones(now, state.router.evicted()) {
            let (name, limit) = match config.max_accepted {
                Some(limit) => ("max_accepted", limit),
                None => ("max_sessions", config.max_sessions),
            };
            log::warn!("{at}: {count} idle streams made room for others, {name} = {limit}");
        }
        if let Some(count) = self.dropped.new_ones(now, state.counters.receive_dropped) {
            let (mtu, longest) = (config.mtu, receive_limit(config.mtu));
            log::warn!(
                "{at}: {count} datagrams were dropped on arrival: longer than {longest} bytes, which \
                 is what mtu = {mtu} takes in, or more than there is room for"
            );
        }
    }

    /// Logs that streams of peers wait because the backlog is full.
    pub(super) fn backlog_full(&mut self, state: &EndpointState, now: Time) {
        if self.backlog.another(now, &mut self.backlog_full).is_some() {
            let (at, limit) = (state.local_addr, state.router.config().backlog);
            log::warn!("{at}: backlog = {limit} is full: more streams wait to be accepted");
        }
    }
}
