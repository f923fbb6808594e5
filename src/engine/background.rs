//! Work of a reactor on other threads, and what it came to.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;

use mio::{Registry, Token, Waker};

use super::compression::{Outcome, Work};
use super::direction::lock;
use super::occurrence::ConnectionId;
use super::pool::Job;
use crate::protocol::deflate::InflateError;

/// The token of the reactor's own waker.
pub(super) const WAKER: Token = Token(usize::MAX);

/// Has a piece of work done on another thread, some time.
pub type Spawner = Arc<dyn Fn(Job) + Send + Sync>;

/// What work came to, with its connection and number.
type Results = Vec<(ConnectionId, u64, Outcome)>;

/// Where results are left, and who is told of it.
struct Done {
    results: Mutex<Results>,
    waker: Option<Waker>,
}

/// Leaves a result, of work that panicked as well.
struct Report {
    done: Arc<Done>,
    id: ConnectionId,
    number: u64,
    outcome: Outcome,
}

impl Report {
    fn complete(mut self, work: Work) {
        self.outcome = work.run();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Ok(Vec::new()));
        lock(&self.done.results).push((self.id, self.number, outcome));
        if let Some(waker) = &self.done.waker {
            // It fails where the readiness set is gone, and with it whom to tell.
            let _ = waker.wake();
        }
    }
}

/// Starts work and collects its results. Without a spawner work is done at once.
#[derive(Default)]
pub(super) struct Background {
    spawner: Option<Spawner>,
    /// Made with the first piece of work.
    done: Option<Arc<Done>>,
    count: u64,
    /// What is to be started.
    due: Vec<(ConnectionId, u64, Box<Work>)>,
}

impl fmt::Debug for Background {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Background").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Background {
    /// Sets who does the work.
    pub(super) fn set_spawner(&mut self, spawner: Spawner) {
        self.spawner = Some(spawner);
    }

    /// Adds work for a connection, to be started by the next [`launch`](Self::launch); its number.
    pub(super) fn add(&mut self, id: ConnectionId, work: Box<Work>) -> u64 {
        self.count += 1;
        self.due.push((id, self.count, work));
        self.count
    }

    /// Starts what is due.
    pub(super) fn launch(&mut self, registry: &Registry) {
        if self.due.is_empty() {
            return;
        }
        let done = self.done.get_or_insert_with(|| {
            let waker = Waker::new(registry, WAKER).ok();
            Arc::new(Done { results: Mutex::default(), waker })
        });
        for (id, number, work) in self.due.drain(..) {
            let outcome = Err(InflateError::InvalidData("Zlib error"));
            let report = Report { done: Arc::clone(done), id, number, outcome };
            let job = move || report.complete(*work);
            match &self.spawner {
                // Without a waker nobody would hear of it.
                Some(spawner) if done.waker.is_some() => spawner(Box::new(job)),
                _ => job(),
            }
        }
    }

    /// Whether there are results.
    pub(super) fn has_results(&self) -> bool {
        self.done.as_ref().is_some_and(|done| !lock(&done.results).is_empty())
    }

    /// Takes the results.
    pub(super) fn take_results(&self) -> Results {
        self.done.as_ref().map(|done| std::mem::take(&mut *lock(&done.results))).unwrap_or_default()
    }
}
