//! The bytes of one connection that the kernel did not take at once.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Deref;

use bytes::Bytes;

/// The bounds of the size of a segment for copies. In between, each is twice as large as the one
/// before it.
const MIN_SEGMENT: usize = 512;
const MAX_SEGMENT: usize = 64 * 1024;
/// The least for a copy after bytes that others have, too: another one may follow.
const MIN_COPY: usize = 64;

/// How many segments go to the kernel in one call.
pub(crate) const MAX_SLICES: usize = 128;

/// Bytes that follow each other.
#[derive(Debug)]
enum Segment {
    /// The connection's own. Others may follow in its spare capacity.
    Own(Vec<u8>),
    /// Part of what others may wait for as well.
    Shared(Bytes),
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Bytes in the order in which they were written.
///
/// Invariant: no segment is empty, and of the first one more than `consumed` bytes are there.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    segments: VecDeque<Segment>,
    /// How much of the first segment is with the kernel.
    consumed: usize,
    /// Bytes in the queue.
    length: usize,
}

impl WriteQueue {
    /// The number of bytes.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a copy of `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (mut tail, mut size) = (bytes, MIN_SEGMENT);
        match self.segments.back_mut() {
            Some(Segment::Own(last)) => {
                let (head, rest) = bytes.split_at(bytes.len().min(last.capacity() - last.len()));
                last.extend_from_slice(head);
                tail = rest;
                size = (2 * last.capacity()).clamp(MIN_SEGMENT, MAX_SEGMENT);
            }
            Some(Segment::Shared(_)) => size = MIN_COPY,
            None => {}
        }
        if !tail.is_empty() {
            let mut segment = Vec::with_capacity(size.max(tail.len()));
            segment.extend_from_slice(tail);
            self.segments.push_back(Segment::Own(segment));
        }
        self.length += bytes.len();
    }

    /// Adds `bytes` where they are.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.segments.push_back(Segment::Shared(bytes));
        }
    }

    /// Puts the first bytes into `slices`; returns how many slices that makes.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        let mut skipped = self.consumed;
        let count = self.segments.len().min(MAX_SLICES);
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(&segment[skipped..]);
            skipped = 0;
        }
        count
    }

    /// Forgets the first `count` bytes, which are with the kernel.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.length);
        self.length -= count;
        self.consumed += count;
        while let Some(first) = self.segments.front()
            && first.len() <= self.consumed
        {
            self.consumed -= first.len();
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_bytes(queue: &WriteQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = queue.fill(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// The memory that is the queue's alone.
    fn own_capacity(queue: &WriteQueue) -> usize {
        let own = |segment: &Segment| match segment {
            Segment::Own(bytes) => bytes.capacity(),
            Segment::Shared(_) => 0,
        };
        queue.segments.iter().map(own).sum()
    }

    #[test]
    fn holds_what_others_wait_for_as_well() {
        let shared = Bytes::from(vec![7; 1000]);
        let (mut queue, mut other) = (WriteQueue::default(), WriteQueue::default());
        queue.push(b"own");
        queue.push_shared(shared.slice(998..));
        queue.push(b"between");
        queue.push_shared(shared.slice(..0));
        queue.push(b" and on");
        queue.push_shared(shared.clone());
        other.push_shared(shared);
        assert_eq!(first_bytes(&queue), [b"own\x07\x07between and on", &[7; 1000][..]].concat());
        assert_eq!(queue.len(), 1019);
        assert!(own_capacity(&queue) <= MIN_SEGMENT + MIN_COPY);
        queue.consume(4);
        assert_eq!(first_bytes(&queue), [b"\x07between and on", &[7; 1000][..]].concat());
        queue.consume(1015);
        assert!(queue.is_empty() && queue.segments.is_empty());
        let Some(Segment::Shared(last)) = other.segments.pop_front() else { unreachable!() };
        assert!(last.is_unique());
    }

    #[test]
    fn keeps_order_and_count_over_segments() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
        let mut queue = WriteQueue::default();
        for part in bytes.chunks(777) {
            queue.push(part);
        }
        assert_eq!(queue.len(), bytes.len());
        assert_eq!(first_bytes(&queue), bytes);
        let mut at = 0;
        for step in [1, 510, 1, 1, 511, 40_000, 3] {
            queue.consume(step);
            at += step;
            assert_eq!(first_bytes(&queue), bytes[at..]);
        }
        queue.consume(queue.len());
        assert!(queue.is_empty() && queue.segments.is_empty());
        queue.push(b"again");
        assert_eq!(first_bytes(&queue), b"again");
    }

    #[test]
    fn takes_little_memory_for_little() {
        let mut queue = WriteQueue::default();
        queue.push(b"a");
        assert!(own_capacity(&queue) <= MIN_SEGMENT);
        for _ in 0..1_000_000 {
            queue.push(b"a");
        }
        assert!(own_capacity(&queue) <= queue.len() + MAX_SEGMENT);
    }

    #[test]
    fn hands_out_a_bounded_number_of_slices() {
        let mut queue = WriteQueue::default();
        for _ in 0..200 {
            queue.push(&[7; MAX_SEGMENT]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        assert_eq!(queue.fill(&mut slices), MAX_SLICES);
    }
}
