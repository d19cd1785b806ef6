//! smux: many streams over one byte stream, as xtaci/smux and kcptun speak it, versions 1 and 2.
//!
//! A [`Session`] runs over anything that is `AsyncRead + AsyncWrite` of futures-io and knows no runtime: its
//! [`Driver`] is a future that the caller polls, its time comes from a [`Timer`]. [`Stream`]s are
//! `AsyncRead + AsyncWrite` themselves. Below that, [`connection`] is the protocol without a transport, tasks
//! and clocks, and [`frame`] what travels.
//!
//! Nothing is negotiated: version and roles must be agreed on. The protocol authenticates and encrypts
//! nothing.
//!
//! # Where it differs from xtaci/smux
//!
//! Nothing of this needs the other side's consent.
//!
//! - A second FIN for a stream says that nobody reads it any more: sent, once, where bytes of the peer were thrown away.
//!   Stock peers overlook it; a writer of this crate fails then instead of waiting for a window for ever.
//! - Window updates grant less than [`max_stream_buffer`](Config::max_stream_buffer) while other streams that are not
//!   read hold much of the receive buffer.
//! - Streams beyond the backlog are closed; there they stop all reading. So are streams beyond a limit.
//! - A sign of life is sent only after a time in which nothing else was, and a silent peer is given up after the
//!   timeout; there after one to two of it.
//! - A control frame with a payload, an update in version 1, and a stream opened with a number of the other role end
//!   the session; there they are not noticed.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![warn(unreachable_pub, unnameable_types)]

mod config;
pub mod connection;
mod driver;
mod error;
pub mod frame;
mod session;
mod shared;
mod stream;
mod timer;

pub use config::Config;
pub use connection::{Role, Stats};
pub use driver::Driver;
pub use error::Error;
pub use frame::{ProtocolError, Version};
pub use session::Session;
pub use stream::Stream;
#[cfg(feature = "async-io")]
pub use timer::SystemTimer;
pub use timer::Timer;

#[cfg(all(doctest, feature = "async-io"))]
#[doc = include_str!("../README.md")]
mod readme {}
