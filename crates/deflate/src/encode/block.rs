//! Blocks: literals and matches, and how they are written.
//!
//! RFC 1951, section 3.2.3. A block is stored, or has the fixed Huffman codes, or brings codes of
//! its own along, whichever takes the fewest bits.

use super::bits::{BitWriter, Remainder, SLACK};
use super::huffman::{code_lengths, code_words};
use crate::symbols::{
    CODE_LENGTH_EXTRA_BITS, CODE_LENGTH_ORDER, DISTANCE_BASES, DISTANCE_EXTRA_BITS,
    DISTANCE_SYMBOLS, END_OF_BLOCK, FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS, LENGTH_BASES,
    LENGTH_EXTRA_BITS, LITERAL_LENGTH_SYMBOLS, MAX_CODE_LENGTH, distance_index, length_index,
};

/// Literals, and a match after them.
#[derive(Clone, Copy)]
struct Sequence {
    /// How many.
    literals: u32,
    /// From 3 to 258; 0 where the block ends without a match.
    length: u16,
    /// From 1 to 32768.
    distance: u16,
}

/// Most data has no fewer bytes for each sequence, or not many fewer.
const BYTES_A_SEQUENCE: usize = 8;

/// What a block consists of.
pub(super) struct Block {
    sequences: Vec<Sequence>,
    /// Literals after the last of them.
    literals: u32,
    literal_lengths: [u32; LITERAL_LENGTH_SYMBOLS],
    distances: [u32; DISTANCE_SYMBOLS],
    /// Bits after the symbols of lengths and distances.
    extra_bits: usize,
}

impl Block {
    /// An empty one, for some `length` bytes of data.
    pub(super) fn new(length: usize) -> Self {
        Self {
            sequences: Vec::with_capacity(length / BYTES_A_SEQUENCE + 1),
            literals: 0,
            literal_lengths: [0; LITERAL_LENGTH_SYMBOLS],
            distances: [0; DISTANCE_SYMBOLS],
            extra_bits: 0,
        }
    }

    /// Begins another block in the memory of this one.
    pub(super) fn clear(&mut self) {
        self.sequences.clear();
        self.literal_lengths.fill(0);
        self.distances.fill(0);
        self.extra_bits = 0;
    }

    /// Adds a literal.
    #[inline]
    pub(super) fn literal(&mut self, literal: u8) {
        self.literal_lengths[usize::from(literal)] += 1;
        self.literals += 1;
    }

    /// Adds literals.
    pub(super) fn literals(&mut self, literals: &[u8]) {
        for &literal in literals {
            self.literal(literal);
        }
    }

    /// Adds a match after the literals.
    #[inline]
    pub(super) fn copy(&mut self, length: usize, distance: usize) {
        let (length_index, distance_index) = (length_index(length), distance_index(distance));
        self.literal_lengths[END_OF_BLOCK + 1 + length_index] += 1;
        self.distances[distance_index] += 1;
        self.extra_bits += usize::from(LENGTH_EXTRA_BITS[length_index])
            + usize::from(DISTANCE_EXTRA_BITS[distance_index]);
        self.sequence(length, distance);
    }

    fn sequence(&mut self, length: usize, distance: usize) {
        let literals = std::mem::take(&mut self.literals);
        self.sequences.push(Sequence {
            literals,
            length: length as u16,
            distance: distance as u16,
        });
    }

    /// Ends the block.
    pub(super) fn finish(&mut self) {
        self.literal_lengths[END_OF_BLOCK] = 1;
        self.sequence(0, 0);
    }

    /// Appends the block to `output`, after `bits`, and returns the bits that make no byte yet.
    /// `data` is what it stands for.
    pub(super) fn write(&self, data: &[u8], bits: Remainder, output: &mut Vec<u8>) -> Remainder {
        let fixed = self.length(&FIXED_LITERAL_LENGTHS, &FIXED_DISTANCE_LENGTHS);
        let codes = Codes::new(&self.literal_lengths, &self.distances);
        let own = codes.header_length + self.length(&codes.literal_lengths, &codes.distances);
        if stored_length(data.len(), bits) <= fixed.min(own) {
            return store(data, bits, output);
        }
        if own < fixed {
            return write_bits(output, bits, own, |writer| {
                codes.write_header(writer);
                let literal_lengths = code_words(&codes.literal_lengths);
                self.write_symbols(data, &literal_lengths, &code_words(&codes.distances), writer);
            });
        }
        write_bits(output, bits, fixed, |writer| {
            writer.add(0b010, 3); // not the last block, fixed codes
            self.write_symbols(data, &FIXED_LITERAL_WORDS, &FIXED_DISTANCE_WORDS, writer);
        })
    }

    /// Bits that the block takes with these codes, its own header included but theirs.
    fn length(&self, literal_lengths: &[u8], distances: &[u8]) -> usize {
        let sum = |frequencies: &[u32], lengths: &[u8]| -> u32 {
            frequencies.iter().zip(lengths).map(|(&count, &length)| count * u32::from(length)).sum()
        };
        let symbols = sum(&self.literal_lengths, literal_lengths) + sum(&self.distances, distances);
        3 + symbols as usize + self.extra_bits
    }

    fn write_symbols(
        &self,
        mut data: &[u8],
        literal_lengths: &LiteralLengthWords,
        distances: &DistanceWords,
        writer: &mut BitWriter<'_>,
    ) {
        for &Sequence { literals, length, distance } in &self.sequences {
            let (literals, rest) = data.split_at(literals as usize);
            for literals in literals.chunks(3) {
                for &literal in literals {
                    write_word(literal_lengths[usize::from(literal)], writer);
                }
                writer.flush();
            }
            if length == 0 {
                break;
            }
            let (length, distance) = (usize::from(length), usize::from(distance));
            let index = length_index(length);
            write_word(literal_lengths[END_OF_BLOCK + 1 + index], writer);
            let extra = length - usize::from(LENGTH_BASES[index]);
            writer.add(extra as u64, LENGTH_EXTRA_BITS[index].into());
            // 20 bits at most, and 28 more.
            let index = distance_index(distance);
            write_word(distances[index], writer);
            let extra = distance - usize::from(DISTANCE_BASES[index]);
            writer.add(extra as u64, DISTANCE_EXTRA_BITS[index].into());
            writer.flush();
            data = &rest[length..];
        }
        write_word(literal_lengths[END_OF_BLOCK], writer);
        writer.flush();
    }
}

/// Makes room for `length` bits, and calls `write` to fill it.
fn write_bits(
    output: &mut Vec<u8>,
    bits: Remainder,
    length: usize,
    write: impl FnOnce(&mut BitWriter<'_>),
) -> Remainder {
    let start = output.len();
    output.resize(start + length.div_ceil(8) + SLACK, 0);
    let mut writer = BitWriter::new(&mut output[start..], bits);
    write(&mut writer);
    let (bytes, left) = writer.finish();
    debug_assert_eq!(8 * bytes + left.count() as usize, bits.count() as usize + length);
    output.truncate(start + bytes);
    left
}

/// The longest block that can be stored.
const MAX_STORED: usize = 65_535;

/// Bits that `length` bytes take in stored blocks, after `bits`.
fn stored_length(length: usize, bits: Remainder) -> usize {
    8 * length + stored_header_length(bits) as usize + 32 + (length - 1) / MAX_STORED * 40
}

/// Bits of the header of a stored block, up to the byte in which its length begins.
fn stored_header_length(bits: Remainder) -> u32 {
    (bits.count() + 3).next_multiple_of(8) - bits.count()
}

/// RFC 1951, section 3.2.4: appends stored blocks.
fn store(data: &[u8], mut bits: Remainder, output: &mut Vec<u8>) -> Remainder {
    for data in data.chunks(MAX_STORED) {
        align(bits, output);
        bits = Remainder::default();
        let length = data.len() as u16;
        output.extend_from_slice(&length.to_le_bytes());
        output.extend_from_slice(&(!length).to_le_bytes());
        output.extend_from_slice(data);
    }
    bits
}

/// Appends the header of a stored block that isn't the last, up to the byte in which its length
/// begins.
pub(super) fn align(bits: Remainder, output: &mut Vec<u8>) {
    let length = stored_header_length(bits);
    write_bits(output, bits, length as usize, |writer| writer.add(0, length));
}

/// The words of the fixed codes.
static FIXED_LITERAL_WORDS: LiteralLengthWords = code_words(&FIXED_LITERAL_LENGTHS);
static FIXED_DISTANCE_WORDS: DistanceWords = code_words(&FIXED_DISTANCE_LENGTHS);

type LiteralLengthWords = [u32; 288];
type DistanceWords = [u32; 32];

#[inline]
fn write_word(word: u32, writer: &mut BitWriter<'_>) {
    writer.add((word & 0xffff).into(), word >> 16);
}

/// RFC 1951, section 3.2.7: the Huffman codes of one block, and how they are sent.
struct Codes {
    literal_lengths: [u8; LITERAL_LENGTH_SYMBOLS],
    distances: [u8; DISTANCE_SYMBOLS],
    /// How many of both are sent.
    told: (usize, usize),
    /// The lengths of both, in the symbols in which they are sent; the upper bits are extra bits.
    runs: [u16; LITERAL_LENGTH_SYMBOLS + DISTANCE_SYMBOLS],
    run_count: usize,
    /// The code of these symbols.
    code_lengths: [u8; 19],
    /// How many of its lengths are sent.
    code_lengths_told: usize,
    /// Bits that all of it takes.
    header_length: usize,
}

/// The longest word of the code for code lengths.
const MAX_CODE_LENGTH_LENGTH: u8 = 7;
/// Bits of a symbol in [`Codes::runs`].
const RUN_SYMBOL_BITS: u32 = 5;

impl Codes {
    /// The best codes for symbols of these frequencies.
    fn new(
        literal_lengths: &[u32; LITERAL_LENGTH_SYMBOLS],
        distances: &[u32; DISTANCE_SYMBOLS],
    ) -> Self {
        let mut codes = Self {
            literal_lengths: [0; LITERAL_LENGTH_SYMBOLS],
            distances: [0; DISTANCE_SYMBOLS],
            told: (0, 0),
            runs: [0; LITERAL_LENGTH_SYMBOLS + DISTANCE_SYMBOLS],
            run_count: 0,
            code_lengths: [0; 19],
            code_lengths_told: 0,
            header_length: 0,
        };
        code_lengths(literal_lengths, MAX_CODE_LENGTH, &mut codes.literal_lengths);
        code_lengths(distances, MAX_CODE_LENGTH, &mut codes.distances);
        codes.tell();
        codes
    }

    /// Finds out how to send the codes.
    fn tell(&mut self) {
        let told = |lengths: &[u8]| {
            lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1)
        };
        self.told = (told(&self.literal_lengths), told(&self.distances));
        let mut lengths = [0; LITERAL_LENGTH_SYMBOLS + DISTANCE_SYMBOLS];
        let count = self.told.0 + self.told.1;
        lengths[..self.told.0].copy_from_slice(&self.literal_lengths[..self.told.0]);
        lengths[self.told.0..count].copy_from_slice(&self.distances[..self.told.1]);
        let frequencies = self.run(&lengths[..count]);

        code_lengths(&frequencies, MAX_CODE_LENGTH_LENGTH, &mut self.code_lengths);
        let is_told = |&symbol: &u8| self.code_lengths[usize::from(symbol)] > 0;
        self.code_lengths_told =
            CODE_LENGTH_ORDER.iter().rposition(is_told).map_or(4, |last| 4.max(last + 1));
        let runs = frequencies.iter().zip(self.code_lengths).zip(CODE_LENGTH_EXTRA_BITS);
        let runs =
            runs.map(|((&count, length), extra)| count * u32::from(length + extra)).sum::<u32>();
        self.header_length = 14 + 3 * self.code_lengths_told + runs as usize;
    }

    /// Puts `lengths` into as few symbols as there can be, and counts those.
    fn run(&mut self, lengths: &[u8]) -> [u32; 19] {
        let mut frequencies = [0; 19];
        let mut push = |symbol: u8, extra: usize| {
            self.runs[self.run_count] = (extra << RUN_SYMBOL_BITS) as u16 | u16::from(symbol);
            self.run_count += 1;
            frequencies[usize::from(symbol)] += 1;
        };
        for run in lengths.chunk_by(|a, b| a == b) {
            let (length, mut left) = (run[0], run.len());
            if length == 0 {
                while left >= 11 {
                    let count = left.min(138);
                    push(18, count - 11);
                    left -= count;
                }
                if left >= 3 {
                    push(17, left - 3);
                    left = 0;
                }
            } else if left >= 4 {
                push(length, 0);
                left -= 1;
                while left >= 3 {
                    let count = left.min(6);
                    push(16, count - 3);
                    left -= count;
                }
            }
            for _ in 0..left {
                push(length, 0);
            }
        }
        frequencies
    }

    /// Writes the header of the block.
    fn write_header(&self, writer: &mut BitWriter<'_>) {
        writer.add(0b100, 3); // not the last block, codes of its own
        writer.add(self.told.0 as u64 - 257, 5);
        writer.add(self.told.1 as u64 - 1, 5);
        writer.add(self.code_lengths_told as u64 - 4, 4);
        writer.flush();
        for &symbol in &CODE_LENGTH_ORDER[..self.code_lengths_told] {
            writer.add(self.code_lengths[usize::from(symbol)].into(), 3);
            writer.flush();
        }
        let words = code_words::<19>(&self.code_lengths);
        for &run in &self.runs[..self.run_count] {
            let symbol = usize::from(run & ((1 << RUN_SYMBOL_BITS) - 1));
            write_word(words[symbol], writer);
            writer.add((run >> RUN_SYMBOL_BITS).into(), CODE_LENGTH_EXTRA_BITS[symbol].into());
            writer.flush();
        }
    }
}
