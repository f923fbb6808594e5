//! What is read in one go: events, and the memory that their payloads in place are in.

use std::collections::VecDeque;
use std::mem;

use super::super::event::{
    ConnectionEvent, ConnectionId, FailedCall, MIN_READ, NO_CONNECTION, Sink,
};
use crate::protocol::{Event, Payload, ProtocolError};

/// Memory of a batch, into which the sockets are read.
pub const BATCH_MEMORY: usize = 64 * 1024;

/// A batch with less memory left gets no more.
const MIN_ROOM: usize = BATCH_MEMORY / 2;

/// The weight of an event itself.
const EVENT_WEIGHT: usize = size_of::<(ConnectionId, ConnectionEvent)>();

const _: () = assert!(MIN_ROOM >= MIN_READ);

/// Events, and the memory that their payloads in place are in.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) memory: Vec<u8>,
    pub(crate) used: usize,
    pub(crate) events: EventList,
    /// Where the memory was copied to, when a part of the events has been taken.
    copied_to: Option<usize>,
    /// What came next had no room.
    is_full: bool,
}

/// Takes as many events as a batch of memory can hold.
#[derive(Debug, Default)]
pub(crate) struct EventList {
    pub(crate) list: VecDeque<(ConnectionId, ConnectionEvent)>,
    /// The bytes that the payloads of their own have.
    owned: usize,
    /// A frame was refused that the taker may still allow.
    pub(crate) refused: bool,
    /// What was pushed since the batch was opened, in runs of one connection.
    pub(crate) charges: Vec<(ConnectionId, usize)>,
    /// There was a ping among them.
    pub(crate) pinged: bool,
    /// Connections of which nothing that was read before is to be reported.
    pub(crate) broken: Vec<ConnectionId>,
    /// Connections that were found to be broken by reading.
    pub(crate) reset: Vec<ConnectionId>,
    /// Another turn begins with what is pushed next.
    is_next_turn: bool,
}

impl Sink for EventList {
    fn has_room(&self) -> bool {
        // Bounded by the memory: no frame is shorter than two bytes.
        true
    }

    fn push(&mut self, id: ConnectionId, mut event: ConnectionEvent) {
        self.refused |=
            matches!(event, ConnectionEvent::Violation(ProtocolError::UnsupportedMessageLength));
        self.pinged |= matches!(event, ConnectionEvent::Frame(Event::Ping(_)));
        if let Some(Payload::Owned(bytes)) = event.payload_mut() {
            self.owned += bytes.len();
        }
        if mem::take(&mut self.is_next_turn) {
            self.list.push_back((NO_CONNECTION, ConnectionEvent::NextTurn));
        }
        if matches!(event, ConnectionEvent::Failed(FailedCall::Read, _)) {
            self.reset.push(id);
        }
        let weight = weight_of(&mut event);
        match self.charges.last_mut() {
            Some((of, sum)) if *of == id => *sum += weight,
            _ => self.charges.push((id, weight)),
        }
        self.list.push_back((id, event));
    }

    fn forget(&mut self, id: ConnectionId) {
        self.list.retain(|(of, _)| *of != id);
        self.broken.push(id);
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            memory: vec![0; BATCH_MEMORY],
            used: 0,
            events: EventList::default(),
            copied_to: None,
            is_full: false,
        }
    }

    /// What it holds, as far as it counts.
    pub(crate) fn weight(&self) -> usize {
        self.used + self.events.owned + self.events.list.len() * EVENT_WEIGHT
    }

    /// Whether it holds nothing any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.list.is_empty()
    }

    /// Whether part of it was taken, so that the other payloads are in the taker's memory already.
    pub(crate) const fn is_begun(&self) -> bool {
        self.copied_to.is_some()
    }

    /// Whether it takes what comes next.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_full && !self.is_begun() && BATCH_MEMORY - self.used >= MIN_ROOM
    }

    /// Notes that what comes next was read in another turn than what is on its way.
    pub(crate) const fn begin_turn(&mut self) {
        self.events.is_next_turn = true;
    }

    /// Notes that what comes next has no room.
    pub(crate) const fn close(&mut self) {
        self.is_full = true;
    }

    /// Copies the payloads to `memory` after `used`, if that is not done yet; `false` where there
    /// is no room.
    pub(crate) fn begin(&mut self, memory: &mut [u8], used: &mut usize) -> bool {
        if self.copied_to.is_none() {
            let start = *used;
            let Some(space) = memory.get_mut(start..start + self.used) else { return false };
            space.copy_from_slice(&self.memory[..self.used]);
            self.copied_to = Some(start);
            *used += self.used;
        }
        true
    }

    /// Takes the next event of a batch that is begun.
    pub(crate) fn next(&mut self) -> Option<(ConnectionId, ConnectionEvent)> {
        let (id, mut event) = self.events.list.pop_front()?;
        if let (Some(start), Some(Payload::InPlace(range))) = (self.copied_to, event.payload_mut())
        {
            range.start += start;
            range.end += start;
        }
        Some((id, event))
    }

    /// Whether it holds something of a connection.
    pub(crate) fn holds(&self, id: ConnectionId) -> bool {
        self.events.list.iter().any(|(of, _)| *of == id)
    }

    /// Whether it holds something that a connection has sent.
    pub(crate) fn holds_received(&self, id: ConnectionId) -> bool {
        let is_received = |event: &ConnectionEvent| {
            matches!(
                event,
                ConnectionEvent::Frame(_)
                    | ConnectionEvent::AnsweredPing(_)
                    | ConnectionEvent::Raw(_)
                    | ConnectionEvent::Large(_)
            )
        };
        self.events.list.iter().any(|(of, event)| *of == id && is_received(event))
    }

    /// Puts the end of a connection before the report that it is broken.
    pub(crate) fn end_before_failure(&mut self, id: ConnectionId) {
        let is_failure = |(of, event): &(ConnectionId, ConnectionEvent)| {
            *of == id && matches!(event, ConnectionEvent::Failed(..))
        };
        if let Some(index) = self.events.list.iter().position(is_failure) {
            self.events.list.insert(index, (id, ConnectionEvent::End { came_along: true }));
        }
    }

    /// Drops what it holds of a connection; `taker` gets it, with payloads of its own, and with the
    /// number of turns that begin before it.
    pub(crate) fn withdraw(
        &mut self,
        id: ConnectionId,
        mut taker: impl FnMut(usize, ConnectionEvent),
    ) {
        if !self.holds(id) {
            return;
        }
        let mut turns = 0;
        let list = mem::take(&mut self.events.list);
        for (of, mut event) in list {
            turns += usize::from(matches!(event, ConnectionEvent::NextTurn));
            if of != id {
                self.events.list.push_back((of, event));
                continue;
            }
            if let Some(payload) = event.payload_mut() {
                *payload = Payload::Owned(payload.as_slice(&self.memory).to_vec());
            }
            taker(turns, event);
        }
    }

    /// Makes an empty batch as good as new.
    fn clear(&mut self) {
        debug_assert!(self.is_empty());
        self.used = 0;
        self.events.owned = 0;
        self.events.refused = false;
        self.events.pinged = false;
        self.events.is_next_turn = false;
        self.events.charges.clear();
        self.copied_to = None;
        self.is_full = false;
    }
}

/// Empty batches that are kept for later, up to a maximum.
#[derive(Debug, Default)]
pub(crate) struct SpareBatches<const MOST: usize>(pub(crate) Vec<Batch>);

impl<const MOST: usize> SpareBatches<MOST> {
    /// An empty batch.
    pub(crate) fn take(&mut self) -> Batch {
        self.0.pop().unwrap_or_else(Batch::new)
    }

    /// Keeps an empty batch if there is room.
    pub(crate) fn keep(&mut self, mut batch: Batch) {
        if self.0.len() < MOST {
            batch.clear();
            self.0.push(batch);
        }
    }
}

/// The weight of an event and its payload.
pub(crate) fn weight_of(event: &mut ConnectionEvent) -> usize {
    EVENT_WEIGHT + event.payload_mut().map_or(0, |payload| payload.len())
}
