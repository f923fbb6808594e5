//! What literal/length codes and distance codes stand for, and the tables of a block.

use std::sync::LazyLock;

use super::decode_table::{DecodeTable, Entry, InvalidLengths};

/// Tables of literal/length codes: the largest for 286 symbols and a root of 10 bits has 1332 entries.
pub(super) type LiteralTable = DecodeTable<2048, 10>;
/// Tables of distance codes: the largest for 30 symbols and a root of 8 bits has 402 entries at most.
pub(super) type DistanceTable = DecodeTable<512, 8>;

/// RFC 1951, section 3.2.5: symbols that say how long a match is begin behind that of the block's end.
pub(super) const END_OF_BLOCK: usize = 256;

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
            let mut lengths = [8; LITERALS.len()];
            lengths[144..256].fill(9);
            lengths[256..280].fill(7);
            let filled =
                codes.fill_literals(&lengths).and_then(|()| codes.fill_distances(&[5; 32]));
            debug_assert!(filled.is_ok());
            codes
        });
        &FIXED
    }
}

/// RFC 1951, section 3.2.5: bytes, the end of the block, and lengths. The last two symbols have a fixed code but
/// stand for nothing.
const LITERALS: [Entry; 288] = {
    let mut entries = [Entry::INVALID; 288];
    let mut symbol = 0;
    while symbol < END_OF_BLOCK {
        entries[symbol] = Entry::literal(symbol as u8);
        symbol += 1;
    }
    entries[END_OF_BLOCK] = Entry::end_of_block();
    // Eight lengths without extra bits, then four symbols for each number of them.
    let mut base = 3;
    while symbol < 284 {
        symbol += 1;
        let order = symbol - END_OF_BLOCK - 1;
        let extra_bits = if order < 8 { 0 } else { order as u8 / 4 - 1 };
        entries[symbol] = Entry::number(base, extra_bits);
        base += 1 << extra_bits;
    }
    entries[285] = Entry::number(MAX_MATCH as u16, 0);
    entries
};

/// The longest match.
pub(super) const MAX_MATCH: usize = 258;

/// RFC 1951, section 3.2.5: distances. The last two symbols have a fixed code but stand for nothing.
const DISTANCES: [Entry; 32] = {
    let mut entries = [Entry::INVALID; 32];
    // Four distances without extra bits, then two symbols for each number of them.
    let mut base = 1;
    let mut symbol = 0;
    while symbol < 30 {
        let extra_bits = if symbol < 4 { 0 } else { symbol as u8 / 2 - 1 };
        entries[symbol] = Entry::number(base, extra_bits);
        base += 1 << extra_bits;
        symbol += 1;
    }
    entries
};
