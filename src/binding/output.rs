//! How outputs get to JavaScript.

use std::mem;

use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Result};

/// Up to here an output is copied into memory of JavaScript's own, which is cheaper than to share
/// memory that a finalizer frees.
const MAX_COPIED_LENGTH: usize = 16 * 1024;

/// Gives an output to JavaScript and leaves `output` empty.
pub(super) fn hand_over<'env>(env: &'env Env, output: &mut Vec<u8>) -> Result<BufferSlice<'env>> {
    if output.len() <= MAX_COPIED_LENGTH {
        let copy = BufferSlice::copy_from(env, &*output);
        output.clear();
        return copy;
    }
    BufferSlice::from_data(env, fitted(mem::take(output)))
}

/// Gives back the memory that an output did not need.
pub(super) fn fitted(mut output: Vec<u8>) -> Vec<u8> {
    output.shrink_to_fit();
    output
}
