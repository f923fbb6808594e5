//! What is written together: frames, each of them once, which connection gets which, and the order
//! in which connections are served.
//!
//! A loop that sends to each of many connections takes them in turns. Put in order by connection,
//! what one of them gets leaves in one system call, whatever was sent to others in between.

use std::ops::Range;

use super::event::ConnectionId;
use crate::protocol::FrameHeader;

/// A frame, or bytes that go as they are: a range of the memory that goes with the batch.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where the bytes are.
    pub bytes: Range<usize>,
    /// The header of the frame whose payload they are, where that is still to be compressed; its
    /// length isn't known yet. Without one they go as they are.
    pub header: Option<FrameHeader>,
}

/// A frame for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The connection.
    pub id: ConnectionId,
    /// The frame, by its place in the batch. One that isn't there is left out.
    pub frame: u32,
}

/// Frames, and who gets them, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Each frame once, however many get it.
    pub frames: Vec<Frame>,
    /// Who gets which.
    pub writes: Vec<Write>,
}

impl WriteBatch {
    /// Bytes for one connection, as they are.
    #[must_use]
    pub fn of(id: ConnectionId, bytes: Range<usize>) -> Self {
        let mut batch = Self::default();
        batch.push(id, Frame { bytes, header: None });
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
        self.frames.extend(other.frames.iter().map(|Frame { bytes, header }| Frame {
            bytes: bytes.start + offset..bytes.end + offset,
            header: *header,
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
        self.frames.len() * size_of::<Frame>() + self.writes.len() * size_of::<Write>()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.writes.clear();
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
    frames: Vec<u32>,
}

impl Grouping {
    /// Puts the writes of a batch in order, those of connections with numbers below `numbers`, by
    /// counting.
    pub(super) fn arrange(&mut self, batch: &WriteBatch, numbers: usize) {
        let Self { places, groups, frames } = self;
        places.resize(numbers, 0);
        groups.clear();
        let known = batch.frames.len() as u32;
        let mut count = 0;
        for &Write { id, frame } in &batch.writes {
            let Some(place) = places.get_mut(id as usize).filter(|_| frame < known) else {
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
        frames.resize(count, 0);
        for &Write { id, frame } in &batch.writes {
            let Some(place) = places.get_mut(id as usize).filter(|_| frame < known) else {
                continue;
            };
            frames[*place as usize] = frame;
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
    pub(super) fn frames(&self) -> &[u32] {
        &self.frames
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arranged(grouping: &Grouping) -> Vec<(ConnectionId, Vec<u32>)> {
        let frames = |range: Range<usize>| grouping.frames()[range].to_vec();
        grouping.groups().map(|(id, range)| (id, frames(range))).collect()
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
        let frame = |index: usize| Frame { bytes: index..index + 1, header: None };
        WriteBatch {
            frames: (0..frames).map(frame).collect(),
            writes: writes.into_iter().map(|(id, frame)| Write { id, frame }).collect(),
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
                grouping.arrange(&batch, numbers);
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
        grouping.arrange(&first, 8);
        assert_eq!(arranged(&grouping), [(0, vec![0, 1]), (1, vec![1, 2])]);
    }
}
