//! Any bytes as a packet of each of kcptun's ciphers.
#![no_main]

#[allow(dead_code)] // each target uses a part of it
#[path = "../../crates/smol-kcp-proto/tests/kcptun/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| world::packets(bytes));
