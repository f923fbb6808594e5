//! Work of a reactor on other threads, and what it came to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mio::{Registry, Token, Waker};

use super::super::event::ConnectionId;
use super::pool::Job;
use super::sync::{Mutex, lock};

/// The token of the reactor's own waker.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Has a piece of work done on another thread, some time.
pub type Spawner = Arc<dyn Fn(Job) + Send + Sync>;

/// How many pieces of work there have been. No two have the same number, so that what a closed
/// connection left behind is not taken for that of another one.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A piece of work for another thread.
pub(crate) trait Work: Send + 'static {
    /// What it comes to.
    type Outcome: Send + 'static;

    /// Does the work.
    fn run(self) -> Self::Outcome;

    /// What stands for the outcome of work that has panicked.
    fn panicked() -> Self::Outcome;
}

/// Work that is to be started, with its connection and number.
#[derive(Debug)]
pub(crate) struct Due<W>(Vec<(ConnectionId, u64, Box<W>)>);

impl<W> Default for Due<W> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<W> Due<W> {
    /// Adds work for a connection, to be started by the next [`launch`](Background::launch); its
    /// number.
    pub(crate) fn add(&mut self, id: ConnectionId, work: Box<W>) -> u64 {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        self.0.push((id, number, work));
        number
    }

    /// Adds what another one holds.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }
}

/// What work came to, with its connection and number.
type Results<T> = Vec<(ConnectionId, u64, T)>;

/// Where results are left, and who is told of it.
struct ResultQueue<T> {
    results: Mutex<Results<T>>,
    waker: Option<Waker>,
}

/// Leaves a result, of work that panicked as well.
struct Report<W: Work> {
    queue: Arc<ResultQueue<W::Outcome>>,
    id: ConnectionId,
    number: u64,
    outcome: Option<W::Outcome>,
}

impl<W: Work> Report<W> {
    fn complete(mut self, work: W) {
        self.outcome = Some(work.run());
    }
}

impl<W: Work> Drop for Report<W> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(W::panicked);
        lock(&self.queue.results).push((self.id, self.number, outcome));
        if let Some(waker) = &self.queue.waker {
            // It fails where the readiness set is gone, and with it whom to tell.
            let _ = waker.wake();
        }
    }
}

/// Starts work and collects its results. Without a spawner work is done at once.
pub(crate) struct Background<W: Work> {
    spawner: Option<Spawner>,
    /// Made with the first piece of work.
    queue: Option<Arc<ResultQueue<W::Outcome>>>,
}

impl<W: Work> Default for Background<W> {
    fn default() -> Self {
        Self { spawner: None, queue: None }
    }
}

impl<W: Work> fmt::Debug for Background<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Background").finish_non_exhaustive()
    }
}

impl<W: Work> Background<W> {
    /// Sets who does the work.
    pub(crate) fn set_spawner(&mut self, spawner: Spawner) {
        self.spawner = Some(spawner);
    }

    /// Starts what is due.
    pub(crate) fn launch(&mut self, due: &mut Due<W>, registry: &Registry) {
        if due.0.is_empty() {
            return;
        }
        let queue = self.queue.get_or_insert_with(|| {
            let waker = Waker::new(registry, WAKER).ok();
            Arc::new(ResultQueue { results: Mutex::default(), waker })
        });
        for (id, number, work) in due.0.drain(..) {
            let report = Report::<W> { queue: Arc::clone(queue), id, number, outcome: None };
            let job = move || report.complete(*work);
            match &self.spawner {
                // Without a waker nobody would hear of it.
                Some(spawner) if queue.waker.is_some() => spawner(Box::new(job)),
                _ => job(),
            }
        }
    }

    /// Whether there are results.
    pub(crate) fn has_results(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !lock(&queue.results).is_empty())
    }

    /// Takes the results.
    pub(crate) fn take_results(&self) -> Results<W::Outcome> {
        self.queue
            .as_ref()
            .map(|queue| std::mem::take(&mut *lock(&queue.results)))
            .unwrap_or_default()
    }
}
