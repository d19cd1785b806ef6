//! Any list of operations on two endpoints.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smol_kcp::internals::operations(bytes));
