//! Two and more routers, a bad network between them, and no clock but the one that the tests turn.

mod app;
mod lines;
mod matrix;
mod neighbours;
mod shared_link;
mod stock;
mod world;

mod asking;
mod black_hole;
mod bottleneck;
mod budget;
mod closing;
mod flood;
mod gone;
mod hostile;
mod kcp_go;
mod long_path;
mod many_addresses;
mod many_streams;
mod near;
mod opening;
mod outage;
mod queues;
mod quiet;
mod restart;
mod roaming;
mod secure;
mod slow;
mod strangers;
mod windows;
mod wrap;

use std::time::Duration;

use self::app::App;
use self::world::{addr, World, CLIENT, SERVER};
use crate::config::{EngineKind, KcpConfig, KcpNoDelayConfig, Rate};
use crate::error::KcpError;
use crate::layer::netem::{LinkConfig, Probability};
use crate::time::Time;
use crate::wire::{self, Header};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One direction of a path: half of `rtt`, `loss` per cent.
fn link(rtt: u64, loss: u32) -> LinkConfig {
    LinkConfig { delay: ms(rtt) / 2, loss: Probability::percent(loss), ..LinkConfig::default() }
}

/// A stream at full speed that nothing but a failure ends.
fn config() -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig::fastest(),
        stream: true,
        keep_alive: None,
        session_expire: None,
        ..KcpConfig::default()
    }
}

/// Every engine there is.
const ENGINES: &[EngineKind] = EngineKind::ALL;

/// `len` bytes that differ from those around them.
fn data(len: usize) -> Vec<u8> {
    // A prime number of bytes, again and again: shifted by a segment it is something else.
    let period = len.min(16_381) as u32;
    let one: Vec<u8> = (0..period).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut bytes = one.repeat(len.div_ceil(one.len().max(1)));
    bytes.truncate(len);
    bytes
}

/// The `cmd` and `frg` of every segment in a datagram.
fn codes(datagram: &[u8]) -> Vec<(u8, u8)> {
    headers(datagram).iter().map(|header| (header.cmd, header.frg)).collect()
}

fn headers(datagram: &[u8]) -> Vec<Header> {
    wire::segments(datagram).flatten().map(|segment| segment.header).collect()
}

/// What a stock peer answers to the question for a proof of its address.
fn proof(question: &Header) -> Header {
    Header { cmd: wire::CMD_ACK, una: 0, len: 0, ..*question }
}

fn has(datagram: &[u8], cmd: u8, frg: u8) -> bool {
    codes(datagram).contains(&(cmd, frg))
}
