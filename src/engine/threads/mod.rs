//! Threads: the runtime's, work on them, and what they share state by.

pub mod pool;

#[cfg(unix)]
pub(super) mod background;
#[cfg(unix)]
pub(super) mod crew;
#[cfg(unix)]
pub(super) mod sync;
