//! Copies what a match refers to, RFC 1951, section 3.2.5.

/// A copy of as many bytes is a matter of a few instructions, and as long as most matches.
const CHUNK: usize = 32;

/// Copies `length` bytes within `output`, from `distance` before `at` to there. What is copied may
/// begin within the same match. What is after it isn't output yet, and may be overwritten.
#[inline(always)]
pub(super) fn copy(output: &mut [u8], at: usize, distance: usize, length: usize) {
    let (before, after) = output.split_at_mut(at);
    if length <= CHUNK
        && let Some(from) = before[at - distance..].first_chunk::<CHUNK>()
        && let Some(to) = after.first_chunk_mut::<CHUNK>()
    {
        *to = *from;
    } else {
        copy_exactly(output, at, distance, length);
    }
}

/// Does as [`copy`], byte by byte of the match.
fn copy_exactly(output: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at - distance;
    if distance == 1 {
        let byte = output[from];
        output[at..at + length].fill(byte);
        return;
    }
    // What is copied repeats with each distance, so ever more can be copied at a time.
    let mut done = 0;
    while done < length {
        let count = (distance + done).min(length - done);
        output.copy_within(from..from + count, at + done);
        done += count;
    }
}
