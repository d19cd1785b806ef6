//! Any row of datagrams into a secure endpoint, and any list of operations on a server and two runs of one client.
#![no_main]

#[path = "../../crates/smol-kcp-proto/tests/secure/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    world::datagrams(bytes);
    world::operations(bytes);
});
