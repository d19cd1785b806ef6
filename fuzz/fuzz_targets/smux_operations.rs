//! Any list of operations on two ends of a smux session.
#![no_main]

#[allow(dead_code)] // each target uses a part of it
#[path = "../../crates/smux/tests/operations/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| world::operations(bytes));
