//! The symbols of lengths and distances.
//!
//! RFC 1951, section 3.2.5. A length or distance is a symbol, which has a Huffman code, and extra
//! bits after it that tell which one of the symbol's range it is.

/// The shortest match that has a symbol.
pub(crate) const MIN_MATCH: usize = 3;
/// The longest match that has a symbol.
pub(crate) const MAX_MATCH: usize = 258;

/// Symbols of literals, of the end of a block, and of lengths.
pub(crate) const LITERAL_LENGTH_SYMBOLS: usize = 286;
/// Symbols of distances.
pub(crate) const DISTANCE_SYMBOLS: usize = 30;
/// The symbol that ends a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// Maximum number of bits of the codes of literals, lengths and distances.
pub(crate) const MAX_CODE_LENGTH: u8 = 15;

/// The extra bits of the length symbols from 257 on.
pub(crate) const LENGTH_EXTRA_BITS: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The shortest length of each of them.
pub(crate) const LENGTH_BASES: [u16; 29] = length_bases();

/// The extra bits of the distance symbols.
pub(crate) const DISTANCE_EXTRA_BITS: [u8; DISTANCE_SYMBOLS] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];

/// The shortest distance of each of them.
pub(crate) const DISTANCE_BASES: [u16; DISTANCE_SYMBOLS] = distance_bases();

/// The length symbol of each length from [`MIN_MATCH`] on, counted from 257.
const LENGTH_INDEXES: [u8; MAX_MATCH - MIN_MATCH + 1] = length_indexes();

/// Section 3.2.7: the order in which the lengths of the codes for code lengths are sent.
pub(crate) const CODE_LENGTH_ORDER: [u8; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Section 3.2.7: the extra bits of the symbols for code lengths, of which 16 to 18 repeat one.
pub(crate) const CODE_LENGTH_EXTRA_BITS: [u8; 19] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];

/// Section 3.2.6: the lengths of the fixed codes of literals and lengths.
pub(crate) const FIXED_LITERAL_LENGTHS: [u8; 288] = fixed_literal_lengths();
/// Those of distances.
pub(crate) const FIXED_DISTANCE_LENGTHS: [u8; 32] = [5; 32];

/// Which of the length symbols, counted from 257, stands for a match of `length`.
pub(crate) fn length_index(length: usize) -> usize {
    usize::from(LENGTH_INDEXES[length - MIN_MATCH])
}

/// Which symbol stands for `distance`, from 1 to 32768.
pub(crate) fn distance_index(distance: usize) -> usize {
    let distance = distance - 1;
    if distance < 4 {
        return distance;
    }
    // Two symbols for each power of two.
    let power = distance.ilog2() as usize;
    2 * power + (distance >> (power - 1) & 1)
}

const fn length_bases() -> [u16; 29] {
    let mut bases = [0; 29];
    let (mut index, mut base) = (0, MIN_MATCH as u16);
    while index < 28 {
        bases[index] = base;
        base += 1 << LENGTH_EXTRA_BITS[index];
        index += 1;
    }
    // The longest has a symbol of its own, without extra bits.
    bases[28] = MAX_MATCH as u16;
    bases
}

const fn distance_bases() -> [u16; DISTANCE_SYMBOLS] {
    let mut bases = [0; DISTANCE_SYMBOLS];
    let (mut index, mut base) = (0, 1);
    while index < DISTANCE_SYMBOLS {
        bases[index] = base as u16;
        base += 1 << DISTANCE_EXTRA_BITS[index];
        index += 1;
    }
    bases
}

const fn length_indexes() -> [u8; MAX_MATCH - MIN_MATCH + 1] {
    let mut indexes = [0; MAX_MATCH - MIN_MATCH + 1];
    let mut index = 0;
    while index < LENGTH_BASES.len() {
        let mut length = LENGTH_BASES[index] as usize;
        while length <= MAX_MATCH {
            indexes[length - MIN_MATCH] = index as u8;
            length += 1;
        }
        index += 1;
    }
    indexes
}

const fn fixed_literal_lengths() -> [u8; 288] {
    let mut lengths = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_every_length_the_symbol_in_whose_range_it_is() {
        for length in MIN_MATCH..=MAX_MATCH {
            let index = length_index(length);
            let extra = length - usize::from(LENGTH_BASES[index]);
            assert!(extra < 1 << LENGTH_EXTRA_BITS[index], "{length}");
        }
        assert_eq!((length_index(257), length_index(258)), (27, 28));
    }

    #[test]
    fn gives_every_distance_the_symbol_in_whose_range_it_is() {
        for distance in 1..=32768 {
            let index = distance_index(distance);
            let extra = distance - usize::from(DISTANCE_BASES[index]);
            assert!(extra < 1 << DISTANCE_EXTRA_BITS[index], "{distance}");
        }
    }
}
