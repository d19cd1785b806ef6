//! The protocol without input or output: time, seeds and datagrams are handed in.

pub(crate) mod engine;
