//! What computes on each byte: the primitives of smol-kcp's encrypted mode, kcptun's ciphers, and the field of its parity.
//! It promises nothing but to `smol-kcp-proto`.
//!
//! A package of its own, to be made fast where the rest is made small; `Cargo.toml` says why.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]

#[cfg(feature = "fec")]
pub mod field;
#[cfg(feature = "kcptun")]
pub mod kcp_go;
#[cfg(feature = "secure")]
pub mod secure;
