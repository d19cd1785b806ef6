//! The protocol without sockets, clocks and threads: time and randomness come in as arguments.

mod deadlines;
pub(crate) mod engine;
#[cfg(all(any(test, feature = "_internals"), feature = "kcp"))]
pub mod fuzz;
mod random;
mod router;
mod session;
mod time_wait;

pub(crate) use router::{Key, Router};
pub(crate) use session::{READABLE, WRITABLE};
