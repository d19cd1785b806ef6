//! Ready-made configurations for kinds of paths and of uses.

use std::time::Duration;

use super::{KcpConfig, KcpNoDelayConfig};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Profiles: the defaults, with what a kind of path or of use asks for.
///
/// The windows are those that a stream begins with: at least bandwidth × round-trip time /
/// (`mtu` − 24), and the send budget at least the window, so that neither holds the line back.
/// Receive windows [grow](KcpConfig#structfield.max_wnd_size) where more arrives. Whether the data are a
/// [stream](KcpConfig#structfield.stream) or messages is left at messages, `file_transfer` apart.
/// The memory given is [`max_session_memory`](KcpConfig::max_session_memory), before they grow.
impl KcpConfig {
    /// A network of one's own, wired or Wi-Fi: 1 Gbit/s × 4 ms = 500,000 bytes, 351 segments.
    ///
    /// No provider's tunnel in between: datagrams fill Ethernet's 1500 with IPv6 headers. Nobody
    /// to be fair to: no congestion window. A peer that vanishes is noticed soon, but streams survive an
    /// outage of 15 s, as when Wi-Fi roams.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1452 |
    /// | `nodelay` | true, 10, 2, true ([`fastest`](KcpNoDelayConfig::fastest)) |
    /// | `wnd_size` | 512, 512 |
    /// | `keep_alive`, `session_expire` | 10 s, 35 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 2 s, 20 s, 5 s |
    /// | `send_budget`, `recv_budget` | 1024 KiB, 1024 KiB |
    /// | memory per session | 3,773,548 bytes |
    pub fn lan() -> KcpConfig {
        KcpConfig {
            mtu: 1452,
            nodelay: KcpNoDelayConfig::fastest(),
            wnd_size: (512, 512),
            keep_alive: Some(secs(10)),
            session_expire: Some(secs(35)),
            connect_timeout: Some(secs(2)),
            stall_timeout: secs(20),
            linger: secs(5),
            send_budget: MIB,
            recv_budget: MIB,
            send_buffer: None,
            recv_buffer: Some(2 * MIB),
            ..KcpConfig::default()
        }
    }

    /// Long-lived connections over the Internet: 50 Mbit/s × 100 ms = 625,000 bytes, 472 segments.
    ///
    /// 1350 bytes, as kcptun: passes PPPoE, mobile networks and one tunnel on the way. The window
    /// bounds the rate: on a slower line make it smaller, or others on it suffer. Streams survive an
    /// outage of 55 s, such as a redial or a reboot of a modem.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1350 |
    /// | `nodelay` | true, 20, 2, true ([`fast2`](KcpNoDelayConfig::fast2)) |
    /// | `wnd_size` | 512, 512 |
    /// | `keep_alive`, `session_expire` | 25 s, 180 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 10 s, 60 s, 30 s |
    /// | `send_budget`, `recv_budget` | 1024 KiB, 1024 KiB |
    /// | memory per session | 3,656,146 bytes |
    pub fn wan() -> KcpConfig {
        KcpConfig {
            mtu: 1350,
            wnd_size: (512, 512),
            session_expire: Some(secs(180)),
            connect_timeout: Some(secs(10)),
            stall_timeout: secs(60),
            linger: secs(30),
            send_budget: MIB,
            recv_budget: MIB,
            send_buffer: None,
            recv_buffer: Some(2 * MIB),
            ..KcpConfig::default()
        }
    }

    /// Satellites and the other side of the world: 30 Mbit/s × 600 ms = 2,250,000 bytes, 1697
    /// segments.
    ///
    /// KCP's congestion window grows by round trips and would need minutes to fill such a path, so
    /// it is off: set the window to what the line can carry. No retransmission before a second
    /// (RFC 6298), because the first ones are due before the first answer can be here. Streams survive an
    /// outage of 115 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1350 |
    /// | `nodelay` | true, 20, 2, true ([`fast2`](KcpNoDelayConfig::fast2)) |
    /// | `wnd_size` | 2048, 2048 |
    /// | `keep_alive`, `session_expire` | 25 s, 300 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 15 s, 120 s, 60 s |
    /// | `min_rto` | 1 s |
    /// | `send_budget`, `recv_budget` | 4096 KiB, 2048 KiB |
    /// | memory per session | 11,997,650 bytes |
    pub fn high_latency() -> KcpConfig {
        KcpConfig {
            mtu: 1350,
            nodelay: KcpNoDelayConfig::fast2(),
            wnd_size: (2048, 2048),
            session_expire: Some(secs(300)),
            connect_timeout: Some(secs(15)),
            stall_timeout: secs(120),
            linger: secs(60),
            min_rto: Some(secs(1)),
            send_budget: 4 * MIB,
            recv_budget: 2 * MIB,
            send_buffer: None,
            recv_buffer: Some(4 * MIB),
            ..KcpConfig::default()
        }
    }

    /// Lines where every byte counts: 1 Mbit/s × 300 ms (mostly queueing) = 37,500 bytes, 29
    /// segments.
    ///
    /// Small writes wait up to 40 ms for company, repairs wait for three later acknowledgements
    /// (as in TCP, RFC 5681) and timeouts double, from 200 ms up: a full window takes longer than
    /// KCP's 100 ms to leave. Little is held, since what waits here waits long. Streams survive an outage
    /// of 55 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1350 |
    /// | `nodelay` | false, 40, 3, false |
    /// | `wnd_size` | 32, 128 |
    /// | `flush_write` | false |
    /// | `keep_alive`, `session_expire` | 25 s, 180 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 15 s, 60 s, 30 s |
    /// | `min_rto` | 200 ms |
    /// | `send_budget`, `recv_budget` | 64 KiB, 128 KiB |
    /// | `max_message` | 32 KiB |
    /// | memory per session | 453,568 bytes |
    pub fn low_bandwidth() -> KcpConfig {
        KcpConfig {
            mtu: 1350,
            nodelay: KcpNoDelayConfig { resend: 3, ..KcpNoDelayConfig::normal() },
            wnd_size: (32, 128),
            flush_write: false,
            session_expire: Some(secs(180)),
            connect_timeout: Some(secs(15)),
            stall_timeout: secs(60),
            linger: secs(30),
            min_rto: Some(Duration::from_millis(200)),
            send_budget: 64 * KIB,
            recv_budget: 128 * KIB,
            max_message: Some(32 * KIB),
            send_buffer: None,
            recv_buffer: None,
            ..KcpConfig::default()
        }
    }

    /// Routers with 64 MB: 20 Mbit/s × 50 ms = 125,000 bytes, 95 segments.
    ///
    /// All sessions together hold an eighth of the memory, and however that is used up, each of 512 two
    /// datagrams in each direction: 11,153,408 bytes at worst. Idle, they are 2 to 3 kB each.
    /// The receive window begins as the smallest there is, and the socket holds it twice while the CPU is elsewhere; the
    /// interval of 30 ms spares the CPU. Streams survive an outage of 55 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1350 |
    /// | `nodelay` | false, 30, 2, true |
    /// | `wnd_size` | 96, 128 |
    /// | `keep_alive`, `session_expire` | 25 s, 180 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 10 s, 60 s, 10 s |
    /// | `send_budget`, `recv_budget` | 128 KiB, 64 KiB |
    /// | `max_message` | 64 KiB |
    /// | `memory_budget` | 8192 KiB |
    /// | `max_sessions`, `max_unconfirmed`, `backlog` | 512, 64, 64 |
    /// | memory per session | 572,736 bytes |
    pub fn low_memory() -> KcpConfig {
        KcpConfig {
            mtu: 1350,
            nodelay: KcpNoDelayConfig::fast(),
            wnd_size: (96, 128),
            session_expire: Some(secs(180)),
            connect_timeout: Some(secs(10)),
            stall_timeout: secs(60),
            linger: secs(10),
            send_budget: 128 * KIB,
            recv_budget: 64 * KIB,
            max_message: Some(64 * KIB),
            memory_budget: Some(8 * MIB),
            max_sessions: 512,
            max_unconfirmed: 64,
            backlog: 64,
            send_buffer: None,
            recv_buffer: Some(256 * KIB),
            ..KcpConfig::default()
        }
    }

    /// Many small messages, each wanted at once: 1 Mbit/s × 100 ms = 12,500 bytes, 11 full
    /// segments; the window of 64 is a second of updates at 64 Hz, a message each.
    ///
    /// 1200 bytes pass every IPv6 path (1280 at least). The game sets the pace, not the line: no
    /// congestion window. A player who is gone is gone after 25 s; streams survive an outage of 15 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1200 |
    /// | `nodelay` | true, 10, 2, true ([`fastest`](KcpNoDelayConfig::fastest)) |
    /// | `wnd_size` | 64, 128 |
    /// | `keep_alive`, `session_expire` | 4 s, 25 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 5 s, 20 s, 2 s |
    /// | `send_budget`, `recv_budget` | 128 KiB, 64 KiB |
    /// | `max_message` | 16 KiB |
    /// | memory per session | 451,584 bytes |
    pub fn gaming() -> KcpConfig {
        KcpConfig {
            mtu: 1200,
            nodelay: KcpNoDelayConfig::fastest(),
            wnd_size: (64, 128),
            keep_alive: Some(secs(4)),
            session_expire: Some(secs(25)),
            connect_timeout: Some(secs(5)),
            stall_timeout: secs(20),
            linger: secs(2),
            send_budget: 128 * KIB,
            recv_budget: 64 * KIB,
            max_message: Some(16 * KIB),
            ..KcpConfig::default()
        }
    }

    /// Live sound, pictures, remote screens: 8 Mbit/s × 150 ms = 150,000 bytes, 128 segments, and
    /// twice that for a key frame.
    ///
    /// The codec sets the pace, so there is no congestion window; the send budget holds 0.4 s at
    /// most, after which a picture is better skipped by its sender than sent late. Streams survive an
    /// outage of 10 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1200 |
    /// | `nodelay` | true, 10, 2, true ([`fastest`](KcpNoDelayConfig::fastest)) |
    /// | `wnd_size` | 256, 256 |
    /// | `keep_alive`, `session_expire` | 10 s, 35 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 5 s, 15 s, 2 s |
    /// | `send_budget`, `recv_budget` | 384 KiB, 256 KiB |
    /// | memory per session | 1,427,304 bytes |
    pub fn realtime() -> KcpConfig {
        KcpConfig {
            mtu: 1200,
            nodelay: KcpNoDelayConfig::fastest(),
            wnd_size: (256, 256),
            keep_alive: Some(secs(10)),
            session_expire: Some(secs(35)),
            connect_timeout: Some(secs(5)),
            stall_timeout: secs(15),
            linger: secs(2),
            send_budget: 384 * KIB,
            recv_budget: 256 * KIB,
            ..KcpConfig::default()
        }
    }

    /// Much data and no hurry about the single byte: 100 Mbit/s × 200 ms = 2,500,000 bytes, 1817
    /// segments.
    ///
    /// A stream whose small writes wait up to 30 ms for company: full segments, fewest packets.
    /// On a slower line make the window smaller: it alone bounds the rate. The end of a file has a
    /// minute to arrive. Streams survive an outage of 55 s.
    ///
    /// | | |
    /// |---|---|
    /// | `mtu` | 1400 |
    /// | `nodelay` | false, 30, 2, true |
    /// | `wnd_size` | 2048, 2048 |
    /// | `flush_write` | false |
    /// | `stream` | true |
    /// | `keep_alive`, `session_expire` | 25 s, 180 s |
    /// | `connect_timeout`, `stall_timeout`, `linger` | 10 s, 60 s, 60 s |
    /// | `send_budget`, `recv_budget` | 4096 KiB, 4096 KiB |
    /// | memory per session | 14,131,200 bytes |
    pub fn file_transfer() -> KcpConfig {
        KcpConfig {
            mtu: 1400,
            nodelay: KcpNoDelayConfig::fast(),
            wnd_size: (2048, 2048),
            flush_write: false,
            stream: true,
            session_expire: Some(secs(180)),
            connect_timeout: Some(secs(10)),
            stall_timeout: secs(60),
            linger: secs(60),
            send_budget: 4 * MIB,
            recv_budget: 4 * MIB,
            send_buffer: Some(MIB),
            recv_buffer: Some(4 * MIB),
            ..KcpConfig::default()
        }
    }
}

#[cfg(test)]
mod tests;
