//! What is written together: frames, each of them once, which connection gets which, and the order
//! in which connections are served.
//!
//! A loop that sends to each of many connections takes them in turns. Put in order by connection,
//! what one of them gets leaves in one system call, whatever was sent to others in between.

use std::ops::Range;

use super::event::ConnectionId;
use super::topic_command::TopicCommand;
use crate::protocol::FrameHeader;

/// A frame, or bytes that go as they are: a range of the memory that goes with the batch.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where the bytes are.
    pub bytes: Range<usize>,
    /// The header of the frame whose payload they are, where that is still to be compressed; its
    /// length isn't known yet. Without one they go as they are.
    pub header: Option<FrameHeader>,
    /// Where the same frame begins uncompressed, in front of its payload: for connections that do
    /// not compress. Only with a header, and only of a message that is published.
    pub plain_start: Option<usize>,
}

impl Frame {
    /// Bytes that go as they are.
    #[must_use]
    pub const fn plain(bytes: Range<usize>) -> Self {
        Self { bytes, header: None, plain_start: None }
    }

    /// A payload that is still to be compressed.
    #[must_use]
    pub const fn compressed(payload: Range<usize>, header: FrameHeader) -> Self {
        Self { bytes: payload, header: Some(header), plain_start: None }
    }

    /// Where its bytes are for a connection that does not compress; nothing where there are none.
    pub(super) const fn plain_bytes(&self) -> Option<Range<usize>> {
        let start = match (&self.header, self.plain_start) {
            (None, _) => self.bytes.start,
            (Some(_), Some(start)) => start,
            (Some(_), None) => return None,
        };
        Some(start..self.bytes.end)
    }
}

/// Frames that follow each other in a batch; several do so in its memory as well, as they go to
/// those that do not compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub start: u32,
    /// The first that is none of them.
    pub end: u32,
}

impl Run {
    /// One frame.
    #[must_use]
    pub const fn of(frame: u32) -> Self {
        Self { start: frame, end: frame.saturating_add(1) }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Their places in the batch.
    pub(super) fn frames(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A frame for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The connection.
    pub id: ConnectionId,
    /// The frame, by its place in the batch. One that isn't there is left out.
    pub frame: u32,
}

/// What one connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The connection.
    pub id: ConnectionId,
    /// The frames.
    pub run: Run,
}

/// Frames, and which connections get them, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Each frame once, however many connections get it.
    pub frames: Vec<Frame>,
    /// Which connection gets which.
    pub writes: Vec<Write>,
    /// What is published, and which connections have subscribed to what.
    pub topics: Vec<TopicCommand>,
}

impl WriteBatch {
    /// Bytes for one connection, as they are.
    #[must_use]
    pub fn of(id: ConnectionId, bytes: Range<usize>) -> Self {
        let mut batch = Self::default();
        batch.push(id, Frame::plain(bytes));
        batch
    }

    /// Adds a frame for one connection.
    pub fn push(&mut self, id: ConnectionId, frame: Frame) {
        self.writes.push(Write { id, frame: self.frames.len() as u32 });
        self.frames.push(frame);
    }

    /// Adds another batch, whose memory begins at `offset` of that of this one.
    pub(super) fn append(&mut self, other: &Self, offset: usize) {
        let first = self.frames.len() as u32;
        let writes = self.writes.len() as u32;
        self.topics.extend(other.topics.iter().map(|command| command.after(writes, first)));
        self.frames.extend(other.frames.iter().map(|Frame { bytes, header, plain_start }| Frame {
            bytes: bytes.start + offset..bytes.end + offset,
            header: *header,
            plain_start: plain_start.map(|start| start + offset),
        }));
        let shifted =
            |&Write { id, frame }: &Write| Write { id, frame: frame.saturating_add(first) };
        self.writes.extend(other.writes.iter().map(shifted));
    }

    /// How much of the memory its frames reach into.
    pub(super) fn used(&self) -> usize {
        // Not the end of the last: several may have the same bytes.
        self.frames.iter().map(|frame| frame.bytes.end).max().unwrap_or_default()
    }

    /// The memory that it takes itself.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.frames) + size_of_val(&*self.writes) + size_of_val(&*self.topics)
    }

    /// Whether a frame begins in memory where the one before it ends, for connections that do not
    /// compress.
    pub(super) fn follows(&self, frame: u32) -> bool {
        let bytes = |index: usize| self.frames.get(index).and_then(Frame::plain_bytes);
        let before = (frame as usize).checked_sub(1).and_then(bytes);
        before.is_some_and(|before| bytes(frame as usize).is_some_and(|it| it.start == before.end))
    }

    /// Adds what some of the writes give to single connections to `entries`. Frames of a connection
    /// that follow each other, in memory as well, are one entry: what an echo server answers is.
    pub(super) fn add_entries(&self, writes: Range<usize>, entries: &mut Vec<Entry>) {
        for &Write { id, frame } in self.writes.get(writes).unwrap_or_default() {
            match entries.last_mut() {
                Some(Entry { id: last, run })
                    if *last == id && run.end == frame && self.follows(frame) =>
                {
                    run.end += 1;
                }
                _ => entries.push(Entry { id, run: Run::of(frame) }),
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.writes.clear();
        self.topics.clear();
    }
}

/// The writes of a batch by connection, kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    /// By the number of a connection: how many frames it gets, then where its next one goes. All
    /// zero when nothing is being put in order.
    places: Vec<u32>,
    /// The connections, in the order in which each was first written to, and the end of what is
    /// theirs.
    groups: Vec<(ConnectionId, u32)>,
    /// The frames of each connection, in the order in which they were sent.
    runs: Vec<Run>,
}

impl Grouping {
    /// Puts what connections with numbers below `numbers` get in order, by counting. Frames that
    /// are not among the first `known` are left out.
    pub(super) fn arrange(&mut self, entries: &[Entry], known: usize, numbers: usize) {
        let Self { places, groups, runs } = self;
        places.resize(numbers, 0);
        groups.clear();
        let known = known as u32;
        let mut count = 0;
        for &Entry { id, run } in entries {
            let Some(place) = places.get_mut(id as usize).filter(|_| run.end <= known) else {
                continue;
            };
            if *place == 0 {
                groups.push((id, 0));
            }
            *place += 1;
            count += 1;
        }
        let mut start = 0;
        for (id, _) in groups.iter() {
            let place = &mut places[*id as usize];
            start += std::mem::replace(place, start);
        }
        runs.resize(count, Run::default());
        for &Entry { id, run } in entries {
            let Some(place) = places.get_mut(id as usize).filter(|_| run.end <= known) else {
                continue;
            };
            runs[*place as usize] = run;
            *place += 1;
        }
        for (id, end) in groups.iter_mut() {
            *end = std::mem::take(&mut places[*id as usize]);
        }
    }

    /// The connections, and the frames of each.
    pub(super) fn groups(&self) -> impl Iterator<Item = (ConnectionId, Range<usize>)> {
        let mut start = 0;
        self.groups.iter().map(move |&(id, end)| {
            let range = start..end as usize;
            start = range.end;
            (id, range)
        })
    }

    /// The frames of all connections, to which the ranges of [`groups`](Self::groups) refer.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arranged(grouping: &Grouping) -> Vec<(ConnectionId, Vec<u32>)> {
        let frames = |range: Range<usize>| {
            grouping.runs()[range].iter().flat_map(|run| run.start..run.end).collect()
        };
        grouping.groups().map(|(id, range)| (id, frames(range))).collect()
    }

    fn entries(batch: &WriteBatch) -> Vec<Entry> {
        let mut entries = Vec::new();
        batch.add_entries(0..batch.writes.len(), &mut entries);
        entries
    }

    /// By looking for each connection.
    fn naive(batch: &WriteBatch, numbers: usize) -> Vec<(ConnectionId, Vec<u32>)> {
        let mut groups: Vec<(ConnectionId, Vec<u32>)> = Vec::new();
        for &Write { id, frame } in &batch.writes {
            if id as usize >= numbers || frame as usize >= batch.frames.len() {
                continue;
            }
            match groups.iter_mut().find(|(known, _)| *known == id) {
                Some((_, frames)) => frames.push(frame),
                None => groups.push((id, vec![frame])),
            }
        }
        groups
    }

    fn batch(frames: usize, writes: Vec<(ConnectionId, u32)>) -> WriteBatch {
        let frame = |index: usize| Frame::plain(index..index + 1);
        WriteBatch {
            frames: (0..frames).map(frame).collect(),
            writes: writes.into_iter().map(|(id, frame)| Write { id, frame }).collect(),
            topics: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn keeps_the_order_of_each_connection(
            batches in prop::collection::vec(
                (0..5_usize, prop::collection::vec((0..6_u32, 0..6_u32), 0..40), 0..6_usize), 1..4
            )
        ) {
            // With the memory of the one before.
            let mut grouping = Grouping::default();
            for (frames, writes, numbers) in batches {
                let batch = batch(frames, writes);
                grouping.arrange(&entries(&batch), batch.frames.len(), numbers);
                prop_assert_eq!(arranged(&grouping), naive(&batch, numbers));
            }
        }
    }

    #[test]
    fn takes_in_what_is_sent_after_it() {
        let mut first = batch(2, vec![(0, 0), (1, 1), (0, 1)]);
        first.append(&batch(1, vec![(1, 0), (7, u32::MAX)]), 10);
        assert_eq!(first.frames[2].bytes, 10..11);
        assert_eq!(first.used(), 11);
        let mut grouping = Grouping::default();
        grouping.arrange(&entries(&first), first.frames.len(), 8);
        assert_eq!(arranged(&grouping), [(0, vec![0, 1]), (1, vec![1, 2])]);
    }

    #[test]
    fn joins_what_follows_each_other_for_a_connection() {
        let mut batch = batch(4, vec![(3, 0), (3, 1), (4, 2), (3, 3)]);
        assert_eq!(
            entries(&batch).iter().map(|it| (it.id, it.run.frames())).collect::<Vec<_>>(),
            [(3, 0..2), (4, 2..3), (3, 3..4)]
        );
        // Not in memory.
        batch.frames[1].bytes = 10..11;
        assert_eq!(entries(&batch).len(), 4);
    }
}
