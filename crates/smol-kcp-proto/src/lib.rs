//! The KCP protocol without sockets, clocks and threads: time and randomness come in as arguments.
//!
//! [`wire`] knows the 24 bytes of a header, [`arq`] carries the bytes of one conversation, `session`
//! is a conversation's life, [`router`] leads datagrams to sessions and decides who may come in, and
//! [`layer`] transforms datagrams on their way to the wire.
//!
//! [`smol-kcp`](https://docs.rs/smol-kcp) is built on this. Others may build another shell on it, or
//! test against it; it promises no stability.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![warn(unreachable_pub, unnameable_types)]

pub mod arq;
mod budget;
mod config;
mod control;
mod deadlines;
mod error;
mod key;
pub mod layer;
pub mod limits;
mod log_limit;
mod path;
mod peer;
mod random;
pub mod router;
mod secret;
mod session;
mod stats;
pub mod time;
mod time_wait;
pub mod wire;

pub use budget::{HeldMemory, MemoryBudget};
#[cfg(feature = "kcptun")]
pub use config::KcpGoConfig;
pub use config::{DatagramConfig, EngineKind, KcpConfig, KcpNoDelayConfig, ParseRateError, Rate};
#[cfg(feature = "secure")]
pub use config::{SecureConfig, SecurePeer};
pub use error::KcpError;
#[cfg(feature = "netem")]
pub use layer::netem::{
    BlackoutConfig, BurstConfig, LinkConfig, LinkStats, MtuConfig, NetemConfig, PolicerConfig,
    Probability, RateStep,
};
pub use log_limit::LogLimit;
pub use path::{ChannelKey, Path};
pub use peer::path::{PathStats, Phase};
pub use random::Random;
pub use session::{READABLE, WRITABLE};
pub use stats::{EndpointStats, Rejected, StreamState, StreamStats, WaitsFor};
