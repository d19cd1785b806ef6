//! The protocol without sockets, clocks and threads: time and randomness come in as arguments.

#[cfg(feature = "_internals")]
pub mod bench;
pub(crate) mod budget;
mod control;
mod deadlines;
pub(crate) mod engine;
#[cfg(any(test, feature = "_internals"))]
pub mod fuzz;
mod log_limit;
mod random;
mod router;
mod secret;
mod session;
mod time_wait;

pub(crate) use log_limit::LogLimit;
pub(crate) use random::Random;
pub(crate) use router::{Key, Router};
pub(crate) use session::{READABLE, WRITABLE};
