//! What encrypts: the primitives of smol-kcp's encrypted mode, and kcptun's ciphers. It promises nothing but to
//! `smol-kcp-proto`.
//!
//! A package of its own, to be made fast where the rest is made small; `Cargo.toml` says why.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]

#[cfg(feature = "kcptun")]
pub mod kcp_go;
#[cfg(feature = "secure")]
pub mod secure;
