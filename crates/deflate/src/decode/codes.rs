//! What literal/length codes and distance codes stand for, and the tables of a block.

use std::sync::LazyLock;

use super::decode_table::{DecodeTable, Entry, InvalidLengths};
use crate::symbols::{
    DISTANCE_BASES, DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, END_OF_BLOCK, FIXED_DISTANCE_LENGTHS,
    FIXED_LITERAL_LENGTHS, LENGTH_BASES, LENGTH_EXTRA_BITS,
};

/// Tables of literal/length codes: the largest for 286 symbols and a root of 10 bits has 1332
/// entries.
pub(super) type LiteralTable = DecodeTable<2048, 10>;
/// Tables of distance codes: the largest for 30 symbols and a root of 8 bits has 402 entries at
/// most.
pub(super) type DistanceTable = DecodeTable<512, 8>;

/// The codes of a block.
pub(super) struct Codes {
    pub(super) literals: LiteralTable,
    pub(super) distances: DistanceTable,
}

impl Codes {
    pub(super) const fn new() -> Self {
        Self { literals: DecodeTable::new(), distances: DecodeTable::new() }
    }

    pub(super) fn fill_literals(&mut self, lengths: &[u8]) -> Result<(), InvalidLengths> {
        self.literals.fill(lengths, &LITERALS, true)
    }

    pub(super) fn fill_distances(&mut self, lengths: &[u8]) -> Result<(), InvalidLengths> {
        self.distances.fill(lengths, &DISTANCES, true)
    }

    /// RFC 1951, section 3.2.6: the codes of a block that has none of its own.
    pub(super) fn fixed() -> &'static Self {
        static FIXED: LazyLock<Codes> = LazyLock::new(|| {
            let mut codes = Codes::new();
            let filled = codes
                .fill_literals(&FIXED_LITERAL_LENGTHS)
                .and_then(|()| codes.fill_distances(&FIXED_DISTANCE_LENGTHS));
            debug_assert!(filled.is_ok());
            codes
        });
        &FIXED
    }
}

/// RFC 1951, section 3.2.5: bytes, the end of the block, and lengths. The last two symbols have a
/// fixed code but stand for nothing.
const LITERALS: [Entry; 288] = {
    let mut entries = [Entry::INVALID; 288];
    let mut symbol = 0;
    while symbol < END_OF_BLOCK {
        entries[symbol] = Entry::literal(symbol as u8);
        symbol += 1;
    }
    entries[END_OF_BLOCK] = Entry::end_of_block();
    let mut index = 0;
    while index < LENGTH_BASES.len() {
        symbol = END_OF_BLOCK + 1 + index;
        entries[symbol] = Entry::number(LENGTH_BASES[index], LENGTH_EXTRA_BITS[index]);
        index += 1;
    }
    entries
};

/// RFC 1951, section 3.2.5: distances. The last two symbols have a fixed code but stand for
/// nothing.
const DISTANCES: [Entry; 32] = {
    let mut entries = [Entry::INVALID; 32];
    let mut symbol = 0;
    while symbol < DISTANCE_SYMBOLS {
        entries[symbol] = Entry::number(DISTANCE_BASES[symbol], DISTANCE_EXTRA_BITS[symbol]);
        symbol += 1;
    }
    entries
};
