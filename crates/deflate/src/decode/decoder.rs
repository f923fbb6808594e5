//! Decodes streams of RFC 1951, in pieces.
//!
//! Input may end anywhere, output may have to wait for room. What has begun then goes on with
//! the next call. In between, most streams rest at the end of a block, where only the window
//! counts: so the [`Decoder`], with its tables, is lent to one stream after the other.
//!
//! Errors, their words, and the place in the stream where they show, are those of zlib.

use super::bits::{Bits, Pending, REFILLED};
use super::code_lengths::CodeLengths;
use super::codes::Codes;
use super::matches;
use super::output::{FAST_ROOM, Output};
use super::window::Window;
use crate::InflateError;

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The input is used up.
    Input,
    /// Enough was produced.
    Pause,
    /// A block said it is the last.
    End,
}

/// The state of a stream that isn't in its window.
pub struct Decoder {
    pending: Pending,
    step: Step,
    /// Whether the block says that it is the last.
    is_last: bool,
    /// Whether it has the fixed codes.
    is_fixed: bool,
    lengths: CodeLengths,
    codes: Codes,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// RFC 1951, section 3.2.3: a block.
    Block,
    /// Section 3.2.4: the length of a stored block.
    StoredLength,
    /// This many bytes of it.
    Stored(usize),
    /// Section 3.2.7: how many codes a block brings along.
    CodeCounts,
    /// The codes in which lengths are coded.
    LengthCodes,
    /// The lengths of the codes.
    CodeLengths,
    /// Section 3.2.3: literals and matches.
    Symbols,
    /// The rest of a match.
    Match { distance: usize, length: usize },
}

/// What a literal/length code, and those after it, stand for.
enum Symbol {
    Literal(u8),
    Match { distance: usize, length: usize },
    EndOfBlock,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// The state in front of a stream.
    pub const fn new() -> Self {
        Self {
            pending: Pending::NONE,
            step: Step::Block,
            is_last: false,
            is_fixed: false,
            lengths: CodeLengths::new(),
            codes: Codes::new(),
        }
    }

    /// Makes it ready for another stream.
    pub const fn reset(&mut self) {
        self.pending = Pending::NONE;
        self.step = Step::Block;
    }

    /// Whether it is between two blocks, and the stream can go on with another inflater.
    pub fn is_at_rest(&self) -> bool {
        self.step == Step::Block && self.pending.is_empty()
    }

    /// Decodes `data`, of which is left what isn't needed yet, after the output in the `window`
    /// and that of this call.
    ///
    /// # Errors
    ///
    /// [`InflateError`]. The inflater must be reset.
    pub fn decode(
        &mut self,
        data: &mut &[u8],
        window: &Window,
        output: &mut Output<'_>,
    ) -> Result<Stop, InflateError> {
        let mut bits = Bits::new(self.pending, data);
        let stop = self.run(&mut bits, window, output)?;
        (self.pending, *data) = bits.leave(stop == Stop::Input);
        Ok(stop)
    }

    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        window: &Window,
        output: &mut Output<'_>,
    ) -> Result<Stop, InflateError> {
        loop {
            let stop = match self.step {
                Step::Block => self.begin_block(bits)?,
                Step::StoredLength => self.begin_stored(bits)?,
                Step::Stored(left) => self.copy_stored(left, bits, output)?,
                Step::CodeCounts => {
                    let done = self.lengths.read_counts(bits)?;
                    self.go_on(done, Step::LengthCodes)
                }
                Step::LengthCodes => {
                    let done = self.lengths.read_length_codes(bits)?;
                    self.go_on(done, Step::CodeLengths)
                }
                Step::CodeLengths => {
                    let done = self.lengths.read_codes(bits, &mut self.codes)?;
                    self.go_on(done, Step::Symbols)
                }
                Step::Symbols => self.decode_symbols(bits, window, output)?,
                Step::Match { distance, length } => {
                    self.copy_match(distance, length, bits, window, output)?
                }
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// Goes on with `next` if this step is done.
    const fn go_on(&mut self, done: bool, next: Step) -> Option<Stop> {
        if !done {
            return Some(Stop::Input);
        }
        self.step = next;
        None
    }

    /// RFC 1951, section 3.2.3: the header of a block.
    fn begin_block(&mut self, bits: &mut Bits<'_>) -> Result<Option<Stop>, InflateError> {
        let Some(header) = bits.take(3) else { return Ok(Some(Stop::Input)) };
        self.is_last = header & 1 != 0;
        self.step = match header >> 1 {
            0 => {
                bits.align();
                Step::StoredLength
            }
            1 => {
                self.is_fixed = true;
                Step::Symbols
            }
            2 => {
                self.is_fixed = false;
                Step::CodeCounts
            }
            _ => return Err(InflateError::InvalidData("invalid block type")),
        };
        Ok(None)
    }

    fn end_block(&mut self) -> Option<Stop> {
        self.step = Step::Block;
        self.is_last.then_some(Stop::End)
    }

    /// RFC 1951, section 3.2.4: a length, and its complement.
    fn begin_stored(&mut self, bits: &mut Bits<'_>) -> Result<Option<Stop>, InflateError> {
        let Some(lengths) = bits.take(32) else { return Ok(Some(Stop::Input)) };
        let (length, complement) = (lengths as u16, (lengths >> 16) as u16);
        if length != !complement {
            return Err(InflateError::InvalidData("invalid stored block lengths"));
        }
        self.step = Step::Stored(length.into());
        Ok(None)
    }

    fn copy_stored(
        &mut self,
        mut left: usize,
        bits: &mut Bits<'_>,
        output: &mut Output<'_>,
    ) -> Result<Option<Stop>, InflateError> {
        while left > 0 {
            self.step = Step::Stored(left);
            if bits.is_empty() {
                return Ok(Some(Stop::Input));
            }
            if !output.make_room(bits.unread()) {
                return Ok(Some(Stop::Pause));
            }
            let (_, bytes, at) = output.parts();
            let room = (bytes.len() - *at).min(left);
            let count = bits.take_bytes(&mut bytes[*at..][..room]);
            *at += count;
            left -= count;
        }
        Ok(self.end_block())
    }

    /// Decodes literals and matches: fast as long as there is enough of input and room, and one by
    /// one.
    fn decode_symbols(
        &mut self,
        bits: &mut Bits<'_>,
        window: &Window,
        output: &mut Output<'_>,
    ) -> Result<Option<Stop>, InflateError> {
        let codes = if self.is_fixed { Codes::fixed() } else { &self.codes };
        loop {
            if bits.unread() >= FAST_INPUT
                && output.widen(bits.unread())
                && decode_fast(codes, bits, window, output)?
            {
                return Ok(self.end_block());
            }
            let Some((symbol, count)) = next_symbol(codes, bits)? else {
                return Ok(Some(Stop::Input));
            };
            match symbol {
                Symbol::Literal(byte) => {
                    if !output.make_room(bits.unread()) {
                        return Ok(Some(Stop::Pause));
                    }
                    let (_, bytes, at) = output.parts();
                    bytes[*at] = byte;
                    *at += 1;
                    bits.skip(count);
                }
                Symbol::Match { distance, length } => {
                    bits.skip(count);
                    if length > output.room() {
                        self.step = Step::Match { distance, length };
                        return Ok(None);
                    }
                    check_distance(distance, window, output)?;
                    copy_within_room(distance, length, window, output);
                }
                Symbol::EndOfBlock => {
                    bits.skip(count);
                    return Ok(self.end_block());
                }
            }
        }
    }

    /// Copies a match for which there may not be enough room.
    fn copy_match(
        &mut self,
        distance: usize,
        mut length: usize,
        bits: &Bits<'_>,
        window: &Window,
        output: &mut Output<'_>,
    ) -> Result<Option<Stop>, InflateError> {
        while length > 0 {
            self.step = Step::Match { distance, length };
            if !output.make_room(bits.unread()) {
                return Ok(Some(Stop::Pause));
            }
            // Not before: what a match may refer to is another window after a pause.
            check_distance(distance, window, output)?;
            let count = length.min(output.room());
            copy_within_room(distance, count, window, output);
            length -= count;
        }
        self.step = Step::Symbols;
        Ok(None)
    }
}

const INVALID_LITERAL: InflateError = InflateError::InvalidData("invalid literal/length code");
const INVALID_DISTANCE: InflateError = InflateError::InvalidData("invalid distance code");
const TOO_FAR_BACK: InflateError = InflateError::InvalidData("invalid distance too far back");

/// Reads the next symbol, and gives how many bits it takes, or nothing unless all of them have
/// arrived.
///
/// An error shows once the bits that make it one have arrived.
fn next_symbol(codes: &Codes, bits: &mut Bits<'_>) -> Result<Option<(Symbol, u32)>, InflateError> {
    bits.refill();
    let (ahead, count) = (bits.ahead(), bits.count());
    let entry = codes.literals.get(ahead);
    let used = entry.bits();
    if used > count {
        return Ok(None);
    }
    if entry.is_literal() {
        return Ok(Some((Symbol::Literal(entry.byte()), used)));
    }
    if entry.is_exception() {
        let is_end = entry.is_end_of_block();
        return if is_end { Ok(Some((Symbol::EndOfBlock, used))) } else { Err(INVALID_LITERAL) };
    }
    let length = entry.value(ahead);
    let ahead = ahead >> used;
    let entry = codes.distances.get(ahead);
    if used + entry.code_bits() > count {
        return Ok(None);
    }
    if entry.is_exception() {
        return Err(INVALID_DISTANCE);
    }
    let used = used + entry.bits();
    let distance = entry.value(ahead);
    Ok((used <= count).then_some((Symbol::Match { distance, length }, used)))
}

/// RFC 1951, section 2: a match doesn't refer to what is before the beginning.
fn check_distance(
    distance: usize,
    window: &Window,
    output: &Output<'_>,
) -> Result<(), InflateError> {
    if distance > output.produced() + window.length() { Err(TOO_FAR_BACK) } else { Ok(()) }
}

/// Copies a match whose distance is checked, and for which there is room.
fn copy_within_room(distance: usize, length: usize, window: &Window, output: &mut Output<'_>) {
    let (start, bytes, at) = output.parts();
    let copied = match distance.checked_sub(*at - start) {
        Some(back) if back > 0 => window.copy(back, length, bytes, *at),
        _ => 0,
    };
    if copied < length {
        matches::copy(bytes, *at + copied, distance, length - copied);
    }
    *at += length;
}

/// One turn of the fast loop reads no more than two times eight bytes, of which the first are used
/// up to the last.
const FAST_INPUT: usize = 7 + 8;

/// What a turn takes from the bits is there: some literals whose codes are in the root, then a
/// length or another literal, of 15 bits and 5 extra bits at most; after the second refill a
/// distance, of 15 and 13.
const _: () = assert!(2 * 10 + 15 + 5 <= REFILLED && 15 + 13 <= REFILLED);

/// Decodes as long as there is input and room for a turn at least; says whether the block has
/// ended.
#[inline(never)] // alone it has registers enough
fn decode_fast(
    codes: &Codes,
    shared: &mut Bits<'_>,
    window: &Window,
    output: &mut Output<'_>,
) -> Result<bool, InflateError> {
    let (start, bytes, end) = output.parts();
    // Copies, which can be in registers.
    let (mut bits, mut at) = (*shared, *end);
    let result = loop {
        let Some(room) = bytes[at..].first_chunk_mut::<FAST_ROOM>() else { break Ok(false) };
        if bits.unread() < FAST_INPUT {
            break Ok(false);
        }
        bits.refill();
        let mut entry = codes.literals.root(bits.ahead());
        if entry.is_literal() {
            room[0] = entry.byte();
            at += 1;
            bits.skip(entry.bits());
            entry = codes.literals.root(bits.ahead());
            if entry.is_literal() {
                room[1] = entry.byte();
                at += 1;
                bits.skip(entry.bits());
                entry = codes.literals.root(bits.ahead());
            }
        }
        entry = codes.literals.follow(entry, bits.ahead());
        if entry.is_literal() {
            bytes[at] = entry.byte();
            at += 1;
            bits.skip(entry.bits());
            continue;
        }
        if entry.is_exception() {
            bits.skip(entry.bits());
            break if entry.is_end_of_block() { Ok(true) } else { Err(INVALID_LITERAL) };
        }
        let length = entry.value(bits.ahead());
        bits.skip(entry.bits());
        bits.refill();
        let entry = codes.distances.get(bits.ahead());
        if entry.is_exception() {
            break Err(INVALID_DISTANCE);
        }
        let distance = entry.value(bits.ahead());
        bits.skip(entry.bits());

        let produced = at - start;
        if distance <= produced {
            matches::copy(bytes, at, distance, length);
        } else if distance - produced <= window.length() {
            let copied = window.copy(distance - produced, length, bytes, at);
            if copied < length {
                matches::copy(bytes, at + copied, distance, length - copied);
            }
        } else {
            break Err(TOO_FAR_BACK);
        }
        at += length;
    };
    (*shared, *end) = (bits, at);
    result
}
