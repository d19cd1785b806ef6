//! The async shell: the only room that touches sockets and clocks.

pub(crate) mod transport;
