//! Work of a reactor on other threads, and its results.
//!
//! No more is begun than may be at a time, until what has ended was taken: a result can be much
//! larger than the data that it's made of.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use mio::{Registry, Token, Waker};

use super::super::event::ConnectionId;
use super::pool::Job;
use super::sync::{Mutex, lock};

/// The token of the reactor's own waker.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Does a piece of work on another thread, some time.
pub type Spawner = Arc<dyn Fn(Job) + Send + Sync>;

/// How many pieces of work there have been. No two have the same number, so that what a closed
/// connection has left is not mistaken for that of another one.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A piece of work for another thread.
pub(crate) trait Work: Send + 'static {
    /// Its result.
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

/// The result of work, with its connection and number, and the place that it has until it's taken.
pub(crate) type WorkResult<T> = (ConnectionId, u64, T, Place);

/// How much work has a place, and what wakes the reactor.
struct Places {
    taken: AtomicUsize,
    /// Some work waits for a place.
    is_awaited: AtomicBool,
    waker: Option<Waker>,
}

impl Places {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            // It fails where the readiness set is gone, and with it what to wake.
            let _ = waker.wake();
        }
    }
}

/// One of the places that work may have at a time, until this is dropped.
pub(crate) struct Place(Arc<Places>);

impl Place {
    fn take(places: &Arc<Places>) -> Self {
        places.taken.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(places))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        if self.0.is_awaited.load(Ordering::Relaxed) {
            self.0.wake();
        }
    }
}

/// Where results are left.
struct ResultQueue<T> {
    results: Mutex<VecDeque<WorkResult<T>>>,
    places: Arc<Places>,
}

/// Leaves a result, of work that panicked as well.
struct Report<W: Work> {
    queue: Arc<ResultQueue<W::Outcome>>,
    id: ConnectionId,
    number: u64,
    outcome: Option<W::Outcome>,
    place: Option<Place>,
}

impl<W: Work> Report<W> {
    fn complete(mut self, work: W) {
        self.outcome = Some(work.run());
    }
}

impl<W: Work> Drop for Report<W> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(W::panicked);
        let place = self.place.take().unwrap_or_else(|| Place::take(&self.queue.places));
        lock(&self.queue.results).push_back((self.id, self.number, outcome, place));
        self.queue.places.wake();
    }
}

/// Starts work and collects its results. Without a spawner work is done at once.
pub(crate) struct Background<W: Work> {
    spawner: Option<Spawner>,
    /// How much may have a place at a time, 0 for any number; and how many share that.
    limit: Option<(fn() -> usize, usize)>,
    /// What waits for a place.
    waiting: VecDeque<(ConnectionId, u64, Box<W>)>,
    /// Made with the first piece of work.
    queue: Option<Arc<ResultQueue<W::Outcome>>>,
}

impl<W: Work> Default for Background<W> {
    fn default() -> Self {
        Self { spawner: None, limit: None, waiting: VecDeque::new(), queue: None }
    }
}

impl<W: Work> fmt::Debug for Background<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Background").finish_non_exhaustive()
    }
}

impl<W: Work> Background<W> {
    /// Sets what does the work.
    pub(crate) fn set_spawner(&mut self, spawner: Spawner) {
        self.spawner = Some(spawner);
    }

    /// Sets how much work may have been begun whose result was not taken, 0 for any number, by so
    /// many of this kind together.
    pub(crate) fn set_limit(&mut self, limit: fn() -> usize, sharers: usize) {
        self.limit = Some((limit, sharers));
    }

    /// Starts what is due, as far as there are places. What isn't awaited any more is left out:
    /// `is_awaited` is asked by the connection and the number.
    pub(crate) fn launch(
        &mut self,
        due: &mut Due<W>,
        registry: &Registry,
        is_awaited: impl Fn(ConnectionId, u64) -> bool,
    ) {
        if due.0.is_empty() && self.waiting.is_empty() {
            return;
        }
        self.waiting.extend(due.0.drain(..));
        let queue = self.queue.get_or_insert_with(|| {
            let waker = Waker::new(registry, WAKER).ok();
            let (taken, is_awaited) = (AtomicUsize::new(0), AtomicBool::new(false));
            let places = Arc::new(Places { taken, is_awaited, waker });
            Arc::new(ResultQueue { results: Mutex::default(), places })
        });
        let queue = Arc::clone(queue);
        while self.has_place()
            && let Some((id, number, work)) = self.waiting.pop_front()
        {
            if !is_awaited(id, number) {
                continue;
            }
            let place = Some(Place::take(&queue.places));
            let report =
                Report::<W> { queue: Arc::clone(&queue), id, number, outcome: None, place };
            let job = move || report.complete(*work);
            match &self.spawner {
                // Without a waker it would not be noticed.
                Some(spawner) if queue.places.waker.is_some() => spawner(Box::new(job)),
                _ => job(),
            }
        }
        queue.places.is_awaited.store(!self.waiting.is_empty(), Ordering::Relaxed);
    }

    /// Whether there is a place for more work.
    fn has_place(&self) -> bool {
        let limit = self.limit.map_or(0, |(limit, sharers)| limit().div_ceil(sharers.max(1)));
        let taken = |queue: &Arc<ResultQueue<_>>| queue.places.taken.load(Ordering::Relaxed);
        limit == 0 || self.queue.as_ref().map_or(0, taken) < limit
    }

    /// Whether some work waits for a place.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether some work waits that has a place.
    pub(crate) fn can_launch(&self) -> bool {
        self.has_waiting() && self.has_place()
    }

    /// Whether there are results.
    pub(crate) fn has_results(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !lock(&queue.results).is_empty())
    }

    /// Takes the first of the results.
    pub(crate) fn take_result(&self) -> Option<WorkResult<W::Outcome>> {
        lock(&self.queue.as_ref()?.results).pop_front()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use mio::Poll;

    use super::*;

    struct Echo(u32);

    impl Work for Echo {
        type Outcome = u32;

        fn run(self) -> u32 {
            self.0
        }

        fn panicked() -> u32 {
            u32::MAX
        }
    }

    #[test]
    fn begins_no_more_than_has_a_place_until_results_are_taken() {
        let poll = Poll::new().unwrap();
        let jobs: Arc<Mutex<Vec<Job>>> = Arc::default();
        let spawned = Arc::clone(&jobs);
        let mut background = Background::default();
        background.set_spawner(Arc::new(move |job| lock(&spawned).push(job)));
        background.set_limit(|| 4, 2);
        let mut due = Due::default();
        for number in 0..5 {
            due.add(number, Box::new(Echo(number)));
        }
        // The third is of a connection that is closed meanwhile.
        let mut launch = |background: &mut Background<Echo>| {
            background.launch(&mut due, poll.registry(), |id, _| id != 2);
        };
        let run_all = || lock(&jobs).drain(..).map(|job| job()).count();

        launch(&mut background);
        assert_eq!(run_all(), 2);
        launch(&mut background);
        assert_eq!(run_all(), 0, "nobody has taken the results");
        let (id, _, outcome, place) = background.take_result().unwrap();
        assert_eq!((id, outcome), (0, 0));
        assert!(background.has_waiting() && !background.can_launch());
        drop(place);
        assert!(background.can_launch());
        launch(&mut background);
        assert_eq!(run_all(), 1);
        drop(background.take_result());
        drop(background.take_result());
        launch(&mut background);
        assert_eq!(run_all(), 1);
        assert!(!background.has_waiting());
        let (id, _, outcome, _) = background.take_result().unwrap();
        assert_eq!((id, outcome), (4, 4));
        assert!(!background.has_results());
    }
}
