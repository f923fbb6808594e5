//! Runs the invariant of `src/decode_splits.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::decode_splits::check(input));
