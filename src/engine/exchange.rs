//! What the threads of a process publish to each other: which member wants which topic, and what is
//! on its way.
//!
//! Each member, one of a thread, has a mailbox. What another one publishes is held once, for all
//! mailboxes that it lies in, and a thread is woken once for all that it finds there. Members of
//! the same name share their topics.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use bytes::Bytes;

use crate::lock::lock;

/// The groups that have a member, by name.
static GROUPS: LazyLock<Mutex<HashMap<String, Weak<Group>>>> = LazyLock::new(Mutex::default);

/// Members of the same name.
#[derive(Debug)]
struct Group {
    name: String,
    /// Those that want what is published in a topic.
    topics: Mutex<HashMap<String, Vec<Subscription>>>,
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut groups = lock(&GROUPS);
        // Another one may have been made of that name.
        if groups.get(&self.name).is_some_and(|group| group.strong_count() == 0) {
            groups.remove(&self.name);
        }
    }
}

/// A topic of a member's.
#[derive(Debug)]
struct Subscription {
    /// What the member calls it.
    number: u32,
    mailbox: Arc<Mailbox>,
}

/// What a member has not taken yet.
struct Mailbox {
    messages: Mutex<VecDeque<Message>>,
    /// Called, on any thread, when there is something after there was nothing.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl Mailbox {
    fn add(&self, message: Message) {
        let mut messages = lock(&self.messages);
        let wakes = messages.is_empty();
        messages.push_back(message);
        drop(messages);
        if wakes {
            (self.wake)();
        }
    }
}

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the member that takes it calls the topic.
    pub number: u32,
    /// Its bytes.
    pub payload: Bytes,
}

/// What one thread has of the exchange. It leaves when it is dropped.
#[derive(Debug)]
pub struct Member {
    group: Arc<Group>,
    mailbox: Arc<Mailbox>,
}

impl Member {
    /// Joins those of a name. `wake` is called, on any thread, when there is something to take; not
    /// again before all was taken.
    #[must_use]
    pub fn new(name: &str, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let mailbox = Arc::new(Mailbox { messages: Mutex::default(), wake });
        let mut groups = lock(&GROUPS);
        let known = groups.get(name).and_then(Weak::upgrade);
        let group = known.unwrap_or_else(|| {
            let group = Arc::new(Group { name: name.to_owned(), topics: Mutex::default() });
            groups.insert(name.to_owned(), Arc::downgrade(&group));
            group
        });
        drop(groups);
        Self { group, mailbox }
    }

    /// Gets what others publish in a topic from now on, once, whatever number it had before.
    pub fn subscribe(&self, topic: &str, number: u32) {
        let subscription = Subscription { number, mailbox: Arc::clone(&self.mailbox) };
        let mut topics = lock(&self.group.topics);
        let Some(subscriptions) = topics.get_mut(topic) else {
            topics.insert(topic.to_owned(), vec![subscription]);
            return;
        };
        subscriptions.retain(|known| !self.is_own(known));
        subscriptions.push(subscription);
    }

    /// Gets nothing any more that is published in a topic from now on.
    pub fn unsubscribe(&self, topic: &str) {
        let mut topics = lock(&self.group.topics);
        if let Entry::Occupied(mut entry) = topics.entry(topic.to_owned()) {
            entry.get_mut().retain(|known| !self.is_own(known));
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    /// Publishes to all others that have subscribed to a topic; returns how many that are. The
    /// payload is copied only if there are some.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> usize {
        let topics = lock(&self.group.topics);
        let Some(subscriptions) = topics.get(topic) else { return 0 };
        let mut copy = None;
        let mut count = 0;
        for subscription in subscriptions.iter().filter(|known| !self.is_own(known)) {
            let payload = copy.get_or_insert_with(|| Bytes::copy_from_slice(payload)).clone();
            subscription.mailbox.add(Message { number: subscription.number, payload });
            count += 1;
        }
        count
    }

    /// Takes messages, in the order in which each thread has published them, until they have
    /// `limit` bytes or there are no more; says whether there are.
    pub fn take(&self, limit: usize, mut each: impl FnMut(Message)) -> bool {
        let mut messages = lock(&self.mailbox.messages);
        let mut taken = 0;
        while taken < limit
            && let Some(message) = messages.pop_front()
        {
            taken += message.payload.len().max(1);
            each(message);
        }
        if messages.is_empty() {
            // Not as much as there was when this thread was busy.
            messages.shrink_to(KEPT_MESSAGES);
        }
        !messages.is_empty()
    }

    fn is_own(&self, subscription: &Subscription) -> bool {
        Arc::ptr_eq(&subscription.mailbox, &self.mailbox)
    }
}

/// For how many messages an empty mailbox keeps its memory.
const KEPT_MESSAGES: usize = 64;

impl Drop for Member {
    fn drop(&mut self) {
        lock(&self.group.topics).retain(|_, subscriptions| {
            subscriptions.retain(|known| !self.is_own(known));
            !subscriptions.is_empty()
        });
    }
}

/// How many topics there are that some member has subscribed to.
#[must_use]
pub fn topic_count() -> usize {
    let groups: Vec<_> = lock(&GROUPS).values().filter_map(Weak::upgrade).collect();
    groups.iter().map(|group| lock(&group.topics).len()).sum()
}

#[cfg(test)]
mod tests;
