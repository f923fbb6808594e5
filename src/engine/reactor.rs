//! A set of sockets, their readiness, and the turn in which the ready ones are served.
//!
//! The caller waits until [`Reactor::as_fd`] is readable, or does not wait while
//! [`Reactor::has_ready`] says that there is work left. Then it calls [`Reactor::poll`] with memory
//! into which sockets are read and in which frames are decoded. Writing goes straight to the
//! kernel; only what it does not take is copied.
//!
//! Sockets are registered edge-triggered, for reading, and from the first time on that the kernel
//! does not take all that is written, for writing. That costs no system call when the interest
//! changes, and none that only says "would block": a read shorter than its space has emptied the
//! socket. (Registered for writing, a Unix socket is reported whenever its peer reads.)

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::mem;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use super::compression::direction::{Deflation, Shared};
use super::compression::incoming::{self, Compression, Inflating};
use super::compression::outgoing::{Broadcast, Outgoing, is_worth_sharing};
use super::connection::{Connection, Served, Turn};
use super::event::{
    ConnectionConfig, ConnectionEvent, ConnectionId, FailedCall, NO_CONNECTION, Sink, Status,
};
use super::fault::{Fault, Injected};
use super::threads::background::{Background, Spawner, WAKER};
use super::threads::workers::{Finished, Workers};
use super::timers::{self, Due, Heartbeat, Timers};
use super::topics::{Progress, Topics};
use super::write_batch::{Entry, Frame, Grouping, WriteBatch};
use crate::protocol::deflate::Decompressor;
use crate::protocol::{FrameHeader, MAX_HEADER_LENGTH, Opcode, Payload, Role, mask_in_place};
use connections::{Connections, Detached};
use gathering::{Gathering, Reader};

pub(super) mod batch;
mod connections;
mod gathering;

/// A control frame has at most 125 bytes of payload (RFC 6455, section 5.5).
const MAX_CONTROL_LENGTH: usize = MAX_HEADER_LENGTH + 125;

/// Where unpredictable masking keys come from; none where there are none.
pub type MaskingKeys = fn() -> Option<[u8; 4]>;

/// Minimum number of ready, inflating connections for a turn to be shared between threads.
const MIN_GATHERED: usize = 16;

/// Bytes of inflated output after which the caller gets it before other connections inflate more:
/// work that it gives to other threads, such as to compress answers, begins earlier then.
const ENOUGH_INFLATED: usize = 64 * 1024;

/// Pieces of what is written for which memory is kept.
const MAX_ENTRIES: usize = 64 * 1024;

/// Memory for frames that are put together is kept up to here.
const MAX_OUTGOING: usize = 256 * 1024;

/// How many sockets the kernel reports in one call; the others follow in the next turn.
const EVENTS: usize = 1024;

/// What the kernel reports of each socket. Urgent data makes reads stop early.
#[cfg(any(target_os = "linux", target_os = "android"))]
const INCOMING: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INCOMING: Interest = Interest::READABLE;

/// Memory in which what a closing connection has read is decoded.
const DRAIN_MEMORY: usize = 64 * 1024;

/// How often in a row a connection is served without asking the kernel which ones are
/// ready; then others have their chance.
const MAX_GUESSES: u8 = 8;

/// How often in a row it has to have been ready alone. A connection that isn't busy isn't guessed
/// at: what has come along with a reset is known only where the kernel is asked first.
const MIN_TIMES: u8 = 8;

/// What is to be written to a connection, on whichever thread.
struct Delivery {
    detached: Detached,
    /// Which of the runs of frames that were put in order.
    runs: Range<usize>,
    has_panicked: bool,
}

/// Owns sockets after their opening handshake.
///
/// Methods that are given the number of a closed connection do nothing.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    connections: Connections,
    /// How many connections of the current turn are still to be served.
    due: usize,
    /// The kernel reported as much as fits, so that it may have more.
    is_saturated: bool,
    /// Whether what was not reported yet is announced again.
    may_guess: bool,
    /// The connection that alone was ready when the kernel was last asked, and how often in a row.
    only: Option<ConnectionId>,
    times: u8,
    /// How often it may be taken for granted that it is ready again.
    guesses: u8,
    /// A panic of no connection in particular is to be reported.
    fault_due: bool,
    injected: Injected,
    inflating: Inflating,
    background: Background<incoming::InflateWork>,
    workers: Workers,
    /// What it has read.
    gathering: Gathering,
    /// Where frames are put together, kept for its memory.
    outgoing: Vec<u8>,
    /// How the writes of a batch are put in order, kept for its memory.
    grouping: Grouping,
    topics: Topics,
    timers: Timers,
    /// What is written, by connection, kept for its memory.
    entries: Vec<Entry>,
    /// There is, or was, a connection that inflates.
    has_inflated: bool,
}

impl Reactor {
    /// A reactor without connections.
    ///
    /// # Errors
    ///
    /// The process or the system has too many descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            connections: Connections::default(),
            due: 0,
            is_saturated: false,
            may_guess: false,
            only: None,
            times: 0,
            guesses: 0,
            fault_due: false,
            injected: Injected::default(),
            inflating: Inflating::default(),
            background: Background::default(),
            workers: Workers::default(),
            gathering: Gathering::default(),
            outgoing: Vec::new(),
            grouping: Grouping::default(),
            topics: Topics::default(),
            timers: Timers::default(),
            entries: Vec::new(),
            has_inflated: false,
        })
    }

    /// Moves work that takes long to other threads, and shares work of
    /// many connections between at most this many, the one that polls among them.
    pub fn set_spawner(&mut self, spawner: Spawner, threads: usize) {
        self.background.set_spawner(Arc::clone(&spawner));
        self.workers.set_spawner(spawner, threads);
    }

    /// Sets how much work may have been begun on other threads whose result the caller has not
    /// taken, 0 for any number, by so many reactors together.
    pub fn set_work_limit(&mut self, limit: fn() -> usize, sharers: usize) {
        self.background.set_limit(limit, sharers);
    }

    /// A descriptor that is readable while the kernel has something for [`poll`](Self::poll).
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// Takes over a connected stream socket, by a duplicate of its descriptor.
    ///
    /// # Errors
    ///
    /// The descriptor is no stream socket, or there are too many descriptors. Nothing has happened
    /// to the socket then, except that it may be non-blocking now.
    pub fn adopt(
        &mut self,
        fd: BorrowedFd<'_>,
        config: ConnectionConfig,
    ) -> io::Result<ConnectionId> {
        let connection = Connection::new(fd, config)?;
        let token = Token(self.connections.next_id() as usize);
        let raw = connection.socket().as_fd().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&raw), token, INCOMING)?;
        Ok(self.connections.insert(connection))
    }

    /// Changes a connection, and gives it a turn if there is something to do then.
    pub fn update<T>(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let registry = self.poll.registry();
        self.connections.update(id, |connection| {
            let result = change(connection);
            watch(registry, id, connection);
            result
        })
    }

    /// A connection, unless it is closed.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id)
    }

    /// Serves every connection that is ready; never waits.
    ///
    /// Each of them is read at most once, straight into `memory` after `used`, decoded there, and
    /// all that happened is pushed to `sink`. `used` moves past what has to stay valid. A turn
    /// that a full sink or memory, or enough of inflated messages, interrupts goes on in the next
    /// call, before the kernel is asked what else is ready. After [`Status::RecordsFull`] the same
    /// memory has to be passed again, unchanged after the payloads that were handed out.
    ///
    /// # Errors
    ///
    /// The kernel refuses to report readiness.
    ///
    /// # Panics
    ///
    /// When `used` is past the end of `memory`. Any other panic costs at most the connection that
    /// it is of, and is reported as [`ConnectionEvent::Fault`].
    pub fn poll(
        &mut self,
        memory: &mut [u8],
        used: &mut usize,
        sink: &mut impl Sink,
    ) -> io::Result<Status> {
        assert!(*used <= memory.len());
        let mut inflating = mem::take(&mut self.inflating);
        inflating.output = 0;
        // The caller has taken what the latest poll gave.
        inflating.places.clear();
        let mut turn = Turn { memory, used, sink, inflating: &mut inflating };
        if self.fault_due && turn.sink.has_room() {
            self.fault_due = false;
            turn.sink.push(NO_CONNECTION, ConnectionEvent::Fault);
        }
        // One at a time: all together may be much more than fits into memory.
        if let Some((id, number, outcome, place)) = self.background.take_result() {
            let note =
                |connection: &mut Connection| connection.note_outcome(number, outcome, place);
            self.connections.update(id, note);
        }
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(&mut turn)));
        self.inflating = inflating;
        let connections = &self.connections;
        let is_awaited = |id, number| connections.get(id).is_some_and(|it| it.awaits(number));
        self.background.launch(&mut self.inflating.due, self.poll.registry(), is_awaited);
        served.unwrap_or_else(|_| {
            self.recover();
            Ok(Status::RecordsFull)
        })
    }

    /// Goes on after a panic that is of no connection, or of an unknown one: looks after
    /// all of them, since what the kernel has reported may be lost. To be reported by the next
    /// [`poll`](Self::poll).
    #[cold]
    pub(super) fn recover(&mut self) {
        self.due = 0;
        self.is_saturated = true;
        self.fault_due = true;
        self.connections.wake_all();
    }

    /// Whether a connection has panicked since this was asked, which no event of the kernel
    /// announces.
    pub(super) fn take_fault(&mut self) -> bool {
        mem::take(&mut self.connections.has_fault)
    }

    /// Makes the next pass of a place panic: of a connection, or of the reactor.
    #[cfg(debug_assertions)]
    pub fn inject(&mut self, id: ConnectionId, fault: Fault) {
        match fault {
            Fault::Receive | Fault::Write => {
                self.connections.update(id, |connection| connection.inject(fault));
            }
            Fault::Reactor | Fault::Task => self.injected.ask(fault),
        }
    }

    /// Panics if the task is to.
    pub(super) fn pass_task(&mut self) {
        self.injected.pass(Fault::Task);
    }

    /// Serves the connections that are ready.
    fn serve(&mut self, turn: &mut Turn<'_, impl Sink>) -> io::Result<Status> {
        if !self.gathering.is_empty() {
            return Ok(self.gathering.hand_out(turn));
        }
        if let Some(id) = self.guess() {
            let before = self.bytes_read(id);
            if let Some(status) = self.serve_due(turn) {
                return Ok(status);
            }
            if self.bytes_read(id) > before {
                return Ok(Status::Idle);
            }
            self.guesses = 0;
        }
        if self.due == 0 {
            self.take_events()?;
            let detached = self.detach_ready();
            self.due = self.connections.ready_count();
            self.gather(detached, turn);
            if !self.gathering.is_empty() {
                return Ok(self.gathering.hand_out(turn));
            }
        }
        Ok(self.serve_due(turn).unwrap_or(Status::Idle))
    }

    /// The connections whose turn several threads share, where that is worth their while.
    fn detach_ready(&mut self) -> Vec<Detached> {
        if !self.has_inflated || self.workers.size() == 1 {
            return Vec::new();
        }
        self.connections.detach_ready(MIN_GATHERED, Connection::may_inflate)
    }

    /// Has several threads read and inflate, until one has enough.
    fn gather<S>(&mut self, detached: Vec<Detached>, turn: &mut Turn<'_, S>) {
        if detached.is_empty() {
            return;
        }
        let Finished { jobs, left, tools, has_panicked } =
            self.workers.work(detached, || self.gathering.reader(), Reader::serve);
        for mut reader in tools {
            turn.inflating.due.append(&mut reader.inflating.due);
            turn.inflating.places.append(&mut reader.inflating.places);
            self.gathering.add(reader);
        }
        // Connections that have had no turn have the next one before those that have.
        for mut detached in left.into_iter().chain(jobs) {
            if !self.timers.is_empty() {
                let connection = &mut detached.connection;
                let answered = connection.take_answered();
                self.timers.note(detached.id, connection.bytes_read(), answered);
            }
            self.connections.attach(detached);
        }
        if has_panicked {
            self.recover();
        }
    }

    /// Assumes that the connection is ready that alone was so lately. With one busy connection
    /// that is a system call less for each of its messages (bench ping-pong).
    fn guess(&mut self) -> Option<ConnectionId> {
        let is_idle = self.due == 0 && self.connections.ready_count() == 0;
        if !is_idle || !self.may_guess || self.guesses == 0 {
            return None;
        }
        self.guesses -= 1;
        let id = self.only?;
        self.connections.update(id, Connection::guess_readable)?;
        self.due = self.connections.ready_count();
        Some(id)
    }

    /// How many bytes were read of a connection.
    fn bytes_read(&self, id: ConnectionId) -> u64 {
        self.connections.get(id).map_or(0, Connection::bytes_read)
    }

    /// Gives each connection whose turn it is its turn; says what interrupts that.
    fn serve_due(&mut self, turn: &mut Turn<'_, impl Sink>) -> Option<Status> {
        while self.due > 0
            && let Some(id) = self.connections.pop_ready()
        {
            let Some(connection) = self.connections.get_mut(id) else {
                self.due -= 1;
                continue;
            };
            let registry = self.poll.registry();
            let serve = |connection: &mut Connection| {
                let served = connection.serve(id, turn);
                // What it has read may have to be answered.
                watch(registry, id, connection);
                served
            };
            let served = connection.guard(serve).unwrap_or(Served::Done);
            if !self.timers.is_empty() {
                self.timers.note(id, connection.bytes_read(), connection.take_answered());
            }
            if let Served::RecordsFull | Served::MemoryFull = served {
                self.connections.push_ready_first(id);
            } else {
                self.due -= 1;
                self.connections.update(id, |_| {});
            }
            match served {
                Served::Done => {}
                Served::MemoryFull => return Some(Status::MemoryFull),
                Served::RecordsFull | Served::Refused => return Some(Status::RecordsFull),
            }
            if turn.inflating.output >= ENOUGH_INFLATED && self.due > 0 {
                return Some(Status::RecordsFull);
            }
        }
        debug_assert_eq!(self.due, 0);
        None
    }

    /// Takes what a connection has read that is about to be closed, with payloads of their own:
    /// what waits to be decoded and, where it is paused or `is_unread`, what a socket that isn't
    /// read would have read.
    pub fn drain(&mut self, id: ConnectionId, is_unread: bool) -> Vec<ConnectionEvent> {
        let mut sink = Drained::default();
        self.gathering.withdraw(id, |event| sink.push(id, event));
        let Some(connection) = self.connections.get_mut(id) else { return sink.events };
        connection.guard(|connection| connection.prepare_to_drain(is_unread));
        let mut memory = Vec::new();
        let mut unread = connection.unread();
        while unread > 0 {
            memory.resize(DRAIN_MEMORY, 0);
            let mut used = 0;
            let inflating = &mut self.inflating;
            let mut turn =
                Turn { memory: &mut memory, used: &mut used, sink: &mut sink, inflating };
            connection.guard(|connection| connection.serve(id, &mut turn));
            sink.own(&memory);
            if connection.unread() >= unread {
                break;
            }
            unread = connection.unread();
        }
        sink.events
    }

    /// Whether there is work left that no event of the kernel will announce again.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.gathering.is_empty()
            || self.fault_due
            || self.connections.ready_count() > 0
            || self.background.has_results()
            || self.background.can_launch()
            || self.background.has_waiting() && !self.inflating.places.is_empty()
    }

    /// Sets whether [`as_fd`](Self::as_fd) is watched as long as it is readable, not only when it
    /// becomes so. Then a turn may leave aside what else is ready.
    pub const fn set_guessing(&mut self, may_guess: bool) {
        self.may_guess = may_guess;
    }

    /// Whether the kernel may have more to report than it did in the latest turn.
    #[must_use]
    pub const fn is_saturated(&self) -> bool {
        self.is_saturated
    }

    /// Whether the next call of [`poll`](Self::poll) has to be given the same memory.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.gathering.is_begun()
    }

    /// Writes all `parts`, at once if nothing waits; what the kernel does not take is copied.
    /// Returns how many bytes wait.
    ///
    /// Where the connection is broken they wait for good; [`Connection::failure`] tells, and the
    /// next turn reports it. Nothing is written after [`Connection::shutdown`].
    pub fn write(&mut self, id: ConnectionId, parts: &mut [IoSlice<'_>]) -> usize {
        self.write_by(id, |connection| connection.write(parts))
    }

    /// Writes `head` and `body` as [`write`](Self::write) does; what the kernel does not take of
    /// the body waits where `keep` has it, which gets the number of bytes written.
    pub(super) fn write_long(
        &mut self,
        id: ConnectionId,
        head: &[u8],
        body: &[u8],
        keep: impl FnOnce(usize) -> Bytes,
    ) -> usize {
        self.write_by(id, |connection| connection.write_long(head, body, keep))
    }

    /// Writes something that may have to wait.
    fn write_by(
        &mut self,
        id: ConnectionId,
        write: impl FnOnce(&mut Connection) -> usize,
    ) -> usize {
        let registry = self.poll.registry();
        let write = |connection: &mut Connection| {
            let pending = write(connection);
            watch(registry, id, connection);
            pending
        };
        self.connections
            .update(id, write)
            .unwrap_or_else(|| self.connection(id).map_or(0, Connection::pending))
    }

    /// Answers a ping with this payload, where nothing waits to be written. Returns how many bytes
    /// wait then, or nothing where it isn't to be answered.
    pub(super) fn answer(
        &mut self,
        id: ConnectionId,
        payload: &[u8],
        masking_keys: MaskingKeys,
    ) -> Option<usize> {
        let role = self.connections.get(id)?.answering_role()?;
        self.write_control(id, role, Opcode::Pong, payload, masking_keys)
    }

    /// Writes a control frame. Returns how many bytes wait then, or nothing where it can't be made.
    fn write_control(
        &mut self,
        id: ConnectionId,
        role: Role,
        opcode: Opcode,
        payload: &[u8],
        masking_keys: MaskingKeys,
    ) -> Option<usize> {
        let masking_key = match role {
            Role::Client => Some(masking_keys()?),
            Role::Server => None,
        };
        let header = FrameHeader {
            fin: true,
            rsv1: false,
            opcode,
            masking_key,
            payload_length: payload.len() as u64,
        };
        let mut frame = [0; MAX_CONTROL_LENGTH];
        let start = header.encode(&mut frame);
        let end = start + payload.len();
        let space = frame.get_mut(start..end)?;
        space.copy_from_slice(payload);
        if let Some(key) = masking_key {
            mask_in_place(space, key, 0);
        }
        Some(self.write(id, &mut [IoSlice::new(&frame[..end])]))
    }

    /// Gives a connection a heartbeat. The time that it goes by is that of
    /// [`SharedReactor::turn_timers`](super::SharedReactor::turn_timers).
    pub fn watch(&mut self, id: ConnectionId, heartbeat: Heartbeat) {
        if let Some(received) = self.connections.get(id).map(Connection::bytes_read) {
            self.timers.watch(id, heartbeat, received);
        }
    }

    /// Takes the heartbeat from a connection; what it has asked is still nobody else's business.
    pub fn unwatch(&mut self, id: ConnectionId) {
        self.timers.forget(id);
    }

    /// The time in microseconds between the latest ping of a heartbeat that was answered and its
    /// answer.
    #[must_use]
    pub fn latency_us(&self, id: ConnectionId) -> Option<u32> {
        self.timers.latency_us(id)
    }

    /// Lets time pass: pings the connections of which nothing was heard for their interval. Adds to
    /// `expired` those that are to be given up, which have no heartbeat any more, and to `waiting`
    /// those of which something waits to be written.
    ///
    /// Time in which the process was held up should not be counted: what arrived in it is still to
    /// be read.
    pub(super) fn turn_timers(
        &mut self,
        elapsed_ms: u64,
        masking_keys: MaskingKeys,
        expired: &mut Vec<ConnectionId>,
        waiting: &mut Vec<ConnectionId>,
    ) {
        let mut due = Vec::new();
        self.timers.advance(elapsed_ms, &mut due);
        for id in due {
            let Some(connection) = self.connections.get(id) else {
                self.timers.forget(id);
                continue;
            };
            let (received, written) = (connection.bytes_read(), connection.bytes_written());
            let waits = connection.waits();
            match self.timers.judge(id, received, written, waits) {
                Due::Nothing => {}
                Due::Ping => match connection.pinging_role() {
                    // Nothing can be sent any more: it is about to be closed.
                    None => self.timers.forget(id),
                    Some(_) if waits => self.timers.note_ping(id, written, false),
                    Some(role) => {
                        if self.ping(id, role, masking_keys) > 0 {
                            waiting.push(id);
                        }
                    }
                },
                Due::GiveUp if connection.has_unread() => self.timers.note_unread(id),
                Due::GiveUp => {
                    self.timers.forget(id);
                    expired.push(id);
                }
            }
        }
    }

    /// Sends a ping of the heartbeat. Returns how many bytes wait then.
    fn ping(&mut self, id: ConnectionId, role: Role, masking_keys: MaskingKeys) -> usize {
        let payload = timers::payload_of(self.timers.next_sequence(id));
        let pending = self.write_control(id, role, Opcode::Ping, &payload, masking_keys);
        let written = self.connections.get(id).map_or(0, Connection::bytes_written);
        self.timers.note_ping(id, written, pending.is_some());
        pending.unwrap_or(0)
    }

    /// Writes a batch whose frames are in `bytes`, all of a connection in one go; adds to `waiting`
    /// the connections of which something waits then.
    ///
    /// Where more is published than is put in order at once, a connection may get it in several.
    pub fn write_batch(
        &mut self,
        bytes: &[u8],
        batch: &WriteBatch,
        waiting: &mut Vec<ConnectionId>,
    ) {
        let mut entries = mem::take(&mut self.entries);
        let mut progress = Progress::default();
        let mut is_due = true;
        if batch.topics.is_empty() {
            batch.add_entries(0..batch.writes.len(), &mut entries);
            self.write_entries(bytes, batch, &entries, waiting);
            entries.clear();
            is_due = false;
        }
        while is_due {
            let Self { topics, connections, .. } = self;
            is_due = topics.expand(batch, &mut progress, &mut entries, |id, least| {
                connections.update(id, |connection| connection.compress_from(least as usize));
            });
            self.write_entries(bytes, batch, &entries, waiting);
            entries.clear();
        }
        if entries.capacity() <= MAX_ENTRIES {
            self.entries = entries;
        }
    }

    /// Writes what connections get of a batch.
    fn write_entries(
        &mut self,
        bytes: &[u8],
        batch: &WriteBatch,
        entries: &[Entry],
        waiting: &mut Vec<ConnectionId>,
    ) {
        let mut grouping = mem::take(&mut self.grouping);
        grouping.arrange(entries, batch.frames.len(), self.connections.numbers());
        if self.workers.size() > 1 && self.is_worth_sharing(&batch.frames, &grouping) {
            self.write_together(bytes, batch, &grouping, waiting);
        } else {
            self.write_groups(bytes, batch, &grouping, grouping.groups(), waiting);
        }
        self.grouping = grouping;
    }

    /// Whether several threads are to share the work.
    fn is_worth_sharing(&self, frames: &[Frame], grouping: &Grouping) -> bool {
        let groups = grouping.groups().map(|(id, range)| (id, &grouping.runs()[range]));
        is_worth_sharing(frames, groups, |id| {
            self.connections.get(id).is_some_and(Connection::compresses)
        })
    }

    /// The topics.
    #[must_use]
    pub const fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Writes `groups` of it on this thread.
    fn write_groups(
        &mut self,
        bytes: &[u8],
        batch: &WriteBatch,
        grouping: &Grouping,
        groups: impl IntoIterator<Item = (ConnectionId, Range<usize>)>,
        waiting: &mut Vec<ConnectionId>,
    ) {
        let flush = Broadcast::new(Cow::Borrowed(bytes), Cow::Borrowed(&batch.frames));
        let mut outgoing = Outgoing::in_memory(mem::take(&mut self.outgoing));
        for (id, runs) in groups {
            let runs = &grouping.runs()[runs];
            let write = |it: &mut Connection| it.write_frames(runs, &flush, &mut outgoing);
            if self.write_by(id, write) > 0 {
                waiting.push(id);
            }
        }
        if outgoing.bytes.capacity() <= MAX_OUTGOING {
            self.outgoing = outgoing.bytes;
        }
    }

    /// Writes all of it, on several threads, but what belongs to one.
    fn write_together(
        &mut self,
        bytes: &[u8],
        batch: &WriteBatch,
        grouping: &Grouping,
        waiting: &mut Vec<ConnectionId>,
    ) {
        let is_secure = |id| self.connections.get(id).is_some_and(Connection::is_secure);
        let (own, shared): (Vec<_>, Vec<_>) = grouping.groups().partition(|(id, _)| is_secure(*id));
        self.write_groups(bytes, batch, grouping, own, waiting);
        let bytes = bytes[..batch.used()].to_vec();
        let flush = Broadcast::new(Cow::Owned(bytes), Cow::Owned(batch.frames.clone()));
        let deliveries = shared.into_iter().filter_map(|(id, runs)| {
            let detached = self.connections.detach(id)?;
            Some(Delivery { detached, runs, has_panicked: false })
        });
        let deliveries = deliveries.collect();
        let runs = grouping.runs().to_vec();
        let deliver = move |outgoing: &mut Outgoing, delivery: &mut Delivery| {
            let runs = &runs[delivery.runs.clone()];
            let write = |it: &mut Connection| it.write_frames(runs, &flush, outgoing);
            delivery.has_panicked = delivery.detached.connection.guard(write).is_none();
            true
        };
        let done = self.workers.work(deliveries, Outgoing::default, deliver);
        for Delivery { detached, has_panicked, .. } in done.jobs {
            let id = detached.id;
            self.connections.has_fault |= has_panicked;
            self.connections.attach(detached);
            if self.write_by(id, |connection| connection.pending()) > 0 {
                waiting.push(id);
            }
        }
    }

    /// Closes the connection at once, whatever waits; with `reset` so that the peer sees a reset.
    pub fn close(&mut self, id: ConnectionId, reset: bool) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.gathering.withdraw(id, |_| {});
        self.topics.forget(id);
        self.timers.forget(id);
        // Closing the descriptor alone leaves it registered while it has duplicates elsewhere. It
        // cannot fail for a descriptor that is registered, and nothing could be done about it.
        let raw = connection.socket().as_fd().as_raw_fd();
        let _ = self.poll.registry().deregister(&mut SourceFd(&raw));
        if reset {
            connection.socket().reset_on_close();
        }
    }

    /// Closes connections whose sessions belong to this thread, which is about to end.
    pub fn close_secure(&mut self) {
        for id in 0..self.connections.numbers() as ConnectionId {
            if self.connections.get(id).is_some_and(Connection::is_secure) {
                self.close(id, false);
            }
        }
    }

    /// Makes the engine inflate what a connection receives, and deflate what is to be compressed,
    /// with states that others may use as well.
    pub fn set_compression(
        &mut self,
        id: ConnectionId,
        deflation: Shared<Deflation>,
        inflation: Shared<Decompressor>,
    ) {
        self.has_inflated = true;
        let compression = Compression::new(deflation, inflation);
        self.connections.update(id, |connection| connection.set_compression(compression));
    }

    /// Ends raw mode, if no message is under way and nothing that was read is still to be decoded.
    pub fn begin_frames(&mut self, id: ConnectionId) -> bool {
        let is_on_the_way = self.gathering.holds(id);
        let begin = |connection: &mut Connection| {
            let can = !is_on_the_way && connection.is_between_messages();
            if can {
                connection.set_raw(false);
            }
            can
        };
        self.connections.update(id, begin).unwrap_or(false)
    }

    /// Takes from the kernel which sockets are ready.
    fn take_events(&mut self) -> io::Result<()> {
        self.injected.pass(Fault::Reactor);
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.is_saturated = true;
                return Ok(());
            }
            result => result?,
        }
        self.is_saturated = self.events.iter().count() == EVENTS;
        for event in self.events.iter().filter(|event| event.token() != WAKER) {
            let id = event.token().0 as ConnectionId;
            self.connections.update(id, |connection| connection.note(event));
        }
        let mut ready = self.events.iter().map(|event| event.token().0 as ConnectionId);
        let only = ready.next().filter(|_| ready.next().is_none());
        let is_same = only.is_some() && only == self.only;
        self.times = if is_same { self.times.saturating_add(1) } else { 0 };
        self.guesses = if self.times >= MIN_TIMES { MAX_GUESSES } else { 0 };
        self.only = only;
        Ok(())
    }
}

/// Asks the kernel to report when it takes more of
/// what waits, from the first time on that something does.
fn watch(registry: &Registry, id: ConnectionId, connection: &mut Connection) {
    if !connection.begins_to_wait() {
        return;
    }
    let interest = INCOMING | Interest::WRITABLE;
    let raw = connection.socket().as_fd().as_raw_fd();
    if let Err(error) = registry.reregister(&mut SourceFd(&raw), Token(id as usize), interest) {
        connection.fail(FailedCall::Write, error);
    }
}

/// Collects what a connection has read that is about to be closed.
#[derive(Default)]
struct Drained {
    events: Vec<ConnectionEvent>,
    /// How many of them have payloads of their own.
    owned: usize,
}

impl Drained {
    /// Gives payloads that are in `memory` memory of their own.
    fn own(&mut self, memory: &[u8]) {
        for event in &mut self.events[self.owned..] {
            if let Some(payload @ Payload::InPlace(_)) = event.payload_mut() {
                *payload = Payload::Owned(payload.as_slice(memory).to_vec());
            }
        }
        self.owned = self.events.len();
    }
}

impl Sink for Drained {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, _id: ConnectionId, event: ConnectionEvent) {
        let is_received = matches!(
            event,
            ConnectionEvent::Frame(_)
                | ConnectionEvent::AnsweredPing(_)
                | ConnectionEvent::Raw(_)
                | ConnectionEvent::Violation(_)
                | ConnectionEvent::Uninflatable(_)
        );
        if is_received {
            self.events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn may_move_to_another_thread() {
        const fn assert_send<T: Send>() {}
        assert_send::<Reactor>();
    }
}
