//! What a task has read and JavaScript has not taken yet.
//!
//! The task opens a batch, has the reactor fill it, and puts it back; the taker of the events is
//! woken at most once until it comes. It takes them in order, as far as there is room.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::time::Instant;

use super::super::event::{ConnectionEvent, ConnectionId, NO_CONNECTION, Sink, Status};
use super::super::reactor::batch::{Batch, SpareBatches, weight_of};
use super::super::threads::sync::bound;
use super::credit::Credits;
use super::ping_timer::PingTimer;
use crate::protocol::Event;

/// What may wait to be taken: beyond that nothing is read. One turn more can come.
const MAX_WEIGHT: usize = bound(4 * 1024 * 1024, 300);

/// Empty batches that an inbox keeps for later.
const MAX_SPARE: usize = 2;

/// Batches on the way from the task.
///
/// Invariant: `weight` is the sum of the weights that `batches` were put back with.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    batches: VecDeque<(Batch, usize)>,
    weight: usize,
    spare: SpareBatches<MAX_SPARE>,
    /// The taker has been woken and has not come yet.
    is_woken: bool,
    /// The task goes on only when the taker has come again.
    is_refused: bool,
    /// The task has stopped reading for want of credit.
    is_starved: bool,
    /// What is on the way of each connection.
    pub(crate) credits: Credits,
    ping_timer: PingTimer,
}

impl Inbox {
    /// Whether more may be read. If not, the next [`take`](Self::take) that changes it says so.
    pub(crate) fn has_credit(&mut self) -> bool {
        self.is_starved = self.is_refused || self.weight >= MAX_WEIGHT;
        !self.is_starved
    }

    /// Whether there is something to take, or to come back for.
    pub(crate) fn has_ready(&self) -> bool {
        self.is_refused || !self.batches.is_empty()
    }

    /// A batch for what comes next: the last one, if it has room and no part of it was taken.
    pub(crate) fn open(&mut self) -> Batch {
        if self.batches.back().is_some_and(|(last, _)| last.has_room())
            && let Some((mut batch, weight)) = self.batches.pop_back()
        {
            self.weight -= weight;
            batch.begin_turn();
            return batch;
        }
        let mut batch = self.spare.take();
        if !self.batches.is_empty() {
            batch.begin_turn();
        }
        batch
    }

    /// Puts a batch back; returns whether the taker has to be woken.
    pub(crate) fn put(&mut self, mut batch: Batch) -> bool {
        self.is_refused |= batch.events.refused;
        for (id, weight) in batch.events.charges.drain(..) {
            if id != NO_CONNECTION {
                self.credits.charge(id, weight);
            }
        }
        self.end_by_reset(&mut batch);
        for id in mem::take(&mut batch.events.broken) {
            for (earlier, _) in &mut self.batches {
                earlier.withdraw(id, |_, _| {});
            }
        }
        if batch.events.pinged {
            self.ping_timer.start();
        }
        if batch.is_empty() {
            self.spare.keep(batch);
            return false;
        }
        let weight = batch.weight();
        self.weight += weight;
        self.batches.push_back((batch, weight));
        !mem::replace(&mut self.is_woken, true)
    }

    /// Ends connections that were reset before the taker has come for
    /// what they sent: for the taker that has come along with the reset, which is what an end is to
    /// libuv on Linux.
    fn end_by_reset(&self, batch: &mut Batch) {
        for id in mem::take(&mut batch.events.reset) {
            let is_early = self.batches.iter().any(|(earlier, _)| earlier.holds_received(id))
                || batch.holds_received(id);
            if is_early && cfg!(any(target_os = "linux", target_os = "android")) {
                batch.end_before_failure(id);
            }
        }
    }

    /// Says that the taker comes; returns whether there is something.
    pub(crate) fn come(&mut self) -> bool {
        self.is_woken = false;
        self.ping_timer.stop();
        if self.batches.is_empty() {
            self.is_refused = false;
        }
        !self.batches.is_empty()
    }

    /// Moves events to `sink`, and payloads in place to `memory` after `used`.
    /// What is said about the memory holds as for [`Reactor::poll`](super::Reactor::poll).
    pub(crate) fn take(
        &mut self,
        memory: &mut [u8],
        used: &mut usize,
        sink: &mut impl Sink,
    ) -> Status {
        while let Some((mut batch, weight)) = self.batches.pop_front() {
            if !batch.begin(memory, used) {
                self.batches.push_front((batch, weight));
                return Status::MemoryFull;
            }
            let (mut latest, mut taken) = (NO_CONNECTION, 0);
            let mut noted = NO_CONNECTION;
            while sink.has_room()
                && let Some((id, mut event)) = batch.next()
            {
                if id != latest {
                    self.credits.refund(latest, taken);
                    (latest, taken) = (id, 0);
                }
                taken += weight_of(&mut event);
                if id != noted && is_answerable(&event) {
                    noted = id;
                    self.ping_timer.note_taken(id);
                }
                sink.push(id, event);
            }
            self.credits.refund(latest, taken);
            if !batch.is_empty() {
                if batch.events.pinged {
                    self.ping_timer.start();
                }
                self.batches.push_front((batch, weight));
                return Status::RecordsFull;
            }
            self.weight -= weight;
            self.spare.keep(batch);
        }
        Status::Idle
    }

    /// Says that the taker has handed out, and answered, all that it has taken.
    pub(crate) fn settle(&mut self) {
        self.ping_timer.settle();
    }

    /// Notes whether the taker has something to send that it hasn't handed over.
    pub(crate) const fn set_sending(&mut self, is_sending: bool) {
        self.ping_timer.is_sending = is_sending;
    }

    /// When the pings that wait here are to be answered without the taker.
    pub(crate) fn answers_at(&self) -> Option<Instant> {
        self.ping_timer.due()
    }

    /// Calls `answer` for the pings that have waited too long: those before which, on their
    /// connection, the taker has nothing to answer.
    pub(crate) fn answer_pings(&mut self, mut answer: impl FnMut(ConnectionId, &[u8]) -> bool) {
        if !self.ping_timer.is_due() {
            return;
        }
        self.ping_timer.stop();
        let mut busy = HashSet::new();
        for (batch, _) in &mut self.batches {
            for (id, event) in &mut batch.events.list {
                if let ConnectionEvent::Frame(Event::Ping(payload)) = event {
                    let waits = busy.contains(id) || self.ping_timer.is_taken(*id);
                    if !waits && answer(*id, payload.as_slice(&batch.memory)) {
                        *event = ConnectionEvent::AnsweredPing(payload.clone());
                    }
                } else if is_answerable(event) {
                    busy.insert(*id);
                }
            }
        }
    }

    /// Whether a task that had to stop may go on; once.
    pub(crate) fn feeds_starved(&mut self) -> bool {
        self.is_starved && self.has_credit()
    }

    /// Whether something is on the way from a connection.
    pub(crate) fn holds(&self, id: ConnectionId) -> bool {
        self.batches.iter().any(|(batch, _)| batch.holds(id))
    }

    /// Drops what is on the way from a connection; `taker` gets it, with payloads of its own, and
    /// learns whether it was read together with what was taken last.
    pub(crate) fn withdraw(
        &mut self,
        id: ConnectionId,
        mut taker: impl FnMut(bool, ConnectionEvent),
    ) {
        for (batch, _) in &mut self.batches {
            let is_begun = batch.is_begun();
            batch.withdraw(id, |turns, event| taker(is_begun && turns == 0, event));
        }
        self.credits.forget(id);
    }
}

/// Whether a program may send something when it learns of an event.
/// What a ping or a pong makes it send has no place among the answers to other pings.
const fn is_answerable(event: &ConnectionEvent) -> bool {
    !matches!(
        event,
        ConnectionEvent::Frame(Event::Ping(_) | Event::Pong(_)) | ConnectionEvent::AnsweredPing(_)
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::super::event::FailedCall;
    use super::super::super::reactor::batch::BATCH_MEMORY;
    use super::*;
    use crate::protocol::{Payload, ProtocolError};

    /// Takes up to `room` events.
    #[derive(Default)]
    struct Taker {
        room: usize,
        taken: Vec<(ConnectionId, ConnectionEvent)>,
        /// How much was taken when a turn began after another one.
        turns: Vec<usize>,
    }

    impl Sink for Taker {
        fn has_room(&self) -> bool {
            self.taken.len() < self.room
        }

        fn push(&mut self, id: ConnectionId, event: ConnectionEvent) {
            if matches!(event, ConnectionEvent::NextTurn) {
                self.turns.push(self.taken.len());
            } else {
                self.taken.push((id, event));
            }
        }
    }

    impl Taker {
        /// Connections and payloads.
        fn payloads(&mut self, memory: &[u8]) -> Vec<(ConnectionId, Vec<u8>)> {
            let payload = |event: &mut ConnectionEvent| {
                event.payload_mut().unwrap().as_slice(memory).to_vec()
            };
            self.taken.iter_mut().map(|(id, event)| (*id, payload(event))).collect()
        }
    }

    /// Reads `bytes` for a connection, as the reactor would.
    fn read(inbox: &mut Inbox, id: ConnectionId, bytes: &[u8]) -> bool {
        let mut batch = inbox.open();
        let range = batch.used..batch.used + bytes.len();
        batch.memory[range.clone()].copy_from_slice(bytes);
        batch.used = range.end;
        batch.events.push(id, ConnectionEvent::Raw(Payload::InPlace(range)));
        inbox.put(batch)
    }

    #[test]
    fn wakes_once_until_the_taker_comes() {
        let mut inbox = Inbox::default();
        assert!(!inbox.come());
        assert!(read(&mut inbox, 1, b"one"));
        assert!(!read(&mut inbox, 2, b"two"));
        assert!(inbox.come());
        // What is read between the taker's coming and its taking wakes it once for nothing.
        assert!(read(&mut inbox, 1, b"three"));
        let (mut memory, mut used) = (vec![0; BATCH_MEMORY], 0);
        let mut taker = Taker { room: 10, ..Taker::default() };
        assert_eq!(inbox.take(&mut memory, &mut used, &mut taker), Status::Idle);
        let expected = [(1, b"one".to_vec()), (2, b"two".to_vec()), (1, b"three".to_vec())];
        assert_eq!(taker.payloads(&memory), expected);
        assert!(!inbox.come());
        assert!(read(&mut inbox, 1, b"four"));
    }

    #[test]
    fn does_not_wake_for_nothing() {
        let mut inbox = Inbox::default();
        let batch = inbox.open();
        assert!(!inbox.put(batch));
        assert!(!inbox.has_ready());
    }

    #[test]
    fn goes_on_where_a_full_sink_left_it() {
        let mut inbox = Inbox::default();
        for number in 0..10_u8 {
            read(&mut inbox, 7, &[number; 3]);
        }
        let (mut memory, mut used) = (vec![0; 2 * BATCH_MEMORY], 5);
        let mut seen = Vec::new();
        loop {
            let mut taker = Taker { room: 3, ..Taker::default() };
            let status = inbox.take(&mut memory, &mut used, &mut taker);
            seen.extend(taker.payloads(&memory));
            if seen.len() == 3 {
                read(&mut inbox, 7, &[10; 3]);
            }
            if status == Status::Idle {
                break;
            }
            assert_eq!(status, Status::RecordsFull);
        }
        let expected: Vec<_> = (0..11_u8).map(|number| (7, vec![number; 3])).collect();
        assert_eq!(seen, expected);
        assert_eq!(used, 5 + 11 * 3);
    }

    #[test]
    fn asks_for_memory_that_is_large_enough() {
        let mut inbox = Inbox::default();
        read(&mut inbox, 1, &[1; 100]);
        let mut taker = Taker { room: 10, ..Taker::default() };
        let (mut memory, mut used) = (vec![0; 150], 80);
        assert_eq!(inbox.take(&mut memory, &mut used, &mut taker), Status::MemoryFull);
        assert_eq!((used, taker.taken.len()), (80, 0));
        used = 0;
        assert_eq!(inbox.take(&mut memory, &mut used, &mut taker), Status::Idle);
        assert_eq!(taker.payloads(&memory), [(1, vec![1; 100])]);
    }

    #[test]
    fn withdraws_what_is_on_the_way_from_one_connection() {
        let mut inbox = Inbox::default();
        for round in 0..3_u8 {
            read(&mut inbox, 1, &[round; 30_000]);
            read(&mut inbox, 2, &[round + 10; 2]);
        }
        let mut withdrawn = Vec::new();
        inbox.withdraw(1, |is_rest, mut event| {
            withdrawn.push((is_rest, event.payload_mut().unwrap().as_slice(&[]).to_vec()));
        });
        let expected: Vec<_> = (0..3_u8).map(|round| (false, vec![round; 30_000])).collect();
        assert_eq!(withdrawn, expected);
        let mut rest = Vec::new();
        loop {
            let (mut memory, mut used) = (vec![0; BATCH_MEMORY], 0);
            let mut taker = Taker { room: 100, ..Taker::default() };
            let status = inbox.take(&mut memory, &mut used, &mut taker);
            rest.extend(taker.payloads(&memory));
            if status == Status::Idle {
                break;
            }
        }
        assert_eq!(rest, (0..3_u8).map(|round| (2, vec![round + 10; 2])).collect::<Vec<_>>());
        assert_eq!(inbox.weight, 0);
    }

    /// An inbox with four turns, in two batches, in each of which connection 1 was read twice, and
    /// 2 in between.
    fn with_turns() -> Inbox {
        let mut inbox = Inbox::default();
        for length in [10, 10, 12_000, 10] {
            let mut batch = inbox.open();
            for id in [1, 2, 1] {
                let range = batch.used..batch.used + length;
                batch.used = range.end;
                batch.events.push(id, ConnectionEvent::Raw(Payload::InPlace(range)));
            }
            inbox.put(batch);
        }
        assert_eq!(inbox.batches.len(), 2);
        inbox
    }

    #[test]
    fn says_where_a_turn_begins() {
        let mut inbox = with_turns();
        let (mut memory, mut used) = (vec![0; 2 * BATCH_MEMORY], 0);
        let mut taker = Taker { room: 100, ..Taker::default() };
        assert_eq!(inbox.take(&mut memory, &mut used, &mut taker), Status::Idle);
        assert_eq!((taker.taken.len(), taker.turns), (12, vec![3, 6, 9]));
    }

    #[test]
    fn knows_what_is_left_of_a_turn_that_is_begun() {
        for (room, rest) in [(0, 0), (1, 1), (3, 0), (4, 1)] {
            let mut inbox = with_turns();
            let (mut memory, mut used) = (vec![0; 2 * BATCH_MEMORY], 0);
            let mut taker = Taker { room, ..Taker::default() };
            if room > 0 {
                inbox.take(&mut memory, &mut used, &mut taker);
            }
            let (mut left, mut later) = (0, 0);
            inbox.withdraw(1, |is_rest, _| {
                *(if is_rest { &mut left } else { &mut later }) += 1;
            });
            let taken = taker.taken.iter().filter(|(id, _)| *id == 1).count();
            assert_eq!((left, left + later + taken), (rest, 8), "{room}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn ends_a_connection_that_was_reset_before_the_taker_came() {
        for (sends, comes, expected) in
            [(true, false, true), (false, false, false), (true, true, false)]
        {
            let mut inbox = Inbox::default();
            let (mut memory, mut used) = (vec![0; BATCH_MEMORY], 0);
            read(&mut inbox, 2, b"of another one");
            if sends {
                read(&mut inbox, 1, b"last");
            }
            if comes {
                inbox.take(&mut memory, &mut used, &mut Taker { room: 9, ..Taker::default() });
            }
            let mut batch = inbox.open();
            let reset = io::Error::from(io::ErrorKind::ConnectionReset);
            batch.events.push(1, ConnectionEvent::Failed(FailedCall::Read, reset));
            inbox.put(batch);
            let mut taker = Taker { room: 9, ..Taker::default() };
            inbox.take(&mut memory, &mut used, &mut taker);
            let is_end = |event: &_| matches!(event, ConnectionEvent::End { came_along: true });
            assert_eq!(taker.taken.iter().any(|(_, event)| is_end(event)), expected);
            assert!(matches!(taker.taken.pop(), Some((1, ConnectionEvent::Failed(..)))));
        }
    }

    #[test]
    fn gives_credit_for_a_bounded_amount() {
        let mut inbox = Inbox::default();
        let mut reads = 0;
        while inbox.has_credit() {
            read(&mut inbox, 1, &[0; 30_000]);
            reads += 1;
        }
        assert!(reads * 30_000 <= MAX_WEIGHT + 30_000);
        let (mut memory, mut used) = (vec![0; BATCH_MEMORY], 0);
        let mut taker = Taker { room: 100, ..Taker::default() };
        assert_eq!(inbox.take(&mut memory, &mut used, &mut taker), Status::MemoryFull);
        assert!(inbox.feeds_starved());
        assert!(!inbox.feeds_starved());
        assert!(inbox.spare.0.len() <= MAX_SPARE);
    }

    #[test]
    fn waits_for_the_taker_to_come_back_where_a_limit_may_be_raised() {
        let mut inbox = Inbox::default();
        let mut batch = inbox.open();
        let error = ProtocolError::UnsupportedMessageLength;
        batch.events.push(1, ConnectionEvent::Violation(error));
        assert!(inbox.put(batch));
        assert!(!inbox.has_credit());
        assert!(inbox.come());
        let mut taker = Taker { room: 100, ..Taker::default() };
        assert_eq!(inbox.take(&mut [], &mut 0, &mut taker), Status::Idle);
        assert!(!inbox.feeds_starved());
        assert!(inbox.has_ready());
        assert!(!inbox.come());
        assert!(inbox.feeds_starved());
        assert!(!inbox.has_ready());
    }
}
