//! Huffman codes for what a block contains.
//!
//! RFC 1951, section 3.2.2: a code is described by the lengths of its words alone.

/// Finds the lengths of the shortest code for symbols that occur as often as `frequencies` say,
/// with no word above `max_length` bits. Symbols that don't occur have none: length 0.
///
/// There are two words at least, be they used or not: some decoders take no code for complete that
/// has one or none. `frequencies` are from 2 to 288, and their sum is below 2 to the 22nd.
pub(super) fn code_lengths(frequencies: &[u32], max_length: u8, lengths: &mut [u8]) {
    lengths.fill(0);
    let mut storage = [0_u32; MAX_SYMBOLS];
    let mut count = 0;
    for (symbol, &frequency) in frequencies.iter().enumerate() {
        if frequency > 0 {
            storage[count] = frequency << SYMBOL_BITS | symbol as u32;
            count += 1;
        }
    }
    for (symbol, &frequency) in frequencies.iter().enumerate().take(2) {
        if count < 2 && frequency == 0 {
            storage[count] = 1 << SYMBOL_BITS | symbol as u32;
            count += 1;
        }
    }
    let sorted = &mut storage[..count];
    sorted.sort_unstable();
    let mut nodes = [0_u32; MAX_SYMBOLS];
    let nodes = &mut nodes[..count];
    for (node, &entry) in nodes.iter_mut().zip(sorted.iter()) {
        *node = entry >> SYMBOL_BITS;
    }
    let mut counts = lengths_of_leaves(nodes);
    limit(&mut counts, max_length);

    // The rarest symbols have the longest words.
    let mut sorted = sorted.iter();
    for length in (1..=max_length).rev() {
        for &entry in sorted.by_ref().take(counts[usize::from(length)] as usize) {
            lengths[(entry & SYMBOL_MASK) as usize] = length;
        }
    }
}

const MAX_SYMBOLS: usize = 288;
const SYMBOL_BITS: u32 = 10;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;
/// More than the depth of a tree whose leaves weigh less than 2 to the 22nd: its weights grow as
/// Fibonacci's numbers at least.
const MAX_DEPTH: usize = 40;

/// Counts the leaves of each depth of the tree that Huffman's algorithm makes of `nodes`, which are
/// weights in rising order.
///
/// In place, after Moffat and Katajainen: as leaves are merged from the left, inner nodes take
/// their places, and then hold where their parents are, and at last their depths.
fn lengths_of_leaves(nodes: &mut [u32]) -> [u32; MAX_DEPTH] {
    let mut counts = [0; MAX_DEPTH];
    let count = nodes.len();
    let (mut leaf, mut root) = (0, 0);
    for next in 0..count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= count || (root < next && nodes[root] < nodes[leaf]) {
                weight += nodes[root];
                nodes[root] = next as u32;
                root += 1;
            } else {
                weight += nodes[leaf];
                leaf += 1;
            }
        }
        nodes[next] = weight;
    }

    // From the root down: what isn't an inner node of a depth is a leaf.
    nodes[count - 2] = 0;
    for next in (0..count - 2).rev() {
        nodes[next] = nodes[nodes[next] as usize] + 1;
    }
    let (mut places, mut depth, mut inner) = (1, 0, count - 1);
    while places > 0 {
        let mut branches = 0;
        while inner > 0 && nodes[inner - 1] as usize == depth {
            branches += 1;
            inner -= 1;
        }
        counts[depth] = places - branches;
        places = 2 * branches;
        depth += 1;
    }
    counts
}

/// Moves leaves that are too deep up, and others down to make place for them.
fn limit(counts: &mut [u32; MAX_DEPTH], max_length: u8) {
    let max = usize::from(max_length);
    let deeper: u32 = counts[max + 1..].iter().sum();
    if deeper == 0 {
        return;
    }
    counts[max] += deeper;
    // Places are counted in units of the deepest ones.
    let mut used: u32 = (1..=max).map(|depth| counts[depth] << (max - depth)).sum();
    while used > 1 << max {
        // One of the deepest goes next to a leaf that goes one down, whose place both share.
        let Some(depth) = (1..max).rev().find(|&depth| counts[depth] > 0) else { return };
        counts[max] -= 1;
        counts[depth] -= 1;
        counts[depth + 1] += 2;
        used -= 1;
    }
}

/// Gives the words of the code with `lengths`, their first bit lowest, and the lengths in their
/// upper 16 bits.
///
/// Section 3.2.2: words of one length are consecutive numbers, in the order of their symbols.
pub(super) const fn code_words<const N: usize>(lengths: &[u8]) -> [u32; N] {
    let mut counts = [0_u16; MAX_LENGTHS];
    let mut symbol = 0;
    while symbol < lengths.len() {
        counts[lengths[symbol] as usize % MAX_LENGTHS] += 1;
        symbol += 1;
    }
    counts[0] = 0;
    let mut next = [0_u16; MAX_LENGTHS];
    let mut length = 1;
    while length < MAX_LENGTHS {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
        length += 1;
    }
    let mut words = [0; N];
    symbol = 0;
    while symbol < lengths.len() {
        let length = lengths[symbol] as usize % MAX_LENGTHS;
        if length > 0 {
            let bits = next[length].reverse_bits() >> (MAX_LENGTHS - length);
            words[symbol] = (length as u32) << 16 | bits as u32;
            next[length] = next[length].wrapping_add(1);
        }
        symbol += 1;
    }
    words
}

/// Lengths of words are below this.
const MAX_LENGTHS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths_of(frequencies: &[u32], max_length: u8) -> Vec<u8> {
        let mut lengths = vec![0; frequencies.len()];
        code_lengths(frequencies, max_length, &mut lengths);
        lengths
    }

    /// The part of all words of 15 bits that begin with a word of the code.
    fn share(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|&&length| length > 0).map(|&length| 1 << (15 - length)).sum()
    }

    #[test]
    fn gives_frequent_symbols_short_words() {
        assert_eq!(lengths_of(&[0, 0], 15), [1, 1]);
        assert_eq!(lengths_of(&[0, 7], 15), [1, 1]);
        assert_eq!(lengths_of(&[7, 0], 15), [1, 1]);
        assert_eq!(lengths_of(&[0, 0, 7], 15), [1, 0, 1]);
        assert_eq!(lengths_of(&[5, 0, 7], 15), [1, 0, 1]);
        assert_eq!(lengths_of(&[1, 1, 2, 4, 8], 15), [4, 4, 3, 2, 1]);
        assert_eq!(lengths_of(&[1, 1, 1, 1], 15), [2, 2, 2, 2]);
    }

    #[test]
    fn keeps_to_the_limit() {
        let fibonacci: Vec<u32> = (0..29)
            .scan((1, 1), |(a, b), _| {
                let now = *a;
                (*a, *b) = (*b, *a + *b);
                Some(now)
            })
            .collect();
        for max_length in 5..=15 {
            let lengths = lengths_of(&fibonacci, max_length);
            assert!(lengths.iter().all(|&length| (1..=max_length).contains(&length)));
            assert_eq!(share(&lengths), 1 << 15);
        }
    }

    #[test]
    fn numbers_words_as_the_rfc_does() {
        // RFC 1951, section 3.2.2: the example.
        let lengths = [3, 3, 3, 3, 3, 2, 4, 4];
        let forward = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111_u16];
        for ((word, forward), length) in
            code_words::<8>(&lengths).into_iter().zip(forward).zip(lengths)
        {
            let bits = forward.reverse_bits() >> (16 - length);
            assert_eq!(word, u32::from(length) << 16 | u32::from(bits));
        }
    }

    proptest! {
        #[test]
        fn uses_every_word(
            frequencies in prop::collection::vec(prop_oneof![Just(0), 1..20_u32, 1..7000_u32], 2..286),
            max_length in 9..=15_u8,
        ) {
            let lengths = lengths_of(&frequencies, max_length);
            let used = frequencies.iter().filter(|&&frequency| frequency > 0).count();
            for (&frequency, &length) in frequencies.iter().zip(&lengths) {
                prop_assert!(used < 2 || (frequency > 0) == (length > 0));
                prop_assert!(length <= max_length);
            }
            prop_assert_eq!(share(&lengths), 1 << 15);
            for (&a, &m) in frequencies.iter().zip(&lengths) {
                for (&b, &n) in frequencies.iter().zip(&lengths) {
                    prop_assert!(a <= b || n == 0 || m <= n, "the more frequent has the longer word");
                }
            }
        }
    }
}
