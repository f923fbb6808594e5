//! Replays the committed inputs of the fuzz targets, so that what the fuzzer has found stays found.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]
#![expect(clippy::print_stdout, reason = "shown when a test fails")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
pub mod invariants;

/// Calls `check` with every input of `target`.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "no inputs in {}", folder.display());
}

#[test]
fn decode() {
    replay("decode", invariants::decode::check);
}

#[test]
fn decode_splits() {
    replay("decode_splits", invariants::decode_splits::check);
}

#[test]
fn connection_pair() {
    replay("connection_pair", invariants::connection_pair::check);
}

#[test]
fn extension_header() {
    replay("extension_header", invariants::extension_header::check);
}

#[test]
fn inflate_differential() {
    replay("inflate_differential", invariants::inflate_differential::check);
}

#[test]
fn inflate_limits() {
    replay("inflate_limits", invariants::inflate_limits::check);
}

#[test]
fn deflate_pairs() {
    replay("deflate_pairs", invariants::deflate_pairs::check);
}

#[cfg(all(feature = "engine", unix))]
#[test]
fn topics() {
    replay("topics", invariants::topics::check);
}
