//! KCP (reliable UDP) for the smol runtime, made for OpenWrt routers and good enough for everyone
//! else.
//!
//! [`KcpListener`] and [`KcpStream`] are used as `TcpListener` and `TcpStream` of `async-net` are.
//! [`KcpEndpoint`] carries many streams, in both directions, over one socket. [`KcpConfig`] has
//! ready-made profiles for kinds of paths: `lan`, `wan`, `high_latency`, `low_bandwidth` and more.
//!
//! ```
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use smol_kcp::{KcpConfig, KcpListener, KcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! smol::block_on(async {
//!     let config = KcpConfig { stream: true, ..KcpConfig::lan() };
//!     let listener = KcpListener::bind(config.clone(), "127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     smol::spawn(async move {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         let mut question = Vec::new();
//!         stream.read_to_end(&mut question).await?;
//!         stream.write_all(b"42").await
//!     })
//!     .detach();
//!
//!     let mut stream = KcpStream::connect(&config, addr).await?;
//!     stream.write_all(b"what is six times seven?").await?;
//!     stream.close().await?; // everything has arrived; reading goes on
//!     let mut answer = Vec::new();
//!     stream.read_to_end(&mut answer).await?;
//!     assert_eq!(answer, b"42");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # Who does the work
//!
//! Each socket has one [`Driver`], a future that receives, keeps the deadlines and sends. `bind`
//! and `connect` spawn it on smol's executor; the `with_driver` forms hand it to the caller, for
//! any other executor or none. An endpoint at rest costs no wake-ups.
//!
//! # Cancel safety
//!
//! A future that is dropped before it is done loses no data and leaves no stream wedged. Each
//! method says what that means for it.
//!
//! # Features
//!
//! - `smol` (default): the forms that spawn their driver on smol's executor, and names where addresses
//!   are expected: `bind`, `connect`, `connect_with_conv`, `connect_with_socket` and `from_socket`.
//!   Without it the `with_driver` forms and [`KcpEndpoint::connect_to`] do the same for any executor,
//!   and the dependencies are those of `async-io`, with no thread pool and no executor among them.
//! - `secure` (default): `KcpConfig::secure` encrypts all that travels, for peers with fitting keys, and gives nobody else an
//!   answer; the module `secure` has the keys.
//! - `kcp`: the `kcp` crate as a second engine, [`EngineKind`]`::Kcp`.
//! - `kcptun`: `KcpConfig::kcp_go`, the ciphers and the parity of kcptun and others that are made of kcp-go;
//!   `kcptun-ciphers`: blowfish, twofish, cast5, 3des and sm4 too.
//! - `netem`: `KcpConfig::netem`, a seeded bad network between an endpoint and its socket.
//! - `pcap`: `KcpConfig::pcap`, captures that Wireshark and tshark open.
//!
//! # The crates
//!
//! The protocol is [`smol-kcp-proto`](smol_kcp_proto), without sockets, clocks and threads; this
//! crate is its shell, which has them. The program `smol-kcpd`, TCP over KCP, is a crate of its own
//! and uses what is public here.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![warn(unreachable_pub, unnameable_types)]
// docs.rs says beside each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The examples of the README are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod clock;
mod driver;
mod endpoint;
mod halves;
mod handle;
mod happy_eyeballs;
#[cfg(feature = "kcptun")]
pub mod kcp_go;
mod listener;
mod machine;
mod ping;
#[cfg(feature = "secure")]
pub mod secure;
mod shared;
#[cfg(feature = "smol")]
mod spawn;
mod stream;
mod transport;

pub use driver::Driver;
pub use endpoint::{KcpEndpoint, SessionInfo};
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use happy_eyeballs::happy_eyeballs;
pub use listener::{Incoming, KcpListener};
pub use machine::{default_memory_budget, machine_memory};
pub use ping::KcpPing;
#[cfg(feature = "netem")]
pub use smol_kcp_proto::{
    BlackoutConfig, BurstConfig, LinkConfig, LinkStats, MtuConfig, NetemConfig, PolicerConfig,
    Probability, RateStep,
};
pub use smol_kcp_proto::{
    DatagramConfig, EndpointStats, EngineKind, HeldMemory, KcpConfig, KcpError, KcpNoDelayConfig,
    MemoryBudget, ParseRateError, PathStats, Phase, Rate, Rejected, StreamState, StreamStats,
    WaitsFor,
};
#[cfg(feature = "smol")]
pub use spawn::AsyncToSocketAddrs;
pub use stream::KcpStream;
pub use transport::{
    bind_all, Datagram, Datagrams, FrameLengthError, FramedTransport, MemoryTransport, Transport,
    UdpTransport,
};
