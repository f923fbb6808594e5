//! Reads the window out of a decompressor.
//!
//! zlib has a function for it, which is not to be had without unsafe code. But the window is what
//! matches copy from: a block of nothing but matches that reach back to its beginning gives it all.

use flate2::{Decompress, FlushDecompress};

/// The longest match.
const MATCH_LENGTH: usize = 258;

/// Gives the latest `length` bytes that `stream` has produced, or was filled with. They are as many as its
/// window holds at most, and it rests between two blocks. Afterwards it can only be reset.
///
/// `None` if that is not so: a peer has ended a message within a block.
pub(super) fn read(stream: &mut Decompress, length: usize) -> Option<Vec<u8>> {
    let matches = length.div_ceil(MATCH_LENGTH);
    let mut window = Vec::with_capacity(matches * MATCH_LENGTH);
    if length > 0 {
        let block = matches_at(length, matches);
        stream.decompress_vec(&block, &mut window, FlushDecompress::Sync).ok()?;
    }
    let whole = window.len() == matches * MATCH_LENGTH;
    // Behind the window it begins anew.
    window.truncate(length);
    window.shrink_to_fit();
    whole.then_some(window)
}

/// RFC 1951, section 3.2.6: a block with fixed codes of `count` matches, each as long as can be and
/// at `distance`.
fn matches_at(distance: usize, count: usize) -> Vec<u8> {
    // Section 3.2.5: two symbols for each power of two, and its lower bits, but one, behind them.
    let (symbol, extra_bits) = match distance - 1 {
        near @ 0..4 => (near, 0),
        far => {
            let power = far.ilog2();
            (2 * power as usize + (far >> (power - 1) & 1), power - 1)
        }
    };
    let extra = (distance - 1) & ((1 << extra_bits) - 1);

    let mut bits = Bits::default();
    bits.push(0b010, 3); // not the last block, fixed codes
    for _ in 0..count {
        bits.push_code(0b1100_0101, 8); // symbol 285: 258 bytes
        bits.push_code(symbol, 5);
        bits.push(extra, extra_bits);
    }
    bits.push_code(0, 7); // end of the block
    bits.finish()
}

/// Bits in the order of RFC 1951, section 3.1.1.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: usize,
    count: u32,
}

impl Bits {
    /// Numbers start with their lowest bit.
    fn push(&mut self, value: usize, count: u32) {
        self.pending |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Huffman codes start with their highest bit.
    fn push_code(&mut self, code: usize, count: u32) {
        self.push(code.reverse_bits() >> (usize::BITS - count), count);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(self.pending as u8);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_windows_of_every_length() {
        let text: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
        for length in (0..600).chain([1023, 1024, 1025, 8191, 16_385, 32_767, 32_768]) {
            let mut stream = Decompress::new(false);
            if length > 0 {
                stream.set_dictionary(&text).unwrap();
            }
            let window = read(&mut stream, length).unwrap();
            assert!(window == text[text.len() - length..], "{length}");
        }
    }

    #[test]
    fn reads_nothing_within_a_block() {
        let mut stream = Decompress::new(false);
        stream.set_dictionary(&[1; 1000]).unwrap();
        // A block without compression that has 256 bytes more to come.
        let mut output = Vec::with_capacity(10);
        let block = [0x00, 0x00, 0x01, 0xff, 0xfe];
        stream.decompress_vec(&block, &mut output, FlushDecompress::Sync).unwrap();
        assert_eq!(read(&mut stream, 1000), None);
    }
}
