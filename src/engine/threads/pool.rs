//! The threads that take work which would hold up the JavaScript thread.
//!
//! There is one tokio runtime in the process. It is made here and run by the host of the engine.

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use tokio::runtime::{Builder, Runtime};

use crate::lock::lock;

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

/// Makes the runtime, of which this many threads poll tasks. Threads for work start when there is
/// some, and end when there is none.
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

/// A piece of work.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs at most this many pieces of work at a time; the others wait for their turn.
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
        lock(&self.0)
    }

    /// How many may run, 0 for any number.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.queue().limit
    }

    /// Changes how many may run, 0 for any number. What runs already goes on.
    pub fn set_limit(&self, limit: usize) {
        self.queue().limit = limit;
    }

    /// Passes a job to `spawn`, which runs what it is
    /// given on another thread, or to a thread that runs now.
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
        // The first that is done goes on with those that wait.
        spawned.remove(0)();
        assert_eq!(*DONE.lock().unwrap(), [0, 2, 3, 4]);
        spawned.remove(0)();
        GATE.set_limit(1);
        GATE.pass(Box::new(|| {}), |job| spawned.push(job));
        GATE.pass(Box::new(|| {}), |job| spawned.push(job));
        assert_eq!(spawned.len(), 1);
    }

    #[test]
    fn survives_jobs_that_panic_on_threads_of_its_own() {
        static GATE: Gate =
            Gate(Mutex::new(Queue { limit: 1, running: 0, waiting: VecDeque::new() }));
        let runtime = new_runtime(1).unwrap();
        let spawn = |job| drop(runtime.spawn_blocking(job));
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        GATE.pass(Box::new(move || released.recv().unwrap()), spawn);
        GATE.pass(Box::new(|| panic!("on purpose")), spawn);
        GATE.pass(Box::new(move || tell.send(thread::current().id()).unwrap()), spawn);
        assert_eq!(GATE.queue().waiting.len(), 2);
        release.send(()).unwrap();
        assert_ne!(told.recv().unwrap(), thread::current().id());
    }
}
