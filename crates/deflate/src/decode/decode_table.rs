//! Tables that decode Huffman codes by the bits ahead.
//!
//! RFC 1951, section 3.2.2: a set of codes is given by their lengths. The root of a table has an
//! entry for all that its number of bits can be; those of longer codes link to tables after it,
//! which the bits that follow index. A root is no larger than the longest code needs, since a
//! message of a few hundred bytes takes less time to decode than a large table takes to fill.

use std::array;

use crate::symbols;

/// As an index.
const MAX_CODE_LENGTH: usize = symbols::MAX_CODE_LENGTH as usize;

/// What a code stands for, and how many bits it and the extra bits after it take.
///
/// From bit 0 the number of all bits, from bit 8 that of the code's, from bit 16 the value; flags
/// between them and on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    const LITERAL: u32 = 1 << 31;
    /// Neither a literal nor a number: one of the flags below, or nothing that is valid.
    const EXCEPTION: u32 = 1 << 14;
    const LINK: u32 = 1 << 13;
    const END_OF_BLOCK: u32 = 1 << 12;

    /// Stands for nothing.
    pub(super) const INVALID: Self = Self(Self::EXCEPTION);

    /// A byte of output.
    pub(super) const fn literal(byte: u8) -> Self {
        Self(Self::LITERAL | (byte as u32) << 16)
    }

    /// The number `base`, to which `extra_bits` extra bits are added.
    pub(super) const fn number(base: u16, extra_bits: u8) -> Self {
        Self((base as u32) << 16 | extra_bits as u32)
    }

    pub(super) const fn end_of_block() -> Self {
        Self(Self::EXCEPTION | Self::END_OF_BLOCK)
    }

    /// A table at `start` that `bits` index after the `root_bits`, as if they were extra bits.
    const fn link(start: usize, root_bits: usize, bits: usize) -> Self {
        Self(Self::EXCEPTION | Self::LINK | (start as u32) << 16 | bits as u32).with_code(root_bits)
    }

    /// The entry of a code of that length.
    const fn with_code(self, length: usize) -> Self {
        Self(self.0 + (length as u32 * 0x101))
    }

    #[inline(always)]
    pub(super) const fn is_literal(self) -> bool {
        self.0 & Self::LITERAL != 0
    }

    #[inline(always)]
    pub(super) const fn is_exception(self) -> bool {
        self.0 & Self::EXCEPTION != 0
    }

    #[inline(always)]
    const fn is_link(self) -> bool {
        self.0 & Self::LINK != 0
    }

    #[inline(always)]
    pub(super) const fn is_end_of_block(self) -> bool {
        self.0 & Self::END_OF_BLOCK != 0
    }

    /// The byte of a literal.
    #[inline(always)]
    pub(super) const fn byte(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// The number without its extra bits.
    #[inline(always)]
    pub(super) const fn base(self) -> usize {
        (self.0 >> 16) as usize
    }

    /// The number, if these are the bits ahead.
    #[inline(always)]
    pub(super) const fn value(self, ahead: u64) -> usize {
        self.base() + self.extra(ahead)
    }

    /// Its extra bits, if these are the bits ahead.
    #[inline(always)]
    pub(super) const fn extra(self, ahead: u64) -> usize {
        ((ahead & !(u64::MAX << self.bits())) >> self.code_bits()) as usize
    }

    /// Bits of the code.
    #[inline(always)]
    pub(super) const fn code_bits(self) -> u32 {
        self.0 >> 8 & 0xf
    }

    /// Bits of the code and those after it.
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self.0 & 0x3f
    }
}

/// No set of codes has these lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidLengths;

/// A table of `N` entries, a power of two, whose root has `1 << ROOT_BITS` at most.
pub(super) struct DecodeTable<const N: usize, const ROOT_BITS: usize> {
    entries: [Entry; N],
    /// The bits ahead that index the root.
    mask: usize,
}

impl<const N: usize, const ROOT_BITS: usize> DecodeTable<N, ROOT_BITS> {
    pub(super) const fn new() -> Self {
        assert!(N.is_power_of_two() && 1 << ROOT_BITS <= N);
        Self { entries: [Entry::INVALID; N], mask: 0 }
    }

    /// The entry of the code ahead. Bits that aren't known yet are 0: if the entry takes some of
    /// them, it isn't known either.
    #[inline(always)]
    pub(super) const fn get(&self, ahead: u64) -> Entry {
        self.follow(self.root(ahead), ahead)
    }

    /// The entry in the root for the code ahead, which may be a link.
    #[inline(always)]
    pub(super) const fn root(&self, ahead: u64) -> Entry {
        self.entries[ahead as usize & self.mask & (N - 1)]
    }

    /// Follows a link of the root.
    #[inline(always)]
    pub(super) const fn follow(&self, entry: Entry, ahead: u64) -> Entry {
        if entry.is_link() { self.entries[entry.value(ahead) & (N - 1)] } else { entry }
    }

    /// Fills the table for the codes that have these `lengths`; `symbols` are what they stand for.
    ///
    /// A set of codes must be complete, but for one of one code of a single bit, or of none, if
    /// `may_be_incomplete`. That of none is taken in any case: as zlib, which finds out when a code
    /// is used.
    pub(super) fn fill(
        &mut self,
        lengths: &[u8],
        symbols: &[Entry],
        may_be_incomplete: bool,
    ) -> Result<(), InvalidLengths> {
        let codes = SortedCodes::new(lengths);
        let (longest, unused) = codes.measure()?;
        if unused > 0 {
            if longest > 1 || longest == 1 && !may_be_incomplete {
                return Err(InvalidLengths);
            }
            self.fill_incomplete(&codes, symbols, longest);
            return Ok(());
        }
        let root_bits = longest.min(ROOT_BITS);
        self.mask = (1 << root_bits) - 1;
        let next = self.fill_root(&codes, symbols, root_bits);
        if longest > root_bits {
            self.fill_links(&codes, symbols, root_bits, next);
        }
        Ok(())
    }

    /// RFC 1951, section 3.2.7: one distance code of one bit, or of none.
    fn fill_incomplete(&mut self, codes: &SortedCodes, symbols: &[Entry], longest: usize) {
        let first = if longest == 1 { symbols[codes.symbol(0)] } else { Entry::INVALID };
        self.mask = 1;
        self.entries[0] = first.with_code(1);
        self.entries[1] = Entry::INVALID.with_code(1);
    }

    /// Fills the root, and gives the first code that is longer, and its place in the order.
    ///
    /// The table begins with as many entries as the shortest code needs, and is doubled for each
    /// bit: thus entries of short codes are repeated by copying.
    fn fill_root(
        &mut self,
        codes: &SortedCodes,
        symbols: &[Entry],
        root_bits: usize,
    ) -> (ReversedCode, usize) {
        let mut code = ReversedCode(0);
        let mut index = 0;
        for length in 1..=root_bits {
            for _ in 0..codes.counts[length] {
                self.entries[code.0] = symbols[codes.symbol(index)].with_code(length);
                code.advance(length);
                index += 1;
            }
            if length < root_bits && index > 0 {
                self.entries.copy_within(..1 << length, 1 << length);
            }
        }
        (code, index)
    }

    /// Fills the tables after the root, from this code on.
    fn fill_links(
        &mut self,
        codes: &SortedCodes,
        symbols: &[Entry],
        root_bits: usize,
        (mut code, mut index): (ReversedCode, usize),
    ) {
        let (mut prefix, mut start, mut size) = (usize::MAX, 0, 1 << root_bits);
        for length in root_bits + 1..=MAX_CODE_LENGTH {
            for done in 0..codes.counts[length] {
                if code.0 & self.mask != prefix {
                    prefix = code.0 & self.mask;
                    start += size;
                    let bits = codes.bits_behind(root_bits, length, done);
                    size = 1 << bits;
                    self.entries[prefix] = Entry::link(start, root_bits, bits);
                }
                let entry = symbols[codes.symbol(index)].with_code(length);
                let table = &mut self.entries[start..start + size];
                for place in
                    table[code.0 >> root_bits..].iter_mut().step_by(1 << (length - root_bits))
                {
                    *place = entry;
                }
                code.advance(length);
                index += 1;
            }
        }
    }
}

/// A code, its first bit lowest, as it is in the stream (RFC 1951, section 3.1.1).
#[derive(Clone, Copy)]
struct ReversedCode(usize);

impl ReversedCode {
    /// Goes to the next one of that length; after the last one to 0.
    fn advance(&mut self, length: usize) {
        // The highest bit that is not set yet, where adding 1 carries to: lower ones stay, higher
        // ones are cleared.
        let clear = !self.0 & ((1 << length) - 1);
        self.0 = if clear == 0 {
            0
        } else {
            let bit = 1 << clear.ilog2();
            self.0 & (bit - 1) | bit
        };
    }
}

/// More symbols than these have no code: the fixed literal/length codes are the most.
const MAX_SYMBOLS: usize = 288;

/// Symbols in the order of their codes, RFC 1951, section 3.2.2: shorter ones first, then by
/// number.
struct SortedCodes {
    /// How many there are of each length.
    counts: [u16; MAX_CODE_LENGTH + 1],
    /// Some that have no code, and those that have one.
    symbols: [u16; MAX_SYMBOLS],
    /// Where the latter begin.
    first: usize,
}

impl SortedCodes {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; MAX_CODE_LENGTH + 1];
        for_each_used(lengths, |_, length| counts[length] += 1);

        let mut next = 0;
        let mut places: [u16; MAX_CODE_LENGTH + 1] = array::from_fn(|length| {
            let place = next;
            next += counts[length];
            place
        });
        let mut symbols = [0; MAX_SYMBOLS];
        for_each_used(lengths, |symbol, length| {
            symbols[usize::from(places[length])] = symbol as u16;
            places[length] += 1;
        });
        Self { first: usize::from(counts[0]), counts, symbols }
    }

    /// The symbol at that place of the order.
    fn symbol(&self, index: usize) -> usize {
        usize::from(self.symbols[self.first + index])
    }

    /// The longest length, and how many codes of [`MAX_CODE_LENGTH`] bits are left over.
    fn measure(&self) -> Result<(usize, usize), InvalidLengths> {
        let mut longest = 0;
        let mut unused = 1_usize;
        for (length, &count) in self.counts.iter().enumerate().skip(1) {
            unused = (2 * unused).checked_sub(usize::from(count)).ok_or(InvalidLengths)?;
            if count > 0 {
                longest = length;
            }
        }
        Ok((longest, unused))
    }

    /// The bits that index the table after a prefix of `root_bits`, of which the first code has
    /// this `length`, after `done` others of the same: codes go on until the table is full.
    fn bits_behind(&self, root_bits: usize, length: usize, done: u16) -> usize {
        let mut bits = length - root_bits;
        let mut filled = usize::from(self.counts[length] - done);
        while filled < 1 << bits {
            bits += 1;
            filled = 2 * filled + usize::from(self.counts[root_bits + bits]);
        }
        bits
    }
}

/// Calls `f` with the number and the length of each symbol that has a code, and with some of those
/// that have none.
#[inline(always)]
fn for_each_used(lengths: &[u8], mut f: impl FnMut(usize, usize)) {
    const WORD: usize = 8;
    // Four bits are enough for all lengths, and spare the checks of an index.
    let mut call = |symbol, length: u8| f(symbol, usize::from(length & 0xf));
    let (words, rest) = lengths.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        // In texts there are long runs of symbols that don't occur.
        if u64::from_ne_bytes(*word) != 0 {
            for (offset, &length) in word.iter().enumerate() {
                call(index * WORD + offset, length);
            }
        }
    }
    for (offset, &length) in rest.iter().enumerate() {
        call(words.len() * WORD + offset, length);
    }
}
