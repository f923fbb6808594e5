//! Runs the invariant of `src/topics.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::topics::check(input));
