//! What threads share state by: parts of the standard library, or in models those of shuttle, which
//! tries the orders in which their steps can come.

#[cfg(all(test, shuttle))]
pub(super) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic::AtomicUsize},
    thread::yield_now,
};
#[cfg(not(all(test, shuttle)))]
pub(super) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic::AtomicUsize},
    thread::yield_now,
};

/// A bound, or in models a small one, which is reached there as well.
pub(super) const fn bound(real: usize, modelled: usize) -> usize {
    if cfg!(all(test, shuttle)) { modelled } else { real }
}
