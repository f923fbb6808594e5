//! The connections of a reactor by their numbers, and which of them wait for their turn.

use std::collections::VecDeque;

use super::super::connection::Connection;
use super::super::event::ConnectionId;

/// What belongs to one number.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Box<Connection>>,
    /// Whether the number is in the queue. Outlives the connection: a number is in it only once.
    queued: bool,
}

/// A connection that is worked on elsewhere, until it is given back.
#[derive(Debug)]
pub(crate) struct Detached {
    pub(crate) id: ConnectionId,
    pub(crate) connection: Box<Connection>,
}

/// The connections and the queue of those that are ready.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    /// Numbers without a connection.
    free: Vec<ConnectionId>,
    ready: VecDeque<ConnectionId>,
    /// One of them has panicked, outside of its turn.
    pub(crate) has_fault: bool,
}

impl Connections {
    /// The number that the next connection gets.
    pub(crate) fn next_id(&self) -> ConnectionId {
        // A process has fewer descriptors than a u32 has values.
        self.free.last().copied().unwrap_or(self.slots.len() as ConnectionId)
    }

    /// Adds a connection under [`next_id`](Self::next_id).
    pub(crate) fn insert(&mut self, connection: Connection) -> ConnectionId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as ConnectionId - 1
        });
        self.slots[id as usize].connection = Some(Box::new(connection));
        id
    }

    /// Takes a connection out and frees its number.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        let connection = self.slots.get_mut(id as usize)?.connection.take()?;
        self.free.push(id);
        Some(connection)
    }

    /// How many numbers there are, with or without a connection.
    pub(super) fn numbers(&self) -> usize {
        self.slots.len()
    }

    /// The connection of a number.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots.get(id as usize)?.connection.as_deref()
    }

    /// The connection of a number.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slots.get_mut(id as usize)?.connection.as_deref_mut()
    }

    /// Lends the connection of a number. Its number is not free meanwhile.
    pub(crate) fn detach(&mut self, id: ConnectionId) -> Option<Detached> {
        let connection = self.slots.get_mut(id as usize)?.connection.take()?;
        Some(Detached { id, connection })
    }

    /// Lends those that wait for their turn and are `wanted`, if there are that many. Given back,
    /// they wait after the others.
    pub(crate) fn detach_ready(
        &mut self,
        least: usize,
        wanted: impl Fn(&Connection) -> bool,
    ) -> Vec<Detached> {
        let is_wanted = |id: &ConnectionId| self.get(*id).is_some_and(&wanted);
        if self.ready.len() < least || self.ready.iter().filter(|id| is_wanted(id)).count() < least
        {
            return Vec::new();
        }
        let ready = self.ready.iter().copied();
        let (detached, rest): (VecDeque<_>, _) = ready.partition(is_wanted);
        self.ready = rest;
        let detach = |id: ConnectionId| {
            self.slots[id as usize].queued = false;
            self.detach(id)
        };
        detached.into_iter().filter_map(detach).collect()
    }

    /// Takes a connection back, and gives it a turn if there is something to do.
    pub(crate) fn attach(&mut self, detached: Detached) {
        let Detached { id, connection } = detached;
        self.slots[id as usize].connection = Some(connection);
        self.update(id, |_| {});
    }

    /// Changes a connection and gives it a turn if there is something to do then.
    pub(crate) fn update<T>(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let slot = self.slots.get_mut(id as usize)?;
        let connection = slot.connection.as_mut()?;
        let result = connection.guard(change);
        self.has_fault |= result.is_none();
        if connection.has_work() && !slot.queued {
            slot.queued = true;
            self.ready.push_back(id);
        }
        result
    }

    /// Gives every connection a turn, as if the kernel had reported all of them.
    pub(crate) fn wake_all(&mut self) {
        for id in 0..self.slots.len() as ConnectionId {
            self.update(id, Connection::note_anything);
        }
    }

    /// How many numbers wait for their turn, those whose connection is closed among them.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// The next number whose turn it is.
    pub(crate) fn pop_ready(&mut self) -> Option<ConnectionId> {
        let id = self.ready.pop_front()?;
        self.slots[id as usize].queued = false;
        Some(id)
    }

    /// Lets a number that was taken out of the queue be the next one again.
    pub(crate) fn push_ready_first(&mut self, id: ConnectionId) {
        let slot = &mut self.slots[id as usize];
        debug_assert!(!slot.queued);
        slot.queued = true;
        self.ready.push_front(id);
    }
}
