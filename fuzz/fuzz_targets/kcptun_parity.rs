//! Any datagrams into a decoder of kcp-go's parity, and any line between an encoder and a decoder.
#![no_main]

#[allow(dead_code)] // each target uses a part of it
#[path = "../../crates/smol-kcp-proto/tests/kcptun/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    world::parity(bytes);
    world::line(bytes);
});
