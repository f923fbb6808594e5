//! Work of one turn that several threads share, the one whose turn it is among them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::background::Spawner;
use super::sync::{AtomicUsize, Condvar, Mutex, lock};

/// Threads that help with a turn if they have the time.
///
/// The thread that has the turn works as well, and does everything if no other comes. So
/// it never waits for a thread that has not begun, only for the job that one is at.
#[derive(Default)]
pub(crate) struct Workers {
    spawner: Option<Spawner>,
    /// How many may help.
    helpers: usize,
    /// How many were called and have not come yet.
    called: Arc<AtomicUsize>,
}

/// A helper that was called, until it comes or it is known that it never will.
struct Call(Arc<AtomicUsize>);

impl Call {
    fn new(called: &Arc<AtomicUsize>) -> Self {
        called.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(called))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Workers").field("helpers", &self.helpers).finish_non_exhaustive()
    }
}

/// What has become of jobs.
pub(crate) struct Finished<J, T> {
    /// The jobs, in the order in which they were given.
    pub(crate) jobs: Vec<J>,
    /// Those that were not begun, which came after them.
    pub(crate) left: Vec<J>,
    /// The tools of all threads.
    pub(crate) tools: Vec<T>,
    /// Some of the work panicked.
    pub(crate) has_panicked: bool,
}

impl Workers {
    /// Sets what finds threads, and on how many work may be done at a time, this one among them.
    pub(crate) fn set_spawner(&mut self, spawner: Spawner, threads: usize) {
        self.spawner = Some(spawner);
        self.helpers = threads.saturating_sub(1);
    }

    /// How many threads may share work, this one among them.
    pub(crate) const fn size(&self) -> usize {
        self.helpers + 1
    }

    /// Does `work` on each job, with the tools of the thread that does it, until the one whose turn
    /// it is has enough: `work` says whether a thread goes on. Returns when all is done that was
    /// begun.
    pub(crate) fn work<J, T, W>(
        &self,
        jobs: Vec<J>,
        tools: impl FnMut() -> T,
        work: W,
    ) -> Finished<J, T>
    where
        J: Send + 'static,
        T: Send + 'static,
        W: Fn(&mut T, &mut J) -> bool + Send + Sync + 'static,
    {
        let wanted = self.helpers.min(jobs.len().saturating_sub(1));
        let tools = std::iter::repeat_with(tools).take(self.size());
        let shared = Arc::new(SharedJobs {
            progress: Mutex::default(),
            finished: Condvar::new(),
            jobs: jobs.into_iter().map(|job| Mutex::new(Some(job))).collect(),
            next: AtomicUsize::new(0),
            tools: tools.map(|tools| Mutex::new(Some(tools))).collect(),
            joined: AtomicUsize::new(0),
            work,
        });
        self.call(wanted, &shared);
        shared.serve();
        let (taken, has_panicked) = shared.finish();
        let mut jobs = take_all(&shared.jobs);
        let left = jobs.split_off(taken);
        Finished { jobs, left, tools: take_all(&shared.tools), has_panicked }
    }

    /// Calls this many helpers, without those that were called earlier
    /// and are still to come: others would take as long.
    fn call<J, T, W>(&self, wanted: usize, shared: &Arc<SharedJobs<J, T, W>>)
    where
        J: Send + 'static,
        T: Send + 'static,
        W: Fn(&mut T, &mut J) -> bool + Send + Sync + 'static,
    {
        let Some(spawner) = &self.spawner else { return };
        for _ in self.called.load(Ordering::Relaxed)..wanted {
            let (shared, call) = (Arc::clone(shared), Call::new(&self.called));
            let help = move || {
                drop(call);
                shared.serve();
            };
            // Where the system gives no thread none comes, and what was lent must not be lost.
            let _ = catch_unwind(AssertUnwindSafe(|| spawner(Box::new(help))));
        }
    }
}

/// Jobs that several threads share.
struct SharedJobs<J, T, W> {
    /// Each locked by the thread that is at it; none left in the end.
    jobs: Vec<Mutex<Option<J>>>,
    /// The first job that was not taken.
    next: AtomicUsize,
    /// As many as threads may come.
    tools: Vec<Mutex<Option<T>>>,
    /// How many threads have come.
    joined: AtomicUsize,
    work: W,
    progress: Mutex<Progress>,
    /// All jobs are done that were taken.
    finished: Condvar,
}

#[derive(Default)]
struct Progress {
    /// How many jobs are done, by threads that take no more of them.
    done: usize,
    /// How many were taken, once no other is taken.
    taken: Option<usize>,
    has_panicked: bool,
}

impl<J, T, W: Fn(&mut T, &mut J) -> bool> SharedJobs<J, T, W> {
    /// Does jobs as long as there are some and it is not enough.
    fn serve(&self) {
        if self.next.load(Ordering::Relaxed) >= self.jobs.len() {
            return;
        }
        let index = self.joined.fetch_add(1, Ordering::Relaxed);
        let Some(tools) = self.tools.get(index) else { return };
        let mut tools = lock(tools);
        let (mut count, mut has_panicked) = (0, false);
        while let Some(job) = self.jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let goes_on = match (&mut *tools, &mut *lock(job)) {
                (Some(tools), Some(job)) => {
                    catch_unwind(AssertUnwindSafe(|| (self.work)(tools, job))).ok()
                }
                // They are taken out when all is done.
                _ => None,
            };
            count += 1;
            has_panicked |= goes_on.is_none();
            if goes_on == Some(false) {
                break;
            }
        }
        drop(tools);
        self.note(count, has_panicked);
    }

    /// Notes what a thread has done, once for all of it: others look at the same place.
    fn note(&self, count: usize, has_panicked: bool) {
        let mut progress = lock(&self.progress);
        progress.done += count;
        progress.has_panicked |= has_panicked;
        if progress.taken == Some(progress.done) {
            self.finished.notify_one();
        }
    }

    /// Stops handing out jobs, and waits until those are done that were taken; returns how
    /// many they are, and whether one panicked.
    fn finish(&self) -> (usize, bool) {
        let count = self.jobs.len();
        let taken = self.next.swap(count, Ordering::Relaxed).min(count);
        let mut progress = lock(&self.progress);
        progress.taken = Some(taken);
        while progress.done < taken {
            progress = self.finished.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        (taken, progress.has_panicked)
    }
}

fn take_all<T>(slots: &[Mutex<Option<T>>]) -> Vec<T> {
    slots.iter().filter_map(|slot| lock(slot).take()).collect()
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::thread;

    use super::super::pool::Job;
    use super::*;

    fn workers(threads: usize) -> Workers {
        let mut workers = Workers::default();
        workers.set_spawner(Arc::new(|job| drop(thread::spawn(job))), threads);
        workers
    }

    fn double((): &mut (), job: &mut i32) -> bool {
        *job *= 2;
        true
    }

    #[test]
    fn does_every_job_once_and_keeps_their_order() {
        let workers = workers(4);
        for count in [0, 1, 3, 1000] {
            let jobs = (0..count).map(|number| (number, 0)).collect();
            let done = workers.work(
                jobs,
                || 0,
                |worked, job: &mut (i32, i32)| {
                    job.1 += 1;
                    *worked += 1;
                    true
                },
            );
            assert_eq!(done.jobs, (0..count).map(|number| (number, 1)).collect::<Vec<_>>());
            assert_eq!((done.tools.len(), done.tools.iter().sum::<i32>()), (4, count));
            assert!(!done.has_panicked);
        }
    }

    #[test]
    fn has_others_work_at_the_same_time() {
        let workers = workers(2);
        let meeting = std::sync::Barrier::new(2);
        let done = workers.work(
            vec![(), ()],
            || (),
            move |(), ()| {
                meeting.wait();
                true
            },
        );
        assert_eq!(done.jobs.len(), 2);
    }

    #[test]
    fn does_everything_itself_where_nobody_comes() {
        let calls: Arc<Mutex<Vec<Job>>> = Arc::default();
        let called = Arc::clone(&calls);
        let mut workers = Workers::default();
        workers.set_spawner(Arc::new(move |job| lock(&called).push(job)), 3);
        for _ in 0..5 {
            let done = workers.work(vec![1, 2, 3], || (), double);
            assert_eq!(done.jobs, [2, 4, 6]);
            // One that has not come yet is not called again.
            assert_eq!(lock(&calls).len(), 2);
        }
        // One that comes late finds nothing to do, and can be called again.
        lock(&calls).drain(..).for_each(|job| job());
        workers.work(vec![1, 2], || (), double);
        assert_eq!(lock(&calls).len(), 1);
    }

    #[test]
    fn does_everything_itself_where_no_thread_is_to_be_had() {
        let mut workers = Workers::default();
        workers.set_spawner(Arc::new(|_| panic!("on purpose")), 3);
        for _ in 0..2 {
            let done = workers.work(vec![1, 2, 3], || (), double);
            assert_eq!(done.jobs, [2, 4, 6]);
            assert!(!done.has_panicked);
        }
        assert_eq!(workers.called.load(Ordering::Relaxed), 0, "nobody is still to come");
    }

    #[test]
    fn leaves_the_rest_when_it_is_enough() {
        for threads in [1, 3] {
            let work = |worked: &mut usize, job: &mut usize| {
                *worked += 1;
                *job += 100;
                *worked < 2
            };
            let done = workers(threads).work((0..10).collect(), || 0, work);
            let all: Vec<_> = done.jobs.iter().chain(&done.left).copied().collect();
            let taken = done.jobs.len();
            assert!(taken <= 2 * threads);
            assert_eq!(all, (100..100 + taken).chain(taken..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn goes_on_behind_a_panic() {
        let done = workers(2).work(
            vec![1, 2, 3, 4],
            || (),
            |(), job| {
                assert_ne!(*job, 2, "on purpose");
                *job = 0;
                true
            },
        );
        assert_eq!(done.jobs, [0, 2, 0, 0]);
        assert!(done.has_panicked);
    }
}

#[cfg(all(test, shuttle))]
mod model {
    use shuttle::scheduler::RandomScheduler;
    use shuttle::{Config, Runner, thread};

    use super::*;

    /// The orders that the model is run in.
    const ORDERS: usize = 3000;

    #[test]
    fn does_every_job_once_whoever_comes_when() {
        let model = || {
            let mut workers = Workers::default();
            workers.set_spawner(Arc::new(|job| drop(thread::spawn(job))), 3);
            // The helpers of one shared may come in the next one, or when all is done.
            for count in [3, 1, 4] {
                let jobs = (0..count).map(|number| (number, 0)).collect();
                let work = |worked: &mut usize, job: &mut (usize, usize)| {
                    job.1 += 1;
                    *worked += 1;
                    thread::yield_now();
                    true
                };
                let done = workers.work(jobs, || 0, work);
                assert_eq!(done.jobs, (0..count).map(|number| (number, 1)).collect::<Vec<_>>());
                assert_eq!(done.tools.iter().sum::<usize>(), count);
                assert!(!done.has_panicked);
            }
        };
        Runner::new(RandomScheduler::new(ORDERS), Config::new()).run(model);
    }

    #[test]
    fn does_what_it_has_begun_and_leaves_the_rest() {
        let model = || {
            let mut workers = Workers::default();
            workers.set_spawner(Arc::new(|job| drop(thread::spawn(job))), 2);
            for _ in 0..2 {
                let work = |(): &mut (), job: &mut (usize, usize)| {
                    thread::yield_now();
                    job.1 += 1;
                    job.0 != 1
                };
                let done = workers.work((0..4).map(|number| (number, 0)).collect(), || (), work);
                let taken = done.jobs.len();
                let all: Vec<_> = done.jobs.into_iter().chain(done.left).collect();
                let expected = |number| (number, usize::from(number < taken));
                assert_eq!(all, (0..4).map(expected).collect::<Vec<_>>());
            }
        };
        Runner::new(RandomScheduler::new(ORDERS), Config::new()).run(model);
    }
}
