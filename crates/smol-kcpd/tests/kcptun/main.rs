//! In kcptun's place: with kcptun itself at the other end, through bad networks, restarts and NATs.

#[path = "../built/mod.rs"]
mod built;
#[path = "../../../../tests/common/mod.rs"]
mod common;
#[cfg(unix)]
mod files;
mod import;
mod interop;
mod ours;
#[cfg(unix)]
mod program;
mod recovery;
mod support;
