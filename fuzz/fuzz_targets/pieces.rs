//! Any list of operations on two endpoints whose segments travel in pieces.
#![no_main]

#[path = "../../crates/smol-kcp-proto/tests/pieces/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    world::operations(bytes);
});
