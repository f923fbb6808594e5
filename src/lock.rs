//! Taking a lock after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. What a panic elsewhere has left is as good as what an error leaves.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
