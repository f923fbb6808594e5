//! The bytes of one connection that the kernel did not take at once.

use std::collections::VecDeque;
use std::io::IoSlice;

/// The bounds of a segment's size. In between, each is as large as all before it together.
const MIN_SEGMENT: usize = 512;
const MAX_SEGMENT: usize = 64 * 1024;

/// How many segments go to the kernel in one call.
pub(crate) const MAX_SLICES: usize = 32;

/// Bytes in the order in which they were written.
///
/// Invariant: no segment is empty, and of the first one more than `consumed` bytes are there.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    segments: VecDeque<Vec<u8>>,
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
        let room = self.segments.back().map_or(0, |last| last.capacity() - last.len());
        let (head, tail) = bytes.split_at(bytes.len().min(room));
        if let Some(last) = self.segments.back_mut() {
            last.extend_from_slice(head);
        }
        if !tail.is_empty() {
            let size = self.length.clamp(MIN_SEGMENT, MAX_SEGMENT).max(tail.len());
            let mut segment = Vec::with_capacity(size);
            segment.extend_from_slice(tail);
            self.segments.push_back(segment);
        }
        self.length += bytes.len();
    }

    /// Adds `bytes` as they are, without those of them that are written: none, if something waits.
    pub(crate) fn push_owned(&mut self, bytes: Vec<u8>, written: usize) {
        debug_assert!(written == 0 || self.is_empty());
        if bytes.len() > written {
            self.consumed += written;
            self.length += bytes.len() - written;
            self.segments.push_back(bytes);
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
    fn takes_memory_over_as_it_is() {
        let mut queue = WriteQueue::default();
        queue.push_owned(b"gone".to_vec(), 4);
        assert!(queue.is_empty());
        queue.push_owned(b"gone, here".to_vec(), 6);
        queue.push_owned(b", there".to_vec(), 0);
        queue.push(b" and everywhere");
        assert_eq!(first_bytes(&queue), b"here, there and everywhere");
        assert_eq!(queue.len(), 26);
        queue.consume(26);
        assert!(queue.is_empty() && queue.segments.is_empty());
        queue.push_owned(b"again".to_vec(), 0);
        assert_eq!(first_bytes(&queue), b"again");
    }

    #[test]
    fn takes_little_memory_for_little() {
        let mut queue = WriteQueue::default();
        queue.push(b"a");
        assert!(queue.segments[0].capacity() <= MIN_SEGMENT);
        for _ in 0..1_000_000 {
            queue.push(b"a");
        }
        let capacity: usize = queue.segments.iter().map(Vec::capacity).sum();
        assert!(capacity <= queue.len() + MAX_SEGMENT);
    }

    #[test]
    fn hands_out_a_bounded_number_of_slices() {
        let mut queue = WriteQueue::default();
        for _ in 0..100 {
            queue.push(&[7; MAX_SEGMENT]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        assert_eq!(queue.fill(&mut slices), MAX_SLICES);
    }
}
