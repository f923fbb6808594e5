//! Topics: which connections have subscribed to what, and what a batch of commands writes to which
//! of them.
//!
//! The host of the reactor numbers topics and connections, and sends every change in order with
//! what is written. A connection gets what is published while it is attached; one that is not, for
//! example because something waits to be written to it, keeps its subscriptions,
//! and the host delivers to it by other means.
//!
//! Publishing is lazy: what follows each other in one topic is a run, and each subscriber gets that
//! as one piece, however many messages it has.

use std::mem;
use std::ops::Range;

use super::event::ConnectionId;
use super::topic_command::{TopicAction, TopicId};
use super::write_batch::{Entry, Run, Write, WriteBatch};

/// How many pieces are put in order at once: each takes 12 bytes, some more when it is sorted.
const MAX_ENTRIES: usize = 64 * 1024;

/// The topics of a reactor.
#[derive(Debug, Default)]
pub struct Topics {
    /// The subscribers of each topic, in ascending order.
    subscribers: Vec<Vec<ConnectionId>>,
    /// Whether a connection gets what is published.
    attached: Vec<bool>,
    /// The connections that don't get the message that is published next.
    excepted: Vec<ConnectionId>,
    /// What has been published last and is not given out yet.
    open: OpenRun,
}

/// Messages that follow each other in one topic.
#[derive(Debug, Default)]
struct OpenRun {
    topic: TopicId,
    run: Run,
    /// Which connections don't get which of its frames.
    except: Vec<(ConnectionId, u32)>,
}

/// How far a batch has been expanded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    writes: usize,
    commands: usize,
}

impl Topics {
    /// Whether a connection gets what is published.
    #[must_use]
    pub fn is_attached(&self, id: ConnectionId) -> bool {
        self.attached.get(id as usize).copied().unwrap_or_default()
    }

    /// The connections that have subscribed to a topic, in ascending order.
    #[must_use]
    pub fn subscribers(&self, topic: TopicId) -> &[ConnectionId] {
        self.subscribers.get(topic as usize).map_or(&[], Vec::as_slice)
    }

    /// Bytes of memory that the topics take.
    #[must_use]
    pub fn memory(&self) -> usize {
        let lists: usize = self.subscribers.iter().map(Vec::capacity).sum();
        lists * size_of::<ConnectionId>()
            + self.subscribers.capacity() * size_of::<Vec<ConnectionId>>()
            + self.attached.capacity()
    }

    /// Goes on with a batch: adds to `entries` what each connection gets, in order. Returns whether
    /// there is more, after these have been written. `attach` gets the minimum number of bytes
    /// of a message that a connection compresses.
    pub fn expand(
        &mut self,
        batch: &WriteBatch,
        progress: &mut Progress,
        entries: &mut Vec<Entry>,
        mut attach: impl FnMut(ConnectionId, u32),
    ) -> bool {
        while let Some(command) = batch.topics.get(progress.commands) {
            let position = (command.position as usize).clamp(progress.writes, batch.writes.len());
            self.add_writes(batch, progress.writes..position, entries);
            progress.writes = position;
            progress.commands += 1;
            match command.action {
                TopicAction::Publish(topic, frame) => self.publish(topic, frame, batch, entries),
                TopicAction::Except(id) => self.excepted.push(id),
                action => {
                    self.close(entries);
                    if let TopicAction::Attach(id, least) = action {
                        attach(id, least);
                    }
                    self.change(action);
                }
            }
            if entries.len() >= MAX_ENTRIES {
                self.close(entries);
                return true;
            }
        }
        self.add_writes(batch, progress.writes..batch.writes.len(), entries);
        progress.writes = batch.writes.len();
        self.close(entries);
        false
    }

    /// Detaches a connection that is closed.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(attached) = self.attached.get_mut(id as usize) {
            *attached = false;
        }
    }

    /// Adds what is written to single connections.
    fn add_writes(&mut self, batch: &WriteBatch, range: Range<usize>, entries: &mut Vec<Entry>) {
        for index in range {
            let Write { id, frame } = batch.writes[index];
            // What was published to the others is sent to the one as well.
            if self.open.except.last() == Some(&(id, frame)) && self.is_reached(id) {
                self.open.except.pop();
                continue;
            }
            self.close(entries);
            batch.add_entries(index..index + 1, entries);
        }
    }

    /// Whether a connection gets what the open run has for it.
    fn is_reached(&self, id: ConnectionId) -> bool {
        self.is_attached(id) && self.subscribers(self.open.topic).binary_search(&id).is_ok()
    }

    /// Adds a message to the open run, or begins another one.
    fn publish(
        &mut self,
        topic: TopicId,
        frame: u32,
        batch: &WriteBatch,
        entries: &mut Vec<Entry>,
    ) {
        let OpenRun { topic: open, run, .. } = self.open;
        if run.is_empty() || topic != open || frame != run.end || !batch.follows(frame) {
            self.close(entries);
            self.open.topic = topic;
            self.open.run = Run::of(frame);
        } else {
            self.open.run.end += 1;
        }
        if self.excepted.len() > 1 {
            // Each once: what is left out may be taken back.
            self.excepted.sort_unstable();
            self.excepted.dedup();
        }
        self.open.except.extend(self.excepted.drain(..).map(|id| (id, frame)));
    }

    /// Gives the open run out.
    fn close(&mut self, entries: &mut Vec<Entry>) {
        let run = mem::take(&mut self.open.run);
        if run.is_empty() {
            return;
        }
        let mut except = mem::take(&mut self.open.except);
        // The frames of each one are in order already.
        except.sort_by_key(|&(id, _)| id);
        let mut rest = &except[..];
        for &id in self.subscribers(self.open.topic) {
            if !self.is_attached(id) {
                continue;
            }
            let known = rest.iter().take_while(|(other, _)| *other < id).count();
            rest = &rest[known..];
            let mut start = run.start;
            while let [(other, frame), behind @ ..] = rest
                && *other == id
            {
                entries.extend(Entry::of(id, start..*frame));
                start = frame.saturating_add(1).max(start);
                rest = behind;
            }
            entries.extend(Entry::of(id, start..run.end));
        }
        except.clear();
        self.open.except = except;
    }

    /// Changes which connections get what.
    fn change(&mut self, action: TopicAction) {
        match action {
            TopicAction::Subscribe(topic, id) => self.subscribe(topic, id),
            TopicAction::Unsubscribe(topic, id) => self.unsubscribe(topic, id),
            TopicAction::Attach(id, _) => {
                let index = id as usize;
                if index >= self.attached.len() {
                    self.attached.resize(index + 1, false);
                }
                self.attached[index] = true;
            }
            TopicAction::Detach(id) => self.forget(id),
            TopicAction::Except(_) | TopicAction::Publish(..) => {}
        }
    }

    fn subscribe(&mut self, topic: TopicId, id: ConnectionId) {
        let index = topic as usize;
        if index >= self.subscribers.len() {
            self.subscribers.resize_with(index + 1, Vec::new);
        }
        let list = &mut self.subscribers[index];
        if let Err(place) = list.binary_search(&id) {
            if list.capacity() == 0 {
                // Most topics have few: not four from the beginning.
                list.reserve_exact(1);
            }
            list.insert(place, id);
        }
    }

    fn unsubscribe(&mut self, topic: TopicId, id: ConnectionId) {
        let Some(list) = self.subscribers.get_mut(topic as usize) else { return };
        let Ok(place) = list.binary_search(&id) else { return };
        list.remove(place);
        if list.capacity() > 4 * list.len() {
            list.shrink_to(2 * list.len());
        }
    }
}

impl Entry {
    /// Some frames for a connection, unless there are none.
    fn of(id: ConnectionId, frames: Range<u32>) -> Option<Self> {
        let run = Run { start: frames.start, end: frames.end };
        (!run.is_empty()).then_some(Self { id, run })
    }
}

#[cfg(test)]
mod tests;
