//! The LZ77 sliding window of a stream that is inflated: RFC 1951, section 2.
//!
//! It takes as much memory as there was output, in powers of two, up to its full length. From there
//! on it is a ring, in which what is new replaces what is oldest.

use std::mem;

/// The latest output before that which is being produced.
#[derive(Debug, Default)]
pub struct Window {
    bytes: Vec<u8>,
    /// Where the oldest byte is. Not 0 only in a ring.
    oldest: usize,
}

impl Window {
    /// How far a match may reach back.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Takes `output` in, and forgets what is more than `length` bytes ago.
    pub fn push(&mut self, output: &[u8], length: usize) {
        let output = &output[output.len().saturating_sub(length)..];
        if self.bytes.len() != length {
            self.bytes.rotate_left(mem::take(&mut self.oldest));
        }
        if self.bytes.len() > length {
            self.bytes.drain(..self.bytes.len() - length);
            self.bytes.shrink_to_fit();
        }
        let (head, tail) = output.split_at(output.len().min(length - self.bytes.len()));
        self.extend(head);
        self.replace(tail);
    }

    /// Takes in what there is more space for.
    fn extend(&mut self, output: &[u8]) {
        let (length, total) = (self.bytes.len(), self.bytes.len() + output.len());
        if total > self.bytes.capacity() {
            self.bytes.reserve_exact(total.next_power_of_two() - length);
        }
        self.bytes.extend_from_slice(output);
    }

    /// Takes in what replaces what is oldest, at most all.
    fn replace(&mut self, output: &[u8]) {
        let length = self.bytes.len();
        let (head, tail) = output.split_at(output.len().min(length - self.oldest));
        self.bytes[self.oldest..][..head.len()].copy_from_slice(head);
        self.bytes[..tail.len()].copy_from_slice(tail);
        self.oldest += output.len();
        if self.oldest >= length {
            self.oldest -= length;
        }
    }

    /// Copies `length` bytes, from `back` before the end on, to `output` at the place `at`; then
    /// the window has ended, the rest is for the caller to copy. Gives how many were copied.
    ///
    /// There is room for them. `back` is not 0, and not above the length of the window.
    #[inline]
    pub fn copy(&self, back: usize, length: usize, output: &mut [u8], at: usize) -> usize {
        /// A copy of as many bytes is a matter of a few instructions.
        const CHUNK: usize = 32;

        let start = if back <= self.oldest { 0 } else { self.bytes.len() };
        let start = start + self.oldest - back;
        let length = length.min(back);
        if length <= CHUNK
            && let Some(from) = self.bytes[start..].first_chunk::<CHUNK>()
            && let Some(to) = output[at..].first_chunk_mut::<CHUNK>()
        {
            // What follows them is not output yet.
            *to = *from;
            return length;
        }
        let (head, tail) =
            output[at..at + length].split_at_mut(length.min(self.bytes.len() - start));
        head.copy_from_slice(&self.bytes[start..start + head.len()]);
        tail.copy_from_slice(&self.bytes[..tail.len()]);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a window holds, read in pieces of that length.
    fn read(window: &Window, piece: usize) -> Vec<u8> {
        let mut output = vec![0; window.length()];
        let mut at = 0;
        while at < output.len() {
            let left = output.len() - at;
            let count = window.copy(left, piece.min(left), &mut output, at);
            assert_eq!(count, piece.min(left));
            at += count;
        }
        output
    }

    #[test]
    fn holds_the_latest_output() {
        let text: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
        for steps in [[1, 1, 1], [100, 200, 300], [512, 1, 512], [511, 2, 700], [300, 400, 2000]] {
            for length in [512, 1024] {
                let mut window = Window::default();
                let mut end = 0;
                for step in steps.into_iter().cycle() {
                    if end == text.len() {
                        break;
                    }
                    let start = end;
                    end = text.len().min(start + step);
                    window.push(&text[start..end], length);
                    let expected = &text[end.saturating_sub(length)..end];
                    for piece in [1, 31, 32, 33, 258, 4000] {
                        assert!(
                            read(&window, piece) == expected,
                            "{steps:?} {length} {end} {piece}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn takes_as_much_memory_as_there_was_output() {
        let mut window = Window::default();
        assert_eq!(window.bytes.capacity(), 0);
        for (length, capacity) in
            [(1000, 1024), (24, 1024), (1, 2048), (30_000, 32_768), (9999, 32_768)]
        {
            window.push(&vec![1; length], 1 << 15);
            assert_eq!(window.bytes.capacity(), capacity);
        }
        window.push(&[], 1 << 9);
        assert_eq!((window.length(), window.bytes.capacity()), (1 << 9, 1 << 9));
    }

    #[test]
    fn becomes_longer_and_shorter() {
        let text: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
        let mut window = Window::default();
        let mut held = 0;
        for (start, length) in [
            (0, 512),
            (700, 512),
            (1400, 4096),
            (2100, 4096),
            (2800, 4096),
            (3500, 4096),
            (4200, 1024),
            (4900, 512),
        ] {
            let end = text.len().min(start + 700);
            window.push(&text[start..end], length);
            held = length.min(held + end - start);
            let _ = read(&window, 100);
            assert_eq!(window.length(), held);
        }
        assert!(read(&window, 100) == text[4488..]);
    }

    #[test]
    fn ends_a_copy_where_it_ends() {
        let mut window = Window::default();
        window.push(b"0123456789", 512);
        let mut output = [0; 64];
        assert_eq!(window.copy(3, 10, &mut output, 0), 3);
        assert_eq!(&output[..3], b"789");
        assert_eq!(window.copy(10, 4, &mut output, 60), 4);
        assert_eq!(&output[60..], b"0123");
    }
}
