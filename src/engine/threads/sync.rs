//! What threads share state by: parts of the standard library, or in models those of shuttle, which
//! tries the orders in which their steps can come.

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic::AtomicUsize},
    thread::yield_now,
};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic::AtomicUsize},
    thread::yield_now,
};

#[cfg(not(all(test, shuttle)))]
pub(crate) use crate::lock::lock;

/// Takes a lock of shuttle's, as [`crate::lock::lock`] does one of the standard library.
#[cfg(all(test, shuttle))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A bound, or in models a small one, which is reached there as well.
pub(crate) const fn bound(real: usize, modelled: usize) -> usize {
    if cfg!(all(test, shuttle)) { modelled } else { real }
}
