//! smux: many streams over one byte stream, as xtaci/smux and kcptun speak it, versions 1 and 2.
//!
//! A [`Session`] runs over anything that is `AsyncRead + AsyncWrite` of futures-io and knows no runtime: its
//! [`Driver`] is a future that the caller polls, its time comes from a [`Timer`]. [`Stream`]s are
//! `AsyncRead + AsyncWrite` themselves. Below that, [`connection`] is the protocol without a transport, tasks
//! and clocks, and [`frame`] what travels.
//!
//! Nothing is negotiated: version and roles must be agreed on. The protocol authenticates and encrypts
//! nothing.

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
