//! Any row of datagrams into a listening endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smol_kcp::internals::datagrams(bytes));
