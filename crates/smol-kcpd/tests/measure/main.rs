//! `smol-kcpd ping` and `smol-kcpd perf`: in one process, and as the built binary.

mod binary;
#[path = "../built/mod.rs"]
mod built;
#[path = "../../../../tests/common/mod.rs"]
mod common;
mod limits;
mod perf;
