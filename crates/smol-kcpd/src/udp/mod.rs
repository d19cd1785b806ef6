//! Datagrams through a tunnel: UDP at one end, UDP at the other, a conversation between them for each
//! source.
//!
//! The conversation [says](smol_kcp::DatagramConfig) that it carries datagrams, so that none waits for another
//! one. What there is no room for is dropped and counted, as it would be on any line: nothing is read
//! ahead and nobody is slowed down.

mod client;
mod relay;
mod server;
mod sources;
mod target;

pub(super) use client::{carry, open, UdpListener};
pub(super) use server::serve;
