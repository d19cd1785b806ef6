//! TCP, and UDP, over KCP: what `smol-kcpd` runs.
//!
//! One TCP connection is one KCP stream; all streams of a client share one UDP socket. Half-close
//! and resets are carried both ways, and a slow reader slows the writer at the other end.
//!
//! A [`Tunnel`] is one end, started from [`Settings`] on a [`Runtime`]; a [`Daemon`] is several
//! under the control of signals. Everything runs on one thread, on the executor of the runtime.
//!
//! ```no_run
//! use smol_kcpd::{Configuration, Runtime, Tunnel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "[ssh]\nrole = client\nlisten = 127.0.0.1:2222\nserver = router.example:29900\ninsecure = true\n";
//! let configuration = Configuration::parse("an example", text)?;
//! let runtime = Runtime::new();
//! runtime.block_on(async {
//!     let tunnel = Tunnel::start(&runtime, configuration.tunnels[0].clone());
//!     std::future::pending::<()>().await;
//!     drop(tunnel);
//! });
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![warn(unreachable_pub, unnameable_types)]

mod backoff;
#[cfg(feature = "kcptun")]
mod carrier;
mod client;
mod clients;
mod clock;
mod connect;
mod context;
#[cfg_attr(not(unix), allow(dead_code, unused_imports))] // there is no control socket
mod control;
mod daemon;
#[cfg(feature = "kcptun")]
mod endpoints;
mod ends;
mod figures;
mod health;
mod interrupt;
mod json;
mod kept;
mod keys;
mod limits;
mod link;
mod listen;
mod logging;
mod lookups;
mod machine;
mod options;
mod peers;
pub mod perf;
mod ping;
mod privileges;
mod relay;
mod resolver;
#[cfg_attr(not(unix), allow(dead_code, unused_imports))] // there is no control socket
mod running;
mod runtime;
mod server;
mod settings;
#[cfg(feature = "kcptun")]
mod snappy;
#[cfg_attr(not(unix), allow(dead_code, unused_imports))] // there is no control socket
mod status;
mod timers;
#[allow(clippy::module_inception)]
mod tunnel;
mod udp;
mod udp_stats;
#[cfg(any(feature = "http", feature = "metrics"))]
mod web;

pub use context::TunnelStats;
pub use control::ControlCommand;
pub use daemon::Daemon;
pub use ends::HostPort;
#[cfg(feature = "kcptun")]
pub use keys::KcptunKey;
pub use keys::{Client, KeyCommand, KeyOptions};
pub use logging::Logger;
#[cfg(feature = "kcptun")]
pub use options::Import;
pub use options::{
    help, options_as_json, options_as_text, Command, ConfigError, ConfigFile, Group, Opt, Scope,
    ALIASES, KCPTUN_OPTIONS, OPTIONS,
};
pub use ping::Ping;
pub use privileges::drop_to;
pub use resolver::{Resolve, Resolving};
pub use runtime::Runtime;
pub use settings::{Configuration, Control, Process, Role, Settings, UdpSettings};
#[cfg(feature = "kcptun")]
pub use settings::{KcptunSettings, PortRange};
pub use timers::{check as check_timers, BrokenTimers};
pub use tunnel::Tunnel;
pub use udp_stats::{Dropped, UdpStats};

/// The upper 20 bits of the conversation number of a measurement. A server that does not measure resets
/// it.
const PERF: u32 = 0x5045_5000;

/// The bits of it that are random.
const PERF_RANDOM: u32 = 0xfff;

/// A conversation number for a measurement.
pub fn perf_conv() -> u32 {
    PERF | fastrand::u32(..) & PERF_RANDOM
}

/// Returns whether a conversation with this number is a measurement. One random number in a million is
/// taken for one too: the client of a [`tunnel`](self) draws another then.
pub fn is_perf_conv(conv: u32) -> bool {
    conv & !PERF_RANDOM == PERF
}
