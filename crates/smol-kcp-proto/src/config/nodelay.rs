//! KCP's own four knobs, with their customary settings.

/// KCP's four knobs, named as in `ikcp_nodelay`.
///
/// | | `nodelay` | `interval` | `resend` | `nc` | known as |
/// |---|---|---|---|---|---|
/// | [`normal`](KcpNoDelayConfig::normal) | false | 40 | 0 | false | "normal mode" of KCP and tokio_kcp |
/// | [`fast`](KcpNoDelayConfig::fast) | false | 30 | 2 | true | `fast` of kcptun, its default |
/// | [`fast2`](KcpNoDelayConfig::fast2) | true | 20 | 2 | true | `fast2` of kcptun |
/// | [`fastest`](KcpNoDelayConfig::fastest) | true | 10 | 2 | true | `fast3` of kcptun, "turbo mode" of KCP, `fastest` of tokio_kcp |
/// | [`default`](KcpNoDelayConfig::default) | true | 20 | 2 | true | |
///
/// kcptun's own `normal` differs from everybody else's: false, 40, 2, true.
///
/// # Examples
///
/// ```
/// use smol_kcp::KcpNoDelayConfig;
///
/// // Quick, but with the congestion window on.
/// let polite = KcpNoDelayConfig { nc: false, ..KcpNoDelayConfig::fastest() };
/// # assert_eq!(polite.interval, 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KcpNoDelayConfig {
    /// Retransmission back-off: `false` doubles the timeout (minimum 100 ms), `true` grows it by
    /// half (minimum 30 ms). Default `true`.
    pub nodelay: bool,
    /// Milliseconds, 10 to 5000 (ikcp.c): how long small writes may wait for each other
    /// where [`flush_write`](crate::KcpConfig::flush_write) is off, and the least that a
    /// retransmission timeout exceeds the round-trip time. Default 20.
    pub interval: u32,
    /// Acknowledgements of later segments that make a segment count as lost, 0 to 128 (a segment
    /// is hardly ever passed by more than ikcp.c's receive window); 0 waits for timeouts.
    /// Default 2.
    pub resend: u32,
    /// `true` switches KCP's congestion window off: only the windows of both sides bound what is
    /// in flight, so loss does not slow the sender down, and neither does the traffic of others.
    /// Default `true`.
    pub nc: bool,
}

impl Default for KcpNoDelayConfig {
    /// [`fast2`](KcpNoDelayConfig::fast2), without the congestion window, as in each of kcptun's
    /// modes: KCP's grows by one segment a round trip from the start, so that 256 KiB over 50 ms
    /// take 1.6 s instead of 0.1 s, and nearly vanishes with each loss. What bounds the rate is the
    /// window: choose it by the bandwidth, and on a line shared with others (RFC 8085, section
    /// 3.1) a small one, or `nc: false`.
    fn default() -> KcpNoDelayConfig {
        KcpNoDelayConfig::fast2()
    }
}

impl KcpNoDelayConfig {
    /// Few packets, slow repair: losses wait for a timeout that doubles.
    pub const fn normal() -> KcpNoDelayConfig {
        KcpNoDelayConfig { nodelay: false, interval: 40, resend: 0, nc: false }
    }

    /// Repairs after two later acknowledgements; timeouts stay unhurried. No congestion window.
    pub const fn fast() -> KcpNoDelayConfig {
        KcpNoDelayConfig { nodelay: false, interval: 30, resend: 2, nc: true }
    }

    /// As [`fast`](KcpNoDelayConfig::fast), with timeouts from 30 ms that grow by half.
    pub const fn fast2() -> KcpNoDelayConfig {
        KcpNoDelayConfig { nodelay: true, interval: 20, resend: 2, nc: true }
    }

    /// Everything for latency, paid for with bandwidth and CPU.
    pub const fn fastest() -> KcpNoDelayConfig {
        KcpNoDelayConfig { nodelay: true, interval: 10, resend: 2, nc: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(knobs: KcpNoDelayConfig) -> (bool, u32, u32, bool) {
        (knobs.nodelay, knobs.interval, knobs.resend, knobs.nc)
    }

    #[test]
    fn modes_are_those_their_names_promise() {
        assert_eq!(figures(KcpNoDelayConfig::normal()), (false, 40, 0, false));
        assert_eq!(figures(KcpNoDelayConfig::fast()), (false, 30, 2, true));
        assert_eq!(figures(KcpNoDelayConfig::fast2()), (true, 20, 2, true));
        assert_eq!(figures(KcpNoDelayConfig::fastest()), (true, 10, 2, true));
        assert_eq!(figures(KcpNoDelayConfig::default()), (true, 20, 2, true));
    }
}
