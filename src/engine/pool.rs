//! The threads that take work which would hold up the JavaScript thread.
//!
//! There is one tokio runtime in the process. It is made here and run by whoever hosts the engine;
//! [`run`] is called on it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Threads for work: no more than processors, and no more than a few, since what they work on
/// takes memory.
const MAX_WORK_THREADS: usize = 8;

/// How many threads poll tasks where `asked` asks for a number: no more than processors. One where
/// nothing asks: all tasks but those that drive reactors hand their work on.
#[must_use]
pub fn task_threads(asked: Option<&str>) -> usize {
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(1).clamp(1, processors())
}

/// How many processors there are for this process.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How many threads do work.
#[must_use]
pub fn work_threads() -> usize {
    processors().min(MAX_WORK_THREADS)
}

/// Makes the runtime, of which so many threads poll tasks. Threads for work start when there is some,
/// and end when there is none.
///
/// # Errors
///
/// The operating system gives no thread.
pub fn new_runtime(task_threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(task_threads)
        .max_blocking_threads(work_threads())
        .thread_name("oxws")
        .enable_all()
        .build()
}

/// Runs `work` on a thread where it may take its time, when [`GATE`] lets it pass. To be called on
/// the runtime.
///
/// # Errors
///
/// `work` panicked, or the runtime ends.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unfinished> {
    GATE.run(work).await
}

/// What became of work that gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished;

impl fmt::Display for Unfinished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the work was not finished")
    }
}

impl std::error::Error for Unfinished {}

/// A piece of work.
pub type Job = Box<dyn FnOnce() + Send>;

/// Has so many pieces of work done at a time, and the others wait for their turn.
#[derive(Default)]
pub struct Gate(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// How many may run; 0 for any number.
    limit: usize,
    running: usize,
    waiting: VecDeque<Job>,
}

/// The gate of the process: for the reactors of all engines, and for what JavaScript compresses by
/// itself.
pub static GATE: Gate = Gate(Mutex::new(Queue { limit: 0, running: 0, waiting: VecDeque::new() }));

impl Gate {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how many may run, 0 for any number. Who runs already goes on.
    pub fn set_limit(&self, limit: usize) {
        self.queue().limit = limit;
    }

    /// Runs `work` on a thread of the runtime on which it is called, and waits for what it gives.
    async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            // Nobody waits for it any more where that fails.
            let _ = sender.send(work());
        };
        self.pass(Box::new(job), |job| drop(spawn_blocking(job)));
        receiver.await.map_err(|_| Unfinished)
    }

    /// Has a job done by `spawn`, which runs what it is given on another thread, or by who runs now.
    pub fn pass(&'static self, job: Job, spawn: impl FnOnce(Job)) {
        let mut queue = self.queue();
        if queue.limit > 0 && queue.running >= queue.limit {
            queue.waiting.push_back(job);
            return;
        }
        queue.running += 1;
        drop(queue);
        spawn(Box::new(move || self.work(job)));
    }

    /// Does a job, then those that wait.
    fn work(&self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            // A job reports its own failure, and the others are still to be done.
            let _ = catch_unwind(AssertUnwindSafe(job));
            let mut queue = self.queue();
            next = queue.waiting.pop_front();
            if next.is_none() {
                queue.running -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn runs_work_on_threads_of_its_own() {
        let runtime = new_runtime(1).unwrap();
        let here = thread::current().id();
        let there = runtime.block_on(run(|| thread::current().id())).unwrap();
        assert_ne!(here, there);
    }

    #[test]
    fn takes_as_many_threads_for_tasks_as_there_are_processors_at_most() {
        for nonsense in [None, Some(""), Some("many"), Some("-1"), Some("0"), Some("1.5")] {
            assert_eq!(task_threads(nonsense), 1);
        }
        let processors = thread::available_parallelism().unwrap().get();
        assert_eq!(task_threads(Some("2")), 2.min(processors));
        assert_eq!(task_threads(Some("1000000")), processors);
    }

    #[test]
    fn lets_so_many_jobs_run_at_a_time() {
        static GATE: Gate =
            Gate(Mutex::new(Queue { limit: 2, running: 0, waiting: VecDeque::new() }));
        static DONE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let mut spawned: Vec<Job> = Vec::new();
        for number in 0..5_u8 {
            let job = move || {
                DONE.lock().unwrap().push(number);
                assert_ne!(number, 1, "on purpose");
            };
            GATE.pass(Box::new(job), |job| spawned.push(job));
        }
        assert_eq!(spawned.len(), 2);
        // The first who is done goes on with those that wait.
        spawned.remove(0)();
        assert_eq!(*DONE.lock().unwrap(), [0, 2, 3, 4]);
        spawned.remove(0)();
        GATE.set_limit(1);
        GATE.pass(Box::new(|| {}), |job| spawned.push(job));
        GATE.pass(Box::new(|| {}), |job| spawned.push(job));
        assert_eq!(spawned.len(), 1);
    }

    #[test]
    fn bounds_the_jobs_of_reactors_and_awaited_work_together() {
        static GATE: Gate =
            Gate(Mutex::new(Queue { limit: 1, running: 0, waiting: VecDeque::new() }));
        let runtime = new_runtime(1).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let job = move || released.recv().unwrap();
        GATE.pass(Box::new(job), |job| drop(runtime.spawn_blocking(job)));
        let awaited = runtime.spawn(GATE.run(|| 1));
        while GATE.queue().waiting.is_empty() {
            thread::yield_now();
        }
        assert!(!awaited.is_finished());
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(awaited).unwrap(), Ok(1));
    }

    #[test]
    fn survives_work_that_panics() {
        let runtime = new_runtime(1).unwrap();
        let panicked: Result<(), _> = runtime.block_on(run(|| panic!("on purpose")));
        assert_eq!(panicked, Err(Unfinished));
        assert_eq!(runtime.block_on(run(|| 1)).unwrap(), 1);
    }
}
