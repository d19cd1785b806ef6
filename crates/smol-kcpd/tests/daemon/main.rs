//! TCP through tunnels: within this process, where names and networks can be told what to do, and
//! through the built program.

#[cfg(all(unix, feature = "http", feature = "metrics"))]
mod browser;
#[path = "../built/mod.rs"]
mod built;
#[path = "../../../../tests/common/mod.rs"]
mod common;
#[cfg(unix)]
mod encrypted;
mod ends;
#[cfg(unix)]
#[path = "../options/json.rs"]
mod json;
#[cfg(unix)]
mod keys;
mod lasting;
#[cfg(all(target_os = "linux", feature = "http", feature = "metrics"))]
mod luci;
#[cfg(all(unix, feature = "http", feature = "metrics"))]
mod page;
mod program;
mod signals;
#[cfg(unix)]
mod status;
mod support;
mod traffic;
mod udp;
#[cfg(unix)]
mod udp_status;
mod wireguard;
mod words;
