//! What becomes of memory that was freed.

use std::hint::black_box;

use napi_derive::napi;

/// As long as what is freed by one collection of JavaScript's young generation.
const LENGTH: usize = 16 * 1024 * 1024;

/// Makes the allocator keep up to 32 MiB that large messages leave for those that follow: to
/// give them back to the kernel and have their pages cleared anew is a third of the work of the
/// kernel on them.
///
/// glibc gives back what exceeds twice the longest mapping that was ever freed, 128 KiB at first
/// (`M_TRIM_THRESHOLD` in mallopt(3)). So a long one is freed, untouched. To other allocators that
/// means nothing.
#[napi(catch_unwind)]
pub fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(LENGTH)));
}
