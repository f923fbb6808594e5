//! A reactor under two drivers, of which one at a time serves it.
//!
//! Either the host calls [`SharedReactor::poll`] and is served at once, or a task waits for the
//! kernel, reads and writes, and the host takes what it has read. Moving between them hands over
//! one flag, under the reactor's lock: the holder of the lock sees which side is to poll. What the
//! task had read before a move is taken before anything that is read after it.
//!
//! Locks are taken in this order: reactor, inbox or outbox.

mod credit;
mod inbox;
mod ping_timer;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::connection::Connection;
use super::event::{ConnectionEvent, ConnectionId, Sink, Status};
use super::latest_payload::LatestPayload;
use super::reactor::{MaskingKeys, Reactor};
use super::threads::sync::{
    AtomicUsize, Mutex, MutexGuard, bound, lock, yield_now as yield_thread,
};
use super::write_batch::WriteBatch;
use inbox::Inbox;

/// What may wait for the task to write it. One write more can come.
const MAX_OUTBOX_BYTES: usize = bound(4 * 1024 * 1024, 24);

/// Turns of the task in a row, before other tasks have theirs.
const MAX_TURNS: usize = 8;

/// Bytes that are sent together.
#[derive(Debug)]
enum QueuedWrite {
    /// Frames, in this memory.
    Batch(Vec<u8>, WriteBatch),
    /// A frame of one connection, of which others may get the rest as well.
    Long(ConnectionId, Vec<u8>, Bytes),
}

/// What the host sends, until the task writes it.
#[derive(Debug, Default)]
struct Outbox {
    writes: VecDeque<QueuedWrite>,
    /// The memory that they take.
    size: usize,
}

/// What the lock guards.
#[derive(Debug)]
struct Core {
    reactor: Reactor,
    /// The task polls, not the host.
    is_tasked: bool,
    /// The host is about to poll, or was woken to do so.
    is_attended: bool,
    /// The task is to end.
    is_ended: bool,
}

/// How a turn of the task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TurnEnd {
    /// There is more to do.
    Again,
    /// The kernel or the host has to announce more.
    Idle,
    /// Only the host has to.
    Blocked,
    /// The host is gone.
    Ended,
}

/// A reactor, what is on the way from it to its host, and from its host to it.
pub struct SharedReactor {
    core: Mutex<Core>,
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
    /// The latest long payload that was sent.
    latest: Mutex<LatestPayload>,
    /// Wakes the task.
    signal: Notify,
    /// How many wait for the lock of the reactor, to which the task gives way.
    waiting: AtomicUsize,
    /// Wakes the host.
    wake: Box<dyn Fn() + Send + Sync>,
    masking_keys: MaskingKeys,
}

impl fmt::Debug for SharedReactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedReactor").finish_non_exhaustive()
    }
}

impl SharedReactor {
    /// Shares a reactor, which the host polls until it hands that over. `wake` is called, on any
    /// thread, when there is something to take; `masking_keys` when a client's ping is answered
    /// without the host.
    #[must_use]
    pub fn new(
        reactor: Reactor,
        wake: Box<dyn Fn() + Send + Sync>,
        masking_keys: MaskingKeys,
    ) -> Arc<Self> {
        Arc::new(Self {
            core: Mutex::new(Core {
                reactor,
                is_tasked: false,
                is_attended: false,
                is_ended: false,
            }),
            inbox: Mutex::default(),
            outbox: Mutex::default(),
            latest: Mutex::default(),
            signal: Notify::new(),
            waiting: AtomicUsize::new(0),
            wake,
            masking_keys,
        })
    }

    /// The reactor's lock for the host.
    fn core(&self) -> MutexGuard<'_, Core> {
        if let Ok(core) = self.core.try_lock() {
            return core;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let core = lock(&self.core);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        core
    }

    /// Does something with the reactor, which makes the task look at it if need be.
    pub fn with<T>(&self, change: impl FnOnce(&mut Reactor) -> T) -> T {
        let mut core = self.core();
        let result = change(&mut core.reactor);
        self.leave(core);
        result
    }

    /// Changes a connection; see [`Reactor::update`].
    pub fn update<T>(
        &self,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        self.with(|reactor| reactor.update(id, change))
    }

    /// Looks at a connection.
    pub fn inspect<T>(&self, id: ConnectionId, look: impl FnOnce(&Connection) -> T) -> Option<T> {
        self.with(|reactor| reactor.connection(id).map(look))
    }

    /// Gives the reactor back, and wakes the side that has to do something about it.
    fn leave(&self, mut core: MutexGuard<'_, Core>) {
        let is_tasked = core.is_tasked;
        let signals = is_tasked && core.reactor.has_ready();
        let wakes = (core.reactor.take_fault() || !core.is_attended && core.reactor.has_ready())
            && !is_tasked;
        core.is_attended |= wakes;
        drop(core);
        if signals {
            self.signal.notify_one();
        }
        if wakes {
            (self.wake)();
        }
    }

    /// Takes what the task has read, or serves the connections; see [`Reactor::poll`].
    ///
    /// # Errors
    ///
    /// The kernel refuses to report readiness.
    ///
    /// # Panics
    ///
    /// As [`Reactor::poll`] does.
    pub fn poll(
        &self,
        memory: &mut [u8],
        used: &mut usize,
        sink: &mut impl Sink,
    ) -> io::Result<Status> {
        let mut inbox = lock(&self.inbox);
        let found = inbox.come();
        let status = found.then(|| inbox.take(memory, used, sink));
        let signals = inbox.feeds_starved() || inbox.credits.has_restored();
        drop(inbox);
        if signals {
            self.signal.notify_one();
        }
        if let Some(status) = status {
            return Ok(status);
        }
        let mut core = self.core();
        if core.is_tasked {
            return Ok(Status::Idle);
        }
        core.is_attended = true;
        core.reactor.poll(memory, used, sink)
    }

    /// Whether there is something to take or to serve that will not
    /// be announced again. If not, the host is woken when there is.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        if lock(&self.inbox).has_ready() {
            return true;
        }
        let mut core = self.core();
        core.is_attended = !core.is_tasked && core.reactor.has_ready();
        core.is_attended
    }

    /// Says that the host has handed out all that it took, and left what it sends for that.
    pub fn settle(&self) {
        lock(&self.inbox).settle();
    }

    /// Takes what a connection has read that is about to be closed; see [`Reactor::drain`]. Where
    /// it isn't read, what is on the way comes first. Otherwise only the rest of the latest read of
    /// which the host was given something, if it `wants` that.
    pub fn drain(&self, id: ConnectionId, wants: bool, is_unread: bool) -> Vec<ConnectionEvent> {
        let mut core = self.core();
        let mut events = Vec::new();
        let mut is_cut = false;
        lock(&self.inbox).withdraw(id, |is_rest, event| {
            if is_unread || wants && is_rest {
                events.push(event);
            } else {
                is_cut = true;
            }
        });
        if !is_cut {
            events.append(&mut core.reactor.drain(id, is_unread));
        }
        events
    }

    /// Closes a connection; see [`Reactor::close`]. Nothing of it is on the way any more, so its
    /// number may be given to another one at once.
    pub fn close(&self, id: ConnectionId, reset: bool) {
        let mut core = self.core();
        core.reactor.close(id, reset);
        lock(&self.inbox).withdraw(id, |_, _| {});
    }

    /// Says that the host has something to send, until it hands that over.
    pub fn begin_to_send(&self) {
        lock(&self.inbox).set_sending(true);
    }

    /// Says that the host has handed it over.
    pub fn end_sending(&self) {
        lock(&self.inbox).set_sending(false);
    }

    /// Leaves a batch whose frames are in `bytes` for the task to write; `false` where it has too
    /// much of that already, or has nothing to say.
    pub fn send(&self, bytes: &[u8], batch: &WriteBatch) -> bool {
        let bytes = &bytes[..batch.used()];
        self.queue_write(bytes.len() + batch.size(), |writes| {
            // What is written together is put in order together.
            if let Some(QueuedWrite::Batch(memory, last)) = writes.back_mut() {
                last.append(batch, memory.len());
                memory.extend_from_slice(bytes);
            } else {
                writes.push_back(QueuedWrite::Batch(bytes.to_vec(), batch.clone()));
            }
        })
    }

    /// Leaves a frame of one connection to the task as [`send`](Self::send) does. It is copied
    /// once, its `body` for all that get the same in a row.
    pub fn send_long(&self, id: ConnectionId, head: &[u8], body: &[u8]) -> bool {
        self.queue_write(head.len() + body.len(), |writes| {
            let body = lock(&self.latest).whole(body);
            writes.push_back(QueuedWrite::Long(id, head.to_vec(), body));
        })
    }

    /// Adds to the outbox, if there is room.
    fn queue_write(&self, size: usize, add: impl FnOnce(&mut VecDeque<QueuedWrite>)) -> bool {
        let mut outbox = lock(&self.outbox);
        if outbox.size >= MAX_OUTBOX_BYTES {
            return false;
        }
        outbox.size += size;
        let signals = outbox.writes.is_empty();
        add(&mut outbox.writes);
        drop(outbox);
        if signals {
            self.signal.notify_one();
        }
        true
    }

    /// Writes what the task was to write, then a batch whose frames are in `bytes`; adds to
    /// `waiting` the connections of which something waits then.
    pub fn write(&self, bytes: &[u8], batch: &WriteBatch, waiting: &mut Vec<ConnectionId>) {
        let mut core = self.core();
        self.write_out(&mut core.reactor, waiting);
        core.reactor.write_batch(bytes, batch, waiting);
        self.leave(core);
    }

    /// Writes a frame of one connection at once, straight from where it is; returns how many bytes
    /// wait then. Those of `body` are held once for all that get the same in a row.
    pub fn write_long(&self, id: ConnectionId, head: &[u8], body: &[u8]) -> usize {
        let keep = |written| lock(&self.latest).rest(body, written);
        self.with(|reactor| reactor.write_long(id, head, body, keep))
    }

    /// Writes what is in the outbox.
    fn write_out(&self, reactor: &mut Reactor, waiting: &mut Vec<ConnectionId>) {
        let Outbox { writes, .. } = std::mem::take(&mut *lock(&self.outbox));
        for write in writes {
            match write {
                QueuedWrite::Batch(bytes, batch) => reactor.write_batch(&bytes, &batch, waiting),
                QueuedWrite::Long(id, head, body) => {
                    let keep = |written| body.slice(written..);
                    if reactor.write_long(id, &head, &body, keep) > 0 && waiting.last() != Some(&id)
                    {
                        waiting.push(id);
                    }
                }
            }
        }
    }

    /// Lets time pass for the heartbeats; see [`Reactor::watch`]. Adds to `expired` the connections
    /// that are to be given up, to `waiting` those of which something waits to be written.
    pub fn turn_timers(
        &self,
        elapsed_ms: u64,
        expired: &mut Vec<ConnectionId>,
        waiting: &mut Vec<ConnectionId>,
    ) {
        let mut core = self.core();
        core.reactor.turn_timers(elapsed_ms, self.masking_keys, expired, waiting);
        self.leave(core);
    }

    /// Ends raw mode; see [`Reactor::begin_frames`]. Not while bytes are on the way.
    pub fn begin_frames(&self, id: ConnectionId) -> bool {
        let mut core = self.core();
        !lock(&self.inbox).holds(id) && core.reactor.begin_frames(id)
    }

    /// Sets whether the task polls. `false` if that can't change now: ask again after a turn.
    pub fn set_tasked(&self, tasked: bool) -> bool {
        let mut core = self.core();
        if tasked && core.reactor.is_interrupted() {
            return false;
        }
        core.is_tasked = tasked;
        // The task hears of a change only.
        core.reactor.set_guessing(!tasked);
        if !tasked {
            self.restore_credit(&mut core.reactor);
        }
        drop(core);
        self.signal.notify_one();
        true
    }

    /// Resumes reading of all connections: what the host reads itself is not on its way for long.
    fn restore_credit(&self, reactor: &mut Reactor) {
        let mut inbox = lock(&self.inbox);
        inbox.credits.restore_all();
        apply(inbox.credits.take_changes(), reactor);
    }

    /// Does a turn of the task's work here and now, so that what is fed is taken without a wait.
    pub fn serve(&self) {
        if self.guarded_turn() == TurnEnd::Again {
            self.signal.notify_one();
        }
    }

    /// Ends the task, once it has written what was left to it.
    pub fn end(&self) {
        let mut core = self.core();
        self.write_out(&mut core.reactor, &mut Vec::new());
        core.is_ended = true;
        drop(core);
        self.signal.notify_one();
    }

    /// Serves the reactor whenever it is the task's turn, until [`end`](Self::end). `readiness` is
    /// a duplicate of the reactor's descriptor.
    pub async fn drive(self: Arc<Self>, readiness: AsyncFd<OwnedFd>) {
        let kernel = |context: &mut Context<'_>| {
            let ready = readiness.poll_read_ready(context);
            // Before the readiness set is asked: what comes later announces itself again.
            ready.map(|ready| ready.into_iter().for_each(|mut ready| ready.clear_ready()))
        };
        self.drive_by(kernel).await;
    }

    /// Serves the reactor when `kernel` is ready or the host signals.
    async fn drive_by(&self, mut kernel: impl FnMut(&mut Context<'_>) -> Poll<()>) {
        loop {
            let mut turns = 0;
            let mut turn = TurnEnd::Again;
            while turn == TurnEnd::Again && turns < MAX_TURNS {
                while self.waiting.load(Ordering::Relaxed) > 0 {
                    yield_thread();
                }
                turn = self.guarded_turn();
                turns += 1;
            }
            match turn {
                TurnEnd::Ended => return,
                TurnEnd::Again => yield_now().await,
                TurnEnd::Idle | TurnEnd::Blocked => {
                    self.wait((turn == TurnEnd::Idle).then_some(&mut kernel)).await;
                }
            }
        }
    }

    /// Waits for the host's signal, or also for the kernel's, but not beyond the time when pings
    /// are to be answered without the host.
    async fn wait(&self, mut kernel: Option<&mut impl FnMut(&mut Context<'_>) -> Poll<()>>) {
        let due = lock(&self.inbox).answers_at();
        let mut due = pin!(due.map(|due| sleep_until(due.into())));
        let mut signal = pin!(self.signal.notified());
        poll_fn(|context| {
            if signal.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            if due.as_mut().as_pin_mut().is_some_and(|due| due.poll(context).is_ready()) {
                return Poll::Ready(());
            }
            kernel.as_mut().map_or(Poll::Pending, |kernel| kernel(context))
        })
        .await;
    }

    /// Has a turn. After a panic that wasn't caught closer to its cause,
    /// the host has the work again, so that it is done.
    fn guarded_turn(&self) -> TurnEnd {
        catch_unwind(AssertUnwindSafe(|| self.turn())).unwrap_or_else(|_| {
            let mut core = lock(&self.core);
            core.is_tasked = false;
            self.restore_credit(&mut core.reactor);
            core.reactor.recover();
            drop(core);
            (self.wake)();
            TurnEnd::Blocked
        })
    }

    /// Writes what there is to write, and reads what there is to read once.
    fn turn(&self) -> TurnEnd {
        let mut core = lock(&self.core);
        if core.is_ended {
            return TurnEnd::Ended;
        }
        core.reactor.pass_task();
        let mut waiting = Vec::new();
        self.write_out(&mut core.reactor, &mut waiting);
        let mut inbox = lock(&self.inbox);
        if core.is_tasked {
            inbox.answer_pings(|id, payload| {
                let pending = core.reactor.answer(id, payload, self.masking_keys);
                if pending.is_some_and(|pending| pending > 0) {
                    waiting.push(id);
                }
                pending.is_some()
            });
        }
        let polls = core.is_tasked && inbox.has_credit();
        if !polls && waiting.is_empty() {
            return TurnEnd::Blocked;
        }
        let mut batch = inbox.open();
        let changes = inbox.credits.take_changes();
        drop(inbox);
        apply(changes, &mut core.reactor);
        for id in waiting {
            batch.events.push(id, ConnectionEvent::Waiting);
        }
        let mut turn = TurnEnd::Blocked;
        if polls {
            let polled = core.reactor.poll(&mut batch.memory, &mut batch.used, &mut batch.events);
            if matches!(polled, Ok(Status::MemoryFull)) {
                batch.close();
            }
            turn = match polled {
                Ok(Status::Idle) if !core.reactor.has_ready() && !core.reactor.is_saturated() => {
                    TurnEnd::Idle
                }
                Ok(_) => TurnEnd::Again,
                Err(_) => TurnEnd::Idle,
            };
        }
        let wakes = lock(&self.inbox).put(batch);
        drop(core);
        if wakes {
            (self.wake)();
        }
        turn
    }
}

/// Stops reading connections, or goes on.
fn apply(changes: Vec<(ConnectionId, bool)>, reactor: &mut Reactor) {
    for (id, is_exhausted) in changes {
        reactor.update(id, |connection| connection.set_starved(is_exhausted));
    }
}

#[cfg(all(test, shuttle))]
mod model;
