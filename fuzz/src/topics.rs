//! Any program that subscribes, publishes and sends.
//!
//! Invariant: each connection gets what it gets where every message asks every connection, in the
//! same order, however the program is cut into batches; what follows each other in a piece does so
//! in memory. Commands that make no sense do no harm.

use std::collections::{BTreeMap, BTreeSet};

use oxws::engine::{
    ConnectionId, Entry, Frame, Progress, TopicAction, TopicCommand, TopicId, Topics, Write,
    WriteBatch,
};
use oxws::protocol::{FrameHeader, Opcode};

use super::input::Input;

/// Numbers of connections and of topics.
const CONNECTIONS: u8 = 6;
const TOPICS: u8 = 4;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut program = Program::default();
    while !input.is_empty() {
        program.step(input.byte(), input.byte());
    }
    program.flush();
    assert_eq!(program.received, program.expected);

    let mut input = Input::new(bytes);
    let mut batch = WriteBatch::default();
    while !input.is_empty() {
        let mut number = || u32::from(input.byte()).wrapping_sub(1);
        let (position, first, second) = (number(), number(), number());
        let action = match input.byte() % 8 {
            0 => TopicAction::Subscribe(first & 0xff, second & 0xff),
            1 => TopicAction::Unsubscribe(first, second),
            2 => TopicAction::Attach(first & 0xff, second),
            3 => TopicAction::Detach(first),
            4 => TopicAction::Except(first),
            5 => TopicAction::Publish(first, second),
            6 => {
                batch.writes.push(Write { id: first, frame: second });
                continue;
            }
            _ => {
                batch.frames.push(Frame::plain(0..1));
                continue;
            }
        };
        batch.topics.push(TopicCommand { position, action });
    }
    let mut entries = Vec::new();
    let (mut topics, mut progress) = (Topics::default(), Progress::default());
    while topics.expand(&batch, &mut progress, &mut entries, |_, _| {}) {}
    let published = batch.topics.len() * 256;
    assert!(entries.len() <= batch.writes.len() + published);
}

/// A program, what it has led to, and what it should have.
#[derive(Default)]
struct Program {
    topics: Topics,
    batch: WriteBatch,
    /// The message of each frame of the batch.
    messages: Vec<u32>,
    message: u32,
    received: BTreeMap<ConnectionId, Vec<u32>>,
    subscribed: BTreeSet<(TopicId, ConnectionId)>,
    attached: BTreeSet<ConnectionId>,
    excepted: BTreeSet<ConnectionId>,
    expected: BTreeMap<ConnectionId, Vec<u32>>,
}

impl Program {
    /// Does something.
    fn step(&mut self, kind: u8, which: u8) {
        let id = ConnectionId::from(which % CONNECTIONS);
        let topic = TopicId::from(which / CONNECTIONS % TOPICS);
        match kind % 16 {
            0 | 1 => {
                let frame = self.frame(kind);
                self.batch.writes.push(Write { id, frame });
                self.expected.entry(id).or_default().push(self.message);
            }
            2 => {
                let Some(frame) = self.batch.frames.len().checked_sub(1) else { return };
                self.batch.writes.push(Write { id, frame: frame as u32 });
                self.expected.entry(id).or_default().push(self.message);
            }
            3..=5 => {
                self.command(TopicAction::Subscribe(topic, id));
                self.subscribed.insert((topic, id));
            }
            6 => {
                self.command(TopicAction::Unsubscribe(topic, id));
                self.subscribed.remove(&(topic, id));
            }
            7 | 8 => {
                self.command(TopicAction::Attach(id, 0));
                self.attached.insert(id);
            }
            9 => {
                self.command(TopicAction::Detach(id));
                self.attached.remove(&id);
            }
            10 => {
                self.command(TopicAction::Except(id));
                self.excepted.insert(id);
            }
            11 => self.flush(),
            _ => {
                let frame = self.frame(kind);
                self.command(TopicAction::Publish(topic, frame));
                for id in self.attached.difference(&self.excepted) {
                    if self.subscribed.contains(&(topic, *id)) {
                        self.expected.entry(*id).or_default().push(self.message);
                    }
                }
                self.excepted.clear();
            }
        }
    }

    /// Adds a frame, some of which do not follow the one before in memory, or may be compressed.
    fn frame(&mut self, kind: u8) -> u32 {
        self.message += 1;
        let end = self.batch.frames.last().map_or(0, |frame| frame.bytes.end);
        let start = end + usize::from(kind & 0x10 != 0);
        let mut frame = Frame::plain(start..start + 5);
        if kind & 0x20 != 0 {
            let header = FrameHeader {
                fin: true,
                rsv1: true,
                opcode: Opcode::Text,
                masking_key: None,
                payload_length: 3,
            };
            frame = Frame {
                plain_start: Some(start),
                ..Frame::compressed(start + 2..start + 5, header)
            };
        }
        self.batch.frames.push(frame);
        self.messages.push(self.message);
        self.batch.frames.len() as u32 - 1
    }

    fn command(&mut self, action: TopicAction) {
        let position = self.batch.writes.len() as u32;
        self.batch.topics.push(TopicCommand { position, action });
    }

    /// Hands over what there is.
    fn flush(&mut self) {
        let mut progress = Progress::default();
        let mut entries = Vec::new();
        while self.topics.expand(&self.batch, &mut progress, &mut entries, |_, _| {}) {}
        for Entry { id, run } in entries {
            let frames = run.start as usize..run.end as usize;
            for pair in self.batch.frames[frames.clone()].windows(2) {
                let start = pair[1].plain_start.unwrap_or(pair[1].bytes.start);
                assert_eq!(start, pair[0].bytes.end, "in one piece");
            }
            self.received.entry(id).or_default().extend(&self.messages[frames]);
        }
        self.batch.clear();
        self.messages.clear();
        for topic in 0..TopicId::from(TOPICS) {
            let all = self.subscribed.iter().filter(|(of, _)| *of == topic);
            let expected: Vec<_> = all.map(|(_, id)| *id).collect();
            assert_eq!(self.topics.subscribers(topic), expected);
        }
    }
}
