//! Any list of operations on two endpoints.
#![no_main]

#[allow(dead_code)] // each target uses a part of it
#[path = "../../crates/smol-kcp-proto/tests/operations/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| world::operations(bytes));
