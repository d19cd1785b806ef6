//! Setters that take and return the configuration, for one-expression changes to a profile.

use std::time::Duration;

use super::{DatagramConfig, EngineKind, KcpConfig, KcpNoDelayConfig, Rate};

macro_rules! setters {
    ($($(#[$only:meta])* $setter:ident, $field:ident: $kind:ty;)*) => {
        /// Setters by value: each replaces one field and checks nothing.
        impl KcpConfig {
            $(
                $(#[$only])*
                #[doc = concat!("Replaces [`", stringify!($field), "`](KcpConfig#structfield.",
                    stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $kind) -> KcpConfig {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    with_mtu, mtu: usize;
    with_max_mtu, max_mtu: Option<usize>;
    with_nodelay, nodelay: KcpNoDelayConfig;
    with_rate, rate: Rate;
    with_wnd_size, wnd_size: (u16, u16);
    with_max_wnd_size, max_wnd_size: (u16, u16);
    with_stream, stream: bool;
    with_datagrams, datagrams: Option<DatagramConfig>;
    with_flush_write, flush_write: bool;
    with_session_expire, session_expire: Option<Duration>;
    with_keep_alive, keep_alive: Option<Duration>;
    with_connect_timeout, connect_timeout: Option<Duration>;
    with_linger, linger: Duration;
    with_dead_link, dead_link: u32;
    with_stall_timeout, stall_timeout: Duration;
    with_min_rto, min_rto: Option<Duration>;
    with_send_budget, send_budget: usize;
    with_recv_budget, recv_budget: usize;
    with_max_message, max_message: Option<usize>;
    with_memory_budget, memory_budget: Option<usize>;
    with_max_sessions, max_sessions: usize;
    with_max_accepted, max_accepted: Option<usize>;
    with_max_sessions_per_prefix, max_sessions_per_prefix: Option<usize>;
    with_max_unconfirmed, max_unconfirmed: usize;
    with_accept_unconfirmed, accept_unconfirmed: bool;
    with_backlog, backlog: usize;
    with_send_buffer, send_buffer: Option<usize>;
    with_recv_buffer, recv_buffer: Option<usize>;
    with_dscp, dscp: Option<u8>;
    with_engine, engine: EngineKind;
    #[cfg(feature = "netem")]
    with_netem, netem: Option<crate::NetemConfig>;
    #[cfg(feature = "pcap")]
    with_pcap, pcap: Option<std::path::PathBuf>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setter_sets_its_own_field() {
        let seconds = Duration::from_secs;
        let literal = KcpConfig {
            mtu: 1,
            max_mtu: Some(24),
            nodelay: KcpNoDelayConfig::normal(),
            rate: Rate::Polite,
            wnd_size: (2, 3),
            max_wnd_size: (22, 23),
            stream: true,
            datagrams: Some(DatagramConfig::new(25..=26)),
            flush_write: false,
            session_expire: Some(seconds(4)),
            keep_alive: Some(seconds(5)),
            connect_timeout: Some(seconds(6)),
            linger: seconds(7),
            dead_link: 8,
            stall_timeout: seconds(9),
            min_rto: Some(seconds(10)),
            send_budget: 11,
            recv_budget: 12,
            max_message: Some(13),
            memory_budget: Some(20),
            max_sessions: 14,
            max_accepted: Some(21),
            max_sessions_per_prefix: Some(20),
            max_unconfirmed: 15,
            accept_unconfirmed: true,
            backlog: 16,
            send_buffer: Some(17),
            recv_buffer: Some(18),
            dscp: Some(19),
            #[cfg(feature = "secure")]
            secure: None,
            #[cfg(feature = "kcptun")]
            kcp_go: None,
            engine: EngineKind::Ring,
            #[cfg(feature = "netem")]
            netem: None,
            #[cfg(feature = "pcap")]
            pcap: None,
        };
        let chained = KcpConfig::default()
            .with_mtu(1)
            .with_max_mtu(Some(24))
            .with_nodelay(KcpNoDelayConfig::normal())
            .with_rate(Rate::Polite)
            .with_wnd_size((2, 3))
            .with_max_wnd_size((22, 23))
            .with_stream(true)
            .with_datagrams(Some(DatagramConfig::new(25..=26)))
            .with_flush_write(false)
            .with_session_expire(Some(seconds(4)))
            .with_keep_alive(Some(seconds(5)))
            .with_connect_timeout(Some(seconds(6)))
            .with_linger(seconds(7))
            .with_dead_link(8)
            .with_stall_timeout(seconds(9))
            .with_min_rto(Some(seconds(10)))
            .with_send_budget(11)
            .with_recv_budget(12)
            .with_max_message(Some(13))
            .with_memory_budget(Some(20))
            .with_max_sessions(14)
            .with_max_accepted(Some(21))
            .with_max_sessions_per_prefix(Some(20))
            .with_max_unconfirmed(15)
            .with_accept_unconfirmed(true)
            .with_backlog(16)
            .with_send_buffer(Some(17))
            .with_recv_buffer(Some(18))
            .with_dscp(Some(19))
            .with_engine(EngineKind::Ring);
        assert_eq!(chained, literal);
    }
}
