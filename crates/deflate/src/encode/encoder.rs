//! Makes deflate blocks of messages.
//!
//! RFC 1951, section 4: strings that occurred before become matches. Every call ends with a flush,
//! so that between two of them there is nothing but the history.

use super::bits::Remainder;
use super::block::{self, Block};
use super::chains::STRING_LENGTH;
use super::history::{History, Match};
use crate::SYNC_TAIL;

/// How much is done to find matches. Sizes below are those of bench/deflate at level 6.
#[derive(Clone, Copy)]
struct Effort {
    /// Number of places where a match is looked for. json-64k: 20.74 % with 2, 19.89 with 4, 19.27
    /// with 8, 18.82 with 16; prose-64k: 30.91, 29.35, 28.42, 27.72. Four are about zlib's sizes.
    depth: usize,
    /// Before a match that is shorter is taken, the next position is tried. json-64k: 20.54 % with
    /// 0, 20.36 with 8, 19.89 with 16, 19.86 with 32; binary-64k: 48.62, 46.87, 46.87, 46.87.
    lazy: usize,
    /// Beyond this distance four bytes are no match: as literals they take fewer bits. Of little
    /// consequence: binary-64k is 46.89 % with 2048, 46.87 with 192, 46.86 with 32.
    far: usize,
}

impl Effort {
    /// What makes the output of most data about as short as zlib's at `level`, from 1 to 6.
    const fn of_level(level: u8) -> Self {
        let (depth, lazy, far) = match level {
            0 | 1 => (1, 0, 2048),
            2 => (2, 0, 2048),
            3 => (3, 0, 2048),
            4 => (3, 8, 2048),
            5 => (3, 16, 192),
            _ => (4, 16, 192),
        };
        Self { depth, lazy, far }
    }
}

/// Maximum number of bytes that a block stands for.
const MAX_BLOCK: usize = 64 * 1024;
/// After this many positions without a match, more than there are in JSON and prose, some are
/// skipped: data that was compressed before, or encrypted, has none. noise-64k takes half the time
/// (doc/performance.md); no case of bench/deflate becomes larger by it, nor with 16.
const PATIENCE: usize = 64;
/// One more is skipped each time as many have passed, up to this many at a time.
const MAX_STEP: usize = 15;

/// The compressing side of a deflate stream.
pub struct Encoder {
    history: History,
    effort: Effort,
}

impl Encoder {
    /// A stream for `level`, from 1 to 6, with matches that are less than 2 to the `window_bits`
    /// back, and zlib's `mem_level`, from 1 to 9.
    pub fn new(level: u8, window_bits: u8, mem_level: u8) -> Self {
        Self {
            history: History::new(window_bits, hash_bits(mem_level)),
            effort: Effort::of_level(level),
        }
    }

    /// Bytes of memory that it takes.
    pub const fn memory(&self) -> usize {
        self.history.memory()
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.history.clear();
    }

    /// Fills a window that is empty.
    pub fn set_dictionary(&mut self, dictionary: &[u8]) {
        // More than the window isn't of use.
        let hidden = dictionary.len().saturating_sub(self.history.window_length());
        self.history.append(&dictionary[hidden..]);
    }

    /// Compresses `data` up to a byte boundary, and appends to `output`.
    pub fn encode(&mut self, data: &[u8], output: &mut Vec<u8>) {
        let mut bits = Remainder::default();
        let mut block = Block::new(data.len().min(MAX_BLOCK));
        for data in data.chunks(MAX_BLOCK) {
            let mut rest = data;
            while !rest.is_empty() {
                let start;
                (start, rest) = self.history.append(rest);
                self.parse(start, &mut block);
            }
            block.finish();
            bits = block.write(data, bits, output);
            block.clear();
        }
        block::align(bits, output);
        output.extend_from_slice(&SYNC_TAIL);
    }

    /// Divides what begins at `start` into literals and matches.
    fn parse(&mut self, start: usize, block: &mut Block) {
        let Self { history, effort } = self;
        let end = history.bytes().len();
        let mut position = start;
        // Positions without a match since the latest one.
        let mut misses = 0;
        while position + STRING_LENGTH <= end {
            let found = history.find(position, effort.depth);
            let Some(mut found) = found.filter(|found| effort.takes(found)) else {
                block.literal(history.bytes()[position]);
                position += 1;
                misses += 1;
                if misses >= PATIENCE {
                    let next = end.min(position + (misses / PATIENCE).min(MAX_STEP));
                    block.literals(&history.bytes()[position..next]);
                    position = next;
                }
                continue;
            };
            misses = 0;
            // As long as there is a longer match after one more literal.
            while found.length < effort.lazy && position + 1 + STRING_LENGTH <= end {
                let longer = history.find_longer(position + 1, found.length, effort.depth);
                let Some(longer) = longer else { break };
                block.literal(history.bytes()[position]);
                position += 1;
                found = longer;
            }
            block.copy(found.length, found.distance);
            position += found.length;
        }
        block.literals(&history.bytes()[position..]);
    }
}

impl Effort {
    /// Whether a match is shorter than its literals.
    #[inline]
    const fn takes(&self, found: &Match) -> bool {
        found.length > STRING_LENGTH || found.distance <= self.far
    }
}

/// At zlib's default of 8 there are two hashes for each byte of the largest window.
const fn hash_bits(mem_level: u8) -> u8 {
    mem_level + 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places that the encoder looks at for each byte of `data`, in hundredths.
    fn candidates(data: &[u8], level: u8) -> usize {
        let mut encoder = Encoder::new(level, 15, 8);
        encoder.encode(data, &mut Vec::new());
        encoder.history.candidates.get() * 100 / data.len()
    }

    #[test]
    fn looks_at_few_places_whatever_the_data_is() {
        let noise = |count: u32| {
            let mut state = 1_u32;
            let next = move || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state % count) as u8
            };
            std::iter::repeat_with(next).take(1 << 18).collect::<Vec<u8>>()
        };
        let prefixes: Vec<u8> =
            noise(256).chunks(2).flat_map(|pair| [b"abcd", pair].concat()).collect();
        // Hundredths a byte, at level 1 and at level 6.
        for (title, data, fastest, default) in [
            ("one letter", vec![b'a'; 1 << 18], 1, 1),
            ("the same four bytes, then two others", prefixes, 20, 70),
            ("two letters", noise(2), 20, 125),
            ("four letters", noise(4), 30, 200),
            ("random", noise(256), 5, 5),
        ] {
            let (first, sixth) = (candidates(&data, 1), candidates(&data, 6));
            println!("{title}: {first} {sixth}");
            assert!(first <= fastest, "{title}, level 1: {first}");
            assert!(sixth <= default, "{title}, level 6: {sixth}");
        }
    }
}
