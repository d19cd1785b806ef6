//! Limits that ikcp.c and UDP set, each in one place. What users may choose is checked against them in
//! [`KcpConfig::check`](crate::KcpConfig::check).

/// Bytes of the smallest MTU that `ikcp_setmtu` takes.
pub const MTU_MIN: usize = 50;

/// Bytes of the longest datagram of UDP over IPv4: 65535 less 20 for IP and 8 for UDP.
pub const MTU_MAX: usize = 65_507;

/// Bytes of the headers of IPv4 and UDP before each datagram (RFC 791, RFC 768).
pub(crate) const UDP_OVERHEAD: u64 = 28;

/// Fragments of the longest message; `ikcp_send` refuses 128.
pub const FRAGMENTS_MAX: usize = 127;

/// Largest fragment number of a PUSH. 128 fragments are a message that every engine can hold, because its
/// receive window is never smaller.
pub(crate) const FRG_MAX: u8 = 127;

/// Marks the first fragment of a message in a conversation that carries datagrams. KCP numbers fragments downwards, so
/// that the last one of several would look like a message of its own to whoever missed the others.
pub(crate) const FRG_FIRST: u8 = 128;

/// Segments of the smallest receive window (`IKCP_WND_RCV` of ikcp.c): every sender counts on it, and on it
/// alone until it hears of another.
pub const RECV_WINDOW_MIN: u16 = 128;

/// `IKCP_RTO_NDL` and `IKCP_RTO_MIN` of ikcp.c: the smallest timeouts with and without nodelay, in
/// milliseconds.
pub(crate) const RTO_NODELAY: u32 = 30;
pub(crate) const RTO_MIN: u32 = 100;

/// `IKCP_RTO_DEF` and `IKCP_RTO_MAX` of ikcp.c, in milliseconds.
pub(crate) const RTO_DEFAULT: u32 = 200;
pub(crate) const RTO_MAX: u32 = 60_000;
