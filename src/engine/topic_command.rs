//! What is said about topics among what is written.

use super::event::ConnectionId;

/// A topic, by its number.
pub type TopicId = u32;

/// A change of the topics, or a message for one of them, among what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicCommand {
    /// How many of the writes of the batch come before it.
    pub position: u32,
    /// What it is.
    pub action: TopicAction,
}

/// What a [`TopicCommand`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicAction {
    /// A connection, which has not subscribed to it, subscribes to a topic.
    Subscribe(TopicId, ConnectionId),
    /// A connection does not subscribe to a topic any more. The last one takes the topic along.
    Unsubscribe(TopicId, ConnectionId),
    /// A connection gets what is published from now on; compressed, where it compresses, if that
    /// has this many bytes.
    Attach(ConnectionId, u32),
    /// A connection does not get what is published from now on.
    Detach(ConnectionId),
    /// A connection does not get the message that is published next.
    Except(ConnectionId),
    /// The subscribers of a topic get a frame of the batch.
    Publish(TopicId, u32),
}

impl TopicCommand {
    /// The same after this many writes and frames of another batch.
    pub(super) const fn after(self, writes: u32, frames: u32) -> Self {
        let position = self.position.saturating_add(writes);
        let action = match self.action {
            TopicAction::Publish(topic, frame) => {
                TopicAction::Publish(topic, frame.saturating_add(frames))
            }
            action => action,
        };
        Self { position, action }
    }
}
