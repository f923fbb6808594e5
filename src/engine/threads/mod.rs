//! Threads: the runtime's, work on them, and what they share state by.

pub mod pool;

#[cfg(unix)]
pub(super) mod background;
#[cfg(unix)]
pub(super) mod sync;
#[cfg(unix)]
pub(super) mod workers;
