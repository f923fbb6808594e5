//! The codes that a block brings along, as the lengths of codes: RFC 1951, section 3.2.7.

use super::bits::Bits;
use super::codes::Codes;
use super::decode_table::{DecodeTable, Entry};
use crate::InflateError;
use crate::symbols::{
    CODE_LENGTH_EXTRA_BITS, CODE_LENGTH_ORDER, DISTANCE_SYMBOLS, END_OF_BLOCK,
    LITERAL_LENGTH_SYMBOLS,
};

/// Symbols that stand for more than one length.
const REPEAT_LAST: usize = 16;
const REPEAT_ZERO: usize = 17;

/// What the codes of lengths stand for: the symbol itself. Those that repeat have extra bits.
const SYMBOLS: [Entry; 19] = {
    let mut entries = [Entry::INVALID; 19];
    let mut symbol = 0;
    while symbol < entries.len() {
        entries[symbol] = Entry::number(symbol as u16, CODE_LENGTH_EXTRA_BITS[symbol]);
        symbol += 1;
    }
    entries
};

/// The lengths of the codes of a block, as far as they are read.
pub(super) struct CodeLengths {
    /// First of the codes in which lengths are coded, then of all literal/length and distance
    /// codes.
    lengths: [u8; LITERAL_LENGTH_SYMBOLS + DISTANCE_SYMBOLS],
    /// How many are read.
    read: usize,
    /// How many there are of the first kind, of the second and the third.
    lengths_count: usize,
    literals: usize,
    distances: usize,
    table: DecodeTable<128, 7>,
}

impl CodeLengths {
    pub(super) const fn new() -> Self {
        Self {
            lengths: [0; LITERAL_LENGTH_SYMBOLS + DISTANCE_SYMBOLS],
            read: 0,
            lengths_count: 0,
            literals: 0,
            distances: 0,
            table: DecodeTable::new(),
        }
    }

    /// Reads how many there are. Like the following, it says whether it is done or needs more
    /// input.
    pub(super) fn read_counts(&mut self, bits: &mut Bits<'_>) -> Result<bool, InflateError> {
        let Some(counts) = bits.take(5 + 5 + 4) else { return Ok(false) };
        self.literals = 257 + (counts & 0x1f) as usize;
        self.distances = 1 + (counts >> 5 & 0x1f) as usize;
        self.lengths_count = 4 + (counts >> 10) as usize;
        self.read = 0;
        self.lengths[..CODE_LENGTH_ORDER.len()].fill(0);
        if self.literals > LITERAL_LENGTH_SYMBOLS || self.distances > DISTANCE_SYMBOLS {
            return Err(InflateError::InvalidData("too many length or distance symbols"));
        }
        Ok(true)
    }

    /// Reads the codes in which lengths are coded.
    pub(super) fn read_length_codes(&mut self, bits: &mut Bits<'_>) -> Result<bool, InflateError> {
        for &symbol in &CODE_LENGTH_ORDER[self.read..self.lengths_count] {
            let Some(length) = bits.take(3) else { return Ok(false) };
            self.lengths[usize::from(symbol)] = length as u8;
            self.read += 1;
        }
        self.read = 0;
        // A set of no codes at all is taken: as in zlib each bit is a length of 0 then.
        match self.table.fill(&self.lengths[..CODE_LENGTH_ORDER.len()], &SYMBOLS, false) {
            Ok(()) => Ok(true),
            Err(_) => Err(InflateError::InvalidData("invalid code lengths set")),
        }
    }

    /// Reads the lengths of the codes of the block, then fills their tables.
    pub(super) fn read_codes(
        &mut self,
        bits: &mut Bits<'_>,
        codes: &mut Codes,
    ) -> Result<bool, InflateError> {
        if !self.read_lengths(bits)? {
            return Ok(false);
        }
        let (literals, distances) =
            self.lengths[..self.literals + self.distances].split_at(self.literals);
        if literals[END_OF_BLOCK] == 0 {
            return Err(InflateError::InvalidData("invalid code -- missing end-of-block"));
        }
        if codes.fill_literals(literals).is_err() {
            return Err(InflateError::InvalidData("invalid literal/lengths set"));
        }
        if codes.fill_distances(distances).is_err() {
            return Err(InflateError::InvalidData("invalid distances set"));
        }
        Ok(true)
    }

    fn read_lengths(&mut self, bits: &mut Bits<'_>) -> Result<bool, InflateError> {
        const INVALID: InflateError = InflateError::InvalidData("invalid bit length repeat");
        let lengths = &mut self.lengths[..self.literals + self.distances];
        while self.read < lengths.len() {
            bits.refill();
            let entry = self.table.get(bits.ahead());
            if entry.bits() > bits.count() {
                return Ok(false);
            }
            let (symbol, extra) = (entry.base(), entry.extra(bits.ahead()));
            bits.skip(entry.bits());
            if symbol < REPEAT_LAST {
                lengths[self.read] = symbol as u8;
                self.read += 1;
                continue;
            }
            let (length, count) = match symbol {
                REPEAT_LAST => match self.read.checked_sub(1) {
                    Some(last) => (lengths[last], 3 + extra),
                    None => return Err(INVALID),
                },
                REPEAT_ZERO => (0, 3 + extra),
                _ => (0, 11 + extra),
            };
            // A run may reach from the literal/length codes into the distance codes, no further.
            let Some(run) = lengths[self.read..].get_mut(..count) else { return Err(INVALID) };
            run.fill(length);
            self.read += count;
        }
        Ok(true)
    }
}
