//! What several threads have read in a turn, until it is handed out.

use std::collections::VecDeque;

use super::super::compression::incoming::Inflating;
use super::super::connection::{Served, Turn};
use super::super::event::{ConnectionEvent, ConnectionId, Sink, Status};
use super::batch::{Batch, SpareBatches};
use super::connections::Detached;

/// Empty batches that are kept for later.
const MAX_SPARE: usize = 8;

/// Bytes from which on a thread has read enough, what it has inflated included: that is handed out
/// first, so that neither the caller nor connections that don't inflate wait for long.
const MAX_READ: usize = 1024 * 1024;

/// What a thread reads with.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) inflating: Inflating,
    batch: Batch,
    /// Those that have no room any more.
    full: Vec<Batch>,
}

impl Reader {
    /// Gives a connection its turn; says whether there is room for that of another one.
    pub(crate) fn serve(&mut self, detached: &mut Detached) -> bool {
        loop {
            let Batch { memory, used, events, .. } = &mut self.batch;
            let mut turn = Turn { memory, used, sink: events, inflating: &mut self.inflating };
            let id = detached.id;
            let served = detached.connection.guard(|connection| connection.serve(id, &mut turn));
            // A batch is room for whatever is read at once, and for all that it becomes.
            if !matches!(served, Some(Served::MemoryFull)) || self.batch.is_empty() {
                return self.weight() < MAX_READ;
            }
            self.full.push(std::mem::replace(&mut self.batch, Batch::new()));
        }
    }

    /// What was read so far.
    fn weight(&self) -> usize {
        self.full.iter().chain([&self.batch]).map(Batch::weight).sum()
    }
}

/// What was read by several threads, in the order in which it is handed out.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    batches: VecDeque<Batch>,
    spare: SpareBatches<MAX_SPARE>,
}

impl Gathering {
    /// Something to read with.
    pub(crate) fn reader(&mut self) -> Reader {
        let batch = self.spare.take();
        Reader { inflating: Inflating::default(), batch, full: Vec::new() }
    }

    /// Takes what a thread has read.
    pub(crate) fn add(&mut self, reader: Reader) {
        for batch in reader.full.into_iter().chain([reader.batch]) {
            if batch.is_empty() {
                self.spare.keep(batch);
            } else {
                self.batches.push_back(batch);
            }
        }
    }

    /// Whether everything is handed out.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether the rest of what is being handed out refers to memory of the turn before.
    pub(crate) fn is_begun(&self) -> bool {
        self.batches.front().is_some_and(Batch::is_begun)
    }

    /// Hands out as much as there is room for.
    pub(crate) fn hand_out(&mut self, turn: &mut Turn<'_, impl Sink>) -> Status {
        while let Some(batch) = self.batches.front_mut() {
            if !batch.begin(turn.memory, turn.used) {
                return Status::MemoryFull;
            }
            while turn.sink.has_room()
                && let Some((id, event)) = batch.next()
            {
                turn.sink.push(id, event);
            }
            if !batch.is_empty() {
                return Status::RecordsFull;
            }
            if let Some(batch) = self.batches.pop_front() {
                self.spare.keep(batch);
            }
        }
        Status::Idle
    }

    /// Whether it holds something of a connection.
    pub(crate) fn holds(&self, id: ConnectionId) -> bool {
        self.batches.iter().any(|batch| batch.holds(id))
    }

    /// Drops what it holds of a connection; `taker` gets it, with payloads of its own.
    pub(crate) fn withdraw(&mut self, id: ConnectionId, mut taker: impl FnMut(ConnectionEvent)) {
        for batch in &mut self.batches {
            batch.withdraw(id, |_, event| taker(event));
        }
    }
}
