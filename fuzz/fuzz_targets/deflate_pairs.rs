//! Runs the invariant of `src/deflate_pairs.rs` on the fuzzer's inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| oxws_fuzz::deflate_pairs::check(input));
