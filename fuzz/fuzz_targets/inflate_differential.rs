//! Runs the invariant of `src/inflate_differential.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::inflate_differential::check(input));
