//! What was read of a peer and waits to be decoded.

use std::collections::VecDeque;
use std::io;

/// Bytes in the chunks in which they were read: who stops reading still gets the rest of a chunk,
/// but nothing of the next one. Without bytes it has no memory.
#[derive(Debug, Default)]
pub(super) struct Unread(Option<Box<Chunks>>);

#[derive(Debug, Default)]
struct Chunks {
    bytes: Vec<u8>,
    /// Where they begin: what is before was taken. Less than half of them all, so that to take
    /// many small chunks moves no more than there is.
    start: usize,
    /// The lengths of the chunks, none of them 0, which add up to that of `bytes` from `start` on.
    lengths: VecDeque<usize>,
    /// Some of the first chunk was decoded.
    is_begun: bool,
}

impl Unread {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |chunks| chunks.bytes.len() - chunks.start)
    }

    /// Whether the first bytes were read together with what was decoded last.
    pub(super) fn is_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|chunks| chunks.is_begun)
    }

    /// Adds a chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        let chunks = self.0.get_or_insert_default();
        chunks.bytes.extend_from_slice(chunk);
        chunks.lengths.push_back(chunk.len());
    }

    /// Adds the chunk that `read` appends, for which there is room for `space` bytes at least.
    /// Returns what `read` returns, and how much room it had.
    pub(super) fn append(
        &mut self,
        space: usize,
        read: impl FnOnce(&mut Vec<u8>) -> io::Result<Option<usize>>,
    ) -> (io::Result<Option<usize>>, usize) {
        let chunks = self.0.get_or_insert_default();
        let end = chunks.bytes.len();
        chunks.bytes.reserve(space);
        let space = chunks.bytes.capacity() - end;
        let result = read(&mut chunks.bytes);
        let count = chunks.bytes.len() - end;
        if count > 0 {
            chunks.lengths.push_back(count);
        } else if end == 0 {
            self.clear();
        }
        (result, space)
    }

    /// Takes the first bytes of the first chunk, of which there is one.
    pub(super) fn take(&mut self, space: &mut [u8]) -> usize {
        let Some(chunks) = &mut self.0 else { return 0 };
        let Some(length) = chunks.lengths.front_mut() else { return 0 };
        let count = space.len().min(*length);
        let end = chunks.start + count;
        space[..count].copy_from_slice(&chunks.bytes[chunks.start..end]);
        *length -= count;
        chunks.is_begun = *length > 0;
        if *length == 0 {
            chunks.lengths.pop_front();
        }
        if end == chunks.bytes.len() {
            self.clear();
        } else if end > chunks.bytes.len() / 2 {
            chunks.bytes.drain(..end);
            chunks.start = 0;
        } else {
            chunks.start = end;
        }
        count
    }

    /// Puts the last bytes of what was taken last, or read, back.
    pub(super) fn put_back(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        let chunks = self.0.get_or_insert_default();
        chunks.bytes.splice(..chunks.start, rest.iter().copied());
        chunks.start = 0;
        match chunks.lengths.front_mut() {
            Some(length) if chunks.is_begun => *length += rest.len(),
            _ => chunks.lengths.push_front(rest.len()),
        }
        chunks.is_begun = true;
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn shrink_to_fit(&mut self) {
        if let Some(chunks) = &mut self.0 {
            chunks.bytes.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(unread: &mut Unread, most: usize) -> (Vec<u8>, bool) {
        let mut space = vec![0; most];
        let count = unread.take(&mut space);
        space.truncate(count);
        (space, unread.is_begun())
    }

    #[test]
    fn gives_a_chunk_at_a_time() {
        let mut unread = Unread::default();
        unread.push(b"abc");
        unread.push(b"");
        let (read, _) = unread.append(8, |bytes| {
            bytes.extend_from_slice(b"de");
            Ok(Some(2))
        });
        assert!(matches!(read, Ok(Some(2))));
        assert_eq!(unread.len(), 5);
        assert_eq!(take(&mut unread, 2), (b"ab".to_vec(), true));
        assert_eq!(take(&mut unread, 9), (b"c".to_vec(), false));
        assert_eq!(take(&mut unread, 9), (b"de".to_vec(), false));
        assert!(unread.is_empty());
    }

    #[test]
    fn knows_what_is_left_of_a_chunk() {
        let mut unread = Unread::default();
        unread.push(b"abcd");
        unread.push(b"ef");
        take(&mut unread, 3);
        unread.put_back(b"bc");
        assert!(unread.is_begun());
        assert_eq!(take(&mut unread, 9), (b"bcd".to_vec(), false));
        unread.put_back(b"d");
        assert_eq!(take(&mut unread, 9), (b"d".to_vec(), false));
        unread.put_back(b"");
        assert!(!unread.is_begun());
        assert_eq!(take(&mut unread, 9), (b"ef".to_vec(), false));
    }

    #[test]
    fn gives_all_bytes_in_order_whatever_the_chunks_are() {
        let bytes: Vec<u8> = (0..=250).collect();
        let mut unread = Unread::default();
        let (mut pushed, mut taken) = (0, Vec::new());
        while taken.len() < bytes.len() {
            // Chunks of 1 to 5 bytes, of which two come for each that is begun.
            for _ in 0..2 {
                let end = bytes.len().min(pushed + 1 + pushed % 5);
                unread.push(&bytes[pushed..end]);
                pushed = end;
            }
            let (mut got, _) = take(&mut unread, 3);
            if got.len() == 3 {
                let last = got.split_off(2);
                unread.put_back(&last);
                assert!(unread.is_begun());
            }
            taken.extend(got);
            assert_eq!(unread.len(), pushed - taken.len());
        }
        assert!(unread.is_empty());
        assert_eq!(taken, bytes);
    }

    #[test]
    fn keeps_no_memory_where_nothing_is_read() {
        let mut unread = Unread::default();
        let (read, space) = unread.append(64, |_| Ok(None));
        assert!(matches!(read, Ok(None)));
        assert!(space >= 64);
        assert!(unread.is_empty());
    }
}
