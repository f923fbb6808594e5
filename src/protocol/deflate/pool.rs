//! States that connections share, such as those of compressors.
//!
//! The state of a compressor is large, and a connection needs it only while a message is under way.
//! Where each message starts with an empty window, the state is lent for one message at a time: a
//! few spare ones serve every connection. Where the window is taken over, the state stays with its
//! connection as long as the states of all connections together stay within a limit; beyond it
//! those go that rested longest. A compressor then starts with an empty window, which RFC 7692
//! always allows.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;

/// Number of states of each kind that lie ready. More messages than that are hardly under way at a
/// time, since each thread has one.
const MAX_SPARES: usize = 8;

/// From this many connections on that have ended the queue is cleared of them.
const MIN_SWEPT: usize = 64;

/// The states that connections share. Every thread may use it; no lock is held while a state is in
/// use.
pub(super) struct Pool<T: Context> {
    spares: Spares<T::Key, T>,
    kept: Mutex<KeptStates<T>>,
}

/// The states that are kept for their connections.
struct KeptStates<T> {
    /// Bytes that they may take.
    limit: usize,
    /// Bytes that they take.
    bytes: usize,
    /// How many there are.
    count: usize,
    /// All of them, in the order in which they are asked to go. A connection that has ended is
    /// still there for a while.
    queue: VecDeque<Weak<Room<T>>>,
}

impl<T: Context> Pool<T> {
    /// A pool that keeps up to `limit` bytes for connections.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            spares: Spares::default(),
            kept: Mutex::new(KeptStates { limit, bytes: 0, count: 0, queue: VecDeque::new() }),
        }
    }

    /// Takes a spare state that was made for `key`.
    pub(super) fn take(&self, key: &T::Key) -> Option<T> {
        self.spares.take(key)
    }

    /// Takes a state back that is of use to other connections.
    pub(super) fn give(&self, state: T) {
        self.spares.give(state.key(), state);
    }

    /// Changes the limit. What is above it goes at once, but for what is in use.
    pub(super) fn set_limit(&self, limit: usize) {
        lock(&self.kept).limit = limit;
        self.make_room();
    }

    /// Bytes of the states that are kept for their connections, or in use by them.
    pub(super) fn kept_bytes(&self) -> usize {
        lock(&self.kept).bytes
    }

    /// Takes a state in.
    fn admit(&self, state: Weak<Room<T>>, bytes: usize) {
        let mut kept = lock(&self.kept);
        kept.bytes += bytes;
        kept.count += 1;
        kept.queue.push_back(state);
        drop(kept);
        self.make_room();
    }

    /// Counts a state that is lent for what it takes now.
    fn recount(&self, before: usize, bytes: usize) {
        if before != bytes {
            let mut kept = lock(&self.kept);
            kept.bytes = kept.bytes + bytes - before;
        }
    }

    /// Forgets a state that is gone.
    fn dismiss(&self, bytes: usize) {
        let mut kept = lock(&self.kept);
        kept.bytes -= bytes;
        kept.count -= 1;
        // Connections that come and go leave no trail.
        if kept.queue.len() > 2 * kept.count + MIN_SWEPT {
            kept.queue.retain(|state| state.strong_count() > 0);
        }
    }

    /// Has states go until the limit is kept. One that was used since it was asked last has a
    /// second chance, so that those go first that rest.
    fn make_room(&self) {
        let attempts = 2 * lock(&self.kept).queue.len();
        for _ in 0..attempts {
            let mut kept = lock(&self.kept);
            if kept.bytes <= kept.limit {
                return;
            }
            let Some(state) = kept.queue.pop_front() else { return };
            drop(kept);
            match state.upgrade().map(|state| state.leave(self)) {
                Some(Leave::Left(bytes)) => self.dismiss(bytes),
                Some(Leave::Stays) => lock(&self.kept).queue.push_back(state),
                Some(Leave::WasGone) | None => {}
            }
        }
    }
}

/// States that lie ready, each with what it was made for.
pub(super) struct Spares<K, T>(Mutex<Vec<(K, T)>>);

impl<K, T> Default for Spares<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, T> Spares<K, T> {
    /// Takes the one that was used last of those made for `key`.
    pub(super) fn take(&self, key: &K) -> Option<T> {
        let mut spares = lock(&self.0);
        let index = spares.iter().rposition(|(of, _)| of == key)?;
        Some(spares.remove(index).1)
    }

    /// Puts one back; the oldest goes if there are too many.
    pub(super) fn give(&self, key: K, state: T) {
        let mut spares = lock(&self.0);
        let oldest = (spares.len() == MAX_SPARES).then(|| spares.remove(0));
        spares.push((key, state));
        drop(spares);
        // Memory is freed without the lock.
        drop(oldest);
    }
}

/// A state that can be kept for a connection.
pub(super) trait Context {
    /// What a state is made for. States of the same key are alike.
    type Key: PartialEq;

    /// What it was made for.
    fn key(&self) -> Self::Key;

    /// Bytes that it takes; they may become more while it's in use.
    fn memory(&self) -> usize;
}

/// How a state answers when it is asked to go.
enum Leave {
    /// It went, and this many bytes are free.
    Left(usize),
    /// It is in use, or was used since it was asked last.
    Stays,
    /// Its connection had given it up.
    WasGone,
}

/// The place of a connection that takes its window over, in one direction.
pub(super) struct Place<T: Context> {
    pool: Arc<Pool<T>>,
    room: Arc<Room<T>>,
}

/// What connection and pool know of.
struct Room<T> {
    content: Mutex<Content<T>>,
}

enum Content<T> {
    Nothing,
    /// The connection uses the state, of which this many bytes are counted.
    InUse(usize),
    Resting {
        state: T,
        /// What is counted.
        bytes: usize,
        /// Whether it was used since it came, and since the pool asked it to go.
        recent: bool,
    },
}

impl<T: Context> Place<T> {
    /// A place for a state.
    pub(super) fn new(pool: &Arc<Pool<T>>) -> Self {
        let room = Room { content: Mutex::new(Content::Nothing) };
        Self { pool: Arc::clone(pool), room: Arc::new(room) }
    }

    /// Takes what is there.
    pub(super) fn take(&self) -> Option<T> {
        let mut content = lock(&self.room.content);
        match mem::replace(&mut *content, Content::Nothing) {
            Content::Resting { state, bytes, .. } => {
                *content = Content::InUse(bytes);
                Some(state)
            }
            // What was lent didn't come back: it is lost, its bytes count for the next.
            Content::InUse(bytes) => {
                *content = Content::InUse(bytes);
                None
            }
            Content::Nothing => None,
        }
    }

    /// Keeps the state here until the next message.
    pub(super) fn put(&self, state: T) {
        let bytes = state.memory();
        let counted = match *lock(&self.room.content) {
            Content::InUse(counted) => Some(counted),
            _ => None,
        };
        if let Some(counted) = counted {
            // Before it rests, and may be asked to go.
            self.pool.recount(counted, bytes);
        }
        *lock(&self.room.content) = Content::Resting { state, bytes, recent: counted.is_some() };
        match counted {
            Some(counted) if bytes > counted => self.pool.make_room(),
            Some(_) => {}
            None => {
                self.pool.admit(Arc::downgrade(&self.room), bytes);
            }
        }
    }

    /// Gives up what is there, or lent.
    pub(super) fn clear(&self) {
        let before = mem::replace(&mut *lock(&self.room.content), Content::Nothing);
        if let Content::InUse(bytes) | Content::Resting { bytes, .. } = before {
            self.pool.dismiss(bytes);
        }
    }
}

impl<T: Context> Drop for Place<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T: Context> Room<T> {
    fn leave(&self, pool: &Pool<T>) -> Leave {
        let mut content = lock(&self.content);
        match mem::replace(&mut *content, Content::Nothing) {
            Content::Resting { state, bytes, recent: false } => {
                drop(content);
                pool.give(state);
                Leave::Left(bytes)
            }
            Content::Resting { state, bytes, recent: true } => {
                *content = Content::Resting { state, bytes, recent: false };
                Leave::Stays
            }
            Content::InUse(bytes) => {
                *content = Content::InUse(bytes);
                Leave::Stays
            }
            Content::Nothing => Leave::WasGone,
        }
    }
}

#[cfg(test)]
mod tests;
