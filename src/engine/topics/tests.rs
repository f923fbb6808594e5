use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::topic_command::TopicCommand;
use super::super::write_batch::Frame;
use super::*;

const CONNECTIONS: u32 = 5;
const TOPICS: u32 = 3;
const LENGTH: usize = 3;

/// What a program does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send(ConnectionId),
    /// Sends the frame of the latest message again.
    Repeat(ConnectionId),
    Publish(TopicId, Option<ConnectionId>),
    Subscribe(TopicId, ConnectionId),
    Unsubscribe(TopicId, ConnectionId),
    Attach(ConnectionId),
    Detach(ConnectionId),
    /// Hands over what there is.
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..CONNECTIONS;
    let topic = 0..TOPICS;
    prop_oneof![
        2 => id.clone().prop_map(Step::Send),
        1 => id.clone().prop_map(Step::Repeat),
        8 => (topic.clone(), prop::option::of(id.clone())).prop_map(|(topic, id)| Step::Publish(topic, id)),
        3 => (topic.clone(), id.clone()).prop_map(|(topic, id)| Step::Subscribe(topic, id)),
        1 => (topic, id.clone()).prop_map(|(topic, id)| Step::Unsubscribe(topic, id)),
        2 => id.clone().prop_map(Step::Attach),
        1 => id.prop_map(Step::Detach),
        1 => Just(Step::Flush),
    ]
}

/// By asking each connection for each message.
#[derive(Default)]
struct Naive {
    subscribed: BTreeSet<(TopicId, ConnectionId)>,
    attached: BTreeSet<ConnectionId>,
    received: BTreeMap<ConnectionId, Vec<u32>>,
}

impl Naive {
    fn run(&mut self, steps: &[Step]) {
        let mut message = 0;
        for &step in steps {
            match step {
                Step::Send(id) => {
                    message += 1;
                    self.received.entry(id).or_default().push(message);
                }
                Step::Repeat(id) => self.received.entry(id).or_default().push(message),
                Step::Publish(topic, except) => {
                    message += 1;
                    let wanted = |id: &ConnectionId| {
                        self.subscribed.contains(&(topic, *id)) && except != Some(*id)
                    };
                    for &id in self.attached.iter().filter(|id| wanted(id)) {
                        self.received.entry(id).or_default().push(message);
                    }
                }
                Step::Subscribe(topic, id) => drop(self.subscribed.insert((topic, id))),
                Step::Unsubscribe(topic, id) => drop(self.subscribed.remove(&(topic, id))),
                Step::Attach(id) => drop(self.attached.insert(id)),
                Step::Detach(id) => drop(self.attached.remove(&id)),
                Step::Flush => {}
            }
        }
    }
}

/// As JavaScript does it: one batch for each flush. Messages are numbers.
#[derive(Default)]
struct Batched {
    topics: Topics,
    batch: WriteBatch,
    /// The message of each frame of the batch.
    messages: Vec<u32>,
    message: u32,
    received: BTreeMap<ConnectionId, Vec<u32>>,
}

impl Batched {
    fn run(&mut self, steps: &[Step]) {
        // Before the first message.
        self.frame();
        self.message = 0;
        self.messages[0] = 0;
        for &step in steps {
            match step {
                Step::Send(id) => {
                    let frame = self.frame();
                    self.batch.writes.push(Write { id, frame });
                }
                Step::Repeat(id) => {
                    let frame = self.batch.frames.len() as u32 - 1;
                    self.batch.writes.push(Write { id, frame });
                }
                Step::Publish(topic, except) => {
                    if let Some(id) = except {
                        self.command(TopicAction::Except(id));
                    }
                    let frame = self.frame();
                    self.command(TopicAction::Publish(topic, frame));
                }
                Step::Subscribe(topic, id) => self.command(TopicAction::Subscribe(topic, id)),
                Step::Unsubscribe(topic, id) => self.command(TopicAction::Unsubscribe(topic, id)),
                Step::Attach(id) => self.command(TopicAction::Attach(id, 0)),
                Step::Detach(id) => self.command(TopicAction::Detach(id)),
                Step::Flush => {
                    self.flush();
                    let again = self.message;
                    self.frame();
                    self.message = again;
                    self.messages[0] = again;
                }
            }
        }
        self.flush();
    }

    /// Adds a frame. The bytes of some follow those of the one before.
    fn frame(&mut self) -> u32 {
        self.message += 1;
        let end = self.batch.frames.last().map_or(0, |frame| frame.bytes.end);
        let start = if self.message.is_multiple_of(4) { end + 1 } else { end };
        self.batch.frames.push(Frame::plain(start..start + LENGTH));
        self.messages.push(self.message);
        self.batch.frames.len() as u32 - 1
    }

    fn command(&mut self, action: TopicAction) {
        let position = self.batch.writes.len() as u32;
        self.batch.topics.push(TopicCommand { position, action });
    }

    fn flush(&mut self) {
        let mut progress = Progress::default();
        let mut entries = Vec::new();
        while self.topics.expand(&self.batch, &mut progress, &mut entries, |_, _| {}) {}
        for Entry { id, run } in entries {
            let frames = &self.batch.frames[run.frames()];
            assert!(!frames.is_empty());
            for pair in frames.windows(2) {
                assert_eq!(pair[0].bytes.end, pair[1].bytes.start, "in one piece");
            }
            self.received.entry(id).or_default().extend(&self.messages[run.frames()]);
        }
        self.batch.clear();
        self.messages.clear();
    }
}

proptest! {
    #[test]
    fn give_each_what_is_published_in_order(steps in prop::collection::vec(step(), 0..120)) {
        let (mut naive, mut batched) = (Naive::default(), Batched::default());
        naive.run(&steps);
        batched.run(&steps);
        prop_assert_eq!(&naive.received, &batched.received);
        for topic in 0..TOPICS {
            let all = naive.subscribed.iter().filter(|(of, _)| *of == topic);
            let expected: Vec<_> = all.map(|(_, id)| *id).collect();
            prop_assert_eq!(batched.topics.subscribers(topic), expected);
        }
    }
}

fn publish(batch: &mut WriteBatch, topic: TopicId) {
    let frame = batch.frames.len();
    batch.frames.push(Frame::plain(frame..frame + 1));
    let position = batch.writes.len() as u32;
    let action = TopicAction::Publish(topic, frame as u32);
    batch.topics.push(TopicCommand { position, action });
}

fn change(topics: &mut Topics, actions: impl IntoIterator<Item = TopicAction>) {
    let command = |action| TopicCommand { position: 0, action };
    let batch =
        WriteBatch { topics: actions.into_iter().map(command).collect(), ..WriteBatch::default() };
    let mut entries = Vec::new();
    assert!(!topics.expand(&batch, &mut Progress::default(), &mut entries, |_, _| {}));
    assert!(entries.is_empty());
}

#[test]
fn give_a_run_as_one_piece() {
    let mut topics = Topics::default();
    let members = || 0..100;
    change(&mut topics, members().map(|id| TopicAction::Subscribe(7, id)));
    change(&mut topics, members().map(|id| TopicAction::Attach(id, 0)));
    let mut batch = WriteBatch::default();
    (0..1000).for_each(|_| publish(&mut batch, 7));
    let mut entries = Vec::new();
    assert!(!topics.expand(&batch, &mut Progress::default(), &mut entries, |_, _| {}));
    assert_eq!(entries.len(), 100);
    assert!(entries.iter().all(|entry| entry.run == Run { start: 0, end: 1000 }));
}

#[test]
fn give_a_run_as_two_pieces_to_whoever_has_published_one_of_its_messages() {
    let mut topics = Topics::default();
    change(&mut topics, (0..32).map(|id| TopicAction::Subscribe(7, id)));
    change(&mut topics, (0..32).map(|id| TopicAction::Attach(id, 0)));
    let mut batch = WriteBatch::default();
    for id in 0..32 {
        batch.topics.push(TopicCommand { position: 0, action: TopicAction::Except(id) });
        publish(&mut batch, 7);
    }
    let mut entries = Vec::new();
    topics.expand(&batch, &mut Progress::default(), &mut entries, |_, _| {});
    assert_eq!(entries.len(), 62);
}

#[test]
fn put_no_more_in_order_than_is_written_at_once() {
    let mut topics = Topics::default();
    let count = 1000;
    for topic in [0, 1] {
        change(&mut topics, (0..count).map(|id| TopicAction::Subscribe(topic, id)));
    }
    change(&mut topics, (0..count).map(|id| TopicAction::Attach(id, 0)));
    let mut batch = WriteBatch::default();
    // In turns, so that no run is longer than a message.
    (0..1000).for_each(|number| publish(&mut batch, number % 2));
    let mut progress = Progress::default();
    let mut total = 0;
    loop {
        let mut entries = Vec::new();
        let is_due = topics.expand(&batch, &mut progress, &mut entries, |_, _| {});
        assert!(entries.len() <= MAX_ENTRIES + 2 * count as usize);
        total += entries.len();
        if !is_due {
            break;
        }
    }
    assert_eq!(total, 1_000_000);
}

#[test]
fn take_little_memory() {
    let mut topics = Topics::default();
    // 100 000 topics, ten of them for each of 10 000 connections.
    let all = |topic: u32| TopicAction::Subscribe(topic, topic / 10);
    change(&mut topics, (0..100_000).map(all));
    assert!(topics.memory() <= 100_000 * 36, "{} bytes", topics.memory());
    // Each connection in ten of one topic in ten.
    for round in 1..10 {
        change(
            &mut topics,
            (0..10_000).map(|id| TopicAction::Subscribe(id, (id + round) % 10_000)),
        );
    }
    change(
        &mut topics,
        (0..10_000)
            .flat_map(|id| (0..10).map(move |topic| TopicAction::Unsubscribe(id * 10 + topic, id))),
    );
    change(
        &mut topics,
        (1..10).flat_map(|round| {
            (0..10_000).map(move |id| TopicAction::Unsubscribe(id, (id + round) % 10_000))
        }),
    );
    assert!(topics.subscribers.iter().all(|list| list.is_empty() && list.capacity() == 0));
}

#[test]
fn attach_nobody_who_is_closed() {
    let mut topics = Topics::default();
    change(&mut topics, [TopicAction::Subscribe(1, 2), TopicAction::Attach(2, 0)]);
    topics.forget(2);
    let mut batch = WriteBatch::default();
    publish(&mut batch, 1);
    let mut entries = Vec::new();
    topics.expand(&batch, &mut Progress::default(), &mut entries, |_, _| {});
    assert!(entries.is_empty() && !topics.is_attached(2));
}

#[test]
fn ignore_what_is_out_of_range() {
    let mut topics = Topics::default();
    change(&mut topics, [TopicAction::Subscribe(0, 0), TopicAction::Attach(0, 0)]);
    let action = TopicAction::Publish(0, u32::MAX);
    let batch = WriteBatch {
        topics: vec![
            TopicCommand { position: u32::MAX, action },
            TopicCommand { position: 0, action: TopicAction::Publish(u32::MAX, 0) },
            TopicCommand { position: 0, action: TopicAction::Unsubscribe(u32::MAX, 0) },
        ],
        ..WriteBatch::default()
    };
    let mut entries = Vec::new();
    assert!(!topics.expand(&batch, &mut Progress::default(), &mut entries, |_, _| {}));
    assert!(entries.is_empty());
}
