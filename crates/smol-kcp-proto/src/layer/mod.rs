//! Pure transforms of datagrams, each behind its feature, and their order.

#[cfg(any(feature = "kcptun", feature = "secure"))]
pub mod crypto;
#[cfg(any(test, feature = "netem"))]
pub(crate) mod netem;
#[cfg(any(test, feature = "pcap"))]
pub(crate) mod pcap;
pub mod stack;
