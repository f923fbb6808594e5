//! Runs the invariant of `src/connection_pair.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::connection_pair::check(input));
