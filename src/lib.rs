//! KCP (reliable UDP) for the smol runtime.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]

mod config;
mod error;
mod io;
mod layer;
mod proto;
mod stats;
mod time;
mod wire;

pub use config::{EngineKind, KcpConfig, KcpNoDelayConfig};
pub use error::KcpError;
pub use io::transport::{
    Datagrams, FrameLength, FramedTransport, MemoryTransport, Transport, UdpTransport,
};
pub use io::{
    AsyncToSocketAddrs, Driver, Incoming, KcpEndpoint, KcpListener, KcpStream, ReadHalf,
    SessionInfo, WriteHalf,
};
#[cfg(feature = "netem")]
pub use layer::netem::{BurstConfig, LinkConfig, NetemConfig, Probability};
pub use stats::{EndpointStats, Rejected, StreamStats};
