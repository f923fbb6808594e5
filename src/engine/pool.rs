//! The threads that take work which would hold up the JavaScript thread.
//!
//! There is one tokio runtime in the process. It is made here and run by whoever hosts the engine;
//! [`run`] is called on it.

use std::io;
use std::num::NonZero;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, spawn_blocking};

/// One thread only polls tasks, which all hand their work on.
const TASK_THREADS: usize = 1;

/// Threads for work: no more than processors, and no more than a few, since what they work on
/// takes memory.
const MAX_WORK_THREADS: usize = 8;

/// Makes the runtime. Threads for work start when there is some, and end when there is none.
///
/// # Errors
///
/// The operating system gives no thread.
pub fn new_runtime() -> io::Result<Runtime> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(TASK_THREADS)
        .max_blocking_threads(processors.min(MAX_WORK_THREADS))
        .thread_name("oxws")
        .enable_all()
        .build()
}

/// Runs `work` on a thread where it may take its time. To be called on the runtime.
///
/// # Errors
///
/// `work` panicked, or the runtime ends.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    spawn_blocking(work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_work_on_threads_of_its_own() {
        let runtime = new_runtime().unwrap();
        let here = thread::current().id();
        let there = runtime.block_on(run(|| thread::current().id())).unwrap();
        assert_ne!(here, there);
    }

    #[test]
    fn survives_work_that_panics() {
        let runtime = new_runtime().unwrap();
        let panicked: Result<(), _> = runtime.block_on(run(|| panic!("on purpose")));
        assert!(panicked.unwrap_err().is_panic());
        assert_eq!(runtime.block_on(run(|| 1)).unwrap(), 1);
    }
}
