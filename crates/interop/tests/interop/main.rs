//! Conversations with what others wrote: tokio_kcp and ikcp.c over real sockets, ikcp.c and
//! the engines in virtual time, and the recorded words of kcptun.

mod codes;
mod engine;
mod ikcp;
mod ikcp_peer;
mod ping;
mod recorded;
mod relay;
mod roaming;
mod support;
mod talk;
mod tokio_kcp_ends;
mod tokio_kcp_talks;
