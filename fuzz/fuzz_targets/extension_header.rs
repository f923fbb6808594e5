//! Runs the invariant of `src/extension_header.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::extension_header::check(input));
