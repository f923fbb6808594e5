//! What has to hold for every input: one function per fuzz target, which panics when it does not.
//!
//! The targets in `fuzz_targets/` feed them from the fuzzer, `tests/fuzz_corpus.rs` of the crate
//! feeds them from `corpus/`. To run a target, with `work/` taking what is found:
//!
//! ```text
//! mkdir -p fuzz/work/decode
//! cargo +nightly fuzz run decode fuzz/work/decode fuzz/corpus/decode -- -max_total_time=60
//! ```

pub mod connection;
pub mod connection_pair;
pub mod decode;
pub mod decode_splits;
pub mod deflate_pairs;
pub mod extension_header;
pub mod inflate_differential;
pub mod inflate_limits;
#[cfg(all(feature = "engine", unix))]
pub mod topics;

mod input;
mod seen;
