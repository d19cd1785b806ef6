//! Pure transforms of datagrams, each behind its feature, and their order.

#[cfg(any(feature = "kcptun", feature = "secure"))]
pub mod crypto;
#[cfg(feature = "fec")]
pub mod fec;
#[cfg(any(test, feature = "netem"))]
pub(crate) mod netem;
#[cfg(any(test, feature = "pcap"))]
pub(crate) mod pcap;
pub mod stack;
